-- modules: one table per file, declared before all of them, so that a function may call any other; and the globals they use.

local codec, work, due, grants, life, plans, returns, usage, holds = {}, {}, {}, {}, {}, {}, {}, {}, {}
local authorizations, settlements, refunds, accounts, giving, reads, audit, rights = {}, {}, {}, {}, {}, {}, {}, {}

-- Lua's and the store's functions do not exist while a library is loaded, and later each use of a global is looked up through
-- two tables and a metatable: they are bound on the first call.
local function globals()
  return ipairs, pairs, unpack, tonumber
end

local ipairs, pairs, unpack, tonumber
local call, acl_check_cmd, encode, decode, struct_pack, struct_unpack
local abs, floor, min, max, sub, match, format, concat, insert_at, sort

local function bind()
  ipairs, pairs, unpack, tonumber = globals()
  call, acl_check_cmd, encode, decode = redis.call, redis.acl_check_cmd, cmsgpack.pack, cmsgpack.unpack
  struct_pack, struct_unpack = struct.pack, struct.unpack
  abs, floor, min, max = math.abs, math.floor, math.min, math.max
  sub, match, format = string.sub, string.match, string.format
  concat, insert_at, sort = table.concat, table.insert, table.sort
end

-- rights: may this caller use every command of the library? The store checks them one by one as they are called, and a function
-- that is refused one in the middle of its writes would leave half an operation behind.

local COMMANDS = {
  { "TIME" }, { "GET", "k" }, { "SET", "k", "v" }, { "INCRBY", "k", "1" }, { "HGET", "k", "f" }, { "HGETALL", "k" },
  { "HMGET", "k", "f" }, { "HKEYS", "k" }, { "HLEN", "k" }, { "HEXISTS", "k", "f" }, { "HSCAN", "k", "0" }, { "HSET", "k", "f", "v" },
  { "HDEL", "k", "f" }, { "ZADD", "k", "0", "m" }, { "ZREM", "k", "m" }, { "ZRANGE", "k", "0", "0" }, { "ZRANK", "k", "m" },
  { "ZCOUNT", "k", "0", "0" }, { "ZCARD", "k" }, { "ZSCORE", "k", "m" }, { "XADD", "k", "*", "f", "v" },
  { "XREVRANGE", "k", "+", "-" },
}

-- Return the names of the commands that the caller may not use on the keys of this partition.
function rights.missing(keys)
  if not call then bind() end
  local missing, prefix = {}, match(keys[1], "^cg:{%d+}:")
  for _, command in ipairs(COMMANDS) do
    local words = { unpack(command) }
    if words[2] then words[2] = prefix .. words[2] end
    if not acl_check_cmd(unpack(words)) then missing[#missing + 1] = words[1] end
  end
  return missing
end

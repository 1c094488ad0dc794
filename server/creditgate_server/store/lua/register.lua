-- register: the functions that callers call. Each takes one root account's key and any number of operations on its tree, and
-- answers one packed reply per operation, in order. @HASH@ is the hash of this library, so that versions can live side by side.

local WRITES = {
  reserve = authorizations.reserve, charge = authorizations.charge, commit = settlements.commit, release = settlements.release,
  create_account = administration.create_account, update_account = administration.update_account, grant = administration.grant,
}

local READS = {
  quote = authorizations.quote, get_account = reads.get_account, list_accounts = reads.list_accounts,
  get_standing = reads.get_standing, list_grants = reads.list_grants, get_hold = reads.get_hold, list_holds = reads.list_holds,
  due = reads.due, audit_account = audit.account, audit_holds = audit.holds,
  audit_seq = audit.seq,
}

-- ARGV: settings, then name, packed arguments, name, packed arguments …
local function run(operations, w, argv)
  local replies = {}
  for i = 2, #argv, 2 do
    replies[#replies + 1] = encode(operations[argv[i]](w, decode(argv[i + 1])))
  end
  return replies
end

local function write(keys, argv)
  local w = work.open(keys, argv)
  local replies = run(WRITES, w, argv)
  work.save(w)
  return replies
end

local function read(keys, argv)
  return run(READS, work.open(keys, argv), argv)
end

-- sweep: end what is due of one tree.
-- ARGS: root max
-- RETURNS: OK ended backlog
local function sweep(keys, argv)
  local w = work.open(keys, argv)
  local root_id, max = unpack(decode(argv[2]))
  local root = work.account(w, root_id)
  local ended = root and due.turn(w, root, max) or 0
  work.save(w)
  return encode({ "OK", ended, w.backlog or false })
end

-- A full store refuses what needs room (decide), and still settles what is held, which frees it.
redis.register_function({ function_name = "cg_decide_@HASH@", callback = write })
redis.register_function({ function_name = "cg_settle_@HASH@", callback = write, flags = { "allow-oom" } })
redis.register_function({ function_name = "cg_sweep_@HASH@", callback = sweep, flags = { "allow-oom" } })
redis.register_function({ function_name = "cg_read_@HASH@", callback = read, flags = { "no-writes" } })

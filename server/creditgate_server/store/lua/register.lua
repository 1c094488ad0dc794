-- register: the functions that callers call. Each takes one key, a root account's or (for work on a whole partition) its due
-- index's, and those that carry operations answer one packed reply for each, in order. @HASH@
-- is the hash of this library, so that versions can live side by side.

local WRITES = {
  reserve = authorizations.reserve, charge = authorizations.charge, commit = settlements.commit, release = settlements.release,
  extend = settlements.extend, refund = refunds.refund, create_account = accounts.create_account,
  update_account = accounts.update_account, close_account = accounts.close_account, grant = giving.grant, revoke = giving.revoke,
  transfer = giving.transfer, set_plan = plans.set_plan,
}

local READS = {
  quote = authorizations.quote, get_account = reads.get_account, list_accounts = reads.list_accounts,
  get_standing = reads.get_standing, explain = reads.explain, list_grants = reads.list_grants, get_hold = reads.get_hold,
  list_holds = reads.list_holds, due = reads.due, audit_account = audit.account, audit_ended = audit.ended,
  audit_holds = audit.holds, audit_expiries = audit.expiries, audit_seq = audit.seq, audit_partition = audit.partition,
  get_plan = plans.get_plan,
}

-- ARGV: settings, the time that the caller expects, then name, packed arguments, name, packed arguments …
local FIRST_OPERATION = 3

local function run(operations, w, argv)
  local replies = {}
  for i = FIRST_OPERATION, #argv, 2 do
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

-- What a caller must repeat; until then nothing after it may happen to the same account.
local REPEATED = { REPRICE = true, SWEEP = true }

-- batch: operations in order, those of WRITES and quotes. What follows one that must be repeated, for the same account, is not
-- done: the order of an account is kept.
-- ARGS: operations
-- RETURNS: replies | AFTER
local function batch(keys, argv)
  local w, replies, blocked = work.open(keys, argv), {}, {}
  for i = FIRST_OPERATION, #argv, 2 do
    local args, n = decode(argv[i + 1]), #replies + 1
    local account = args[1]
    if blocked[account] then
      replies[n] = encode({ "AFTER" })
    else
      local reply = (WRITES[argv[i]] or READS[argv[i]])(w, args)
      replies[n], blocked[account] = encode(reply), REPEATED[reply[1]]
    end
  end
  work.save(w)
  return replies
end

local DECIDES = { reserve = true, charge = true }

-- Where a reply says that its operation had been done before.
local REPLAYED = { reserve = 8, charge = 8, commit = 10, release = 10, refund = 6 }

-- The reply to an operation of an atomic batch that was not applied: what it did before, in a batch that was, is true all the same.
local function as_it_stands(keys, argv, i)
  local position = REPLAYED[argv[i]]
  local reply = position and WRITES[argv[i]](work.open(keys, argv), decode(argv[i + 1]))
  if reply and reply[1] == "OK" and reply[position] then return reply end
  return { "BATCH_NOT_APPLIED" }
end

-- atomic: operations in order, all or none. Where one fails or is denied nothing is written.
-- ARGS: operations
-- RETURNS: replies | BATCH_NOT_APPLIED
local function atomic(keys, argv)
  local w, replies, failed = work.open(keys, argv), {}, {}
  for i = FIRST_OPERATION, #argv, 2 do
    local reply = WRITES[argv[i]](w, decode(argv[i + 1]))
    local n = #replies + 1
    replies[n] = encode(reply)
    failed[n] = reply[1] ~= "OK" or (DECIDES[argv[i]] and reply[2] == DECISION.DENIED)
    failed.any = failed.any or failed[n]
  end
  if not failed.any then
    work.save(w)
    return replies
  end
  for n = 1, #replies do
    if not failed[n] then replies[n] = encode(as_it_stands(keys, argv, FIRST_OPERATION + 2 * (n - 1))) end
  end
  return replies
end

-- sweep: end what is due of one tree, up to the end of a period: then that of the next is to be brought, by another call.
-- ARGS: root max account_id end_ms next_end_ms
-- RETURNS: OK ended backlog renewing
--   account_id: whose period ends at end_ms, and the next one at next_end_ms; ""    renewing: { account, end_ms, cycle }, cycle false where
--   no period follows
local function sweep(keys, argv)
  local w = work.open(keys, argv)
  local root_id, max, account_id, end_ms, next_end_ms = unpack(decode(argv[FIRST_OPERATION]))
  local root = work.account(w, root_id)
  local ended = root and due.turn(w, root, max) or 0
  local renewing = w.renewing
  if renewing and renewing.id == account_id and plans.get(renewing).end_ms == end_ms then
    plans.renew(w, renewing, next_end_ms)
    ended, renewing = ended + 1, nil
  end
  work.save(w)
  if not renewing then return encode({ "OK", ended, w.backlog or false, false }) end
  local plan = plans.get(renewing)
  return encode({ "OK", ended, true, { renewing.id, plan.end_ms, plans.cycle(plan) or false } })
end

-- rights: the commands that the caller may not use.
local function missing_rights(keys)
  return rights.missing(keys)
end

-- A full store refuses what needs room (decide), and still settles and ends what is held, which frees it.
redis.register_function({ function_name = "cg_decide_@HASH@", callback = write })
redis.register_function({ function_name = "cg_settle_@HASH@", callback = write, flags = { "allow-oom" } })
redis.register_function({ function_name = "cg_batch_@HASH@", callback = batch })
redis.register_function({ function_name = "cg_atomic_@HASH@", callback = atomic })
redis.register_function({ function_name = "cg_sweep_@HASH@", callback = sweep, flags = { "allow-oom" } })
redis.register_function({ function_name = "cg_read_@HASH@", callback = read, flags = { "no-writes" } })
redis.register_function({ function_name = "cg_rights_@HASH@", callback = missing_rights, flags = { "no-writes" } })

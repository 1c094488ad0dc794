-- settlements: Commit and Release, which end a hold.

-- The answer to every settlement: { status, state, captured, restored, expired, overage, debt_repaid, late, replayed, balance }.
local function answer(hold, lineage, replayed)
  return { "OK", hold.state, hold.captured, hold.restored, hold.expired, hold.overage, hold.debt_repaid, hold.late, replayed,
    authorizations.balance(lineage, hold, usage.demand(lineage, hold), hold.unit) }
end

-- Return the lineage and the hold that a caller names; or nil and the reply that says why not.
local function find(w, account, id)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return nil, failure end
  local root_id = lineage[#lineage].id
  local hold = holds.get(w, root_id, id)
  if not hold or hold.account ~= account then return nil, { "RESERVATION_NOT_FOUND" } end
  if holds.is_overdue(w, hold) then return nil, { "SWEEP", root_id } end
  return lineage, hold
end

-- What a late commit may do is the account's policy, or the nearest above it that states one; by default it is accepted.
local function accepts_late_commit(lineage)
  for _, account in ipairs(lineage) do
    if account.s.late_commit ~= 0 then return account.s.late_commit == LATE_COMMIT.ACCEPT end
  end
  return true
end

local function journal_commit(w, account, id, hold, labels)
  work.journal(w, "committed", account, id, { hold.captured, hold.restored, hold.expired, hold.overage, hold.debt_repaid, hold.late,
    labels, hold.draws })
end

local function commit_expired(w, lineage, account, id, hold, credits, labels)
  if hold.expiry_action == EXPIRY_ACTION.COMMIT then
    if credits == hold.captured then return answer(hold, lineage, true) end
    return { "HOLD_EXPIRED" }
  end
  if not accepts_late_commit(lineage) then return { "HOLD_EXPIRED" } end
  holds.charge_late(w, hold, credits)
  journal_commit(w, account, id, hold, labels)
  return answer(hold, lineage, false)
end

-- commit: capture what a hold's usage really cost and give back the rest; what is beyond the hold is drawn, into debt if need be.
-- ARGS: account id credits labels
-- RETURNS: a settlement | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | HOLD_ALREADY_COMMITTED | HOLD_ALREADY_RELEASED | HOLD_EXPIRED | BALANCE_OVERFLOW | SWEEP root
-- INVARIANTS: a hold is settled once; credits -1 is all that is held
function settlements.commit(w, args)
  local account, id, credits, labels = unpack(args)
  local lineage, hold = find(w, account, id)
  if not lineage then return hold end
  if credits < 0 then credits = hold.credits end
  if hold.state == RESERVATION_STATE.RELEASED then return { "HOLD_ALREADY_RELEASED" } end
  if hold.state == RESERVATION_STATE.COMMITTED then
    if hold.captured ~= credits then return { "HOLD_ALREADY_COMMITTED" } end
    return answer(hold, lineage, true)
  end
  if work.account(w, hold.payer).c.used + credits > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
  if hold.state == RESERVATION_STATE.EXPIRED then
    return commit_expired(w, lineage, account, id, hold, credits, labels)
  end
  holds.settle(w, lineage[#lineage].id, id, hold, credits, RESERVATION_STATE.COMMITTED, SETTLED_BY.CALLER)
  journal_commit(w, account, id, hold, labels)
  return answer(hold, lineage, false)
end

-- release: give back all that a hold holds. A hold that expired and was given back is as good as released.
-- ARGS: account id reason
-- RETURNS: a settlement | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | HOLD_ALREADY_COMMITTED | HOLD_EXPIRED | SWEEP root
-- INVARIANTS: a hold is settled once
function settlements.release(w, args)
  local account, id, reason = unpack(args)
  local lineage, hold = find(w, account, id)
  if not lineage then return hold end
  if hold.state == RESERVATION_STATE.COMMITTED then return { "HOLD_ALREADY_COMMITTED" } end
  if hold.state == RESERVATION_STATE.EXPIRED and hold.expiry_action == EXPIRY_ACTION.COMMIT then return { "HOLD_EXPIRED" } end
  if hold.state ~= RESERVATION_STATE.PENDING then return answer(hold, lineage, true) end
  holds.settle(w, lineage[#lineage].id, id, hold, 0, RESERVATION_STATE.RELEASED, SETTLED_BY.CALLER)
  work.journal(w, "released", account, id, { hold.restored, hold.expired, hold.debt_repaid, reason })
  return answer(hold, lineage, false)
end

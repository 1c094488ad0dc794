-- settlements: Commit, Release and Extend, which capture, end and prolong a hold.

-- What a settlement moved: { wanted, captured, restored, expired, overage, shortfall, debt_repaid, late }.
local WANTED, CAPTURED, RESTORED, EXPIRED, OVERAGE_TAKEN, SHORTFALL, DEBT_REPAID, LATE = 1, 2, 3, 4, 5, 6, 7, 8

-- The answer to every settlement: { status, state, captured, restored, expired, overage, shortfall, debt_repaid, late, replayed,
-- balance }.
local function answer(hold, moved, lineage, replayed)
  return { "OK", hold.state, moved[CAPTURED], moved[RESTORED], moved[EXPIRED], moved[OVERAGE_TAKEN], moved[SHORTFALL],
    moved[DEBT_REPAID], moved[LATE], replayed,
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

-- Return a policy of the account, or of the nearest above it that states one, or the default.
local function policy(lineage, name, default)
  for _, account in ipairs(lineage) do
    if account.s[name] ~= 0 then return account.s[name] end
  end
  return default
end

-- Take what a commit wants beyond what was held, as far as the overage policy lets it. Returns what was taken.
local function take_excess(w, lineage, hold, excess)
  if excess == 0 then return 0 end
  local taken = excess
  if policy(lineage, "overage", OVERAGE.ALLOW) == OVERAGE.CAP then taken = holds.room(w, hold, excess) end
  if taken > 0 then holds.spend(w, hold, taken, "overage") end
  return taken
end

-- Commit to an open hold: capture of what it holds, end it unless it is kept open, and take what is beyond it.
local function commit_open(w, lineage, id, hold, wanted, keep_open)
  local within, held = min(wanted, hold.held), hold.held
  local moved
  if keep_open then
    holds.capture(w, hold, within)
    hold.held = held - within
    moved = { wanted, within, 0, 0, 0, 0, 0, false }
  else
    holds.settle(w, lineage[#lineage].id, id, hold, within, RESERVATION_STATE.COMMITTED, SETTLED_BY.CALLER)
    moved = hold.final
  end
  local overage = take_excess(w, lineage, hold, wanted - within)
  moved[WANTED], moved[CAPTURED], moved[OVERAGE_TAKEN] = wanted, within + overage, overage
  moved[SHORTFALL] = wanted - within - overage
  return moved
end

-- Commit to a hold that had expired and was given back: a charge of its own, at the frozen price, from the pots it drew on.
local function commit_late(w, lineage, hold, wanted, keep_open)
  local within = min(wanted, hold.held)
  holds.spend(w, hold, within, "late")
  local overage = take_excess(w, lineage, hold, wanted - within)
  if keep_open then hold.held = hold.held - within end
  return { wanted, within + overage, 0, 0, overage, wanted - within - overage, 0, true }
end

-- Commit to a hold whose expiry captured all it held: it takes nothing, and what the last one leaves unclaimed goes back.
local function commit_claimed(w, hold, wanted, keep_open)
  local claimed = min(wanted, hold.held)
  if keep_open then
    hold.held, hold.dirty = hold.held - claimed, true
    return { wanted, 0, 0, 0, 0, wanted - claimed, 0, true }
  end
  local unclaimed = min(hold.held - claimed, hold.captured - hold.refunded)
  local restored, expired, repaid = holds.refund(w, hold, unclaimed)
  hold.restored = hold.restored + restored
  return { wanted, 0, restored, expired, 0, wanted - claimed, repaid, true }
end

-- Return the reply that a commit must be refused with, nil where it may go on.
local function refusal(w, lineage, hold, wanted)
  if hold.state == RESERVATION_STATE.RELEASED then return { "HOLD_ALREADY_RELEASED" } end
  if hold.state == RESERVATION_STATE.COMMITTED then return { "HOLD_ALREADY_COMMITTED" } end
  if hold.state == RESERVATION_STATE.EXPIRED then
    if lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", lineage[1].id } end
    if hold.expiry_action == EXPIRY_ACTION.COMMIT then return nil end
    if policy(lineage, "late_commit", LATE_COMMIT.ACCEPT) == LATE_COMMIT.REJECT then return { "HOLD_EXPIRED" } end
  end
  if wanted > hold.held then
    if policy(lineage, "overage", OVERAGE.ALLOW) == OVERAGE.REJECT then return { "OVERAGE_REJECTED", hold.held } end
    if w.backlog then return { "SWEEP", lineage[#lineage].id } end
  end
  if work.account(w, hold.payer).c.used + wanted > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
end

-- Carry out a commit that nothing speaks against, and journal it.
local function carry_out(w, lineage, account, id, hold, wanted, keep_open, labels)
  local moved
  if hold.state == RESERVATION_STATE.PENDING then
    moved = commit_open(w, lineage, id, hold, wanted, keep_open)
  else
    local claimed = hold.expiry_action == EXPIRY_ACTION.COMMIT
    if claimed then
      moved = commit_claimed(w, hold, wanted, keep_open)
    else
      moved = commit_late(w, lineage, hold, wanted, keep_open)
    end
    if not keep_open then
      hold.state, hold.settle_ms, hold.final = RESERVATION_STATE.COMMITTED, w.now, moved
      if not claimed then hold.settled_by = SETTLED_BY.CALLER end
      hold.forget_ms, hold.dirty = work.after(w, w.settings.expired_ttl_ms), true
    end
  end
  work.touch(w, lineage[1])
  work.journal(w, keep_open and "captured" or "committed", account, id, { moved, labels, hold.taken })
  return moved
end

local function capture_key(w, root_id, id, commit_id)
  return w.prefix .. "k:" .. root_id .. "|" .. format("%d", #id) .. "|" .. id .. "|" .. commit_id
end

-- Commit once for each commit id; it is remembered with the hold it was for, lest that one's id come again.
local function commit_part(w, lineage, account, id, hold, credits, commit_id, labels)
  local key = capture_key(w, lineage[#lineage].id, id, commit_id)
  local known, content = work.recall(w, key, codec.movement), format("%d", credits)
  if known and known.amounts[1] == hold.create_ms then
    if known.content ~= content then return { "ID_REUSED" } end
    return answer(hold, known.amounts[2], lineage, true)
  end
  local wanted = credits < 0 and hold.held or credits
  local refused = refusal(w, lineage, hold, wanted)
  if refused then return refused end
  local moved = carry_out(w, lineage, account, id, hold, wanted, true, labels)
  work.keep(w, key, { forget_ms = work.after(w, w.settings.charge_ttl_ms), content = content, amounts = { hold.create_ms, moved } },
    codec.pack_movement)
  return answer(hold, moved, lineage, false)
end

-- commit: capture what a hold's usage really cost. With a commit id the rest stays held; without, it is given back. What is beyond
-- the hold is taken as the overage policy says.
-- ARGS: account id credits commit_id labels
-- RETURNS: a settlement | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | ID_REUSED | HOLD_ALREADY_COMMITTED | HOLD_ALREADY_RELEASED | HOLD_EXPIRED | OVERAGE_REJECTED held | ACCOUNT_CLOSED id | BALANCE_OVERFLOW | SWEEP root
-- INVARIANTS: a hold is settled once, a commit id captures once; credits -1 is all that is held
function settlements.commit(w, args)
  local account, id, credits, commit_id, labels = unpack(args)
  local lineage, hold = find(w, account, id)
  if not lineage then return hold end
  if commit_id ~= "" then return commit_part(w, lineage, account, id, hold, credits, commit_id, labels) end
  local wanted = credits < 0 and hold.held or credits
  if hold.state == RESERVATION_STATE.COMMITTED and hold.final[WANTED] == wanted then
    return answer(hold, hold.final, lineage, true)
  end
  local refused = refusal(w, lineage, hold, wanted)
  if refused then return refused end
  return answer(hold, carry_out(w, lineage, account, id, hold, wanted, false, labels), lineage, false)
end

-- release: give back all that a hold still holds. A hold that expired and was given back is as good as released.
-- ARGS: account id reason
-- RETURNS: a settlement | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | HOLD_ALREADY_COMMITTED | HOLD_EXPIRED | SWEEP root
-- INVARIANTS: a hold is settled once
function settlements.release(w, args)
  local account, id, reason = unpack(args)
  local lineage, hold = find(w, account, id)
  if not lineage then return hold end
  if hold.state == RESERVATION_STATE.COMMITTED then return { "HOLD_ALREADY_COMMITTED" } end
  if hold.state == RESERVATION_STATE.EXPIRED and hold.expiry_action == EXPIRY_ACTION.COMMIT then return { "HOLD_EXPIRED" } end
  if hold.state ~= RESERVATION_STATE.PENDING then return answer(hold, hold.final, lineage, true) end
  holds.settle(w, lineage[#lineage].id, id, hold, 0, RESERVATION_STATE.RELEASED, SETTLED_BY.CALLER)
  work.journal(w, "released", account, id, { hold.final, reason })
  return answer(hold, hold.final, lineage, false)
end

-- extend: hold for longer; never for less, and never past 7 days from the hold's creation.
-- ARGS: account id ttl_ms
-- RETURNS: OK expire_ms | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | HOLD_ALREADY_COMMITTED | HOLD_ALREADY_RELEASED | HOLD_EXPIRED | SWEEP root
-- INVARIANTS: expire_ms never falls
function settlements.extend(w, args)
  local account, id, ttl_ms = unpack(args)
  local lineage, hold = find(w, account, id)
  if not lineage then return hold end
  if hold.state == RESERVATION_STATE.COMMITTED then return { "HOLD_ALREADY_COMMITTED" } end
  if hold.state == RESERVATION_STATE.RELEASED then return { "HOLD_ALREADY_RELEASED" } end
  if hold.state == RESERVATION_STATE.EXPIRED then return { "HOLD_EXPIRED" } end
  local expire_ms = min(work.after(w, ttl_ms), hold.create_ms + holds.LIFE_MS_MAX)
  if expire_ms > hold.expire_ms then
    holds.extend(w, lineage[#lineage].id, id, hold, expire_ms)
    work.touch(w, lineage[1])
    work.journal(w, "extended", account, id, { expire_ms })
  end
  return { "OK", hold.expire_ms }
end

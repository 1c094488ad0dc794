-- refunds: Refund, which gives back what a settled hold or a charge captured.

-- Return what is to be refunded, a hold or a charge, and how much of it is left; or nil and the reply that says why not.
local function find(w, lineage, account, reservation_id, charge_id)
  local root_id = lineage[#lineage].id
  if reservation_id ~= "" then
    local hold = holds.get(w, root_id, reservation_id)
    if not hold or hold.account ~= account then return nil, { "RESERVATION_NOT_FOUND" } end
    if holds.is_overdue(w, hold) then return nil, { "SWEEP", root_id } end
    if hold.state == RESERVATION_STATE.PENDING then return nil, { "HOLD_STILL_OPEN" } end
    return hold, hold.captured - hold.refunded
  end
  local charge = authorizations.find_charge(w, root_id, charge_id)
  if not charge or charge.account ~= account or charge.decision == DECISION.DENIED then return nil, { "CHARGE_NOT_FOUND" } end
  return charge, charge.credits - charge.refunded
end

local function answer(lineage, amounts, replayed)
  return { "OK", amounts[1], amounts[2], amounts[3], amounts[4], replayed, accounts.balance(lineage) }
end

-- refund: give back credits of a settled hold or of a charge (the other's id is empty), last captured first.
-- ARGS: account id fingerprint reservation_id charge_id credits
-- RETURNS: OK credits restored expired debt_repaid replayed balance | ACCOUNT_NOT_FOUND id | ID_REUSED | ACCOUNT_CLOSED id | RESERVATION_NOT_FOUND | HOLD_STILL_OPEN | CHARGE_NOT_FOUND | REFUND_EXCEEDS_CAPTURED left | SWEEP root
-- INVARIANTS: never more in sum than was captured; a refund id gives back once; credits -1 is all that is left
function refunds.refund(w, args)
  local account, id, fingerprint, reservation_id, charge_id, credits = unpack(args)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return failure end
  local key = w.prefix .. "r:" .. lineage[#lineage].id .. "|" .. id
  local known = work.recall(w, key, codec.movement)
  if known then
    if known.content ~= fingerprint then return { "ID_REUSED" } end
    return answer(lineage, known.amounts, true)
  end
  if lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", account } end
  local paid, left = find(w, lineage, account, reservation_id, charge_id)
  if not paid then return left end
  if credits > left then return { "REFUND_EXCEEDS_CAPTURED", left } end
  if credits < 0 then credits = left end
  local restored, expired, repaid
  work.touch(w, lineage[1])
  if reservation_id ~= "" then
    restored, expired, repaid = holds.refund(w, paid, credits)
  else
    restored, expired, repaid = usage.refund(w, paid.taken, credits)
    paid.refunded, paid.encoder, paid.dirty = paid.refunded + credits, codec.pack_charge, true
  end
  local amounts = { credits, restored, expired, repaid }
  work.keep(w, key, { forget_ms = work.after(w, w.settings.charge_ttl_ms), content = fingerprint, amounts = amounts }, codec.pack_movement)
  work.journal(w, "refunded", account, id, { reservation_id, charge_id, amounts })
  return answer(lineage, amounts, false)
end

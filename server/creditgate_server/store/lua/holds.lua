-- holds: the life of a reservation, from held to settled, exactly once.

function holds.key(w, root_id, id)
  return w.prefix .. "h:" .. root_id .. "|" .. id
end

function holds.get(w, root_id, id)
  local key = holds.key(w, root_id, id)
  local hold = w.holds[key]
  if hold == nil then
    local packed = call("GET", key)
    hold = packed and codec.hold(packed) or false
    w.holds[key] = hold
  end
  return hold or nil
end

-- Whether a hold's time is over and it has not ended: more was due than this call may end.
function holds.is_overdue(w, hold)
  return hold.state == RESERVATION_STATE.PENDING and hold.expire_ms <= w.now
end

-- Keep a new hold of a leaf until it is settled, and note when its time is over.
function holds.open(w, root_id, id, leaf, hold)
  hold.dirty = true
  w.holds[holds.key(w, root_id, id)] = hold
  leaf.c.open_holds, w.opened = leaf.c.open_holds + 1, w.opened + 1
  leaf.dirty = true
  work.touch(w, leaf)
  due.schedule(w, root_id, "h" .. leaf.id .. "|" .. id, hold.expire_ms)
end

local function count_usage(leaf, credits)
  if credits == 0 then return end
  local t = work.totals(leaf)
  t.usage = t.usage + credits
  leaf.dirty = true
end

-- End an open hold: capture `credits` (what is beyond the hold is overage) and give the rest back. The caller journals. What a
-- settled record needs no more, it drops.
function holds.settle(w, root_id, id, hold, credits, state, settled_by)
  local leaf, pots, draws = work.account(w, hold.account), usage.demand_again(w, hold), {}
  local within, restored, expired, repaid = min(credits, hold.credits), 0, 0, 0
  work.touch(w, leaf)
  for i, draw in ipairs(hold.draws) do
    local captured, back, ended, paid = usage.settle(w, pots[i], draw, within)
    if pots[i].pot == POT.WALLET then restored, expired, repaid = back, ended, paid end
    draws[i] = captured
  end
  local overage = credits - within
  if overage > 0 then
    for _, draw in ipairs(usage.charge(w, pots, overage, "overage")) do draws[#draws + 1] = draw end
  end
  leaf.c.open_holds, w.opened = leaf.c.open_holds - 1, w.opened - 1
  leaf.dirty = true
  count_usage(leaf, credits)
  hold.state, hold.settle_ms, hold.settled_by, hold.draws, hold.labels = state, w.now, settled_by, draws, {}
  hold.captured, hold.restored, hold.expired, hold.overage = credits, restored, expired, overage
  hold.debt_repaid, hold.late = repaid, false
  hold.ttl_ms = settled_by == SETTLED_BY.EXPIRY and w.expired_ttl_ms or w.settled_ttl_ms
  hold.dirty = true
  due.schedule(w, root_id, "h" .. hold.account .. "|" .. id, nil)
end

-- Charge what a hold's usage cost after the hold had expired and was given back: at the frozen price, from the pots it drew on.
function holds.charge_late(w, hold, credits)
  local leaf = work.account(w, hold.account)
  work.touch(w, leaf)
  hold.draws = usage.charge(w, usage.demand_again(w, hold), credits, "late")
  count_usage(leaf, credits)
  hold.state, hold.settle_ms, hold.settled_by = RESERVATION_STATE.COMMITTED, w.now, SETTLED_BY.CALLER
  hold.captured, hold.restored, hold.expired, hold.overage, hold.debt_repaid = credits, 0, 0, 0, 0
  hold.late, hold.ttl_ms, hold.dirty = true, w.expired_ttl_ms, true
end

-- End a hold whose time is over, as it was told to when it was made.
function holds.expire(w, root_id, id, hold)
  local captured = hold.expiry_action == EXPIRY_ACTION.COMMIT and hold.credits or 0
  holds.settle(w, root_id, id, hold, captured, RESERVATION_STATE.EXPIRED, SETTLED_BY.EXPIRY)
  work.journal(w, "hold_expired", hold.account, id, { captured, hold.restored, hold.expired, hold.debt_repaid, hold.draws })
end

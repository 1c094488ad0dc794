-- holds: the life of a reservation: held, captured in part or whole, given back, ended exactly once.

holds.LIFE_MS_MAX = 7 * 24 * 3600 * 1000 -- from its creation

function holds.key(w, root_id, id)
  return w.prefix .. "h:" .. root_id .. "|" .. id
end

-- Return the hold with an id, nil where there is none, or none that is remembered.
function holds.get(w, root_id, id)
  local key = holds.key(w, root_id, id)
  local hold = w.holds[key]
  if hold == nil then
    local packed = call("GET", key)
    hold = packed and codec.hold(packed) or false
    w.holds[key] = hold
  end
  if not hold or (hold.forget_ms and hold.forget_ms > 0 and hold.forget_ms <= w.horizon) then return nil end
  return hold
end

-- Whether a hold's time is over and it has not ended: more was due than this call may end.
function holds.is_overdue(w, hold)
  return hold.state == RESERVATION_STATE.PENDING and hold.expire_ms <= w.horizon
end

-- Keep a new hold of a leaf until it is settled, and note when its time is over.
function holds.open(w, root_id, id, leaf, hold)
  hold.held, hold.captured, hold.restored, hold.refunded, hold.dirty = hold.credits, 0, 0, 0, true
  w.holds[holds.key(w, root_id, id)] = hold
  leaf.c.open_holds, w.opened = leaf.c.open_holds + 1, w.opened + 1
  leaf.dirty = true
  work.touch(w, leaf)
  due.schedule(w, root_id, "h" .. leaf.id .. "|" .. id, hold.expire_ms)
end

-- Hold until another time.
function holds.extend(w, root_id, id, hold, expire_ms)
  hold.expire_ms, hold.dirty = expire_ms, true
  due.schedule(w, root_id, "h" .. hold.account .. "|" .. id, expire_ms)
end

local function count_captured(w, hold, credits)
  hold.captured, hold.dirty = hold.captured + credits, true
  if credits == 0 then return end
  local leaf = work.account(w, hold.account)
  local t = work.totals(leaf)
  t.usage = t.usage + credits
  leaf.dirty = true
end

-- What a hold has captured, one draw per pot that it drew on. Once it has any, these name its pots, for `draws` may be gone.
local function taken_of(hold)
  if not hold.taken then
    hold.taken = {}
    for i, draw in ipairs(hold.draws) do hold.taken[i] = usage.no_draw(draw) end
  end
  return hold.taken
end

local function capture(w, hold, pots, credits)
  local taken = taken_of(hold)
  work.touch(w, work.account(w, hold.account))
  for i, draw in ipairs(hold.draws) do hold.draws[i] = usage.capture(w, pots[i], draw, credits, taken[i]) end
  count_captured(w, hold, credits)
end

-- Capture credits that a hold holds, of every pot that it drew on.
function holds.capture(w, hold, credits)
  capture(w, hold, usage.demand_again(w, hold), credits)
end

-- Spend credits that a hold does not hold, of every pot that it drew on; `part` names the total that counts them too.
function holds.spend(w, hold, credits, part)
  work.touch(w, work.account(w, hold.account))
  usage.spend(w, usage.demand_again(w, hold), credits, taken_of(hold), part)
  count_captured(w, hold, credits)
end

-- Return how many of `excess` credits beyond a hold its pots still have under CAP.
function holds.room(w, hold, excess)
  local capacity = usage.capacity(usage.demand_again(w, hold))
  return capacity and max(0, min(excess, capacity)) or excess
end

-- Give credits back that a hold has captured, last captured first. Returns what came back to the payer's wallet, what ended grants
-- swallowed, and how much debt the former lowered.
function holds.refund(w, hold, credits)
  work.touch(w, work.account(w, hold.account))
  local restored, expired, repaid = usage.refund(w, hold.taken, credits)
  hold.refunded, hold.dirty = hold.refunded + credits, true
  return restored, expired, repaid
end

-- Give back what a hold still holds, and drop its draws, which no settled record needs. Returns what reached live grants of the
-- payer's wallet, what ended ones swallowed, and how much debt the former repaid.
local function give_back(w, hold, pots)
  local restored, expired, repaid = 0, 0, 0
  for i, draw in ipairs(hold.draws) do
    local back, ended, paid = usage.give_back(w, pots[i], draw)
    if pots[i].pot == POT.WALLET then restored, expired, repaid = back, ended, paid end
  end
  hold.draws = {}
  return restored, expired, repaid
end

-- End an open hold: capture `credits` of what it holds and give the rest back. The caller adds to hold.final what else was taken,
-- and journals.
function holds.settle(w, root_id, id, hold, credits, state, settled_by)
  local leaf, held, pots = work.account(w, hold.account), hold.held, usage.demand_again(w, hold)
  capture(w, hold, pots, credits)
  local restored, expired, repaid = give_back(w, hold, pots)
  leaf.c.open_holds, w.opened = leaf.c.open_holds - 1, w.opened - 1
  leaf.dirty = true
  hold.state, hold.settle_ms, hold.settled_by, hold.held, hold.labels = state, w.now, settled_by, held, {}
  hold.restored = hold.restored + restored
  hold.final = { credits, credits, restored, expired, 0, 0, repaid, false }
  local expired_at_ms = settled_by == SETTLED_BY.EXPIRY and hold.expire_ms
  hold.forget_ms = expired_at_ms and expired_at_ms + w.settings.expired_ttl_ms or work.after(w, w.settings.settled_ttl_ms)
  due.schedule(w, root_id, "h" .. hold.account .. "|" .. id, nil)
end

-- End a hold whose time is over, as it was told to when it was made.
function holds.expire(w, root_id, id, hold)
  local captured = hold.expiry_action == EXPIRY_ACTION.COMMIT and hold.held or 0
  holds.settle(w, root_id, id, hold, captured, RESERVATION_STATE.EXPIRED, SETTLED_BY.EXPIRY)
  local _, _, restored, expired, _, _, repaid = unpack(hold.final)
  work.journal(w, "hold_expired", hold.account, id, { captured, restored, expired, repaid, hold.taken })
end

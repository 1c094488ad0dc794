-- life: grants begin and end: by time, by whoever gives them, and by whoever takes them back.

-- Note when a grant of the account next starts or ends, so that it happens when anybody next touches the organisation.
local function schedule(w, account, due_ms)
  account.c.grant_due = due_ms or 0
  account.dirty = true
  due.schedule(w, work.root(account.id), "g" .. account.id, due_ms)
end

local function start(account, number, grant)
  local credits = grant.remaining
  grant.state, grant.remaining = GRANT_STATE.LIVE, 0
  return grants.put(account, number, grant, credits)
end

-- End a grant: what remains of it is booked as "expired" or "revoked". Returns how much that is.
local function finish(account, number, grant, state, booking)
  local credits = grant.remaining
  grants.take(account, number, grant, credits)
  grant.state, grant[booking] = state, grant[booking] + credits
  grants.count(account, grant.pot, booking, credits)
  grants.changed(account, grant)
  return credits
end

-- End a grant whose time is over. Returns what remained of it.
function life.expire(account, number, grant)
  return finish(account, number, grant, GRANT_STATE.EXPIRED, "expired")
end

-- When a grant next starts or ends; nil for never.
local function event_ms(grant, terms)
  if grant.state == GRANT_STATE.PENDING then return terms.effective_ms end
  return grant.state == GRANT_STATE.LIVE and terms.expire_ms ~= 0 and terms.expire_ms or nil
end

-- Note when a grant next starts or ends, if nothing else of the account's does before.
function life.expect(w, account, number, grant)
  local at_ms = event_ms(grant, grants.terms(account, number, grant))
  local c = account.c
  if at_ms and grant.active and (c.grant_due == 0 or at_ms < c.grant_due) then schedule(w, account, at_ms) end
end

-- Whether the time of a live grant is over, although its end has not come to pass: it is used up, so that nobody looks at it, or more
-- was due than one call may end.
function life.is_past(w, account, number, grant)
  if grant.state ~= GRANT_STATE.LIVE then return false end
  local expire_ms = grants.terms(account, number, grant).expire_ms
  if expire_ms == 0 or expire_ms > (w.moment or w.horizon) then return false end
  if not grant.active then grant.state = GRANT_STATE.EXPIRED end
  return true
end

-- Note when a grant of a pot begins, if none begins before.
local function expect_start(w, account, pot_number, start_ms)
  local starts = work.description(account).starts
  if starts[pot_number] == 0 or start_ms < starts[pot_number] then
    work.description(account, true).starts[pot_number] = start_ms
  end
end

-- Find out what comes next of the account's grants and of its plan, and note it.
function life.foresee(w, account)
  local next_ms
  local starts = work.description(account).starts
  if starts[1] ~= 0 or starts[2] ~= 0 then
    starts[1], starts[2] = 0, 0
    work.description(account, true)
  end
  for _, number in ipairs(grants.active_numbers(account)) do
    local grant = grants.get(w, account, number)
    local at_ms = event_ms(grant, grants.terms(account, number, grant))
    if at_ms and (next_ms == nil or at_ms < next_ms) then next_ms = at_ms end
    if grant.state == GRANT_STATE.PENDING then expect_start(w, account, grant.pot, at_ms) end
  end
  local plan = plans.get(account)
  if plan and (next_ms == nil or plan.end_ms < next_ms) then next_ms = plan.end_ms end
  schedule(w, account, next_ms)
end

-- Start and end the account's grants that are due by a time, at most so many, and note what comes next; the grant of a plan's period ends
-- with that, when all others have. Returns how many. Scans the active grants, a bounded number: those over (ended, or empty with nothing
-- held) live elsewhere.
function life.turn(w, account, until_ms, most)
  local turned, plan = 0, plans.get(account)
  local renewing = plan and plan.end_ms <= until_ms
  for _, number in ipairs(grants.active_numbers(account)) do
    local grant = grants.get(w, account, number)
    local terms = grants.terms(account, number, grant)
    local at_ms = not (plan and number == plan.number) and event_ms(grant, terms)
    if at_ms and at_ms <= until_ms then
      if turned == most then
        renewing = false
        break
      end
      turned = turned + 1
      work.touch(w, account)
      if grant.state == GRANT_STATE.PENDING then
        local repaid = start(account, number, grant)
        work.journal(w, "grant_started", account.id, terms.id, { grant.amount, repaid })
      else
        work.journal(w, "grant_expired", account.id, terms.id, { life.expire(account, number, grant) })
      end
    end
  end
  if renewing then w.renewing = account end
  life.foresee(w, account)
  return turned
end

-- Add a grant whose bounds and terms the caller has checked. Returns its number and how much debt it repaid.
function life.add(w, account, terms, pot_number, credits, scope)
  local c = account.c
  local number = c.grant_next
  c.grant_next = number + 1
  if not account.pots[pot_number] then
    account.pots[pot_number] = { sums = { 0 }, order = "", dirty = true, order_dirty = true }
    c.has_limit = 1
  end
  grants.count(account, pot_number, "granted", credits)
  local grant = {
    amount = credits, remaining = credits, held = 0, captured = 0, refunded = 0, debt_paid = 0, expired = 0, revoked = 0,
    moved = 0, state = GRANT_STATE.PENDING, pot = pot_number, scope = scope, terms = terms,
    packed_terms = codec.pack_terms(terms), new = true, active = false,
  }
  account.grants[number] = grant
  grants.changed(account, grant)
  local repaid = 0
  if terms.effective_ms <= w.now then
    repaid = start(account, number, grant)
  else
    expect_start(w, account, pot_number, terms.effective_ms)
  end
  life.expect(w, account, number, grant)
  return number, repaid
end

-- Make a grant of the ledger's own, as of a time (nil: of the event that is worked off, or now), and let its id be known. Returns its number and how much debt it repaid.
function life.make(w, account, terms, credits, made_by, as_of_ms)
  local root_id, at_ms = work.root(account.id), as_of_ms or w.moment or w.now
  terms.id, terms.made_by, terms.create_ms, terms.effective_ms = work.next_grant_id(w, root_id), made_by, at_ms, at_ms
  terms.actor, terms.reference, terms.note = "", terms.reference or "", ""
  local scope = grants.scope(w, account, terms.channels, terms.regions)
  local number, repaid = life.add(w, account, terms, POT.WALLET, credits, scope)
  work.know(w, work.grant_ids(w, root_id), terms.id, "", account.id, number, repaid)
  return number, repaid
end

-- Give a grant more credits than it had. Returns how much debt they repaid.
function life.enlarge(account, number, grant, credits)
  grant.amount = grant.amount + credits
  grants.count(account, grant.pot, "granted", credits)
  return grants.put(account, number, grant, credits)
end

-- Take back what remains of a grant, whatever its state; what is held or spent stays, and is revoked when it comes back.
-- The caller plans anew.
function life.revoke(account, number, grant)
  grant.heir = nil
  return finish(account, number, grant, GRANT_STATE.REVOKED, "revoked")
end

-- Take up to `credits` of the live grants of a kind, in burn order. Returns what was taken.
function life.claw_back(w, account, pot_number, kind, credits)
  local left = credits
  for _, number in ipairs(grants.burn_order(account.pots[pot_number])) do
    local grant = grants.get(w, account, number)
    if left > 0 and grants.terms(account, number, grant).kind == kind then
      local taken = min(left, grant.remaining)
      grants.take(account, number, grant, taken)
      grant.revoked = grant.revoked + taken
      grants.count(account, pot_number, "revoked", taken)
      grants.changed(account, grant)
      left = left - taken
    end
  end
  return credits - left
end

-- Credits of a grant were drawn as moved to another: with the last of them its heir is settled, whom what comes back later follows.
function life.follow(account, grant, target_id, target_number)
  if grant.remaining > 0 then return end
  grant.state, grant.heir = GRANT_STATE.MOVED, { target_id, target_number }
  grants.changed(account, grant)
end

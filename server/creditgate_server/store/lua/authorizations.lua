-- authorizations: Quote, Reserve and Charge, which decide on a usage.

local UNPRICED = -1 -- the price denial of a usage that its card cannot price: refused, unless it is a replay

-- The rate card of an account is its own, or the nearest above it that names one. Returns it and the account whose it is.
local function rate_card(lineage)
  for _, account in ipairs(lineage) do
    if account.s.rate_card ~= "" then return account.s.rate_card, account end
  end
  return "default", lineage[#lineage]
end

local function first_with_status(lineage, status)
  for _, account in ipairs(lineage) do
    if account.s.status == status then return account end
  end
end

-- Return how an account stands: { account, payer, available, usable, reserved, debt, limit_left, units_left }. The traffic and the
-- pots that it draws on say what `usable`, `limit_left` and `units_left` are about.
function authorizations.balance(lineage, traffic, pots, unit)
  local payer = pots[1].account
  local c, limit_left, units_left = payer.c, false, false
  for _, account in ipairs(lineage) do
    local limit = account.pots[POT.LIMIT]
    if limit and account.s.enforcement ~= ENFORCEMENT.OFF then
      local left = grants.remaining(limit, grants.eligible(account, traffic.channel, traffic.region))
      if not limit_left or left < limit_left then limit_left = left end
    end
  end
  if unit and unit > 0 then
    local room = usage.capacity(pots)
    if room then units_left = max(0, floor(room / unit)) end
  end
  return { lineage[1].id, payer.id, grants.total(payer.pots[POT.WALLET]) - c.debt - c.unfunded, usage.left(pots[1]), c.reserved,
    c.debt, limit_left, units_left }
end

-- Say why a pot denies: the reason, the level, how many credits are short, and when the next ones come to it (0: not known).
local function denial_of(w, pot, shortfall, traffic)
  local account = pot.account
  local next_ms = account.c.grant_due ~= 0 and work.description(account).starts[pot.pot] or 0
  local plan = pot.pot == POT.WALLET and plans.get(account)
  if plan and plan.next ~= true and (next_ms == 0 or plan.end_ms < next_ms) then next_ms = plan.end_ms end
  return { usage.denial_reason(pot, traffic), account.id, shortfall, next_ms }
end

local function denied(denial)
  return { decision = DECISION.DENIED, denial = denial, credits = 0, recipients = 0 }
end

-- Decide on `recipients` times `unit` credits of these pots. Nothing is taken: returns { decision, credits, recipients } and, with
-- a denial or what would have been one under ENFORCE, denial = { reason, level, shortfall, next_credit_ms }.
local function decide(w, lineage, traffic, pots, unit, recipients, allow_partial, price_denial)
  local closed = first_with_status(lineage, ACCOUNT_STATUS.CLOSED)
  if closed then return denied({ DENIAL_REASON.ACCOUNT_CLOSED, closed.id, 0, 0 }) end
  local barred = not traffic.inbound and first_with_status(lineage, ACCOUNT_STATUS.SUSPENDED)
  if barred then return denied({ DENIAL_REASON.ACCOUNT_SUSPENDED, barred.id, 0, 0 }) end
  if price_denial ~= 0 then
    local _, owner = rate_card(lineage)
    return denied({ price_denial, owner.id, 0, 0 })
  end
  local credits = unit * recipients
  local verdict = { decision = DECISION.ALLOWED, credits = credits, recipients = recipients }
  local worst, shortfall = usage.shortest(pots, credits, ENFORCEMENT.ENFORCE)
  if worst then
    local granted = allow_partial and floor(usage.capacity(pots) / unit) or 0
    if granted < 1 then return denied(denial_of(w, worst, shortfall, traffic)) end
    verdict.decision, verdict.recipients, verdict.credits = DECISION.ALLOWED_PARTIAL, granted, granted * unit
    return verdict
  end
  worst, shortfall = usage.shortest(pots, credits, ENFORCEMENT.MONITOR)
  if worst then
    verdict.decision = DECISION.ALLOWED_MONITORED
    verdict.denial = denial_of(w, worst, shortfall, traffic)
  end
  return verdict
end

-- The answer to every authorization: { status, decision, denial, credits, recipients, state, expire_ms, replayed, balance, card,
-- version }, where denial is false or { reason, level, shortfall, next_credit_ms }, and card and version are those that priced it.
local function answer(verdict, lineage, traffic, pots, unit, card, version, replayed)
  return { "OK", verdict.decision, verdict.denial or false, verdict.credits, verdict.recipients, verdict.state or 0,
    verdict.expire_ms or 0, replayed or false, authorizations.balance(lineage, traffic, pots, unit), card, version }
end

local function overflows(payer, credits)
  local c = payer.c
  return c.used + c.reserved + credits > codec.CREDITS_MAX
end

-- quote: tell what a reserve would be answered now. Nothing is written.
-- ARGS: account channel direction region priority unit recipients price_denial card version
-- RETURNS: an authorization | ACCOUNT_NOT_FOUND id | REPRICE card | UNPRICED | SWEEP root
function authorizations.quote(w, args, inbound)
  local account, channel, direction, region, priority, unit, recipients, price_denial, card, version = unpack(args)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return failure end
  if rate_card(lineage) ~= card then return { "REPRICE", (rate_card(lineage)) } end
  if price_denial == UNPRICED then return { "UNPRICED" } end
  local traffic = { channel = channel, direction = direction, region = region, priority = priority,
    inbound = inbound }
  local pots = usage.demand(lineage, traffic)
  local verdict = decide(w, lineage, traffic, pots, unit, recipients, false, price_denial)
  if verdict.decision ~= DECISION.ALLOWED and w.backlog then return { "SWEEP", lineage[#lineage].id } end
  return answer(verdict, lineage, traffic, pots, unit, card, version)
end

-- reserve: hold the credits of a usage, of the payer's wallet and of every limit, all or nothing.
-- ARGS: account id fingerprint channel direction region priority unit recipients price_denial card version rule allow_partial ttl_ms expiry_action labels
-- RETURNS: an authorization | ACCOUNT_NOT_FOUND id | ID_REUSED | REPRICE card | UNPRICED | SWEEP root | BALANCE_OVERFLOW
-- INVARIANTS: a denial leaves nothing; usable stays >= -overdraft_limit and every limit >= 0 under ENFORCE
function authorizations.reserve(w, args)
  local account, id, fingerprint, channel, direction, region, priority, unit, recipients, price_denial, card, version, rule,
    allow_partial, ttl_ms, expiry_action, labels = unpack(args)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return failure end
  local root_id, traffic = lineage[#lineage].id, { channel = channel, direction = direction, region = region, priority = priority }
  local pots, hold = usage.demand(lineage, traffic), holds.get(w, root_id, id)
  if hold then
    if hold.fingerprint ~= fingerprint then return { "ID_REUSED" } end
    if holds.is_overdue(w, hold) then return { "SWEEP", root_id } end
    return answer(hold, lineage, traffic, pots, hold.unit, hold.card, hold.version, true)
  end
  if rate_card(lineage) ~= card then return { "REPRICE", (rate_card(lineage)) } end
  if price_denial == UNPRICED then return { "UNPRICED" } end
  if overflows(pots[1].account, unit * recipients) then return { "BALANCE_OVERFLOW" } end
  local verdict = decide(w, lineage, traffic, pots, unit, recipients, allow_partial, price_denial)
  if verdict.decision ~= DECISION.ALLOWED and w.backlog then return { "SWEEP", lineage[#lineage].id } end
  if verdict.decision == DECISION.DENIED then return answer(verdict, lineage, traffic, pots, unit, card, version) end
  local draws = {}
  for i, demand in ipairs(pots) do draws[i] = usage.hold(w, demand, verdict.credits) end
  hold = {
    state = RESERVATION_STATE.PENDING, fingerprint = fingerprint, account = account, payer = pots[1].account.id,
    decision = verdict.decision, denial = verdict.denial, credits = verdict.credits, recipients = verdict.recipients, unit = unit, create_ms = w.now,
    expire_ms = work.after(w, ttl_ms), expiry_action = expiry_action, channel = channel, direction = direction, region = region,
    priority = priority, card = card, version = version, rule = rule, labels = labels, draws = draws,
  }
  holds.open(w, root_id, id, lineage[1], hold)
  work.journal(w, "reserved", account, id, { hold.credits, hold.recipients, channel, direction, region, card, version, rule, labels,
    draws })
  return answer(hold, lineage, traffic, pots, unit, card, version)
end

local function charge_key(w, root_id, id)
  return w.prefix .. "x:" .. root_id .. "|" .. id
end

-- Return the charge with an id, nil where none is remembered, and the key it has or will have.
function authorizations.find_charge(w, root_id, id)
  local key = charge_key(w, root_id, id)
  return work.recall(w, key, codec.charge), key
end

-- Remember a charge, or, for a shorter time, that an outbound one was denied, so that a stray copy cannot pay later.
local function remember(w, key, verdict, fingerprint, account, card, version, taken)
  local ttl_ms = verdict.decision == DECISION.DENIED and w.settings.denial_ttl_ms or w.settings.charge_ttl_ms
  work.keep(w, key, { forget_ms = work.after(w, ttl_ms), fingerprint = fingerprint, account = account, decision = verdict.decision,
    denial = verdict.denial, credits = verdict.credits, recipients = verdict.recipients, card = card, version = version,
    taken = taken, refunded = 0 }, codec.pack_charge)
end

-- charge: debit a usage in one step. The inbound lane is stopped by nothing but the inbound overdraft limit.
-- ARGS: account id fingerprint channel direction region priority unit recipients price_denial card version rule labels event_ms
-- RETURNS: an authorization | ACCOUNT_NOT_FOUND id | ID_REUSED | ID_TOO_OLD | REPRICE card | UNPRICED | SWEEP root | BALANCE_OVERFLOW
-- INVARIANTS: a charge id moves credits once; what grants do not cover is debt; a denial moves nothing
function authorizations.charge(w, args)
  local account, id, fingerprint, channel, direction, region, priority, unit, recipients, price_denial, card, version, rule,
    labels, event_ms = unpack(args)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return failure end
  local inbound = direction == DIRECTION.INBOUND
  local traffic = { channel = channel, direction = direction, region = region, priority = priority, inbound = inbound }
  local pots = usage.demand(lineage, traffic)
  local charge, key = authorizations.find_charge(w, lineage[#lineage].id, id)
  if charge then
    if charge.fingerprint ~= fingerprint then return { "ID_REUSED" } end
    return answer(charge, lineage, traffic, pots, unit, charge.card, charge.version, true)
  end
  if event_ms > 0 and event_ms <= work.after(w, -w.settings.charge_ttl_ms) then return { "ID_TOO_OLD" } end
  if rate_card(lineage) ~= card then return { "REPRICE", (rate_card(lineage)) } end
  if price_denial == UNPRICED then return { "UNPRICED" } end
  if overflows(pots[1].account, unit * recipients) then return { "BALANCE_OVERFLOW" } end
  local verdict = decide(w, lineage, traffic, pots, unit, recipients, false, price_denial)
  if verdict.decision ~= DECISION.ALLOWED and w.backlog then return { "SWEEP", lineage[#lineage].id } end
  if verdict.decision == DECISION.DENIED then
    if not inbound then remember(w, key, verdict, fingerprint, account, card, version, {}) end
    return answer(verdict, lineage, traffic, pots, unit, card, version)
  end
  local leaf = lineage[1]
  work.touch(w, leaf)
  local taken = usage.charge(w, pots, verdict.credits, inbound and "inbound" or nil)
  local t = work.totals(leaf)
  t.usage, leaf.dirty = t.usage + verdict.credits, true
  remember(w, key, verdict, fingerprint, account, card, version, taken)
  work.journal(w, "charged", account, id, { verdict.credits, verdict.recipients, channel, direction, region, card, version, rule,
    labels, taken })
  return answer(verdict, lineage, traffic, pots, unit, card, version)
end

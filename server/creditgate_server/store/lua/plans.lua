-- plans: credits that come again each period, and what is left of them when it ends.
--
-- When a period ends is calendar work, which callers do: a call that meets the end of one stops there, and whoever sweeps brings
-- the end of the next.

-- Return the account's plan, nil where it has none.
function plans.get(account)
  if account.plan == nil then
    local packed = call("HGET", account.key, "p")
    account.plan = packed and codec.plan(packed) or false
  end
  return account.plan or nil
end

local function put(account, plan)
  account.plan, account.plan_dirty, account.dirty = plan, true, true
end

-- Return the terms of a plan by their names.
local function named(terms)
  local found = {}
  for i, name in ipairs(codec.PLAN_TERMS) do found[name] = terms[i] end
  return found
end

-- Return the interval, the anchor and the time zone of the period that follows the present one, nil where none does. New terms
-- without an anchor have theirs where they begin.
function plans.cycle(plan)
  if plan.next == true then return nil end
  local terms = named(plan.next or plan.terms)
  return { terms.interval, terms.anchor_ms or plan.end_ms, terms.time_zone }
end

-- Return a plan as callers see it: { terms, begin_ms, end_ms, grant_id, next }, false where there is none.
function plans.describe(w, account)
  local plan = plans.get(account)
  if not plan then return false end
  local terms = grants.terms(account, plan.number, grants.get(w, account, plan.number))
  return { plan.terms, plan.begin_ms, plan.end_ms, terms.id, plan.next }
end

-- Return the number of a grant of the account that rolled over and never ends, on the same terms.
local function lasting(w, account, wanted)
  for _, number in ipairs(grants.active_numbers(account)) do
    local grant = grants.get(w, account, number)
    local terms = grants.terms(account, number, grant)
    if terms.made_by == "rollover" and grant.state == GRANT_STATE.LIVE and terms.expire_ms == 0 and terms.priority == wanted.priority
      and encode({ terms.channels, terms.regions }) == encode({ wanted.channels, wanted.regions }) then
      return number
    end
  end
end

-- Let credits that leave a plan's grant roll over. Returns the number of the grant that has them, and how much debt they repaid.
local function roll(w, account, source, heir, credits, at_ms)
  local terms = { kind = GRANT_KIND.ROLLOVER, priority = heir[4], expire_ms = heir[3], channels = source.channels,
    regions = source.regions, reference = source.reference }
  local number = heir[3] == 0 and lasting(w, account, terms)
  if number then return number, life.enlarge(account, number, grants.get(w, account, number), credits) end
  return life.make(w, account, terms, credits, "rollover", at_ms)
end

-- Whether what comes back to a grant that has an heir finds it. That of a plan's grant of which nothing was left is made now, unless its
-- own time is over.
function plans.has_heir(w, account, number, grant)
  local heir = grant.heir
  if heir[2] ~= 0 then return true end
  if heir[3] ~= 0 and heir[3] <= (w.moment or w.horizon) then return false end
  heir[2] = roll(w, account, grants.terms(account, number, grant), heir, 0)
  grants.changed(account, grant)
  return true
end

-- End the present period: what is left of its grant rolls over as far as the terms say, the rest expires. Returns both.
local function finish(w, account, plan, at_ms)
  local terms, number = named(plan.terms), plan.number
  local grant = grants.get(w, account, number)
  if grant.state ~= GRANT_STATE.LIVE then return 0, 0 end
  local rolled = 0
  if terms.rollover ~= ROLL_OVER.NONE then
    rolled = terms.rollover == ROLL_OVER.ALL and grant.remaining or min(grant.remaining, terms.cap)
    grant.heir = { account.id, 0, terms.life_ms == 0 and 0 or at_ms + terms.life_ms, terms.rollover_priority }
  end
  if rolled > 0 then
    grants.take(account, number, grant, rolled)
    grant.moved = grant.moved + rolled
    grants.count(account, POT.WALLET, "moved", rolled)
    grants.count(account, POT.WALLET, "moved_in", rolled)
    grant.heir[2] = roll(w, account, grants.terms(account, number, grant), grant.heir, rolled, at_ms)
  end
  return rolled, life.expire(account, number, grant)
end

local ANCHOR = 4 -- its place among the terms

-- Begin a period on some terms. Returns how much debt its credits repaid.
local function begin(w, account, terms, begin_ms, end_ms)
  local t = named(terms)
  if not t.anchor_ms then terms[ANCHOR] = begin_ms end
  local number, repaid = life.make(w, account, { kind = GRANT_KIND.PLAN, priority = t.priority, expire_ms = end_ms,
    channels = t.channels, regions = t.regions, reference = t.plan_id }, t.credits, "plan", begin_ms)
  put(account, { terms = terms, number = number, begin_ms = begin_ms, end_ms = end_ms, next = false })
  return repaid
end

-- End the period of an account that is due, and begin the next, which ends at a time that the caller has worked out.
function plans.renew(w, account, next_end_ms)
  local plan = plans.get(account)
  local at_ms, terms = plan.end_ms, plan.next or plan.terms
  work.touch(w, account)
  local rolled, expired = finish(w, account, plan, at_ms)
  local repaid = 0
  if plan.next == true then
    put(account, false)
  else
    repaid = begin(w, account, terms, at_ms, next_end_ms)
  end
  life.foresee(w, account)
  work.journal(w, "renewed", account.id, plan.terms[1], { at_ms, rolled, expired, repaid, plan.next })
end

-- End an account's plan with the account.
function plans.close(account)
  if plans.get(account) then put(account, false) end
end

-- Return the reply that new terms must be refused with, nil where the account has room for what they give.
local function lacks_room(w, account, plan, t)
  local rolls = plan and named(plan.terms).rollover ~= ROLL_OVER.NONE
  local ends = plan and not rolls and grants.get(w, account, plan.number).active
  if account.c.grants + (ends and 0 or 1) > grants.ACTIVE_MAX then return { "TOO_MANY_GRANTS" } end
  if work.totals(account, true).granted + t.credits > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
  if not grants.has_room(w, account, { { t.channels, t.regions } }) then return { "TOO_MANY_SCOPES" } end
end

-- get_plan: what an account's wallet is given each period.
-- ARGS: account
-- RETURNS: OK plan | ACCOUNT_NOT_FOUND id | SWEEP root
function plans.get_plan(w, args)
  local lineage, failure = work.lineage(w, args[1])
  if not lineage then return failure end
  return { "OK", plans.describe(w, lineage[1]) }
end

-- set_plan: give an account a plan, another one, or none: now, which ends the present period, or when that ends.
-- ARGS: account change_id fingerprint terms at_end begin_ms end_ms
-- RETURNS: OK plan debt_repaid balance replayed | ACCOUNT_NOT_FOUND id | ID_REUSED | ACCOUNT_CLOSED id | BOUND now | TOO_MANY_GRANTS | TOO_MANY_SCOPES | BALANCE_OVERFLOW | SWEEP root
-- INVARIANTS: terms false for none; now is between begin_ms, as of which it is done, and end_ms, and begin_ms is no earlier than the
--   present period's beginning, else BOUND; a change is made once
function plans.set_plan(w, args)
  local id, change_id, fingerprint, terms, at_end, begin_ms, end_ms = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account, ids_key = lineage[1], w.prefix .. "p:" .. lineage[#lineage].id
  local known = work.known(w, ids_key, change_id)
  if known then
    if known[1] ~= fingerprint then return { "ID_REUSED" } end
    return { "OK", plans.describe(w, account), known[2], accounts.balance(lineage), true }
  end
  if account.s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", id } end
  local plan, rolled, expired, repaid = plans.get(account), 0, 0, 0
  local is_later = at_end and plan
  if terms and not is_later then
    if w.now < begin_ms or w.now >= end_ms or (plan and begin_ms < plan.begin_ms) then return { "BOUND", w.now } end
    local refused = lacks_room(w, account, plan, named(terms))
    if refused then return refused end
  end
  work.touch(w, account)
  if is_later then
    plan.next = terms or true
    put(account, plan)
  else
    if plan then rolled, expired = finish(w, account, plan, terms and begin_ms or w.now) end
    if terms then repaid = begin(w, account, terms, begin_ms, end_ms) else put(account, false) end
    life.foresee(w, account)
  end
  work.know(w, ids_key, change_id, fingerprint, repaid)
  work.journal(w, "plan_set", id, change_id, { terms, at_end, rolled, expired, repaid })
  return { "OK", plans.describe(w, account), repaid, accounts.balance(lineage), false }
end

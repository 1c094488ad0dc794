-- usage: who pays for a usage, whether they can, and what is taken of them.
--
-- A usage draws on pots: the payer's wallet, and every limit from the leaf to the root that is not switched OFF. What one pot
-- gave is a draw, { account, pot, mode, uncovered, unenforced, number, credits, number, credits … }: the provenance that a hold
-- keeps. `uncovered` is a wallet's overdraft: unfunded while held, debt once captured; `unenforced` was let through.

local ACCOUNT, POT_NUMBER, MODE, UNCOVERED, UNENFORCED, FIRST_PART = 1, 2, 3, 4, 5, 6

-- Return the account whose wallet pays: the nearest one upward that funds itself.
function usage.payer(lineage)
  for _, account in ipairs(lineage) do
    if account.s.funding == FUNDING.OWN then return account end
  end
end

-- Return how far below zero a wallet may go for this traffic; nil: without bound.
local function allowance(account, traffic)
  local s = account.s
  if traffic.inbound then return s.inbound_overdraft_limit or nil end
  if traffic.priority == PRIORITY.BULK and s.floor then return -s.floor end
  return s.overdraft_limit
end

-- Return what a pot has left for what its demand is about: a wallet's `usable`, or a limit's credits.
function usage.left(demand)
  local account = demand.account
  local remaining = grants.remaining(account.pots[demand.pot], demand.eligible)
  if demand.pot == POT.LIMIT then return remaining end
  return remaining - account.c.debt - account.c.unfunded
end

-- Return the pots that a usage draws on, the payer's wallet first: { account, pot, mode, eligible, allowance (nil: any amount) }.
-- traffic: channel and region (nil: any), priority, and inbound for a charge in the inbound lane, which limits count only where
-- told to and never stop.
function usage.demand(lineage, traffic)
  local payer, inbound = usage.payer(lineage), traffic.inbound
  local pots = { {
    account = payer, pot = POT.WALLET, mode = payer.s.enforcement, allowance = allowance(payer, traffic),
    eligible = grants.eligible(payer, traffic.channel, traffic.region),
  } }
  for _, account in ipairs(lineage) do
    local s = account.s
    if account.pots[POT.LIMIT] and s.enforcement ~= ENFORCEMENT.OFF and (not inbound or s.limit_counts_inbound) then
      pots[#pots + 1] = {
        account = account, pot = POT.LIMIT, mode = s.enforcement, allowance = not inbound and 0 or nil,
        eligible = grants.eligible(account, traffic.channel, traffic.region),
      }
    end
  end
  return pots
end

-- Return the least that the pots which ENFORCE have room for; nil for no bound.
function usage.capacity(pots)
  local least
  for _, pot in ipairs(pots) do
    if pot.mode == ENFORCEMENT.ENFORCE and pot.allowance then
      local capacity = usage.left(pot) + pot.allowance
      if least == nil or capacity < least then least = capacity end
    end
  end
  return least
end

-- Return the pot of a mode that lacks most for `credits` (the level that binds), and how many are short there; nil where all of
-- that mode have room, as they do for what is free.
function usage.shortest(pots, credits, mode)
  local worst, shortfall = nil, 0
  if credits == 0 then return nil, 0 end
  for _, pot in ipairs(pots) do
    if pot.mode == mode and pot.allowance then
      local short = credits - usage.left(pot) - pot.allowance
      if short > shortfall then worst, shortfall = pot, short end
    end
  end
  return worst, shortfall
end

function usage.denial_reason(pot, traffic)
  if pot.pot == POT.LIMIT then return DENIAL_REASON.LIMIT_REACHED end
  if traffic.inbound then return DENIAL_REASON.INBOUND_LIMIT end
  if traffic.priority == PRIORITY.BULK and pot.account.s.floor then return DENIAL_REASON.FLOOR end
  return DENIAL_REASON.INSUFFICIENT_CREDITS
end

-- Hold credits of one pot. What no grant covers is unfunded in a wallet that ENFORCEs (its overdraft), else unenforced.
function usage.hold(w, demand, credits)
  local account, mode, c = demand.account, demand.mode, demand.account.c
  local draw = { account.id, demand.pot, mode, 0, 0 }
  local drawn = 0
  work.touch(w, account)
  if mode ~= ENFORCEMENT.OFF then
    drawn = grants.draw(w, account, account.pots[demand.pot], demand.eligible, credits, "held", draw)
  end
  if demand.pot == POT.LIMIT then
    draw[UNENFORCED] = credits - drawn
    c.limit_reserved = c.limit_reserved + drawn
  elseif mode == ENFORCEMENT.ENFORCE then
    draw[UNCOVERED] = credits - drawn
    c.unfunded = c.unfunded + credits - drawn
    c.reserved = c.reserved + credits
  else
    draw[UNENFORCED] = credits - drawn
    c.reserved = c.reserved + drawn
  end
  return draw
end

-- Book credits that were let through: by MONITOR or OFF, or beyond a limit by what has already been sent.
local function let_through(demand, credits, captured)
  local t, is_wallet = work.totals(demand.account), demand.pot == POT.WALLET
  local field = is_wallet and "overrun" or "limit_overrun"
  t[field] = t[field] + credits
  if is_wallet then demand.account.c.used = demand.account.c.used + credits end
  captured[UNENFORCED] = captured[UNENFORCED] + credits
end

-- Spend credits of one pot at once: from its grants, and the rest as debt where a wallet ENFORCEs; else it is let through. Adds
-- what it took to the draw `captured`.
local function spend(w, demand, credits, captured)
  local account, c, is_wallet = demand.account, demand.account.c, demand.pot == POT.WALLET
  local t, drawn = work.totals(account), 0
  if demand.mode ~= ENFORCEMENT.OFF then
    drawn = grants.draw(w, account, account.pots[demand.pot], demand.eligible, credits, "captured", captured)
  end
  local field, rest = is_wallet and "captured" or "limit_captured", credits - drawn
  t[field] = t[field] + drawn
  if is_wallet then c.used = c.used + drawn end
  if is_wallet and demand.mode == ENFORCEMENT.ENFORCE then
    captured[UNCOVERED] = captured[UNCOVERED] + rest
    c.debt, c.used = c.debt + rest, c.used + rest
    t.debt_incurred = t.debt_incurred + rest
  else
    let_through(demand, rest, captured)
  end
  account.dirty = true
end

-- Spend credits of every pot in one step; `part` names the total of the payer's wallet that counts them too ("inbound",
-- "overage", "late"), if any. Returns the draws.
function usage.charge(w, pots, credits, part)
  local draws = {}
  for i, demand in ipairs(pots) do
    work.touch(w, demand.account)
    draws[i] = { demand.account.id, demand.pot, demand.mode, 0, 0 }
    spend(w, demand, credits, draws[i])
    if part and demand.pot == POT.WALLET then
      local t = work.totals(demand.account)
      t[part] = t[part] + credits
    end
  end
  return draws
end

-- Return the pots that a hold drew on, to spend from as it was drawn, whatever the accounts' modes are by now.
function usage.demand_again(w, hold)
  local pots = {}
  for i, draw in ipairs(hold.draws) do
    local account = work.account(w, draw[ACCOUNT])
    pots[i] = { account = account, pot = draw[POT_NUMBER], mode = draw[MODE],
      eligible = grants.eligible(account, hold.channel, hold.region) }
  end
  return pots
end

-- Capture up to `credits` of the grants that a draw holds, in the order they were drawn, and give back the rest.
-- Returns what was captured, what went back to live grants, what ended grants swallowed, and how much debt was repaid.
local function settle_grants(w, account, draw, credits, captured)
  local left, restored, expired, repaid = credits, 0, 0, 0
  for i = FIRST_PART, #draw, 2 do
    local number, part = draw[i], draw[i + 1]
    local used = min(left, part)
    if used > 0 then
      grants.capture(w, account, number, used)
      captured[#captured + 1] = number
      captured[#captured + 1] = used
    end
    if used < part then
      local ended, paid = grants.restore(w, account, number, part - used)
      restored, expired, repaid = restored + part - used - ended, expired + ended, repaid + paid
    end
    left = left - used
  end
  return credits - left, restored, expired, repaid
end

-- End one draw of a hold: capture `credits` of it and give the rest back. The unfunded part of what is captured is drawn from
-- grants present now, and only the rest becomes debt. Returns the captured draw, what went back to live
-- grants, what ended ones swallowed, and how much debt the former repaid.
function usage.settle(w, demand, draw, credits)
  local account, c, is_wallet = demand.account, demand.account.c, demand.pot == POT.WALLET
  local captured = { account.id, demand.pot, demand.mode, 0, 0 }
  work.touch(w, account)
  local covered, restored, expired, repaid = settle_grants(w, account, draw, credits, captured)
  local held = covered + restored + expired
  if covered > 0 then
    local t, field = work.totals(account), is_wallet and "captured" or "limit_captured"
    t[field] = t[field] + covered
  end
  if is_wallet then
    c.unfunded = c.unfunded - draw[UNCOVERED]
    c.reserved = c.reserved - held - draw[UNCOVERED]
    c.used = c.used + covered
  else
    c.limit_reserved = c.limit_reserved - held
  end
  local uncovered = credits - covered
  if draw[UNCOVERED] > 0 and uncovered > 0 then
    spend(w, demand, uncovered, captured)
  elseif uncovered > 0 then
    let_through(demand, uncovered, captured)
  end
  account.dirty = true
  return captured, restored, expired, repaid
end

-- usage: who pays for a usage, whether they can, what is taken of them, and what goes back.
--
-- A usage draws on pots: the payer's wallet, and every limit from the leaf to the root that is not switched OFF. What one pot
-- gave is a draw, { account, pot, mode, number, credits, number, credits … }, in the order in which it was drawn: the provenance
-- that a hold keeps. Beside the numbers of grants two others stand in it.

local ACCOUNT, POT_NUMBER, MODE, FIRST_PART = 1, 2, 3, 4
usage.FIRST_PART = FIRST_PART
usage.UNCOVERED = 0 -- a wallet's overdraft: unfunded while held, debt once captured
usage.UNENFORCED = -1 -- let through: by MONITOR or OFF, or beyond a limit by what had already been sent

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

-- Return a draw on the same pot as another, of nothing.
function usage.no_draw(draw)
  return { draw[ACCOUNT], draw[POT_NUMBER], draw[MODE] }
end

-- Add a part to a draw; what its last part has more of, that part takes.
local function add_part(draw, number, credits)
  local size = #draw
  if size >= FIRST_PART and draw[size - 1] == number then
    draw[size] = draw[size] + credits
  else
    draw[size + 1], draw[size + 2] = number, credits
  end
end

-- Hold credits of one pot. What no grant covers is unfunded in a wallet that ENFORCEs (its overdraft), else unenforced.
function usage.hold(w, demand, credits)
  local account, mode, c = demand.account, demand.mode, demand.account.c
  local draw = { account.id, demand.pot, mode }
  local drawn = 0
  work.touch(w, account)
  if mode ~= ENFORCEMENT.OFF then
    drawn = grants.draw(w, account, account.pots[demand.pot], demand.eligible, credits, "held", draw)
  end
  local rest = credits - drawn
  if demand.pot == POT.LIMIT then
    c.limit_reserved = c.limit_reserved + drawn
  elseif mode == ENFORCEMENT.ENFORCE then
    c.unfunded = c.unfunded + rest
    c.reserved = c.reserved + credits
  else
    c.reserved = c.reserved + drawn
  end
  if rest > 0 then
    local covers = demand.pot == POT.WALLET and mode == ENFORCEMENT.ENFORCE
    add_part(draw, covers and usage.UNCOVERED or usage.UNENFORCED, rest)
  end
  return draw
end

-- Book credits that were let through: by MONITOR or OFF, or beyond a limit by what has already been sent.
local function let_through(demand, credits, taken)
  local t, is_wallet = work.totals(demand.account), demand.pot == POT.WALLET
  local field = is_wallet and "overrun" or "limit_overrun"
  t[field] = t[field] + credits
  if is_wallet then demand.account.c.used = demand.account.c.used + credits end
  add_part(taken, usage.UNENFORCED, credits)
end

-- Spend credits of one pot at once: from its grants, and the rest as debt where a wallet ENFORCEs; else it is let through. Adds
-- what it took to the draw `taken`.
local function spend(w, demand, credits, taken)
  local account, c, is_wallet = demand.account, demand.account.c, demand.pot == POT.WALLET
  local drawn = 0
  if demand.mode ~= ENFORCEMENT.OFF then
    local parts = {}
    drawn = grants.draw(w, account, account.pots[demand.pot], demand.eligible, credits, "captured", parts)
    for i = 1, #parts, 2 do add_part(taken, parts[i], parts[i + 1]) end
  end
  local rest = credits - drawn
  grants.count(account, demand.pot, "captured", drawn)
  if is_wallet then c.used = c.used + drawn end
  if rest == 0 then
    account.dirty = true
  elseif is_wallet and demand.mode == ENFORCEMENT.ENFORCE then
    c.debt, c.used = c.debt + rest, c.used + rest
    local t = work.totals(account)
    t.debt_incurred, account.dirty = t.debt_incurred + rest, true
    add_part(taken, usage.UNCOVERED, rest)
  else
    let_through(demand, rest, taken)
    account.dirty = true
  end
end

-- Spend credits of every pot in one step, and add what each gave to `taken`, one draw per pot; `part` names the total of the
-- payer's wallet that counts them too ("inbound", "overage", "late"), if any.
function usage.spend(w, pots, credits, taken, part)
  for i, demand in ipairs(pots) do
    work.touch(w, demand.account)
    spend(w, demand, credits, taken[i])
    if part and demand.pot == POT.WALLET then
      local t = work.totals(demand.account)
      t[part] = t[part] + credits
    end
  end
end

-- Charge credits to every pot in one step. Returns the draws.
function usage.charge(w, pots, credits, part)
  local taken = {}
  for i, demand in ipairs(pots) do taken[i] = { demand.account.id, demand.pot, demand.mode } end
  usage.spend(w, pots, credits, taken, part)
  return taken
end

-- Return the pots that a hold drew on, to spend from as it was drawn, whatever the accounts' modes are by now.
function usage.demand_again(w, hold)
  local pots = {}
  for i, draw in ipairs(hold.taken or hold.draws) do
    local account, is_wallet = work.account(w, draw[ACCOUNT]), draw[POT_NUMBER] == POT.WALLET
    pots[i] = { account = account, pot = draw[POT_NUMBER], mode = draw[MODE],
      allowance = is_wallet and allowance(account, hold) or 0, eligible = grants.eligible(account, hold.channel, hold.region) }
  end
  return pots
end

-- Book that a pot holds less.
local function unreserve(account, pot, credits)
  local c, field = account.c, pot == POT.WALLET and "reserved" or "limit_reserved"
  c[field] = c[field] - credits
  account.dirty = true
end

-- Capture `credits` of what a draw holds, in the order in which it was drawn, and add what it took to `taken`. The unfunded part
-- of it is drawn from grants present now, and only the rest becomes debt. Returns the draw that is left.
function usage.capture(w, demand, draw, credits, taken)
  local account, left, rest = demand.account, credits, usage.no_draw(draw)
  work.touch(w, account)
  for i = FIRST_PART, #draw, 2 do
    local number, part = draw[i], draw[i + 1]
    local used = min(left, part)
    if used < part then add_part(rest, number, part - used) end
    left = left - used
    if used > 0 and number > 0 then
      grants.capture(w, account, number, used)
      grants.count(account, demand.pot, "captured", used)
      unreserve(account, demand.pot, used)
      if demand.pot == POT.WALLET then account.c.used = account.c.used + used end
      add_part(taken, number, used)
    elseif used > 0 and number == usage.UNCOVERED then
      account.c.unfunded = account.c.unfunded - used
      unreserve(account, demand.pot, used)
      spend(w, demand, used, taken)
    elseif used > 0 then
      let_through(demand, used, taken)
      account.dirty = true
    end
  end
  return rest
end

-- Give back all that a draw holds. Returns what reached live grants, what ended ones swallowed, and how much debt was repaid.
function usage.give_back(w, demand, draw)
  local account, restored, expired, repaid = demand.account, 0, 0, 0
  work.touch(w, account)
  for i = FIRST_PART, #draw, 2 do
    local number, part = draw[i], draw[i + 1]
    if number > 0 then
      unreserve(account, demand.pot, part)
      local back, ended, paid = returns.give_back(w, account, number, part, "held")
      restored, expired, repaid = restored + back, expired + ended, repaid + paid
    elseif number == usage.UNCOVERED then
      account.c.unfunded = account.c.unfunded - part
      unreserve(account, demand.pot, part)
    end
  end
  return restored, expired, repaid
end

-- Take credits off the end of what one pot gave, and give them back.
local function refund(w, account, taken, credits)
  local left, restored, expired, repaid = credits, 0, 0, 0
  while left > 0 do
    local size = #taken
    local number, part = taken[size - 1], taken[size]
    local back, ended, paid, again = 0, 0, 0, min(left, part)
    if again == part then taken[size], taken[size - 1] = nil, nil else taken[size] = part - again end
    if number > 0 then
      back, ended, paid = returns.give_back(w, account, number, again, "refunded")
    elseif number == usage.UNCOVERED then
      back, paid = again, returns.forgive(w, account, again)
    end
    restored, expired, repaid, left = restored + back, expired + ended, repaid + paid, left - again
  end
  return restored, expired, repaid
end

-- Give credits back of every pot that gave them, last captured first, and take them off `taken`. Returns what came back to the
-- payer's wallet, what ended grants swallowed, and how much debt the former lowered.
function usage.refund(w, taken, credits)
  local restored, expired, repaid = 0, 0, 0
  for _, draw in ipairs(taken) do
    local account = work.account(w, draw[ACCOUNT])
    work.touch(w, account)
    local back, ended, paid = refund(w, account, draw, credits)
    if draw[POT_NUMBER] == POT.WALLET then restored, expired, repaid = back, ended, paid end
  end
  return restored, expired, repaid
end

-- grants: what credits are there, in which order they burn, and where they go back to.
--
-- A grant lives in the account's hash while it has anything to draw, hold or wait for; then it moves to the hash of ended
-- grants, where it stays listed and can still take back what was held. Every function keeps its invariant
-- amount = remaining + held + captured + debt_paid + expired, the pot's sums and order, and the account's totals.

grants.ACTIVE_MAX = 100 -- per account; bounds every scan here
grants.SCOPES_MAX = 16

local function ended_key(w, account)
  return w.prefix .. "e:" .. account.id
end

-- Return a grant by its number, wherever it lives.
function grants.get(w, account, number)
  local grant = account.grants[number]
  if grant then return grant end
  local packed = call("HGET", account.key, "g" .. number)
  if packed then
    grant = codec.grant(packed)
    grant.active = true
  else
    local mutable, terms = decode(call("HGET", ended_key(w, account), number))
    grant = codec.grant(mutable)
    grant.packed_terms = terms
    grant.ended, grant.active = true, false
  end
  account.grants[number] = grant
  return grant
end

function grants.terms(account, number, grant)
  if not grant.terms then
    grant.packed_terms = grant.packed_terms or call("HGET", account.key, "m" .. number)
    grant.terms = codec.terms(grant.packed_terms)
  end
  return grant.terms
end

local function is_over(grant)
  if grant.state == GRANT_STATE.PENDING then return false end
  return grant.state == GRANT_STATE.EXPIRED or (grant.remaining == 0 and grant.held == 0)
end

-- Note a change of a grant, and whether it still counts as active.
local function changed(account, grant)
  local active = not is_over(grant)
  if active ~= grant.active then account.c.grants = account.c.grants + (active and 1 or -1) end
  grant.active, grant.dirty, account.dirty = active, true, true
end

-- Write a changed grant where it now belongs; `add` puts a field into the account's hash.
function grants.save(w, account, number, grant, add)
  if is_over(grant) then
    grants.terms(account, number, grant)
    call("HSET", ended_key(w, account), number, encode(codec.pack_grant(grant), grant.packed_terms))
    if not grant.ended then call("HDEL", account.key, "g" .. number, "m" .. number) end
  else
    add("g" .. number, codec.pack_grant(grant))
    if grant.new or grant.ended then add("m" .. number, grant.packed_terms) end
    if grant.ended then call("HDEL", ended_key(w, account), number) end
  end
end

function grants.total(pot)
  local sums = pot.sums
  local total = sums[1]
  for i = 2, #sums do total = total + sums[i] end
  return total
end

-- Return which scopes of an account may pay for traffic (nil: any), as a set by scope number; nil where every grant may.
function grants.eligible(account, channel, region)
  if not account.scopes or not channel then return nil end
  local eligible = { [0] = true }
  for i, scope in ipairs(account.scopes) do
    local channels, regions = scope[1], scope[2]
    local fits = #channels == 0
    for _, c in ipairs(channels) do fits = fits or c == channel end
    if fits and #regions > 0 then
      fits = false
      for _, r in ipairs(regions) do fits = fits or r == region end
    end
    eligible[i] = fits
  end
  return eligible
end

-- Return what remains in a pot's grants that may pay.
function grants.remaining(pot, eligible)
  local sums = pot.sums
  local sum = sums[1]
  for i = 2, #sums do
    if eligible == nil or eligible[i - 1] then sum = sum + sums[i] end
  end
  return sum
end

local function add_to_sum(pot, scope, credits)
  for i = #pot.sums + 1, scope + 1 do pot.sums[i] = 0 end
  pot.sums[scope + 1] = pot.sums[scope + 1] + credits
  pot.dirty = true
end

-- Whether a grant burns before an entry of the order: priority, soonest expiry, oldest, id.
local function burns_before(w, account, terms, entry)
  local priority, expire_ms, create_ms, number = struct_unpack(codec.ENTRY, entry)
  local expiry = terms.expire_ms == 0 and codec.NEVER or terms.expire_ms
  if terms.priority ~= priority then return terms.priority < priority end
  if expiry ~= expire_ms then return expiry < expire_ms end
  if terms.create_ms ~= create_ms then return terms.create_ms < create_ms end
  return terms.id < grants.terms(account, number, grants.get(w, account, number)).id
end

local function insert(w, account, number, grant)
  local pot, terms, size = account.pots[grant.pot], grants.terms(account, number, grant), codec.ENTRY_SIZE
  local expiry = terms.expire_ms == 0 and codec.NEVER or terms.expire_ms
  local entry = struct_pack(codec.ENTRY, terms.priority, expiry, terms.create_ms, number, grant.scope)
  local at = #pot.order
  while at > 0 and burns_before(w, account, terms, sub(pot.order, at - size + 1, at)) do at = at - size end
  pot.order = sub(pot.order, 1, at) .. entry .. sub(pot.order, at + 1)
  pot.order_dirty = true
end

local function remove(pot, number)
  local size = codec.ENTRY_SIZE
  for at = 1, #pot.order, size do
    local _, _, _, entry_number = struct_unpack(codec.ENTRY, pot.order, at)
    if entry_number == number then
      pot.order = sub(pot.order, 1, at - 1) .. sub(pot.order, at + size)
      pot.order_dirty = true
      return
    end
  end
end

-- Take up to `credits` from the grants that may pay, in burn order, and book them as "held" or "captured".
-- Appends number, credits pairs to `parts` and returns what was taken.
function grants.draw(w, account, pot, eligible, credits, booking, parts)
  local order, size, at, left, kept = pot.order, codec.ENTRY_SIZE, 1, credits, nil
  while left > 0 and at <= #order do
    local _, _, _, number, scope = struct_unpack(codec.ENTRY, order, at)
    local drained = false
    if eligible == nil or eligible[scope] then
      local grant = grants.get(w, account, number)
      local taken = min(left, grant.remaining)
      grant.remaining = grant.remaining - taken
      grant[booking] = grant[booking] + taken
      changed(account, grant)
      add_to_sum(pot, scope, -taken)
      parts[#parts + 1] = number
      parts[#parts + 1] = taken
      left = left - taken
      drained = grant.remaining == 0
    end
    if drained then
      kept = kept or sub(order, 1, at - 1)
    elseif kept then
      kept = kept .. sub(order, at, at + size - 1)
    end
    at = at + size
  end
  if kept then
    pot.order = kept .. sub(order, at)
    pot.order_dirty = true
  end
  return credits - left
end

-- Credits enter a grant from outside or from a hold: they repay the wallet's debt first, then lie ready to be spent.
-- Returns how much debt they repaid. The caller has taken them from where they were.
local function put(w, account, number, grant, credits)
  local pot, c = account.pots[grant.pot], account.c
  local repaid = 0
  if grant.pot == POT.WALLET and c.debt > 0 then
    repaid = min(c.debt, credits)
    c.debt = c.debt - repaid
    grant.debt_paid = grant.debt_paid + repaid
    local t = work.totals(account)
    t.debt_paid = t.debt_paid + repaid
  end
  local rest = credits - repaid
  if rest > 0 then
    local was_empty = grant.remaining == 0
    grant.remaining = grant.remaining + rest
    add_to_sum(pot, grant.scope, rest)
    if was_empty then insert(w, account, number, grant) end
  end
  changed(account, grant)
  return repaid
end

-- Give held credits back to the grant they came from. Returns what a grant that has ended swallowed, and how much debt the
-- credits repaid.
function grants.restore(w, account, number, credits)
  local grant = grants.get(w, account, number)
  grant.held = grant.held - credits
  if grant.state == GRANT_STATE.EXPIRED then
    grant.expired = grant.expired + credits
    changed(account, grant)
    local t, field = work.totals(account), grant.pot == POT.WALLET and "expired" or "limit_expired"
    t[field] = t[field] + credits
    return credits, 0
  end
  return 0, put(w, account, number, grant, credits)
end

-- Held credits were really used.
function grants.capture(w, account, number, credits)
  local grant = grants.get(w, account, number)
  grant.held = grant.held - credits
  grant.captured = grant.captured + credits
  changed(account, grant)
end

-- Note when a grant of the account next starts or ends, so that it happens when anybody next touches the organisation.
local function schedule(w, account, due_ms)
  account.c.grant_due = due_ms or 0
  account.dirty = true
  due.schedule(w, work.root(account.id), "g" .. account.id, due_ms)
end

local function start(w, account, number, grant)
  local credits = grant.remaining
  grant.state, grant.remaining = GRANT_STATE.LIVE, 0
  return put(w, account, number, grant, credits)
end

local function expire(w, account, number, grant)
  local credits, pot = grant.remaining, account.pots[grant.pot]
  if grant.state == GRANT_STATE.LIVE and credits > 0 then
    add_to_sum(pot, grant.scope, -credits)
    remove(pot, number)
  end
  grant.state, grant.remaining, grant.expired = GRANT_STATE.EXPIRED, 0, grant.expired + credits
  local t, field = work.totals(account), grant.pot == POT.WALLET and "expired" or "limit_expired"
  t[field] = t[field] + credits
  changed(account, grant)
  return credits
end

-- When a grant next starts or ends; nil for never.
local function event_ms(grant, terms)
  if grant.state == GRANT_STATE.PENDING then return terms.effective_ms end
  return grant.state == GRANT_STATE.LIVE and terms.expire_ms ~= 0 and terms.expire_ms or nil
end

-- Return the numbers of an account's active grants, oldest first.
function grants.active_numbers(account)
  local numbers, known = {}, {}
  for _, field in ipairs(call("HKEYS", account.key)) do
    local number = tonumber(match(field, "^g(%d+)$"))
    if number then numbers[#numbers + 1], known[number] = number, true end
  end
  for number in pairs(account.grants) do
    if not known[number] then numbers[#numbers + 1] = number end
  end
  sort(numbers)
  local active = {}
  for _, number in ipairs(numbers) do
    local grant = account.grants[number]
    if not grant or grant.active then active[#active + 1] = number end
  end
  return active
end

-- Return the numbers in a pot's burn order, the next to pay first.
function grants.burn_order(pot)
  local numbers = {}
  for at = 1, #pot.order, codec.ENTRY_SIZE do
    local _, _, _, number = struct_unpack(codec.ENTRY, pot.order, at)
    numbers[#numbers + 1] = number
  end
  return numbers
end

-- Start and end the account's grants that are due by a time, and note what comes next, which is returned. Scans the active
-- grants, a bounded number: those over (ended, or empty with nothing held) live elsewhere.
function grants.turn(w, account, until_ms)
  local next_ms
  for _, number in ipairs(grants.active_numbers(account)) do
    local grant = grants.get(w, account, number)
    local terms = grants.terms(account, number, grant)
    local at_ms = event_ms(grant, terms)
    if at_ms and at_ms <= until_ms then
      work.touch(w, account)
      if grant.state == GRANT_STATE.PENDING then
        local repaid = start(w, account, number, grant)
        work.journal(w, "grant_started", account.id, terms.id, { grant.amount, repaid })
      else
        local credits = expire(w, account, number, grant)
        work.journal(w, "grant_expired", account.id, terms.id, { credits })
      end
      at_ms = event_ms(grant, terms)
    end
    if at_ms and grant.active and (next_ms == nil or at_ms < next_ms) then next_ms = at_ms end
  end
  schedule(w, account, next_ms)
  return next_ms
end

-- Add a grant whose bounds and terms the caller has checked. Returns its number and how much debt it repaid.
function grants.add(w, account, terms, pot_number, credits, scope)
  local c = account.c
  local number = c.grant_next
  c.grant_next = number + 1
  if not account.pots[pot_number] then
    account.pots[pot_number] = { sums = { 0 }, order = "", dirty = true, order_dirty = true }
    c.has_limit = 1
  end
  local t, field = work.totals(account), pot_number == POT.WALLET and "granted" or "limit_granted"
  t[field] = t[field] + credits
  local grant = {
    amount = credits, remaining = credits, held = 0, captured = 0, debt_paid = 0, expired = 0, state = GRANT_STATE.PENDING,
    pot = pot_number, scope = scope, terms = terms, packed_terms = codec.pack_terms(terms), new = true, active = false,
  }
  account.grants[number] = grant
  changed(account, grant)
  local repaid = 0
  if terms.effective_ms <= w.now then repaid = start(w, account, number, grant) end
  local at_ms = event_ms(grant, terms)
  if at_ms and grant.active and (c.grant_due == 0 or at_ms < c.grant_due) then schedule(w, account, at_ms) end
  return number, repaid
end

-- Return a place in the account's list of scopes that no active grant has, nil where there is none.
local function free_scope(w, account)
  local taken = {}
  for _, number in ipairs(grants.active_numbers(account)) do taken[grants.get(w, account, number).scope] = true end
  for i = 1, grants.SCOPES_MAX do
    if not taken[i] then return i end
  end
end

-- Return the number of a scope in the account's list, adding it; nil when the list is full.
function grants.scope(w, account, channels, regions)
  if #channels == 0 and #regions == 0 then return 0 end
  local scopes = account.scopes or {}
  local wanted = encode({ channels, regions })
  for i, scope in ipairs(scopes) do
    if encode(scope) == wanted then return i end
  end
  local number = #scopes < grants.SCOPES_MAX and #scopes + 1 or free_scope(w, account)
  if not number then return nil end
  scopes[number] = { channels, regions }
  account.scopes, account.scopes_dirty, account.dirty = scopes, true, true
  return number
end

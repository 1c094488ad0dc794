-- grants: what credits are there, and in which order they burn.
--
-- A grant lives in the account's hash while it has anything to draw, hold or wait for; then it moves to the hash of ended
-- grants, where it stays listed and can still take back what was held. Every function keeps its invariant (codec.grant), the
-- pot's sums and order, the account's totals, and the folded sums of the ended grants.

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
    local mutable, terms, heir_account, heir_number, heir_expire_ms, heir_priority = decode(call("HGET", ended_key(w, account), number))
    grant = codec.grant(mutable)
    grant.packed_terms, grant.folded = terms, mutable
    grant.heir = heir_account and { heir_account, heir_number, heir_expire_ms, heir_priority }
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
  if grant.state == GRANT_STATE.LIVE then return grant.remaining == 0 and grant.held == 0 end
  return grant.state ~= GRANT_STATE.PENDING
end

-- Note a change of a grant, and whether it still counts as active.
function grants.changed(account, grant)
  local active = not is_over(grant)
  if active ~= grant.active then account.c.grants = account.c.grants + (active and 1 or -1) end
  if grant.ended or not active then account.fold_dirty = true end
  grant.active, grant.dirty, account.dirty = active, true, true
end

local LIMIT_TOTAL = { granted = "limit_granted", captured = "limit_captured", refunded = "limit_refunded",
  expired = "limit_expired", revoked = "limit_revoked" }

-- Add to a total of the account, that of the pot's own.
function grants.count(account, pot_number, name, credits)
  local t, field = work.totals(account), pot_number == POT.WALLET and name or LIMIT_TOTAL[name]
  if not t[field] then codec.complete(t) end
  t[field] = t[field] + credits
end

-- Write a changed grant where it now belongs; `add` puts a field into the account's hash.
function grants.save(w, account, number, grant, add)
  if is_over(grant) then
    grants.terms(account, number, grant)
    local packed = encode(codec.pack_grant(grant), grant.packed_terms)
    if grant.heir then packed = packed .. encode(unpack(grant.heir)) end
    call("HSET", ended_key(w, account), number, packed)
    if not grant.ended then call("HDEL", account.key, "g" .. number, "m" .. number) end
  else
    add("g" .. number, codec.pack_grant(grant))
    if grant.new or grant.ended then add("m" .. number, grant.packed_terms) end
    if grant.ended then call("HDEL", ended_key(w, account), number) end
  end
end

-- Bring the folded sums of an account's ended grants up to date.
function grants.fold(account)
  local fold = codec.fold(call("HGET", account.key, "f"))
  local function add(grant, sign)
    local sums = fold[grant.pot]
    sums.count = sums.count + sign
    for _, name in ipairs(codec.FOLDED) do sums[name] = sums[name] + sign * grant[name] end
  end
  for number, grant in pairs(account.grants) do
    if grant.dirty then
      if grant.folded then add(codec.grant(grant.folded), -1) end
      if is_over(grant) then
        add(grant, 1)
        grants.terms(account, number, grant)
      end
    end
  end
  account.fold = fold
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

-- Note that credits of a scope have come to what remains in a pot, or left it.
local function add_to_sum(pot, scope, credits)
  for i = #pot.sums + 1, scope + 1 do pot.sums[i] = 0 end
  pot.sums[scope + 1] = pot.sums[scope + 1] + credits
  pot.dirty = true
end

local function expiry_of(terms)
  return terms.expire_ms == 0 and codec.NEVER or terms.expire_ms
end

-- Whether a grant burns before an entry of the order: priority, soonest expiry, oldest (numbers tell which of one moment).
local function burns_before(terms, number, entry)
  local priority, expire_ms, create_ms, entry_number = struct_unpack(codec.ENTRY, entry)
  if terms.priority ~= priority then return terms.priority < priority end
  if expiry_of(terms) ~= expire_ms then return expiry_of(terms) < expire_ms end
  if terms.create_ms ~= create_ms then return terms.create_ms < create_ms end
  return number < entry_number
end

local function insert(account, number, grant)
  local pot, terms, size = account.pots[grant.pot], grants.terms(account, number, grant), codec.ENTRY_SIZE
  local entry = struct_pack(codec.ENTRY, terms.priority, expiry_of(terms), terms.create_ms, number, grant.scope)
  local at = #pot.order
  while at > 0 and burns_before(terms, number, sub(pot.order, at - size + 1, at)) do at = at - size end
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

-- Take up to `credits` from the grants that may pay, in burn order, and book them as "held", "captured" or "moved".
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
      grants.changed(account, grant)
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

-- Take credits out of what remains of a grant, which the caller books. One that has not begun is in no sum yet.
function grants.take(account, number, grant, credits)
  grant.remaining = grant.remaining - credits
  if grant.state == GRANT_STATE.LIVE and credits > 0 then
    local pot = account.pots[grant.pot]
    add_to_sum(pot, grant.scope, -credits)
    if grant.remaining == 0 then remove(pot, number) end
  end
end

-- Credits enter a grant from outside or from a hold: they repay the wallet's debt first, then lie ready to be spent.
-- Returns how much debt they repaid. The caller has taken them from where they were.
function grants.put(account, number, grant, credits)
  local pot, c = account.pots[grant.pot], account.c
  local repaid = 0
  if grant.pot == POT.WALLET and c.debt > 0 then
    repaid = min(c.debt, credits)
    c.debt = c.debt - repaid
    grant.debt_paid = grant.debt_paid + repaid
    grants.count(account, POT.WALLET, "debt_paid", repaid)
  end
  local rest = credits - repaid
  if rest > 0 then
    local was_empty = grant.remaining == 0
    grant.remaining = grant.remaining + rest
    add_to_sum(pot, grant.scope, rest)
    if was_empty then insert(account, number, grant) end
  end
  grants.changed(account, grant)
  return repaid
end

-- Held credits were really used.
function grants.capture(w, account, number, credits)
  local grant = grants.get(w, account, number)
  grant.held = grant.held - credits
  grant.captured = grant.captured + credits
  grants.changed(account, grant)
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

-- Return which places in the account's list of scopes its active grants have, as a set, and how many these are.
local function places_taken(w, account)
  local taken, count = {}, 0
  for _, number in ipairs(grants.active_numbers(account)) do
    local place = grants.get(w, account, number).scope
    if place > 0 and not taken[place] then taken[place], count = true, count + 1 end
  end
  return taken, count
end

-- Return the number of a scope in the account's list, nil where it is not there.
local function scope_number(account, channels, regions)
  if #channels == 0 and #regions == 0 then return 0 end
  local wanted = encode({ channels, regions })
  for i, scope in ipairs(account.scopes or {}) do
    if encode(scope) == wanted then return i end
  end
end

-- Whether the account's list has room for grants of these scopes, { { channels, regions }, … }.
function grants.has_room(w, account, scopes)
  local new, count = {}, 0
  for _, scope in ipairs(scopes) do
    local key = encode(scope)
    if not scope_number(account, scope[1], scope[2]) and not new[key] then new[key], count = true, count + 1 end
  end
  if count == 0 or #(account.scopes or {}) + count <= grants.SCOPES_MAX then return true end
  local _, used = places_taken(w, account)
  return used + count <= grants.SCOPES_MAX
end

-- Return the number of a scope in the account's list, adding it where it is not there. Who gives a new grant has seen that there is
-- room; a grant that comes back to life finds its place beyond it, if need be.
function grants.scope(w, account, channels, regions)
  local number = scope_number(account, channels, regions)
  if number then return number end
  local scopes = account.scopes or {}
  number = #scopes + 1
  if #scopes >= grants.SCOPES_MAX then
    local taken = places_taken(w, account)
    number = 1
    while taken[number] do number = number + 1 end
  end
  scopes[number] = { channels, regions }
  account.scopes, account.scopes_dirty, account.dirty = scopes, true, true
  return number
end

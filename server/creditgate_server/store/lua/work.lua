-- work: the working copy of one function call. Everything is loaded and computed here and written once, at the end, by save:
-- an error before save leaves no effect, and nothing in save can fail.

-- Start a call. ARGV[1] carries the settings of the ledger; the hash tag of the first key is that of all others.
function work.open(keys, argv)
  if not call then bind() end
  local test_clock, journal_length, settled_ttl_ms, expired_ttl_ms, charge_ttl_ms = decode(argv[1])
  local prefix = match(keys[1], "^cg:{%d+}:")
  local time = call("TIME")
  local now = time[1] * 1000 + floor(time[2] / 1000)
  if test_clock then now = now + tonumber(call("GET", prefix .. "clock") or 0) end
  return {
    prefix = prefix, now = now, journal_length = journal_length, settled_ttl_ms = settled_ttl_ms,
    expired_ttl_ms = expired_ttl_ms, charge_ttl_ms = charge_ttl_ms,
    accounts = {}, loaded = {}, holds = {}, touched = {}, entries = {}, opened = 0,
  }
end

function work.root(account_id)
  return match(account_id, "^[^/]+")
end

local function load(w, id)
  local key = w.prefix .. "a:" .. id
  local settings, counters, wallet_sums, wallet_order, limit_sums, limit_order, scopes =
    unpack(call("HMGET", key, "s", "c", "ws", "wo", "ls", "lo", "x"))
  if not settings then return nil end
  local c = codec.counters(counters)
  return {
    id = id, key = key, s = codec.settings(settings), c = c, scopes = scopes and decode(scopes), grants = {},
    pots = {
      { sums = codec.sums(wallet_sums), order = wallet_order or "" },
      c.has_limit == 1 and { sums = codec.sums(limit_sums), order = limit_order or "" } or nil,
    },
  }
end

-- Return an account that is to be, empty.
function work.new_account(w, id, s)
  local account = {
    id = id, key = w.prefix .. "a:" .. id, s = s, c = codec.new_counters(w.now), t = codec.new_totals(), grants = {},
    pots = { { sums = { 0 }, order = "", dirty = true } }, created = true, dirty = true, settings_dirty = true, t_dirty = true,
  }
  w.accounts[id], w.loaded[#w.loaded + 1] = account, account
  return account
end

-- Return the account as it stands, nil where there is none.
function work.account(w, id)
  local account = w.accounts[id]
  if account == nil then
    account = load(w, id) or false
    w.accounts[id] = account
    if account then
      w.loaded[#w.loaded + 1] = account
      if account.c.clock > w.now then w.now = account.c.clock end
    end
  end
  return account or nil
end

-- Return the account and all above it, leaf first, as they stand; or nil and the reply that says which does not exist.
local function ancestry(w, id)
  local lineage = {}
  while id do
    local account = work.account(w, id)
    if not account then return nil, { "ACCOUNT_NOT_FOUND", id } end
    lineage[#lineage + 1] = account
    id = match(id, "^(.*)/")
  end
  return lineage
end

-- Return the account and all above it, leaf first, with all done that is due by now; or nil and the reply that says why not:
-- ACCOUNT_NOT_FOUND, or SWEEP where a grant of them starts or ends later than more holds than one call may end.
function work.lineage(w, id)
  local lineage, failure = ancestry(w, id)
  if not lineage then return nil, failure end
  local root = lineage[#lineage]
  if root.c.tree_due == 0 or root.c.tree_due > w.now then return lineage end
  due.turn(w, root, due.TURN_MAX)
  for _, account in ipairs(lineage) do
    if account.c.grant_due ~= 0 and account.c.grant_due <= w.now then return nil, { "SWEEP", root.id } end
  end
  return lineage
end

function work.totals(account)
  if not account.t then account.t = codec.totals(call("HGET", account.key, "t")) end
  account.t_dirty = true
  return account.t
end

-- Return the charge with an id, nil where there is none in the window, and the key it has or will have.
function work.charge(w, root_id, id)
  local key = w.prefix .. "x:" .. root_id .. "|" .. id
  w.charges = w.charges or {}
  local charge = w.charges[key]
  if charge == nil then
    local packed = call("GET", key)
    charge = packed and codec.charge(packed) or false
    w.charges[key] = charge
  end
  return charge or nil, key
end

-- Note that the operation at hand changed an account, so that its journal entry says how the account stands after it.
function work.touch(w, account)
  if account.touched then return end
  account.touched = true
  w.touched[#w.touched + 1] = account
end

-- Close an operation: append one journal entry with the values after it of every account that it touched.
function work.journal(w, kind, account_id, id, detail)
  local effects = {}
  for _, account in ipairs(w.touched) do
    local c = account.c
    c.seq = c.seq + 1
    account.dirty, account.touched = true, false
    local limit = account.pots[POT.LIMIT]
    effects[#effects + 1] = { account.id, c.seq, grants.total(account.pots[POT.WALLET]), c.reserved, c.debt, c.used,
      limit and grants.total(limit) or false, limit and c.limit_reserved or false }
  end
  w.touched = {}
  w.entries[#w.entries + 1] = encode(kind, w.now, account_id, id, detail, effects)
end

local function save_account(w, account)
  local c, fields = account.c, { "c" }
  c.clock = w.now
  fields[2] = codec.pack_counters(c)
  local n = 2
  local function add(name, value)
    fields[n + 1], fields[n + 2] = name, value
    n = n + 2
  end
  if account.settings_dirty then
    add("s", codec.pack_settings(account.s))
    add("d", codec.pack_description(account.d))
  end
  if account.t_dirty then add("t", codec.pack_totals(account.t)) end
  if account.scopes_dirty then add("x", encode(account.scopes)) end
  local wallet, limit = account.pots[POT.WALLET], account.pots[POT.LIMIT]
  if wallet.dirty then add("ws", codec.pack_sums(wallet.sums)) end
  if wallet.order_dirty then add("wo", wallet.order) end
  if limit and limit.dirty then add("ls", codec.pack_sums(limit.sums)) end
  if limit and limit.order_dirty then add("lo", limit.order) end
  for number, grant in pairs(account.grants) do
    if grant.dirty then grants.save(w, account, number, grant, add) end
  end
  call("HSET", account.key, unpack(fields, 1, n))
end

local function save_due(w)
  for _, account in ipairs(w.loaded) do
    if account.tree_due_dirty then
      if account.c.tree_due == 0 then
        call("ZREM", w.prefix .. "due", account.id)
      else
        call("ZADD", w.prefix .. "due", account.c.tree_due, account.id)
      end
    end
  end
  for root_id, members in pairs(w.scheduled or {}) do
    local key = w.prefix .. "d:" .. root_id
    for member, due_ms in pairs(members) do
      if due_ms then call("ZADD", key, due_ms, member) else call("ZREM", key, member) end
    end
  end
end

local function save_hold(key, hold)
  if hold.ttl_ms then
    call("SET", key, codec.pack_hold(hold), "PX", hold.ttl_ms)
  else
    call("SET", key, codec.pack_hold(hold))
  end
end

-- Write all that changed. Nothing else in the library writes, but for grants.save, which is part of this.
function work.save(w)
  for _, account in ipairs(w.loaded) do
    if account.created then call("ZADD", w.prefix .. "accounts", 0, account.id) end
    if account.dirty then save_account(w, account) end
  end
  for key, hold in pairs(w.holds) do
    if hold and hold.dirty then save_hold(key, hold) end
  end
  for key, charge in pairs(w.charges or {}) do
    if charge and charge.dirty then call("SET", key, codec.pack_charge(charge), "PX", w.charge_ttl_ms) end
  end
  for key, ids in pairs(w.grant_ids or {}) do
    for id, record in pairs(ids) do call("HSET", key, id, record) end
  end
  save_due(w)
  if w.opened ~= 0 then call("INCRBY", w.prefix .. "open", w.opened) end
  for _, entry in ipairs(w.entries) do
    call("XADD", w.prefix .. "j", "MAXLEN", "~", w.journal_length, "*", "e", entry)
  end
end

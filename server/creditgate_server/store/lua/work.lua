-- work: the working copy of one function call. Everything is loaded and computed here and written once, at the end, by save:
-- an error before save leaves no effect, and nothing in save can fail.

-- How far the store's clock may be from what a caller expects before the caller's is taken: more than an answer is ever late.
work.CLOCK_TOLERANCE_MS = 2000

local NONE = {}

-- The settings of the ledger are the same call after call: they are decoded when they change.
local settings_packed, settings

local function settings_of(packed)
  if packed ~= settings_packed then
    local test_clock, journal_length, settled_ttl_ms, expired_ttl_ms, charge_ttl_ms, denial_ttl_ms = decode(packed)
    settings_packed, settings = packed, {
      test_clock = test_clock, journal_length = journal_length, settled_ttl_ms = settled_ttl_ms, expired_ttl_ms = expired_ttl_ms,
      charge_ttl_ms = charge_ttl_ms, denial_ttl_ms = denial_ttl_ms,
    }
  end
  return settings
end

-- Start a call. ARGV[1] carries the settings of the ledger, ARGV[2] what the caller expects the time to be (0: no idea), lest a
-- clock that is set end too soon what is held now, or what is held later; the hash tag of the first key is that of all others.
--   now: the time, which never runs backwards for an account      moment: the time of the event that is being worked off, if any
--   horizon: what is due by it has come, and    latest: what a time to live is counted from; where the clocks disagree nothing
--   ends, and nothing is forgotten, before both say so
function work.open(keys, argv)
  if not call then bind() end
  local prefix = match(keys[1], "^cg:{%d+}:")
  local time, expected_ms = call("TIME"), tonumber(argv[2])
  local now = time[1] * 1000 + floor(time[2] / 1000)
  local horizon, latest = now, now
  if expected_ms > 0 and abs(now - expected_ms) > work.CLOCK_TOLERANCE_MS then
    now, horizon, latest = expected_ms, min(now, expected_ms), max(now, expected_ms)
  end
  local own = settings_of(argv[1])
  if own.test_clock then
    local offset_ms = tonumber(call("GET", prefix .. "clock") or 0)
    now, horizon, latest = now + offset_ms, horizon + offset_ms, latest + offset_ms
  end
  return {
    prefix = prefix, settings = own, now = now, horizon = horizon, latest = latest, accounts = {}, loaded = {}, holds = {},
    touched = {}, entries = {}, opened = 0,
  }
end

-- Return when something that lasts so long is over, or (less than 0) what was that long ago: whichever clock is right, no earlier.
function work.after(w, ms)
  return max(w.now, w.latest) + ms
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
function work.new_account(w, id, s, d)
  local account = {
    id = id, key = w.prefix .. "a:" .. id, s = s, c = codec.new_counters(w.now), t = codec.new_totals(), d = d, grants = {},
    pots = { { sums = { 0 }, order = "", dirty = true } }, plan = false, created = true, dirty = true, s_dirty = true, d_dirty = true,
    t_dirty = true,
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
-- ACCOUNT_NOT_FOUND, or SWEEP where a grant of them starts or ends later than more holds than one call may end, or where a period
-- has ended, whose next one the caller must bound.
function work.lineage(w, id)
  local lineage, failure = ancestry(w, id)
  if not lineage then return nil, failure end
  local root = lineage[#lineage]
  if root.c.tree_due == 0 or root.c.tree_due > w.horizon then return lineage end
  due.turn(w, root, due.TURN_MAX)
  if w.renewing then return nil, { "SWEEP", root.id } end
  for _, account in ipairs(lineage) do
    if account.c.grant_due ~= 0 and account.c.grant_due <= w.horizon then return nil, { "SWEEP", root.id } end
  end
  return lineage
end

-- Return the totals of an account, to change them; all of them, or without the rare ones.
function work.totals(account, all)
  if not account.t then account.t = codec.totals(call("HGET", account.key, "t")) end
  account.t_dirty = true
  return all and codec.complete(account.t) or account.t
end

-- Return what no granted decision asks of an account, to read; to change it, say so.
function work.description(account, changes)
  if not account.d then account.d = codec.description(call("HGET", account.key, "d")) end
  if changes then account.d_dirty, account.dirty = true, true end
  return account.d
end

-- Return the record kept under a key, nil where there is none or its time is over.
function work.recall(w, key, decoder)
  w.records = w.records or {}
  local record = w.records[key]
  if record == nil then
    local packed = call("GET", key)
    record = packed and decoder(packed) or false
    w.records[key] = record
  end
  if record and record.forget_ms > w.horizon then return record end
end

-- Keep a record under a key until its `forget_ms`.
function work.keep(w, key, record, encoder)
  record.encoder, record.dirty = encoder, true
  w.records = w.records or {}
  w.records[key] = record
end

local function ids_of(w, key)
  w.ids = w.ids or {}
  local ids = w.ids[key]
  if not ids then
    ids = { records = {}, added = 0 }
    w.ids[key] = ids
  end
  return ids
end

-- Return the fields known for good under an id; nil where there are none.
function work.known(w, key, id)
  local packed = ids_of(w, key).records[id] or call("HGET", key, id)
  return packed and { decode(packed) }
end

-- Know fields under an id for good.
function work.know(w, key, id, ...)
  local ids = ids_of(w, key)
  if not work.known(w, key, id) then ids.added = ids.added + 1 end
  ids.records[id] = encode(...)
end

function work.grant_ids(w, root_id)
  return w.prefix .. "i:" .. root_id
end

-- Return the id of the next grant that the ledger itself makes in an organisation.
function work.next_grant_id(w, root_id)
  local key = work.grant_ids(w, root_id)
  return format("cg:%d", call("HLEN", key) + ids_of(w, key).added + 1)
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
  c.clock = max(c.clock, w.horizon)
  fields[2] = codec.pack_counters(c)
  local n = 2
  local function add(name, value)
    fields[n + 1], fields[n + 2] = name, value
    n = n + 2
  end
  if account.s_dirty then add("s", codec.pack_settings(account.s)) end
  if account.d_dirty then add("d", codec.pack_description(account.d)) end
  if account.t_dirty then add("t", codec.pack_totals(account.t)) end
  if account.fold_dirty then add("f", codec.pack_fold(account.fold)) end
  if account.plan_dirty and account.plan then add("p", codec.pack_plan(account.plan)) end
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
  if account.plan_dirty and not account.plan then call("HDEL", account.key, "p") end
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
  for root_id, members in pairs(w.scheduled or NONE) do
    local key = w.prefix .. "d:" .. root_id
    for member, due_ms in pairs(members) do
      if due_ms then call("ZADD", key, due_ms, member) else call("ZREM", key, member) end
    end
  end
end

-- Write a record that ends by itself; one whose time is over meanwhile still needs a moment to be one.
local function save_until(w, key, packed, forget_ms)
  call("SET", key, packed, "PX", format("%d", max(1, forget_ms - w.horizon)))
end

-- Write all that changed. Nothing else in the library writes, but for grants.save, which is part of this.
function work.save(w)
  for _, account in ipairs(w.loaded) do
    if account.fold_dirty then grants.fold(account) end
  end
  for _, account in ipairs(w.loaded) do
    if account.created then call("ZADD", w.prefix .. "accounts", 0, account.id) end
    if account.dirty then save_account(w, account) end
  end
  for key, hold in pairs(w.holds) do
    if hold and hold.dirty then
      if hold.forget_ms and hold.forget_ms > 0 then
        save_until(w, key, codec.pack_hold(hold), hold.forget_ms)
      else
        call("SET", key, codec.pack_hold(hold))
      end
    end
  end
  for key, record in pairs(w.records or NONE) do
    if record and record.dirty then save_until(w, key, record.encoder(record), record.forget_ms) end
  end
  for key, ids in pairs(w.ids or NONE) do
    for id, record in pairs(ids.records) do call("HSET", key, id, record) end
  end
  save_due(w)
  if w.opened ~= 0 then call("INCRBY", w.prefix .. "open", w.opened) end
  for _, entry in ipairs(w.entries) do
    call("XADD", w.prefix .. "j", "MAXLEN", "~", w.settings.journal_length, "*", "e", entry)
  end
end

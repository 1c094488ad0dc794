-- audit: raw records for `creditgate verify`, as they stand, with nothing that is due taken into account.
--
-- What cannot be decoded must not end the audit: it is a finding, UNREADABLE, and the next account is read all the same.

audit.HOLDS_MAX = 2000

-- Decode a record, nil where it is missing or is none.
local function readable(decoder, packed)
  if not packed then return nil end
  local ok, record = pcall(decoder, packed)
  return ok and record or nil
end

local function read_order(packed)
  local entries = {}
  for at = 1, #(packed or ""), codec.ENTRY_SIZE do
    local priority, expire_ms, create_ms, number, scope = struct_unpack(codec.ENTRY, packed, at)
    entries[#entries + 1] = { number, scope, priority, expire_ms, create_ms }
  end
  return entries
end

local function read_grant(number, packed, packed_terms, ended)
  local g, m = codec.grant(packed), codec.terms(packed_terms)
  local expiry = m.expire_ms == 0 and codec.NEVER or m.expire_ms
  local starts_ms = g.state == GRANT_STATE.PENDING and m.effective_ms or 0
  return { tonumber(number), m.id, g.state, g.pot, g.scope, m.priority, expiry, m.create_ms, starts_ms, g.amount, g.remaining, g.held,
    g.captured, g.debt_paid, g.expired, ended }
end

local function read_account(w, id)
  local fields, values, found = call("HGETALL", w.prefix .. "a:" .. id), {}, {}
  for i = 1, #fields, 2 do values[fields[i]] = fields[i + 1] end
  for field, value in pairs(values) do
    local number = match(field, "^g(%d+)$")
    if number then found[#found + 1] = read_grant(number, value, values["m" .. number], false) end
  end
  local ended = call("HGETALL", w.prefix .. "e:" .. id)
  for i = 1, #ended, 2 do
    local packed, terms = decode(ended[i + 1])
    found[#found + 1] = read_grant(ended[i], packed, terms, true)
  end
  return { "OK", codec.counters(values.c), codec.totals(values.t), codec.sums(values.ws), read_order(values.wo),
    codec.sums(values.ls), read_order(values.lo), found }
end

-- audit_account: all that is kept of one account, in one step.
-- ARGS: account
-- RETURNS: OK counters totals wallet_sums wallet_order limit_sums limit_order grants | UNREADABLE
function audit.account(w, args)
  local ok, reply = pcall(read_account, w, args[1])
  if not ok then return { "UNREADABLE" } end
  return reply
end

-- Add what an open hold holds to the sums of its pots.
local function add_draws(sums, hold)
  for _, draw in ipairs(hold.draws) do
    local pot = draw[1] .. "|" .. draw[2]
    sums[pot] = sums[pot] or { draw[1], draw[2], 0, 0 }
    for i = 7, #draw, 2 do sums[pot][3] = sums[pot][3] + draw[i] end
    sums[pot][4] = sums[pot][4] + draw[4]
  end
end

local function values_of(map)
  local values = {}
  for _, value in pairs(map) do values[#values + 1] = value end
  return values
end

-- audit_holds: what the open holds of a tree hold, one page of its due index, and the counters of some accounts at that moment.
-- ARGS: root accounts start
-- RETURNS: OK draws open counters misplaced tree next (0: no more)
--   draws: { account, pot, granted, uncovered } of the page; open: { account, holds }; counters: { account, seq, reserved,
--   limit_reserved, unfunded, open_holds }; misplaced: { account, due, expires } of holds that the index ends at another time;
--   tree: { tree_due, due, least }, when the root, the partition and the index say that something is due next (0: never)
function audit.holds(w, args)
  local root_id, accounts, start = unpack(args)
  local key, sums, open, misplaced, counters = w.prefix .. "d:" .. root_id, {}, {}, {}, {}
  local members = call("ZRANGE", key, start, start + audit.HOLDS_MAX - 1, "WITHSCORES")
  for i = 1, #members, 2 do
    local account, id = match(members[i], "^h([^|]*)|(.*)$")
    local hold = account and readable(codec.hold, call("GET", holds.key(w, root_id, id)))
    if hold and hold.state == RESERVATION_STATE.PENDING then
      open[account] = open[account] or { account, 0 }
      open[account][2] = open[account][2] + 1
      add_draws(sums, hold)
      local due_ms = tonumber(members[i + 1])
      if due_ms ~= hold.expire_ms then misplaced[#misplaced + 1] = { account, due_ms, hold.expire_ms } end
    end
  end
  for _, id in ipairs(accounts) do
    local c = readable(codec.counters, call("HGET", w.prefix .. "a:" .. id, "c"))
    if c then counters[#counters + 1] = { id, c.seq, c.reserved, c.limit_reserved, c.unfunded, c.open_holds } end
  end
  local root = readable(codec.counters, call("HGET", w.prefix .. "a:" .. root_id, "c"))
  local tree = { root and root.tree_due or 0, tonumber(call("ZSCORE", w.prefix .. "due", root_id) or 0),
    tonumber(call("ZRANGE", key, 0, 0, "WITHSCORES")[2] or 0) }
  local following = #members == 2 * audit.HOLDS_MAX and start + audit.HOLDS_MAX or 0
  return { "OK", values_of(sums), values_of(open), counters, misplaced, tree, following }
end

-- audit_seq: the number of an account's latest journal entry.
-- ARGS: account
-- RETURNS: OK seq | UNREADABLE
function audit.seq(w, args)
  local c = readable(codec.counters, call("HGET", w.prefix .. "a:" .. args[1], "c"))
  if not c then return { "UNREADABLE" } end
  return { "OK", c.seq }
end

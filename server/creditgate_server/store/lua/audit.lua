-- audit: raw records for `creditgate verify`, as they stand, with nothing that is due taken into account.
--
-- What cannot be decoded must not end the audit: it is a finding, UNREADABLE, and the next account is read all the same.

audit.HOLDS_MAX = 2000
audit.ENDED_MAX = 500 -- ended grants of one page; a small hash is read whole, whatever its size up to the store's own bound

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

local function read_grant(number, packed, packed_terms)
  local g, m = codec.grant(packed), codec.terms(packed_terms)
  local expiry = m.expire_ms == 0 and codec.NEVER or m.expire_ms
  local starts_ms = g.state == GRANT_STATE.PENDING and m.effective_ms or 0
  return { tonumber(number), m.id, g.state, g.pot, g.scope, m.priority, expiry, m.create_ms, starts_ms, g.amount, g.remaining, g.held,
    g.captured, g.refunded, g.debt_paid, g.expired, g.revoked, g.moved }
end

local function all_totals(packed)
  return codec.complete(codec.totals(packed))
end

local function read_account(w, id)
  local fields, values, found = call("HGETALL", w.prefix .. "a:" .. id), {}, {}
  for i = 1, #fields, 2 do values[fields[i]] = fields[i + 1] end
  for field, value in pairs(values) do
    local number = match(field, "^g(%d+)$")
    if number then found[#found + 1] = read_grant(number, value, values["m" .. number]) end
  end
  local d, root_id = codec.description(values.d), work.root(id)
  local due_ms = tonumber(call("ZSCORE", w.prefix .. "d:" .. root_id, "g" .. id) or 0)
  local plan = values.p and codec.plan(values.p)
  return { "OK", codec.counters(values.c), all_totals(values.t), codec.sums(values.ws), read_order(values.wo),
    codec.sums(values.ls), read_order(values.lo), found, codec.fold(values.f), codec.settings(values.s).status, d.children,
    d.adjustment, due_ms, plan and plan.end_ms or 0 }
end

-- audit_account: all that is kept of one account but its ended grants, of which their folded sums are, in one step.
-- ARGS: account
-- RETURNS: OK counters totals wallet_sums wallet_order limit_sums limit_order grants fold status children adjustment due period_end | UNREADABLE
--   due: when something of its grants is, by the index of its organisation; period_end: of its plan's present one (0: never)
function audit.account(w, args)
  local ok, reply = pcall(read_account, w, args[1])
  if not ok then return { "UNREADABLE" } end
  return reply
end

local function has_grant(w, account_id, number)
  local field = format("%d", number)
  return call("HEXISTS", w.prefix .. "a:" .. account_id, "g" .. field) == 1
    or call("HEXISTS", w.prefix .. "e:" .. account_id, field) == 1
end

local function read_ended(w, number, packed)
  local mutable, terms, heir_account, heir_number = decode(packed)
  local grant = read_grant(number, mutable, terms)
  grant[#grant + 1], grant[#grant + 2] = heir_account or "", heir_number or 0
  grant[#grant + 1] = not heir_account or heir_number == 0 or has_grant(w, heir_account, heir_number)
  return grant
end

-- audit_ended: the ended grants of an account, a page of about so many; with the number of the account's latest journal entry, for
-- pages of one moment are those of one number. Each has its heir's account ("" for none) and number behind it, and whether
-- that is there.
-- ARGS: account cursor count
-- RETURNS: OK cursor (0: no more) grants seq unreadable | UNREADABLE
function audit.ended(w, args)
  local id, cursor, count = unpack(args)
  local page = call("HSCAN", w.prefix .. "e:" .. id, cursor, "COUNT", min(count, audit.ENDED_MAX))
  local found, unreadable = {}, {}
  for i = 1, #page[2], 2 do
    local ok, grant = pcall(read_ended, w, page[2][i], page[2][i + 1])
    if ok then found[#found + 1] = grant else unreadable[#unreadable + 1] = tonumber(page[2][i]) or 0 end
  end
  local c = readable(codec.counters, call("HGET", w.prefix .. "a:" .. id, "c"))
  if not c then return { "UNREADABLE" } end
  return { "OK", page[1], found, c.seq, unreadable }
end

-- Add what an open hold holds to the sums of its pots.
local function add_draws(sums, hold)
  for _, draw in ipairs(hold.draws) do
    local pot = draw[1] .. "|" .. draw[2]
    sums[pot] = sums[pot] or { draw[1], draw[2], 0, 0 }
    for i = usage.FIRST_PART, #draw, 2 do
      local number, credits = draw[i], draw[i + 1]
      if number > 0 then sums[pot][3] = sums[pot][3] + credits end
      if number == usage.UNCOVERED then sums[pot][4] = sums[pot][4] + credits end
    end
  end
end

local function values_of(map)
  local values = {}
  for _, value in pairs(map) do values[#values + 1] = value end
  return values
end

local function newest_entry(w)
  local last = call("XREVRANGE", w.prefix .. "j", "+", "-", "COUNT", 1)[1]
  return last and last[1] or "0-0"
end

-- audit_holds: what the open holds of a tree hold, one page of its due index, and the counters of some accounts at that moment.
-- ARGS: root accounts after_ms after_member
-- RETURNS: OK draws open counters misplaced tree newest next_ms next_member ("": no more)
--   draws: { account, pot, granted, uncovered } of the page; open: { account, holds }; counters: { account, seq, reserved,
--   limit_reserved, unfunded, open_holds, moved, moved_in }; misplaced: { account, due, expires } of holds that the index ends at another time;
--   tree: { tree_due, due, least }, when the root, the partition and the index say that something is due next (0: never)
function audit.holds(w, args)
  local root_id, accounts, after_ms, after_member = unpack(args)
  local key, sums, open, misplaced, counters = w.prefix .. "d:" .. root_id, {}, {}, {}, {}
  local start = due.position_behind(key, after_ms, after_member)
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
    local t = readable(all_totals, call("HGET", w.prefix .. "a:" .. id, "t"))
    if c and t then
      counters[#counters + 1] = { id, c.seq, c.reserved, c.limit_reserved, c.unfunded, c.open_holds, t.moved, t.moved_in }
    end
  end
  local root = readable(codec.counters, call("HGET", w.prefix .. "a:" .. root_id, "c"))
  local tree = { root and root.tree_due or 0, tonumber(call("ZSCORE", w.prefix .. "due", root_id) or 0),
    tonumber(call("ZRANGE", key, 0, 0, "WITHSCORES")[2] or 0) }
  local is_full = #members == 2 * audit.HOLDS_MAX
  return { "OK", values_of(sums), values_of(open), counters, misplaced, tree, newest_entry(w),
    is_full and tonumber(members[#members]) or 0, is_full and members[#members - 1] or "" }
end

-- audit_expiries: when holds end, or would have ended (0: it is forgotten).
-- ARGS: root ids
-- RETURNS: OK times
function audit.expiries(w, args)
  local root_id, ids = unpack(args)
  local times = {}
  for i, id in ipairs(ids) do
    local hold = readable(codec.hold, call("GET", holds.key(w, root_id, id)))
    times[i] = hold and hold.expire_ms or 0
  end
  return { "OK", times }
end

-- audit_seq: the number of an account's latest journal entry.
-- ARGS: account
-- RETURNS: OK seq | UNREADABLE
function audit.seq(w, args)
  local c = readable(codec.counters, call("HGET", w.prefix .. "a:" .. args[1], "c"))
  if not c then return { "UNREADABLE" } end
  return { "OK", c.seq }
end

-- audit_partition: how many accounts are listed in this partition and how many holds are counted as open, and the id of its latest
-- journal entry: answers with the same id are of one moment.
-- ARGS:
-- RETURNS: OK accounts open newest
function audit.partition(w)
  return { "OK", call("ZCARD", w.prefix .. "accounts"), tonumber(call("GET", w.prefix .. "open") or 0), newest_entry(w) }
end

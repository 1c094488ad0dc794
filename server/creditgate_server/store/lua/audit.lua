-- audit: raw records for `creditgate verify`, as they stand, with nothing that is due taken into account.

audit.HOLDS_MAX = 2000

local function account_record(w, id)
  local key = w.prefix .. "a:" .. id
  local counters, totals = unpack(call("HMGET", key, "c", "t"))
  return counters and codec.counters(counters), totals and codec.totals(totals), key
end

local function read_order(packed)
  local entries = {}
  for at = 1, #(packed or ""), codec.ENTRY_SIZE do
    local _, _, _, number, scope = struct_unpack(codec.ENTRY, packed, at)
    entries[#entries + 1] = { number, scope }
  end
  return entries
end

-- audit_account: all that is kept of one account, in one step.
-- ARGS: account
-- RETURNS: OK counters totals wallet_sums wallet_order limit_sums limit_order grants | ACCOUNT_NOT_FOUND id
function audit.account(w, args)
  local c, t, key = account_record(w, args[1])
  if not c then return { "ACCOUNT_NOT_FOUND", args[1] } end
  local found = {}
  local function add(number, packed, terms, ended)
    local g, m = codec.grant(packed), codec.terms(terms)
    found[#found + 1] = { tonumber(number), m.id, g.state, g.pot, g.scope, g.amount, g.remaining, g.held, g.captured, g.debt_paid,
      g.expired, ended }
  end
  local fields, values = call("HGETALL", key), {}
  for i = 1, #fields, 2 do values[fields[i]] = fields[i + 1] end
  for field, value in pairs(values) do
    local number = match(field, "^g(%d+)$")
    if number then add(number, value, values["m" .. number], false) end
  end
  local ended = call("HGETALL", w.prefix .. "e:" .. args[1])
  for i = 1, #ended, 2 do
    local packed, terms = decode(ended[i + 1])
    add(ended[i], packed, terms, true)
  end
  return { "OK", c, t, codec.sums(values.ws), read_order(values.wo), codec.sums(values.ls), read_order(values.lo), found }
end

-- audit_holds: what the open holds of a tree hold, one page of its due index, and the counters of some accounts at that moment.
-- ARGS: root accounts start
-- RETURNS: OK draws open counters next (0: no more)
--   draws: { account, pot, granted, uncovered } summed per page; open: { account, holds }; counters: { account, seq, reserved,
--   limit_reserved, unfunded, open_holds }
function audit.holds(w, args)
  local root_id, accounts, start = unpack(args)
  local members = call("ZRANGE", w.prefix .. "d:" .. root_id, start, start + audit.HOLDS_MAX - 1)
  local sums, open, draws, counts, counters = {}, {}, {}, {}, {}
  for _, member in ipairs(members) do
    local account, id = match(member, "^h([^|]*)|(.*)$")
    local packed = account and call("GET", holds.key(w, root_id, id))
    local hold = packed and codec.hold(packed)
    if hold and hold.state == RESERVATION_STATE.PENDING then
      open[account] = (open[account] or 0) + 1
      for _, draw in ipairs(hold.draws) do
        local pot = draw[1] .. "|" .. draw[2]
        sums[pot] = sums[pot] or { draw[1], draw[2], 0, 0 }
        for j = 7, #draw, 2 do sums[pot][3] = sums[pot][3] + draw[j] end
        sums[pot][4] = sums[pot][4] + draw[4]
      end
    end
  end
  for _, sum in pairs(sums) do draws[#draws + 1] = sum end
  for account, count in pairs(open) do counts[#counts + 1] = { account, count } end
  for i, id in ipairs(accounts) do
    local c = account_record(w, id)
    if c then counters[i] = { id, c.seq, c.reserved, c.limit_reserved, c.unfunded, c.open_holds } end
  end
  return { "OK", draws, counts, counters, #members == audit.HOLDS_MAX and start + audit.HOLDS_MAX or 0 }
end

-- reads: answers that write nothing. What is due by now counts as having happened, up to the bound of one call.

reads.PAGE_MAX = 500
reads.SCAN_MAX = 2000 -- members of a due index that one page of a filtered listing looks at

-- get_account: an account's settings and balance.
-- ARGS: account
-- RETURNS: OK settings balance | ACCOUNT_NOT_FOUND id | SWEEP root
function reads.get_account(w, args)
  local lineage, failure = work.lineage(w, args[1])
  if not lineage then return failure end
  local view = accounts.view(lineage)
  return { "OK", view[1], view[2] }
end

-- list_accounts: ids of the accounts of this partition, after a given one; below a parent, or ("") all.
-- ARGS: parent after count
-- RETURNS: OK ids | ACCOUNT_NOT_FOUND id
function reads.list_accounts(w, args)
  local parent, after, count = unpack(args)
  if parent ~= "" and not work.account(w, parent) then return { "ACCOUNT_NOT_FOUND", parent } end
  local prefix = parent == "" and "" or parent .. "/"
  local from = after > prefix and "(" .. after or "[" .. prefix
  local to = prefix == "" and "+" or "[" .. prefix .. "\255"
  return { "OK", call("ZRANGE", w.prefix .. "accounts", from, to, "BYLEX", "LIMIT", 0, min(count, reads.PAGE_MAX)) }
end

-- Describe an account's active grants: the wallet's in burn order, then the limit's, then those that wait or are only held.
local function describe_active(w, account, described)
  local seen = {}
  local function add(numbers)
    for _, number in ipairs(numbers) do
      if not seen[number] then
        described[#described + 1] = giving.describe(w, account, number, grants.get(w, account, number))
        seen[number] = true
      end
    end
  end
  for _, pot in ipairs(account.pots) do add(grants.burn_order(pot)) end
  add(grants.active_numbers(account))
end

-- Describe every level of a lineage, and the active grants of all of them.
local function describe_levels(w, lineage)
  local payer, levels, active = usage.payer(lineage), {}, {}
  for i, account in ipairs(lineage) do
    local limit, c = account.pots[POT.LIMIT], account.c
    levels[i] = { accounts.describe(account), account == payer,
      grants.total(account.pots[POT.WALLET]) - c.debt - c.unfunded, c.reserved, c.debt, limit and grants.total(limit) or false,
      c.limit_reserved }
    describe_active(w, account, active)
  end
  return levels, active
end

-- get_standing: the balance, every level, and the active grants of all of them.
-- ARGS: account
-- RETURNS: OK balance levels grants | ACCOUNT_NOT_FOUND id | SWEEP root
function reads.get_standing(w, args)
  local lineage, failure = work.lineage(w, args[1])
  if not lineage then return failure end
  local levels, active = describe_levels(w, lineage)
  return { "OK", accounts.balance(lineage), levels, active }
end

-- explain: what a quote answers (an inbound usage's, what a charge would), with the standing that it is decided on, in one step.
-- ARGS: account channel direction region priority unit recipients price_denial card version
-- RETURNS: OK quote balance levels grants | ACCOUNT_NOT_FOUND id | REPRICE card | UNPRICED | SWEEP root
function reads.explain(w, args)
  local quoted = authorizations.quote(w, args, args[3] == DIRECTION.INBOUND)
  if quoted[1] ~= "OK" then return quoted end
  local lineage = work.lineage(w, args[1])
  local levels, active = describe_levels(w, lineage)
  return { "OK", quoted, accounts.balance(lineage), levels, active }
end

-- list_grants: an account's grants, newest first, before a given number (0: from the newest).
-- ARGS: account include_ended before count
-- RETURNS: OK grants next | ACCOUNT_NOT_FOUND id | SWEEP root
function reads.list_grants(w, args)
  local id, include_ended, before, count = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account, page = lineage[1], {}
  local newest = account.c.grant_next - 1
  local number = before > 0 and min(before - 1, newest) or newest
  local scanned, most = 0, min(count, reads.PAGE_MAX)
  while number >= 1 and #page < most and scanned < reads.SCAN_MAX do
    local grant
    if include_ended or call("HEXISTS", account.key, "g" .. number) == 1 then grant = grants.get(w, account, number) end
    if grant and (include_ended or grant.active) then
      page[#page + 1] = giving.describe(w, account, number, grant)
    end
    number, scanned = number - 1, scanned + 1
  end
  return { "OK", page, number >= 1 and number + 1 or 0 }
end

-- Name the grants of a hold's draws by their ids: { account, pot, { { grant, credits }, … }, uncovered, unenforced }.
local function describe_draws(w, draws)
  local described = {}
  for i, draw in ipairs(draws) do
    local account, parts, other = work.account(w, draw[1]), {}, { [usage.UNCOVERED] = 0, [usage.UNENFORCED] = 0 }
    for j = usage.FIRST_PART, #draw, 2 do
      local number, credits = draw[j], draw[j + 1]
      if number > 0 then
        parts[#parts + 1] = { grants.terms(account, number, grants.get(w, account, number)).id, credits }
      else
        other[number] = other[number] + credits
      end
    end
    described[i] = { draw[1], draw[2], parts, other[usage.UNCOVERED], other[usage.UNENFORCED] }
  end
  return described
end

local function describe_hold(w, id, hold)
  local open = hold.state == RESERVATION_STATE.PENDING
  return { hold.account, hold.payer, id, hold.state, hold.credits, open and hold.held or 0, hold.captured, hold.restored,
    hold.refunded, hold.recipients, hold.unit, hold.card, hold.version, hold.rule, hold.create_ms, hold.expire_ms,
    hold.settle_ms or 0, hold.settled_by or 0, hold.expiry_action, describe_draws(w, open and hold.draws or hold.taken),
    hold.labels, hold.channel, hold.direction, hold.region, hold.priority }
end

-- get_hold: a reservation with its provenance.
-- ARGS: account id
-- RETURNS: OK hold | ACCOUNT_NOT_FOUND id | RESERVATION_NOT_FOUND | SWEEP root
function reads.get_hold(w, args)
  local account, id = unpack(args)
  local lineage, failure = work.lineage(w, account)
  if not lineage then return failure end
  local root_id = lineage[#lineage].id
  local hold = holds.get(w, root_id, id)
  if not hold or hold.account ~= account then return { "RESERVATION_NOT_FOUND" } end
  if holds.is_overdue(w, hold) then return { "SWEEP", root_id } end
  return { "OK", describe_hold(w, id, hold) }
end

-- list_holds: open reservations of an account (or of all below it too), soonest expiry first, after a member of the due index.
-- ARGS: account include_descendants after_ms after_member count
-- RETURNS: OK holds next_ms next_member (empty: no more) | ACCOUNT_NOT_FOUND id | SWEEP root
function reads.list_holds(w, args)
  local id, include_descendants, after_ms, after_member, count = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local key, page, most = w.prefix .. "d:" .. lineage[#lineage].id, {}, min(count, reads.PAGE_MAX)
  local start = due.position_behind(key, after_ms, after_member)
  local found = call("ZRANGE", key, start, start + reads.SCAN_MAX - 1, "WITHSCORES")
  for i = 1, #found, 2 do
    local member, due_ms = found[i], tonumber(found[i + 1])
    local account, hold_id = match(member, "^h([^|]*)|(.*)$")
    if account == id or (include_descendants and account and sub(account, 1, #id + 1) == id .. "/") then
      local hold = holds.get(w, lineage[#lineage].id, hold_id)
      if hold and hold.state == RESERVATION_STATE.PENDING then page[#page + 1] = describe_hold(w, hold_id, hold) end
    end
    if #page == most or i + 1 == 2 * reads.SCAN_MAX then return { "OK", page, due_ms, member } end
  end
  return { "OK", page, 0, "" }
end

-- due: roots of this partition with anything due by now, the earliest first, how late the first is, and how many holds are open.
-- ARGS: count
-- RETURNS: OK roots lag_ms open_holds
function reads.due(w, args)
  local found = call("ZRANGE", w.prefix .. "due", "-inf", w.horizon, "BYSCORE", "LIMIT", 0, min(args[1], reads.PAGE_MAX), "WITHSCORES")
  local roots = {}
  for i = 1, #found, 2 do roots[#roots + 1] = found[i] end
  local lag_ms = #roots > 0 and w.horizon - tonumber(found[2]) or 0
  return { "OK", roots, lag_ms, tonumber(call("GET", w.prefix .. "open") or 0) }
end

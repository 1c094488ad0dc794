-- accounts: CreateAccount, UpdateAccount and CloseAccount, and how an account is shown.

-- Return an account's settings as callers see them.
function accounts.describe(account)
  local s, d = account.s, work.description(account)
  return { account.id, s.status, s.funding, s.enforcement, s.overdraft_limit, s.inbound_overdraft_limit, s.floor, s.late_commit,
    s.rate_card, s.limit_counts_inbound, s.overage, d.display_name, d.create_ms, d.update_ms }
end

local ANY_TRAFFIC = {}

-- Return how an account stands, whatever the traffic.
function accounts.balance(lineage)
  return authorizations.balance(lineage, ANY_TRAFFIC, usage.demand(lineage, ANY_TRAFFIC))
end

-- Return an account's settings and balance: { settings, balance }.
function accounts.view(lineage)
  return { accounts.describe(lineage[1]), accounts.balance(lineage) }
end

local function count_child(w, parent, change)
  local d = work.description(parent, true)
  d.children = d.children + change
  work.touch(w, parent)
end

-- create_account: open an account below an existing parent.
-- ARGS: account fingerprint settings display_name
-- RETURNS: OK settings balance replayed | PARENT_NOT_FOUND id | ACCOUNT_ALREADY_EXISTS | ACCOUNT_CLOSED id | SWEEP root
-- INVARIANTS: an id is never reused; a parent exists before its child
function accounts.create_account(w, args)
  local id, fingerprint, settings, display_name = unpack(args)
  local parent, lineage, failure = match(id, "^(.*)/"), {}, nil
  if parent then
    if not work.account(w, parent) then return { "PARENT_NOT_FOUND", parent } end
    lineage, failure = work.lineage(w, parent)
    if not lineage then return failure end
  end
  local account = work.account(w, id)
  local exists = account ~= nil
  if exists and account.s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", id } end
  if exists and work.description(account).fingerprint ~= fingerprint then return { "ACCOUNT_ALREADY_EXISTS" } end
  if lineage[1] and lineage[1].s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", parent } end
  if exists then
    lineage, failure = work.lineage(w, id)
    if not lineage then return failure end
  else
    local s = {}
    for i, name in ipairs(codec.SETTABLE) do s[name] = settings[i] end
    account = work.new_account(w, id, s, { display_name = display_name, create_ms = w.now, update_ms = w.now,
      fingerprint = fingerprint, children = 0, adjustment = 0, starts = { 0, 0 } })
    if parent then count_child(w, lineage[1], 1) end
    work.touch(w, account)
    work.journal(w, "account_created", id, "", { settings, display_name })
    insert_at(lineage, 1, account)
  end
  local view = accounts.view(lineage)
  return { "OK", view[1], view[2], exists }
end

-- update_account: change settings; effective on the next decision.
-- ARGS: account changes display_name
-- RETURNS: OK settings balance | ACCOUNT_NOT_FOUND id | ACCOUNT_CLOSED id | SWEEP root
-- INVARIANTS: changes are { position in SETTABLE, value } pairs, display_name false leaves it; open holds settle as they were drawn
function accounts.update_account(w, args)
  local id, changes, display_name = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account = lineage[1]
  if account.s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", id } end
  local d = work.description(account)
  local changed = display_name and d.display_name ~= display_name
  for _, change in ipairs(changes) do
    local name, value = codec.SETTABLE[change[1]], change[2]
    changed = changed or account.s[name] ~= value
    account.s[name] = value
  end
  if changed then
    d.display_name, d.update_ms = display_name or d.display_name, w.now
    account.s_dirty, account.d_dirty = true, true
    work.touch(w, account)
    work.journal(w, "account_updated", id, "", { changes, display_name })
  end
  local view = accounts.view(lineage)
  return { "OK", view[1], view[2] }
end

-- close_account: end an account for good. What remains of its credits is revoked, its debt is written off.
-- ARGS: account
-- RETURNS: OK settings balance revoked written_off replayed | ACCOUNT_NOT_FOUND id | ACCOUNT_NOT_EMPTY children open_holds | SWEEP root
-- INVARIANTS: a closed account has no children that are not closed, no open holds, no credits and no debt
function accounts.close_account(w, args)
  local id = args[1]
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account = lineage[1]
  local c, t, replayed = account.c, work.totals(account, true), account.s.status == ACCOUNT_STATUS.CLOSED
  local children = work.description(account).children
  if children > 0 or c.open_holds > 0 then
    if w.backlog then return { "SWEEP", lineage[#lineage].id } end
    return { "ACCOUNT_NOT_EMPTY", children, c.open_holds }
  end
  if not replayed then
    local revoked = 0
    work.touch(w, account)
    for _, number in ipairs(grants.active_numbers(account)) do
      local grant = grants.get(w, account, number)
      local taken = life.revoke(account, number, grant)
      if grant.pot == POT.WALLET then revoked = revoked + taken end
    end
    plans.close(account)
    life.foresee(w, account)
    t.written_off, c.debt = t.written_off + c.debt, 0
    account.s.status, account.s_dirty = ACCOUNT_STATUS.CLOSED, true
    local d = work.description(account, true)
    d.update_ms, d.closed = w.now, { revoked, t.written_off }
    if lineage[2] then count_child(w, lineage[2], -1) end
    work.journal(w, "account_closed", id, "", { revoked, t.written_off })
  end
  local view, closed = accounts.view(lineage), work.description(account).closed
  return { "OK", view[1], view[2], closed[1], closed[2], replayed }
end

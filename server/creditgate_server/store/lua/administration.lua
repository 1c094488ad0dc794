-- administration: accounts are opened and changed, and credits granted.

local function description(account)
  account.d = account.d or codec.description(call("HGET", account.key, "d"))
  return account.d
end

-- Return an account's settings as callers see them.
function administration.describe(account)
  local s, d = account.s, description(account)
  return { account.id, s.status, s.funding, s.enforcement, s.overdraft_limit, s.inbound_overdraft_limit, s.floor, s.late_commit,
    s.rate_card, s.limit_counts_inbound, d.display_name, d.create_ms, d.update_ms }
end

local ANY_TRAFFIC = {}

-- Return how an account stands, whatever the traffic.
function administration.balance(lineage)
  return authorizations.balance(lineage, ANY_TRAFFIC, usage.demand(lineage, ANY_TRAFFIC))
end

-- Return an account's settings and balance: { settings, balance }.
function administration.view(lineage)
  return { administration.describe(lineage[1]), administration.balance(lineage) }
end

-- create_account: open an account below an existing parent.
-- ARGS: account fingerprint settings display_name
-- RETURNS: OK settings balance replayed | PARENT_NOT_FOUND id | ACCOUNT_ALREADY_EXISTS | SWEEP root
-- INVARIANTS: an id is never reused; a parent exists before its child
function administration.create_account(w, args)
  local id, fingerprint, settings, display_name = unpack(args)
  local parent, lineage, failure = match(id, "^(.*)/"), {}, nil
  if parent then
    if not work.account(w, parent) then return { "PARENT_NOT_FOUND", parent } end
    lineage, failure = work.lineage(w, parent)
    if not lineage then return failure end
  end
  local account = work.account(w, id)
  local exists = account ~= nil
  if exists and description(account).fingerprint ~= fingerprint then return { "ACCOUNT_ALREADY_EXISTS" } end
  if not exists then
    local s = {}
    for i, name in ipairs(codec.SETTABLE) do s[name] = settings[i] end
    account = work.new_account(w, id, s)
    account.d = { display_name = display_name, create_ms = w.now, update_ms = w.now, fingerprint = fingerprint }
    work.touch(w, account)
    work.journal(w, "account_created", id, "", { settings, display_name })
  end
  local view = administration.view({ account, unpack(lineage) })
  return { "OK", view[1], view[2], exists }
end

-- update_account: change settings; effective on the next decision.
-- ARGS: account changes display_name
-- RETURNS: OK settings balance | ACCOUNT_NOT_FOUND id | SWEEP root
-- INVARIANTS: changes are { position in SETTABLE, value } pairs, display_name false leaves it; open holds settle as they were drawn
function administration.update_account(w, args)
  local id, changes, display_name = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account = lineage[1]
  local d = description(account)
  local changed = display_name and d.display_name ~= display_name
  for _, change in ipairs(changes) do
    local name, value = codec.SETTABLE[change[1]], change[2]
    changed = changed or account.s[name] ~= value
    account.s[name] = value
  end
  if changed then
    d.display_name, d.update_ms = display_name or d.display_name, w.now
    account.settings_dirty = true
    work.touch(w, account)
    work.journal(w, "account_updated", id, "", { changes, display_name })
  end
  local view = administration.view(lineage)
  return { "OK", view[1], view[2] }
end

-- Return a grant as callers see it.
function administration.describe_grant(w, account, number, grant)
  local m = grants.terms(account, number, grant)
  local state = grant.state
  if state == GRANT_STATE.LIVE and grant.remaining == 0 and grant.held == 0 then state = GRANT_STATE.EXHAUSTED end
  return { m.id, account.id, m.kind, state, grant.amount, grant.remaining, grant.held, grant.captured, grant.debt_paid, grant.expired,
    m.priority, m.channels, m.regions, m.create_ms, m.effective_ms, m.expire_ms, m.actor, m.reference, m.note }
end

local function find_grant(w, key, id)
  w.grant_ids = w.grant_ids or {}
  w.grant_ids[key] = w.grant_ids[key] or {}
  local packed = w.grant_ids[key][id] or call("HGET", key, id)
  return packed and { decode(packed) }
end

-- grant: add credits to a wallet, where they first repay debt, or room to a limit.
-- ARGS: account id fingerprint credits kind effective_ms expire_ms priority channels regions actor reference note
-- RETURNS: OK grant debt_repaid balance replayed | ACCOUNT_NOT_FOUND id | ID_REUSED | EXPIRE_TIME_PAST now | TOO_MANY_GRANTS | TOO_MANY_SCOPES | BALANCE_OVERFLOW | SWEEP root
-- INVARIANTS: a grant id adds credits once, for good
function administration.grant(w, args)
  local id, grant_id, fingerprint, credits, kind, effective_ms, expire_ms, priority, channels, regions, actor, reference, note =
    unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account, ids_key = lineage[1], w.prefix .. "i:" .. lineage[#lineage].id
  local known = find_grant(w, ids_key, grant_id)
  if known then
    local known_fingerprint, number, repaid = unpack(known)
    if known_fingerprint ~= fingerprint then return { "ID_REUSED" } end
    local grant = grants.get(w, account, number)
    return { "OK", administration.describe_grant(w, account, number, grant), repaid, administration.balance(lineage), true }
  end
  if expire_ms ~= 0 and expire_ms <= max(w.now, effective_ms) then return { "EXPIRE_TIME_PAST", w.now } end
  if account.c.grants >= grants.ACTIVE_MAX then return { "TOO_MANY_GRANTS" } end
  local pot = kind == GRANT_KIND.ALLOTMENT and POT.LIMIT or POT.WALLET
  local t = work.totals(account)
  local granted = pot == POT.WALLET and t.granted or t.limit_granted
  if granted + credits > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
  local scope = grants.scope(w, account, channels, regions)
  if not scope then return { "TOO_MANY_SCOPES" } end
  work.touch(w, account)
  local terms = { id = grant_id, kind = kind, priority = priority, create_ms = w.now, effective_ms = max(effective_ms, w.now),
    expire_ms = expire_ms, channels = channels, regions = regions, actor = actor, reference = reference, note = note }
  local number, repaid = grants.add(w, account, terms, pot, credits, scope)
  w.grant_ids[ids_key][grant_id] = encode(fingerprint, number, repaid)
  work.journal(w, "granted", id, grant_id, { credits, kind, terms.effective_ms, expire_ms, priority, channels, regions, actor,
    reference, note, repaid })
  local grant = grants.get(w, account, number)
  return { "OK", administration.describe_grant(w, account, number, grant), repaid, administration.balance(lineage), false }
end

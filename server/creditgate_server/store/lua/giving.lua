-- giving: Grant, RevokeGrant and Transfer: credits enter accounts, are taken back, and go from one to another.

-- Return a grant as callers see it.
function giving.describe(w, account, number, grant)
  local m = grants.terms(account, number, grant)
  local state = grant.state
  if state == GRANT_STATE.LIVE and grant.remaining == 0 and grant.held == 0 then state = GRANT_STATE.EXHAUSTED end
  return { m.id, account.id, m.kind, state, grant.amount, grant.remaining, grant.held, grant.captured, grant.refunded,
    grant.debt_paid, grant.expired, grant.revoked, grant.moved, m.priority, m.channels, m.regions, m.create_ms, m.effective_ms, m.expire_ms, m.actor, m.reference, m.note }
end

-- grant: add credits to a wallet, where they first repay debt, or room to a limit.
-- ARGS: account id fingerprint credits kind effective_ms expire_ms priority channels regions actor reference note
-- RETURNS: OK grant debt_repaid balance replayed | ACCOUNT_NOT_FOUND id | ID_REUSED | EXPIRE_TIME_PAST now | TOO_MANY_GRANTS | TOO_MANY_SCOPES | BALANCE_OVERFLOW | ACCOUNT_CLOSED id | SWEEP root
-- INVARIANTS: a grant id adds credits once, for good
function giving.grant(w, args)
  local id, grant_id, fingerprint, credits, kind, effective_ms, expire_ms, priority, channels, regions, actor, reference, note =
    unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account, ids_key = lineage[1], work.grant_ids(w, lineage[#lineage].id)
  local known = work.known(w, ids_key, grant_id)
  if known then
    local known_fingerprint, _, number, repaid = unpack(known)
    if known_fingerprint ~= fingerprint then return { "ID_REUSED" } end
    local grant = grants.get(w, account, number)
    return { "OK", giving.describe(w, account, number, grant), repaid, accounts.balance(lineage), true }
  end
  if account.s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", id } end
  if expire_ms ~= 0 and expire_ms <= max(w.now, effective_ms) then return { "EXPIRE_TIME_PAST", w.now } end
  if account.c.grants >= grants.ACTIVE_MAX then return { "TOO_MANY_GRANTS" } end
  local pot = kind == GRANT_KIND.ALLOTMENT and POT.LIMIT or POT.WALLET
  local t = work.totals(account, true)
  local granted = pot == POT.WALLET and t.granted or t.limit_granted
  if granted + credits > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
  if not grants.has_room(w, account, { { channels, regions } }) then return { "TOO_MANY_SCOPES" } end
  local scope = grants.scope(w, account, channels, regions)
  work.touch(w, account)
  local terms = { id = grant_id, kind = kind, priority = priority, create_ms = w.now, effective_ms = max(effective_ms, w.now),
    expire_ms = expire_ms, channels = channels, regions = regions, actor = actor, reference = reference, note = note, made_by = "" }
  local number, repaid = life.add(w, account, terms, pot, credits, scope)
  work.know(w, ids_key, grant_id, fingerprint, id, number, repaid)
  work.journal(w, "granted", id, grant_id, { credits, kind, terms.effective_ms, expire_ms, priority, channels, regions, actor,
    reference, note, repaid })
  local grant = grants.get(w, account, number)
  return { "OK", giving.describe(w, account, number, grant), repaid, accounts.balance(lineage), false }
end

local function revoked_answer(w, lineage, number, grant, revoked, clawed_back, replayed)
  return { "OK", giving.describe(w, lineage[1], number, grant), revoked, clawed_back, accounts.balance(lineage), replayed }
end

-- revoke: take back what remains of a grant, and on demand what was spent of it from other live grants of its kind.
-- ARGS: account id claw_back actor note
-- RETURNS: OK grant revoked clawed_back balance replayed | ACCOUNT_NOT_FOUND id | GRANT_NOT_FOUND | GRANT_ALREADY_REVOKED | ACCOUNT_CLOSED id | SWEEP root
-- INVARIANTS: a grant is revoked once; what is held or spent of it stays
function giving.revoke(w, args)
  local id, grant_id, claw_back, actor, note = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  local account, ids_key = lineage[1], work.grant_ids(w, lineage[#lineage].id)
  local known = work.known(w, ids_key, grant_id)
  if not known or known[2] ~= id then return { "GRANT_NOT_FOUND" } end
  local fingerprint, _, number, repaid, known_claw_back, known_revoked, known_clawed = unpack(known)
  local grant = grants.get(w, account, number)
  if account.s.status == ACCOUNT_STATUS.CLOSED and known_claw_back == nil then return { "ACCOUNT_CLOSED", id } end
  if known_claw_back ~= nil then
    if known_claw_back ~= claw_back then return { "GRANT_ALREADY_REVOKED" } end
    return revoked_answer(w, lineage, number, grant, known_revoked, known_clawed, true)
  end
  work.touch(w, account)
  local revoked, clawed_back = life.revoke(account, number, grant), 0
  life.foresee(w, account)
  if claw_back then
    local kind, spent = grants.terms(account, number, grant).kind, grant.captured - grant.refunded + grant.debt_paid
    clawed_back = life.claw_back(w, account, grant.pot, kind, spent)
  end
  work.know(w, ids_key, grant_id, fingerprint, id, number, repaid, claw_back, revoked, clawed_back)
  work.journal(w, "revoked", id, grant_id, { revoked, clawed_back, claw_back, actor, note })
  return revoked_answer(w, lineage, number, grant, revoked, clawed_back, false)
end

-- Return what each grant of a wallet would give to a transfer, { { number, credits }, … } in burn order.
local function shares(w, account, credits)
  local found, left = {}, credits
  for _, number in ipairs(grants.burn_order(account.pots[POT.WALLET])) do
    if left == 0 then break end
    local share = min(left, grants.get(w, account, number).remaining)
    found[#found + 1] = { number, share }
    left = left - share
  end
  return found
end

-- What makes two moved grants one.
local function terms_key(terms)
  return encode({ terms.kind, terms.priority, format("%d", terms.expire_ms), terms.channels, terms.regions })
end

-- Return the live grants that transfers have made in an account, by their terms; of several alike the oldest.
local function moved_grants(w, account)
  local found = {}
  for _, number in ipairs(grants.active_numbers(account)) do
    local grant = grants.get(w, account, number)
    local terms = grants.terms(account, number, grant)
    local key = terms.made_by == "transfer" and grant.state == GRANT_STATE.LIVE and terms_key(terms)
    if key and not found[key] then found[key] = number end
  end
  return found
end

-- Return the reply that a transfer of shares must be refused with, nil where the target has room for them.
local function lacks_room(w, source, target, shared, moved)
  local scopes, new = {}, {}
  local count = 0
  for _, share in ipairs(shared) do
    local terms = grants.terms(source, share[1], grants.get(w, source, share[1]))
    local key = terms_key(terms)
    if not moved[key] and not new[key] then
      new[key], count = true, count + 1
      scopes[count] = { terms.channels, terms.regions }
    end
  end
  if count > 0 and target.c.grants + count > grants.ACTIVE_MAX then return { "TOO_MANY_GRANTS" } end
  if not grants.has_room(w, target, scopes) then return { "TOO_MANY_SCOPES" } end
end

-- Put what one grant gave into its likeness in the target. Returns its number there and how much debt it repaid.
local function receive(w, target, terms, credits, moved)
  local key = terms_key(terms)
  local number, repaid = moved[key], nil
  if number then return number, life.enlarge(target, number, grants.get(w, target, number), credits) end
  local likeness = { kind = terms.kind, priority = terms.priority, expire_ms = terms.expire_ms, channels = terms.channels,
    regions = terms.regions }
  number, repaid = life.make(w, target, likeness, credits, "transfer")
  if target.grants[number].active then moved[key] = number end
  return number, repaid
end

local function move(w, source, target, credits, moved)
  local parts, repaid = {}, 0
  grants.draw(w, source, source.pots[POT.WALLET], nil, credits, "moved", parts)
  grants.count(source, POT.WALLET, "moved", credits)
  grants.count(target, POT.WALLET, "moved_in", credits)
  for i = 1, #parts, 2 do
    local grant = grants.get(w, source, parts[i])
    local number, paid = receive(w, target, grants.terms(source, parts[i], grant), parts[i + 1], moved)
    life.follow(source, grant, target.id, number)
    repaid = repaid + paid
  end
  return repaid
end

-- transfer: move credits from one wallet to another of the organisation; each source grant has a likeness in the target.
-- ARGS: account transfer_id fingerprint target_id credits actor reference note
-- RETURNS: OK credits debt_repaid source_balance target_balance replayed | ACCOUNT_NOT_FOUND id | ID_REUSED | ACCOUNT_CLOSED id | ACCOUNT_NOT_SELF_FUNDED id | INSUFFICIENT_CREDITS available | TOO_MANY_GRANTS | TOO_MANY_SCOPES | BALANCE_OVERFLOW | SWEEP root
-- INVARIANTS: moved out = moved in; only what is usable moves; a transfer id moves credits once, for good
function giving.transfer(w, args)
  local id, transfer_id, fingerprint, target_id, credits, actor, reference, note = unpack(args)
  local lineage, failure = work.lineage(w, id)
  if not lineage then return failure end
  if work.root(target_id) ~= lineage[#lineage].id then return { "ACCOUNT_NOT_FOUND", target_id } end
  local target_lineage, target_failure = work.lineage(w, target_id)
  if not target_lineage then return target_failure end
  local source, target, root_id = lineage[1], target_lineage[1], lineage[#lineage].id
  local ids_key = w.prefix .. "t:" .. root_id
  local known = work.known(w, ids_key, transfer_id)
  if known then
    if known[1] ~= fingerprint then return { "ID_REUSED" } end
    return { "OK", credits, known[2], accounts.balance(lineage), accounts.balance(target_lineage), true }
  end
  for _, account in ipairs({ source, target }) do
    if account.s.status == ACCOUNT_STATUS.CLOSED then return { "ACCOUNT_CLOSED", account.id } end
  end
  for _, account in ipairs({ source, target }) do
    if account.s.funding ~= FUNDING.OWN then return { "ACCOUNT_NOT_SELF_FUNDED", account.id } end
  end
  local available = grants.total(source.pots[POT.WALLET]) - source.c.debt - source.c.unfunded
  if credits > available then
    if w.backlog then return { "SWEEP", root_id } end
    return { "INSUFFICIENT_CREDITS", available }
  end
  if work.totals(target, true).granted + credits > codec.CREDITS_MAX then return { "BALANCE_OVERFLOW" } end
  local moved = moved_grants(w, target)
  local refused = lacks_room(w, source, target, shares(w, source, credits), moved)
  if refused then return refused end
  work.touch(w, source)
  work.touch(w, target)
  local repaid = move(w, source, target, credits, moved)
  work.know(w, ids_key, transfer_id, fingerprint, repaid)
  work.journal(w, "transferred", id, transfer_id, { target_id, credits, repaid, actor, reference, note })
  return { "OK", credits, repaid, accounts.balance(lineage), accounts.balance(target_lineage), false }
end

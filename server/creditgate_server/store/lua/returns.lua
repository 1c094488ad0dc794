-- returns: where credits go that come back: from a hold that did not need them, or because what they paid for is refunded.

returns.HOPS_MAX = 16 -- grants that one return follows from heir to heir

local NOWHERE = {}

-- Give credits that have no grant to the account's one merged ADJUSTMENT grant. Returns how much debt they repaid.
function returns.adjust(w, account, credits)
  local number = work.description(account).adjustment
  local grant = number ~= 0 and grants.get(w, account, number)
  if grant and grant.state == GRANT_STATE.LIVE then return life.enlarge(account, number, grant, credits) end
  local terms = { kind = GRANT_KIND.ADJUSTMENT, priority = 0, expire_ms = 0, channels = NOWHERE, regions = NOWHERE }
  local repaid
  number, repaid = life.make(w, account, terms, credits, "refund")
  work.description(account, true).adjustment = number
  return repaid
end

local function book(account, grant, booking, credits)
  grant[booking] = grant[booking] + credits
  grants.count(account, grant.pot, booking, credits)
  grants.changed(account, grant)
end

-- A grant that was used up is in use again with what comes back to it, unless the account has as many in use as it may; its
-- ADJUSTMENT grant always. Its place among the scopes may have gone to another meanwhile.
local function is_in_use(w, account, number, grant)
  if grant.active then return true end
  if number ~= work.description(account).adjustment and account.c.grants >= grants.ACTIVE_MAX then return false end
  local terms = grants.terms(account, number, grant)
  grant.scope = grants.scope(w, account, terms.channels, terms.regions)
  return true
end

-- Credits arrive at a grant that no longer counts them as held or captured, and go on to where it went. Returns what reached a
-- live grant, what was swallowed by one that has ended, and how much debt they repaid.
local function arrive(w, account, number, grant, credits)
  for hop = 0, returns.HOPS_MAX do
    if account.s.status == ACCOUNT_STATUS.CLOSED or grant.state == GRANT_STATE.REVOKED then
      book(account, grant, "revoked", credits)
      return 0, credits, 0
    end
    if life.is_past(w, account, number, grant) then
      book(account, grant, "expired", credits)
      return 0, credits, 0
    elseif grant.state == GRANT_STATE.LIVE and is_in_use(w, account, number, grant) then
      local repaid = grants.put(account, number, grant, credits)
      life.expect(w, account, number, grant)
      return credits, 0, repaid
    elseif grant.pot == POT.LIMIT or (grant.state == GRANT_STATE.EXPIRED and not grant.heir) then
      book(account, grant, "expired", credits)
      return 0, credits, 0
    elseif not grant.heir or hop == returns.HOPS_MAX then
      break
    elseif not plans.has_heir(w, account, number, grant) then
      book(account, grant, "expired", credits)
      return 0, credits, 0
    end
    book(account, grant, "moved", credits)
    account, number = work.account(w, grant.heir[1]), grant.heir[2]
    work.touch(w, account)
    grants.count(account, POT.WALLET, "moved_in", credits)
    grant = grants.get(w, account, number)
    grant.amount = grant.amount + credits
    grants.count(account, POT.WALLET, "granted", credits)
  end
  book(account, grant, "moved", credits)
  grants.count(account, POT.WALLET, "moved_in", credits)
  return credits, 0, returns.adjust(w, account, credits)
end

-- Give credits back to the grant they came from, which counts them no longer as "held", or as "refunded". Returns what reached a
-- live grant, what was swallowed by one that has ended, and how much debt they repaid.
function returns.give_back(w, account, number, credits, booking)
  local grant = grants.get(w, account, number)
  if booking == "held" then
    grant.held = grant.held - credits
  else
    book(account, grant, "refunded", credits)
  end
  return arrive(w, account, number, grant, credits)
end

-- Give credits back that had been debt: they lower what debt there is, the rest has no grant. Returns how much debt they lowered.
function returns.forgive(w, account, credits)
  local c = account.c
  local forgiven = min(c.debt, credits)
  c.debt = c.debt - forgiven
  grants.count(account, POT.WALLET, "forgiven", forgiven)
  account.dirty = true
  if credits > forgiven then return forgiven + returns.adjust(w, account, credits - forgiven) end
  return forgiven
end

"""Faults in what is taken of whom and where it goes back to: `usage`, `grants`, `life` and `returns`."""

from __future__ import annotations

from tests.model.mutation import Mutation

MUTATIONS_OF_CREDITS = (
    Mutation(
        "usage",
        "if account.s.funding == FUNDING.OWN then return account end",
        "return account",
        "the leaf pays, whatever its funding",
    ),
    Mutation(
        "usage",
        "for _, account in ipairs(lineage) do\n    if account.s.funding",
        "for i = #lineage, 1, -1 do\n    local account = lineage[i]\n    if account.s.funding",
        "the highest account that funds itself pays, not the nearest",
    ),
    Mutation(
        "usage",
        "return remaining - account.c.debt - account.c.unfunded",
        "return remaining - account.c.unfunded",
        "debt does not count against what is usable",
    ),
    Mutation(
        "usage",
        "return remaining - account.c.debt - account.c.unfunded",
        "return remaining - account.c.debt",
        "what is held without cover does not count against what is usable",
    ),
    Mutation(
        "usage",
        "if account.pots[POT.LIMIT] and s.enforcement",
        "if account ~= lineage[#lineage] and account.pots[POT.LIMIT] and s.enforcement",
        "the root's limit is left out",
    ),
    Mutation(
        "usage",
        "and s.enforcement ~= ENFORCEMENT.OFF and (not inbound",
        "and (not inbound",
        "a limit that is OFF binds",
    ),
    Mutation("usage", "(not inbound or s.limit_counts_inbound)", "true", "every limit counts inbound usage"),
    Mutation("usage", "allowance = not inbound and 0 or nil,", "allowance = 0,", "a limit stops inbound usage"),
    Mutation("usage", "then return -s.floor end", "then return s.floor end", "the floor has the wrong sign"),
    Mutation(
        "usage", "if traffic.priority == PRIORITY.BULK and s.floor", "if s.floor", "the floor stops more than bulk"
    ),
    Mutation("usage", "return s.inbound_overdraft_limit or nil", "return nil", "inbound usage has no limit"),
    Mutation(
        "usage",
        "if pot.mode == ENFORCEMENT.ENFORCE and pot.allowance then",
        "if pot.allowance then",
        "MONITOR bounds partial grants, caps, and how many units are left",
    ),
    Mutation(
        "usage",
        "if short > shortfall then",
        "if short > 0 then",
        "the last level that lacks binds, not the one that lacks most",
    ),
    Mutation("usage", "if credits == 0 then return nil, 0 end", "", "a free usage is denied for want of credits"),
    Mutation(
        "usage", "c.reserved = c.reserved + credits", "c.reserved = c.reserved + drawn", "overdraft is not reserved"
    ),
    Mutation(
        "usage",
        "add_part(draw, covers and usage.UNCOVERED or usage.UNENFORCED, rest)",
        "add_part(draw, usage.UNENFORCED, rest)",
        "overdraft is let through, and never debt",
    ),
    Mutation(
        "usage",
        "if is_wallet then demand.account.c.used = demand.account.c.used + credits end",
        "",
        "what was let through was not used",
    ),
    Mutation(
        "usage",
        'is_wallet and "overrun" or "limit_overrun"',
        '"overrun"',
        "what goes beyond a limit is overrun of the wallet",
    ),
    Mutation(
        "usage",
        "c.debt, c.used = c.debt + rest, c.used + rest",
        "c.debt, c.used = c.debt - rest, c.used + rest",
        "debt has the wrong sign",
    ),
    Mutation(
        "usage",
        "elseif is_wallet and demand.mode == ENFORCEMENT.ENFORCE then\n    c.debt",
        "elseif is_wallet then\n    c.debt",
        "what MONITOR lets through becomes debt",
    ),
    Mutation("usage", "t[part] = t[part] + credits", "t[part] = t[part]", "inbound, overage and late are not counted"),
    Mutation("usage", "mode = draw[MODE],", "mode = account.s.enforcement,", "a hold settles in the mode of now"),
    Mutation(
        "usage",
        "allowance = is_wallet and allowance(account, hold) or 0,",
        "allowance = 0,",
        "a cap ignores overdraft and floor",
    ),
    Mutation(
        "usage",
        "account.c.unfunded = account.c.unfunded - used\n      unreserve",
        "unreserve",
        "what is captured of an overdraft stays unfunded",
    ),
    Mutation(
        "usage",
        "account.c.unfunded = account.c.unfunded - part\n      unreserve",
        "unreserve",
        "what is given back of an overdraft stays unfunded",
    ),
    Mutation(
        "usage",
        "spend(w, demand, used, taken)\n    elseif",
        "let_through(demand, used, taken)\n    elseif",
        "a captured overdraft is drawn from no grant and is no debt",
    ),
    Mutation(
        "usage",
        "for i = FIRST_PART, #draw, 2 do\n    local number, part = draw[i], draw[i + 1]\n    local used",
        "for i = #draw - 1, FIRST_PART, -2 do\n    local number, part = draw[i], draw[i + 1]\n    local used",
        "what was drawn last is captured first",
    ),
    Mutation(
        "usage",
        "local size = #taken\n    local number",
        "local size = min(#taken, FIRST_PART + 3)\n    local number",
        "refunds do not begin with what was captured last",
    ),
    Mutation(
        "usage",
        "back, paid = again, returns.forgive(w, account, again)",
        "back = again",
        "a refund of debt forgives none",
    ),
    Mutation(
        "usage",
        "if draw[POT_NUMBER] == POT.WALLET then restored, expired, repaid = back, ended, paid end",
        "restored, expired, repaid = back, ended, paid",
        "a refund answers what came back to the last limit",
    ),
    Mutation("grants", "if grant.pot == POT.WALLET and c.debt > 0 then", "if false then", "debt is not repaid first"),
    Mutation(
        "grants", "if grant.pot == POT.WALLET and c.debt > 0 then", "if c.debt > 0 then", "an allotment repays debt"
    ),
    Mutation(
        "grants",
        "return terms.priority < priority end",
        "return terms.priority > priority end",
        "the burn order is reversed",
    ),
    Mutation(
        "grants",
        "return expiry_of(terms) < expire_ms end",
        "return expiry_of(terms) > expire_ms end",
        "what expires last burns first",
    ),
    Mutation(
        "grants",
        "return terms.create_ms < create_ms end",
        "return terms.create_ms > create_ms end",
        "the youngest burns first",
    ),
    Mutation(
        "grants",
        "for _, c in ipairs(channels) do fits = fits or c == channel end",
        "fits = true",
        "a scope's channels are not looked at",
    ),
    Mutation(
        "grants", "if fits and #regions > 0 then", "if #regions > 0 then", "a scope of channel and region admits either"
    ),
    Mutation("grants", "if fits and #regions > 0 then", "if false then", "a scope's regions are not looked at"),
    Mutation(
        "grants",
        "if grant.state == GRANT_STATE.LIVE then return grant.remaining == 0 and grant.held == 0 end",
        "if grant.state == GRANT_STATE.LIVE then return grant.remaining == 0 end",
        "a grant of which only held credits are left has ended",
    ),
    Mutation("grants", "grants.ACTIVE_MAX = 100", "grants.ACTIVE_MAX = 101", "one grant too many"),
    Mutation("grants", "grants.SCOPES_MAX = 16", "grants.SCOPES_MAX = 17", "one scope too many"),
    Mutation(
        "grants",
        "if grant.remaining == 0 then remove(pot, number) end",
        "",
        "a grant that was revoked stays in the burn order",
    ),
    Mutation(
        "grants",
        "if was_empty then insert(account, number, grant) end",
        "if was_empty and not grant.folded then insert(account, number, grant) end",
        "a grant that comes back to life is never drawn on",
    ),
    Mutation(
        "grants", 'grants.count(account, POT.WALLET, "debt_paid", repaid)', "", "the total of debt repaid is not kept"
    ),
    Mutation(
        "life",
        "if expire_ms == 0 or expire_ms > (w.moment or w.horizon) then return false end",
        "if true then return false end",
        "what comes back to a used-up grant after its end is alive again",
    ),
    Mutation(
        "life",
        "grant.state, grant[booking] = state, grant[booking] + credits",
        "grant.state = state",
        "what a grant loses by its end is not booked",
    ),
    Mutation(
        "life",
        "return grant.state == GRANT_STATE.LIVE and terms.expire_ms ~= 0 and terms.expire_ms or nil",
        "return nil",
        "grants never expire",
    ),
    Mutation(
        "life",
        "expire_ms > (w.moment or w.horizon) then",
        "expire_ms > w.horizon then",
        "what comes back is judged by when that is noticed, not by when it happens",
    ),
    Mutation(
        "life",
        "if terms.effective_ms <= w.now then",
        "if true then",
        "a grant begins at once, whatever its effective time",
    ),
    Mutation(
        "life",
        "if grant.state == GRANT_STATE.PENDING then return terms.effective_ms end",
        "if grant.state == GRANT_STATE.PENDING then return nil end",
        "grants never begin",
    ),
    Mutation(
        "life",
        "local credits = grant.remaining\n  grant.state, grant.remaining = GRANT_STATE.LIVE, 0\n  return grants.put",
        "local credits = grant.remaining\n  grant.state = GRANT_STATE.LIVE\n  return grants.put",
        "a grant that begins has its credits twice",
    ),
    Mutation(
        "life",
        "grants.terms(account, number, grant).kind == kind then",
        "number > 0 then",
        "claw_back takes from another kind",
    ),
    Mutation(
        "life",
        "local taken = min(left, grant.remaining)\n      grants.take",
        "local taken = grant.remaining\n      grants.take",
        "claw_back takes more than was spent",
    ),
    Mutation("life", "if grant.remaining > 0 then return end", "", "a grant that was moved in part is moved"),
    Mutation(
        "life",
        "grant.state, grant.heir = GRANT_STATE.MOVED, { target_id, target_number }",
        "grant.state = GRANT_STATE.MOVED",
        "the heir of a moved grant is ignored",
    ),
    Mutation(
        "life",
        "grant.amount = grant.amount + credits\n  grants.count",
        "grants.count",
        "a grant that others are merged into keeps its amount",
    ),
    Mutation("returns", "returns.HOPS_MAX = 16", "returns.HOPS_MAX = 15", "one heir too few"),
    Mutation(
        "returns",
        "if grant and grant.state == GRANT_STATE.LIVE then return life.enlarge",
        "if grant then return life.enlarge",
        "a revoked adjustment grows",
    ),
    Mutation(
        "returns", "work.description(account, true).adjustment = number", "", "every adjustment is a grant of its own"
    ),
    Mutation(
        "returns",
        "if account.s.status == ACCOUNT_STATUS.CLOSED or grant.state == GRANT_STATE.REVOKED then",
        "if grant.state == GRANT_STATE.REVOKED then",
        "credits come back to a closed account",
    ),
    Mutation(
        "returns",
        "if account.s.status == ACCOUNT_STATUS.CLOSED or grant.state == GRANT_STATE.REVOKED then",
        "if account.s.status == ACCOUNT_STATUS.CLOSED then",
        "what was revoked comes back",
    ),
    Mutation(
        "returns",
        "life.expect(w, account, number, grant)\n      return credits, 0, repaid",
        "return credits, 0, repaid",
        "a grant that comes back to life never expires",
    ),
    Mutation(
        "returns",
        'book(account, grant, "expired", credits)\n      return 0, credits, 0\n    elseif grant.state',
        'book(account, grant, "expired", credits)\n      return credits, 0, 0\n    elseif grant.state',
        "what an ended grant swallows is said to be restored",
    ),
    Mutation("returns", "grant.held = grant.held - credits", "", "what was given back is still held"),
    Mutation(
        "returns", 'book(account, grant, "refunded", credits)', "", "a grant does not know what was refunded of it"
    ),
    Mutation(
        "returns",
        "local forgiven = min(c.debt, credits)",
        "local forgiven = 0",
        "a refund of debt makes an adjustment although there is debt",
    ),
    Mutation(
        "returns",
        "grant.amount = grant.amount + credits\n    grants.count",
        "grants.count",
        "an heir does not grow by what it inherits",
    ),
)

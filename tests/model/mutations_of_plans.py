"""Faults in plans: when periods end, what they give and leave, and where what comes back to them goes."""

from __future__ import annotations

from tests.model.mutation import Mutation

MUTATIONS_OF_PLANS = (
    Mutation(
        "plans",
        "terms.rollover == ROLL_OVER.ALL and grant.remaining or min(grant.remaining, terms.cap)",
        "grant.remaining",
        "what rolls over has no cap",
    ),
    Mutation(
        "plans",
        "0 or at_ms + terms.life_ms",
        "0 or plan.begin_ms + terms.life_ms",
        "what rolled over lives from the beginning of its period",
    ),
    Mutation(
        "plans", "terms.rollover_priority }", "terms.priority }", "what rolled over burns as the plan's grants do"
    ),
    Mutation(
        "plans",
        "heir[3] == 0 and lasting(w, account, terms)",
        "nil",
        "what rolls over for good lies in a grant for each period",
    ),
    Mutation(
        "plans",
        "terms.expire_ms == 0 and terms.priority == wanted.priority",
        "terms.expire_ms == 0",
        "what rolls over for good is merged whatever its priority",
    ),
    Mutation(
        "plans",
        "\n      and encode({ terms.channels, terms.regions }) == encode({ wanted.channels, wanted.regions }) then",
        " then",
        "what rolls over for good is merged whatever its scope",
    ),
    Mutation(
        "plans",
        'terms.made_by == "rollover" and',
        "",
        "what rolls over for good is merged into what an operator has granted",
    ),
    Mutation(
        "plans",
        "if heir[3] ~= 0 and heir[3] <= (w.moment or w.horizon) then return false end",
        "",
        "what comes back rolls over although that would have ended",
    ),
    Mutation(
        "plans",
        "if heir[2] ~= 0 then return true end",
        "if heir[2] ~= 0 then return true end\n  if true then return false end",
        "of a period that left nothing nothing rolls over later",
    ),
    Mutation(
        "plans",
        "if grant.state ~= GRANT_STATE.LIVE then return 0, 0 end",
        "",
        "a revoked or moved grant ends with its period",
    ),
    Mutation(
        "plans",
        'grants.count(account, POT.WALLET, "moved_in", rolled)',
        "",
        "what rolls over comes from nowhere",
    ),
    Mutation(
        "plans",
        "at_ms, terms = plan.end_ms, plan.next or plan.terms",
        "at_ms, terms = plan.end_ms, plan.terms",
        "what was to follow never does",
    ),
    Mutation(
        "plans",
        "end_ms = end_ms, next = false })",
        "end_ms = end_ms, next = account.plan and account.plan.next or false })",
        "what was to follow a period follows the next one too",
    ),
    Mutation(
        "plans",
        "local rolls = plan and named(plan.terms).rollover ~= ROLL_OVER.NONE",
        "local rolls = false",
        "a grant that rolls over frees a place for the next plan's",
    ),
    Mutation(
        "plans", "(ends and 0 or 1) > grants.ACTIVE_MAX", "1 > grants.ACTIVE_MAX", "a grant that ends frees no place"
    ),
    Mutation(
        "plans",
        "if known[1] ~= fingerprint then return",
        "if false then return",
        "the id of a change of plan may be used for another",
    ),
    Mutation(
        "plans",
        "local is_later = at_end and plan",
        "local is_later = false",
        "a change at the period's end happens now",
    ),
    Mutation("plans", "if plans.get(account) then put(account, false) end", "", "a closed account keeps its plan"),
    Mutation(
        "plans",
        "if plan then rolled, expired = finish(w, account, plan, terms and begin_ms or w.now) end",
        "",
        "the credits of a period outlive a change of plan",
    ),
    Mutation(
        "life",
        "not (plan and number == plan.number) and event_ms(grant, terms)",
        "event_ms(grant, terms)",
        "a plan's grant ends as any other, before its period does",
    ),
    Mutation(
        "life",
        "if plan and (next_ms == nil or plan.end_ms < next_ms) then next_ms = plan.end_ms end",
        "",
        "nobody expects the end of a period whose credits are used up",
    ),
    Mutation("life", "if renewing then w.renewing = account end", "", "a period never ends"),
    Mutation(
        "returns",
        "(grant.state == GRANT_STATE.EXPIRED and not grant.heir)",
        "grant.state == GRANT_STATE.EXPIRED",
        "what comes back to a period that is over is gone although the rest rolled over",
    ),
    Mutation(
        "returns",
        'has_heir(w, account, number, grant) then\n      book(account, grant, "expired", credits)',
        'has_heir(w, account, number, grant) then\n      book(account, grant, "revoked", credits)',
        "what comes back too late to roll over was revoked",
    ),
    Mutation(
        "due",
        "if w.renewing then break end",
        "",
        "what is due after a period's end does not wait for it",
    ),
    Mutation(
        "work",
        'if w.renewing then return nil, { "SWEEP", root.id } end',
        "",
        "an account does not wait for another's period that has ended",
    ),
    Mutation(
        "authorizations",
        "if plan and plan.next ~= true and (next_ms == 0",
        "if plan and (next_ms == 0",
        "a denial promises the credits of a plan that was cancelled",
    ),
    Mutation(
        "authorizations",
        "pot.pot == POT.WALLET and plans.get(account)",
        "plans.get(account)",
        "a denial by a limit promises a plan's credits",
    ),
)

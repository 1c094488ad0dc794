"""Stories of plans: periods that end, one or many, and what comes back, changes or goes before they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.model.calls import Call
from tests.model.steps import Steps
from tests.model.stories_of_grants import REGIONS
from tests.model.story import FIRST, Story, new_account, usage

from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.records import HOUR_MS
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    AccountStatus,
    ExpiryAction,
    GrantKind,
    Interval,
    RollOver,
)

DAY_TICKS = 87
"""A day, and some of the next one."""

HOUR_TICKS = 4
"""More than an hour."""

ROLL_OVERS: tuple[dict[str, Any], ...] = (
    {},
    {"rollover": RollOver.ALL},
    {"rollover": RollOver.ALL, "rollover_life_ms": HOUR_MS},
    {"rollover": RollOver.ALL, "rollover_life_ms": 30 * HOUR_MS, "rollover_priority": FIRST},
    {"rollover": RollOver.CAPPED, "rollover_cap": 4},
    {"rollover": RollOver.CAPPED, "rollover_cap": 4, "rollover_life_ms": 2 * HOUR_MS, "rollover_priority": 1},
)


def daily(steps: Steps, **terms: Any) -> ask.PlanTerms:  # noqa: ANN401 — as many kinds as terms
    """Return a plan of 10 credits a day, whose first period ends before the next tick."""
    plan = ask.PlanTerms("daily", 10, Interval.DAY, steps.clock.place(1))
    return replace(plan, **terms)


def changing(steps: Steps, account_id: str, terms: ask.PlanTerms | None, *, at_period_end: bool = False) -> ask.SetPlan:
    return ask.SetPlan(account_id, steps.new_id("plan"), terms, at_period_end)


def plan_grant(steps: Steps, account_id: str) -> str:
    """Return the id of the grant of an account's present period."""
    plan = steps.model.organisation.accounts[account_id].plan
    return plan.grant.grant_id if plan else "grant-never"


def missed(steps: Steps) -> Story:
    """Let several periods pass that nobody has noticed, with and without roll-over, while much is held."""
    account_id, opened = new_account(steps, overdraft_limit=steps.pick((0, 20)))
    roll_over = steps.pick(ROLL_OVERS)
    hold_id, charge_id = steps.new_id("hold"), steps.new_id("charge")

    def begin() -> Sequence[Call]:
        return [
            opened,
            changing(steps, account_id, daily(steps, **roll_over)),
            ask.Reserve(account_id, hold_id, usage(steps.between(3, 10)), steps.ttl_to(steps.pick((100, 600)))),
            ask.Charge(account_id, charge_id, usage(steps.pick((0, 2, 15)), is_inbound=True)),
        ]

    end: list[Call] = [
        ask.Commit(account_id, hold_id, credits=steps.pick((0, 1, 12))),
        ask.Charge(account_id, steps.new_id("charge"), usage(steps.between(5, 25))),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id),
    ]
    return [begin, steps.pick((2 * DAY_TICKS, 260, 350)), lambda: end, DAY_TICKS, lambda: end]


def comes_back(steps: Steps) -> Story:
    """Give back to a period that is over: while what it left lives, and when that has ended too."""
    account_id, opened = new_account(steps)
    roll_over = steps.pick(ROLL_OVERS)
    hold_ids, charge_ids = ([steps.new_id(kind) for _ in range(2)] for kind in ("hold", "charge"))
    actions = [steps.pick(tuple(ExpiryAction)) for _ in hold_ids]

    def begin() -> Sequence[Call]:
        ends = [steps.pick((60, 3)), steps.pick((8, 60))]
        return [
            opened,
            changing(steps, account_id, daily(steps, **roll_over)),
            *(
                ask.Reserve(account_id, one, usage(2), steps.ttl_to(ticks), expiry_action=action)
                for one, ticks, action in zip(hold_ids, ends, actions, strict=True)
            ),
            *(ask.Charge(account_id, one, usage(3 if steps.chance(2) else 2)) for one in charge_ids),
        ]

    first: list[Call] = [
        ask.Release(account_id, hold_ids[0]),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_ids[0], credits=steps.pick((None, 1))),
    ]
    second: list[Call] = [
        ask.Commit(account_id, hold_ids[1], credits=1),
        ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_ids[1]),
    ]
    spends = [ask.Charge(account_id, steps.new_id("charge"), usage(3))]
    return [begin, 1, lambda: first, lambda: spends[: steps.between(0, 1)], HOUR_TICKS + 4, lambda: second]


def nothing_left(steps: Steps) -> Story:
    """Give back to a period that left nothing, so that its roll-over is made only then, if there is time."""
    account_id, opened = new_account(steps)
    lives = (0, HOUR_MS, HOUR_MS, 30 * HOUR_MS)
    roll_overs = [{**one, "rollover_life_ms": life} for one in ROLL_OVERS[1:5:3] for life in lives]
    roll_over: dict[str, Any] = steps.pick(roll_overs)
    charge_ids = [steps.new_id("charge") for _ in range(5)]
    refunds = [ask.Refund(account_id, steps.new_id("refund"), charge_id=one) for one in charge_ids]

    def begin() -> Sequence[Call]:
        return [
            opened,
            changing(steps, account_id, daily(steps, **roll_over)),
            *(ask.Charge(account_id, one, usage(2)) for one in charge_ids),
        ]

    spend = ask.Charge(account_id, steps.new_id("charge"), usage(12))
    early = steps.pick((0, 1, 2))
    return [
        *(begin, 1, lambda: refunds[:early], lambda: [spend][:early], lambda: refunds[early : 2 * early], HOUR_TICKS),
        *(lambda: refunds[3:4], DAY_TICKS, lambda: refunds[4:]),
    ]


def lasting(steps: Steps) -> Story:
    """Let what rolls over for good lie in one grant, until that is used up or the terms are others."""
    account_id, opened = new_account(steps)
    first = [steps.pick((0, 3)), steps.pick((0, 10, 14)), 20]
    spends = [ask.Charge(account_id, steps.new_id("charge"), usage(credits_)) for credits_ in first]
    priority = steps.pick((0, 1))
    scope = steps.pick((ask.Scope(), ask.Scope(), ask.Scope(regions=("", "US"))))

    def begin() -> Sequence[Call]:
        terms = daily(steps, rollover=RollOver.ALL)
        others = replace(terms, plan_id="other", credits=7, rollover_priority=priority, scope=scope)
        return [opened, changing(steps, account_id, terms), changing(steps, account_id, others, at_period_end=True)]

    return [
        *(begin, 1, lambda: spends[:1], DAY_TICKS, lambda: spends[1:2], DAY_TICKS),
        *(lambda: spends[2:], 2 * DAY_TICKS, lambda: [changing(steps, account_id, None)]),
    ]


def owing(steps: Steps) -> Story:
    """Let a plan begin, roll over and renew while its account is in debt."""
    account_id, opened = new_account(steps)
    scope = ask.Scope(regions=("DE",))
    roll_over = steps.pick(ROLL_OVERS[1:])
    debts = [steps.pick((3, 12)), steps.pick((4, 25)), 40]
    charges = [ask.Charge(account_id, steps.new_id("charge"), usage(one, is_inbound=True)) for one in debts]

    def begin() -> Sequence[Call]:
        terms = daily(steps, scope=scope, **roll_over)
        anew = changing(steps, account_id, replace(terms, credits=20, scope=steps.pick((scope, ask.Scope()))))
        return [
            opened,
            charges[0],
            changing(steps, account_id, terms),
            charges[1],
            *([anew] if steps.chance(3) else []),
        ]

    return [begin, 1, lambda: charges[2:], DAY_TICKS, lambda: [ask.Quote(account_id, usage(1))]]


def gone_before(steps: Steps) -> Story:
    """Revoke a period's grant, or move it, wholly or in part, before its end; then give back to it."""
    (one, opened), (other, open_other) = new_account(steps), new_account(steps)
    roll_over = steps.pick(ROLL_OVERS)
    hold_id, charge_id = steps.new_id("hold"), steps.new_id("charge")

    def begin() -> Sequence[Call]:
        terms = daily(steps, anchor_ms=steps.clock.place(3), **roll_over)
        return [
            opened,
            open_other,
            changing(steps, one, terms),
            ask.Reserve(one, hold_id, usage(3), steps.ttl_to(60)),
            ask.Charge(one, charge_id, usage(2)),
            ask.GrantCredits(one, steps.new_id("grant"), 3, GrantKind.PLAN, priority=1),
        ]

    def goes() -> Sequence[Call]:
        revoke = ask.RevokeGrant(one, plan_grant(steps, one), claw_back=steps.chance(2))
        moves = [ask.Transfer(one, steps.new_id("move"), other, credits_) for credits_ in (1, 5, 6)]
        calls: list[Call] = [revoke, *moves]
        return [steps.pick(calls)]

    def back() -> Sequence[Call]:
        return [ask.Release(one, hold_id), ask.Refund(one, steps.new_id("refund"), charge_id=charge_id)]

    def late() -> Sequence[Call]:
        plan = steps.model.organisation.accounts[one].plan
        ended = [grant for grant in steps.grants() if grant.account_id == one and not (plan and grant is plan.grant)]
        return [ask.RevokeGrant(one, steps.pick(ended).grant_id), *back()] if ended and steps.chance(2) else back()

    return [begin, 1, goes, 3, late, DAY_TICKS, lambda: [ask.Quote(other, usage(1))]]


def plan_closed(steps: Steps) -> Story:
    """Close an account with a plan, and ask for plans of it, and of accounts that never were."""
    account_id, opened = new_account(steps)
    charge_id = steps.new_id("charge")
    cancel = changing(steps, f"{steps.root}/nobody", None)

    def all_of_it() -> Sequence[Call]:
        first = changing(steps, account_id, daily(steps, rollover=RollOver.ALL))
        return [
            opened,
            cancel,
            replace(cancel, terms=first.terms),
            first,
            ask.Charge(account_id, charge_id, usage(steps.pick((3, 10)))),
            changing(steps, account_id, first.terms, at_period_end=True),
            ask.CloseAccount(account_id),
            first,
            replace(first, at_period_end=True),
            changing(steps, account_id, first.terms),
            changing(steps, account_id, None),
            changing(steps, account_id, None, at_period_end=True),
        ]

    refund = ask.Refund(account_id, steps.new_id("refund"), charge_id=charge_id)
    return [all_of_it, 2, lambda: [refund]]


def changes(steps: Steps) -> Story:
    """Change what follows a period again and again, and in the end the period itself."""
    account_id, opened = new_account(steps)
    first = changing(steps, account_id, None, at_period_end=steps.chance(2))
    terms = daily(steps, **steps.pick(ROLL_OVERS))
    anchors = (None, steps.clock.place(2))
    others = [replace(terms, plan_id=f"other{at}", credits=5, anchor_ms=anchor) for at, anchor in enumerate(anchors)]

    def begin() -> Sequence[Call]:
        wants = [changing(steps, account_id, one, at_period_end=True) for one in (terms, *others, None, *others, None)]
        return [opened, first, *wants[: steps.pick((2, 5, 7, 7))], *steps.pick(([], wants[:2]))]

    def again() -> Sequence[Call]:
        now = steps.pick((None, terms, replace(terms, scope=ask.Scope(regions=("DE",)))))
        later = changing(steps, account_id, others[0], at_period_end=True)
        return [
            changing(steps, account_id, now),
            later,
            ask.Quote(account_id, usage(30)),
            changing(steps, account_id, now),
        ]

    return [begin, 1, *([] if steps.chance(2) else [again]), DAY_TICKS, lambda: [first], again]


def unanchored(steps: Steps) -> Story:
    """Begin periods just now, and at the end of others, wherever that is in a day."""
    account_id, opened = new_account(steps)
    zone = steps.pick(("UTC", "America/New_York", "Australia/Lord_Howe"))

    def begin() -> Sequence[Call]:
        terms = daily(steps, anchor_ms=steps.no_anchor(), time_zone=zone, **steps.pick(ROLL_OVERS))
        weekly = replace(terms, plan_id="weekly", interval=Interval.WEEK, anchor_ms=None)
        return [
            opened,
            changing(steps, account_id, terms),
            changing(steps, account_id, weekly, at_period_end=True),
            ask.Charge(account_id, steps.new_id("charge"), usage(3)),
        ]

    return [begin, DAY_TICKS, lambda: [ask.Quote(account_id, usage(11))]]


def same_moment(steps: Steps) -> Story:
    """Let two periods end at one moment, at which grants begin and end and, but for a blink, holds expire too."""
    (one, opened), (other, open_other) = new_account(steps), new_account(steps, overdraft_limit=9)
    roll_overs = [steps.pick(ROLL_OVERS) for _ in range(2)]

    def begin() -> Sequence[Call]:
        terms = daily(steps)
        at_ms = terms.anchor_ms or 0
        calls: list[Call] = [opened, open_other]
        for account_id, roll_over in zip((one, other), roll_overs, strict=True):
            own = replace(terms, **roll_over)
            calls += [
                ask.GrantCredits(account_id, steps.new_id("grant"), 3, effective_ms=at_ms),
                changing(steps, account_id, own),
                ask.GrantCredits(account_id, steps.new_id("grant"), 4, expire_ms=at_ms),
                ask.GrantCredits(
                    account_id, steps.new_id("grant"), 2, effective_ms=at_ms, expire_ms=steps.clock.place(3)
                ),
                ask.Charge(account_id, steps.new_id("charge"), usage(steps.pick((1, 16)), is_inbound=True)),
            ]
        ttl_ms, action = at_ms - steps.clock.start_ms, steps.pick(tuple(ExpiryAction))
        account_id = steps.pick((one, other))
        return [*calls, ask.Reserve(account_id, steps.new_id("hold"), usage(5), ttl_ms, expiry_action=action)]

    end: list[Call] = [
        ask.Charge(one, steps.new_id("charge"), usage(9)),
        ask.Transfer(one, steps.new_id("move"), other, 2),
    ]
    return [begin, steps.pick((1, DAY_TICKS)), lambda: end]


def suspended(steps: Steps) -> Story:
    """Suspend an account, whose plan goes on."""
    account_id, opened = new_account(steps)
    suspend = ask.UpdateAccount(account_id, ask.SettingsChange(status=AccountStatus.SUSPENDED))
    return [
        lambda: [opened, changing(steps, account_id, daily(steps)), suspend],
        1,
        lambda: [changing(steps, account_id, daily(steps)), ask.Quote(account_id, usage(1))],
    ]


def short(steps: Steps) -> Story:
    """Deny what the next period would pay, or a grant that begins before it, or nothing at all."""
    account_id, opened = new_account(steps)
    sooner = ask.GrantCredits(account_id, steps.new_id("grant"), 1, effective_ms=steps.clock.place(1))
    end = changing(steps, account_id, None, at_period_end=True)

    def ask_for(credits_: int) -> Call:
        return ask.Reserve(account_id, steps.new_id("hold"), usage(credits_), steps.ttl_to(9))

    def begin() -> Sequence[Call]:
        terms = daily(steps, anchor_ms=steps.clock.place(steps.pick((1, 2))))
        cap = ask.GrantCredits(account_id, steps.new_id("grant"), 5, GrantKind.ALLOTMENT)
        after_all = changing(steps, account_id, terms, at_period_end=True)
        calls: list[Call] = [opened, changing(steps, account_id, terms), ask_for(11), end, ask_for(12), sooner]
        calls += [ask_for(12), after_all, ask_for(11)]
        return [*calls, cap, ask_for(6), ask_for(14)]

    return [begin, 2, lambda: [ask_for(13)]]


def full(steps: Steps) -> Story:
    """Give a plan to an account that has as many grants as it may have; renew it, give back to it, and use it up."""
    account_id, opened = new_account(steps)
    hold_id = steps.new_id("hold")
    charge_ids = [steps.new_id("charge") for _ in range(2)]
    roll_over = steps.pick(ROLL_OVERS[1:])

    def begin() -> Sequence[Call]:
        first = daily(steps, priority=FIRST)
        second = replace(first, credits=3, **roll_over)
        many: list[Call] = [
            ask.GrantCredits(account_id, steps.new_id("grant"), 1, priority=1) for _ in range(GRANTS_PER_ACCOUNT_MAX)
        ]
        uses_all = ask.Charge(account_id, charge_ids[1], usage(1))
        return [
            opened,
            *many[1:],
            changing(steps, account_id, first),
            many[0],
            ask.Charge(account_id, charge_ids[0], usage(4)),
            changing(steps, account_id, second),
            changing(steps, account_id, replace(first, credits=5)),
            changing(steps, account_id, first, at_period_end=True),
            ask.Reserve(account_id, hold_id, usage(2), steps.ttl_to(60)),
            *([uses_all] if steps.chance(2) else []),
        ]

    def back() -> Sequence[Call]:
        return [
            ask.Release(account_id, hold_id),
            *(ask.Refund(account_id, steps.new_id("refund"), charge_id=one) for one in charge_ids),
            ask.GrantCredits(account_id, steps.new_id("grant"), 1, priority=1),
        ]

    def used_up() -> Sequence[Call]:
        uses_all = ask.Charge(account_id, steps.new_id("charge"), usage(14))
        more = [ask.GrantCredits(account_id, steps.new_id("grant"), 1, priority=1) for _ in range(5)]
        return [uses_all, *more, changing(steps, account_id, daily(steps))]

    backs = [back] if steps.chance(2) else []
    return [begin, 1, *backs, DAY_TICKS, back, used_up, DAY_TICKS, lambda: [ask.Quote(account_id, usage(1))]]


def full_of_scopes(steps: Steps) -> Story:
    """Give an account with as many scopes as it may have a plan of another one: now, and later."""
    account_id, opened = new_account(steps)
    scopes = [ask.Scope(regions=(region,)) for region in REGIONS]

    def begin() -> Sequence[Call]:
        terms = daily(steps, **steps.pick(ROLL_OVERS))
        others = [
            ask.GrantCredits(account_id, steps.new_id("grant"), 1, scope=scope)
            for scope in scopes[: SCOPES_PER_ACCOUNT_MAX - steps.between(0, 1)]
        ]
        wanted = replace(terms, scope=scopes[SCOPES_PER_ACCOUNT_MAX])
        twice = [changing(steps, account_id, replace(wanted, scope=one)) for one in scopes[:-3:-1]]
        return [
            opened,
            *(others if steps.chance(2) else others[::-1]),
            changing(steps, account_id, terms),
            changing(steps, account_id, wanted),
            *(twice[: steps.between(1, 2)]),
            changing(steps, account_id, wanted, at_period_end=True),
        ]

    return [begin, 1, lambda: [ask.Quote(account_id, usage(1))], DAY_TICKS, lambda: [ask.Quote(account_id, usage(1))]]

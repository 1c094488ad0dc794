"""Stories of holds and charges: what policies, modes, time and repetition make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from tests.model.calls import Call
from tests.model.steps import Steps
from tests.model.story import Story, new_account, usage

from creditgate.pricing.usage import Channel, Credits, Priority
from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.records import HOUR_MS
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    LateCommit,
    Overage,
    ReservationState,
)


def late_refunds(steps: Steps) -> Story:
    """Capture of an expired hold, refund, and capture again."""
    account_id, opened = new_account(steps, late_commit=LateCommit.ACCEPT, overdraft_limit=20)
    hold_id = steps.new_id("hold")
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), steps.between(3, 12)),
        ask.Reserve(account_id, hold_id, usage(9), steps.ttl_to(1)),
    ]

    def end() -> Sequence[Call]:
        calls: list[Call] = []
        for commit_id in ("x1", "x2", "x3"):
            credits_ = steps.pick((2, 3, 4))
            calls.append(ask.Commit(account_id, hold_id, credits=credits_, keep_open=True, commit_id=commit_id))
            refund_id = steps.new_id("refund")
            calls.append(ask.Refund(account_id, refund_id, reservation_id=hold_id, credits=steps.pick((1, 2, None))))
        last: Call = ask.Commit(account_id, hold_id) if steps.chance(2) else ask.Release(account_id, hold_id)
        return [*calls, last]

    return [lambda: begin, 2, end]


def report(steps: Steps) -> Story:
    """Report late what a hold that its expiry has charged was used for."""
    account_id, opened = new_account(steps, overdraft_limit=20)
    hold_id = steps.new_id("hold")
    ttl_ms = steps.ttl_to(1)
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), steps.between(3, 12)),
        ask.Reserve(account_id, hold_id, usage(9), ttl_ms, expiry_action=ExpiryAction.COMMIT),
        ask.Commit(account_id, hold_id, credits=steps.pick((0, 2)), keep_open=True, commit_id="x0"),
    ]
    calls: list[Call] = [
        ask.Commit(account_id, hold_id, credits=2, keep_open=True, commit_id="x1"),
        ask.Refund(account_id, steps.new_id("refund"), reservation_id=hold_id, credits=steps.pick((1, 4))),
        ask.Charge(account_id, steps.new_id("charge"), usage(3, is_inbound=True)),
        ask.Commit(account_id, hold_id, credits=steps.pick((None, 1, 1, 4, 11))),
        ask.Commit(account_id, hold_id, credits=1),
        ask.Commit(account_id, hold_id),
        ask.Refund(account_id, steps.new_id("refund"), reservation_id=hold_id),
    ]
    end = [call for call in calls if not steps.chance(4)]
    return [lambda: begin, 2, lambda: end]


def floor_cap(steps: Steps) -> Story:
    """Use more than a hold holds where a floor, an overdraft or a limit caps what may be taken."""
    account_id, opened = new_account(
        steps,
        floor=steps.pick((4, 4, -3, -3, None)),
        overdraft_limit=steps.pick((0, 5)),
        overage=Overage.CAP,
        enforcement=steps.pick((*[Enforcement.ENFORCE] * 3, *Enforcement)),
    )
    hold_id = steps.new_id("hold")
    priority = steps.pick((Priority.BULK, Priority.BULK, Priority.TRANSACTIONAL))
    allotments: list[Call] = []
    if steps.chance(2):
        allotments.append(ask.GrantCredits(account_id, steps.new_id("grant"), steps.between(2, 9), GrantKind.ALLOTMENT))
    captures: list[Call] = []
    if steps.chance(3):
        captures.append(ask.Commit(account_id, hold_id, credits=steps.between(5, 20), keep_open=True, commit_id="x1"))
    calls: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), steps.between(6, 9)),
        *allotments,
        ask.Reserve(account_id, hold_id, usage(2, priority=priority), steps.ttl_to(60)),
        *captures,
        ask.Commit(account_id, hold_id, credits=steps.pick((2, 4, 20, 30))),
    ]
    return [lambda: calls]


def beyond(steps: Steps) -> Story:
    """Take more than is held: up to a floor, up to a limit, where nothing bounds; and take what an overdraft holds."""
    floor, open_floor = new_account(steps, floor=4, overage=Overage.CAP)
    limit, open_limit = new_account(steps, overage=Overage.CAP, late_commit=LateCommit.ACCEPT)
    free, open_free = new_account(steps, overage=Overage.CAP, enforcement=Enforcement.OFF)
    owing, open_owing = new_account(steps, overdraft_limit=9)
    watched, open_watched = new_account(steps, enforcement=Enforcement.MONITOR)
    late_id = steps.new_id("hold")
    calls: list[Call] = [open_floor, open_limit, open_free, open_owing, open_watched]
    calls += [ask.GrantCredits(one, steps.new_id("grant"), 9) for one in (floor, limit)]
    calls += [
        ask.GrantCredits(limit, steps.new_id("grant"), 7, GrantKind.ALLOTMENT),
        ask.Reserve(limit, late_id, usage(1), steps.ttl_to(1)),
        ask.Quote(floor, usage(6, priority=Priority.BULK)),
        ask.Charge(floor, steps.new_id("charge"), usage(6, priority=Priority.BULK)),
        ask.Quote(watched, usage(1)),
        ask.Charge(watched, steps.new_id("charge"), usage(1)),
    ]
    for account_id in (floor, limit, free, owing):
        hold_id = steps.new_id("hold")
        calls.append(ask.Reserve(account_id, hold_id, usage(4, priority=Priority.BULK), steps.ttl_to(60)))
        if account_id == owing:
            calls.append(ask.GrantCredits(owing, steps.new_id("grant"), 2))
        calls.append(ask.Commit(account_id, hold_id, credits=4 if account_id == owing else 30))
    return [lambda: calls, 2, lambda: [ask.Commit(limit, late_id, credits=30)]]


def inbound_limit(steps: Steps) -> Story:
    """Let inbound usage count against limits, and be let through where it would have been denied."""
    account_id, opened = new_account(
        steps,
        limit_counts_inbound=True,
        inbound_overdraft_limit=steps.pick((0, 4)),
        enforcement=steps.pick((Enforcement.ENFORCE, Enforcement.MONITOR)),
    )
    charge_ids = [steps.new_id("charge") for _ in range(3)]
    calls: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 5),
        ask.GrantCredits(account_id, steps.new_id("grant"), 4, GrantKind.ALLOTMENT),
        *(ask.Charge(account_id, one, usage(3, is_inbound=True)) for one in charge_ids),
        *(ask.Refund(account_id, steps.new_id("refund"), charge_id=one) for one in charge_ids),
    ]
    return [lambda: calls]


def mode_change(steps: Steps) -> Story:
    """Settle a hold after the mode of its account has changed."""
    modes = [steps.pick(tuple(Enforcement)) for _ in range(2)]
    account_id, opened = new_account(steps, overdraft_limit=6, enforcement=modes[0])
    hold_id = steps.new_id("hold")
    ttl_ms = steps.ttl_to(2)
    calls: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 4),
        ask.GrantCredits(account_id, steps.new_id("grant"), 3, GrantKind.ALLOTMENT),
        ask.Reserve(account_id, hold_id, usage(steps.pick((2, 3, 8))), ttl_ms),
        ask.GrantCredits(account_id, steps.new_id("grant"), steps.pick((2, 5))),
        ask.UpdateAccount(account_id, ask.SettingsChange(enforcement=modes[1])),
        ask.Commit(account_id, hold_id, credits=steps.pick((None, 1, 5, 12))),
        ask.Refund(account_id, steps.new_id("refund"), reservation_id=hold_id, credits=steps.pick((None, 1))),
    ]
    return [lambda: calls]


def inherited(steps: Steps) -> Story:
    """Leave policies to the level above, and funding too."""
    above, opened = new_account(
        steps, overage=steps.pick(tuple(Overage)), late_commit=steps.pick(tuple(LateCommit)), overdraft_limit=5
    )
    below = f"{above}/{steps.new_id('s')}"
    hold_id, late_id = steps.new_id("hold"), steps.new_id("hold")
    begin: list[Call] = [
        opened,
        ask.CreateAccount(below, ask.AccountSettings(funding=Funding.PARENT)),
        ask.GrantCredits(above, steps.new_id("grant"), 14),
        ask.GrantCredits(below, steps.new_id("grant"), 12, GrantKind.ALLOTMENT),
        ask.GrantCredits(above, steps.new_id("grant"), 13, GrantKind.ALLOTMENT),
        ask.Reserve(below, hold_id, usage(2), steps.ttl_to(60)),
        ask.Reserve(below, late_id, usage(3), steps.ttl_to(1)),
        ask.Commit(below, hold_id, credits=steps.between(1, 30)),
    ]

    def end() -> Sequence[Call]:
        hold = steps.model.organisation.holds.get(late_id)
        suspend = ask.UpdateAccount(above, ask.SettingsChange(status=AccountStatus.SUSPENDED))
        calls: list[Call] = [
            ask.Commit(below, late_id, credits=steps.between(1, 20)),
            suspend,
            ask.Quote(below, usage(1)),
            ask.Charge(below, steps.new_id("charge"), usage(1, is_inbound=True)),
            ask.CloseAccount(below),
            ask.Quote(below, usage(1)),
            ask.CreateAccount(f"{below}/x", ask.AccountSettings()),
        ]
        return calls if hold is None or hold.state is not ReservationState.PENDING else [suspend]

    return [lambda: begin, 2, end]


def many_due(steps: Steps) -> Story:
    """Let more holds end at once than one call works off."""
    account_id, opened = new_account(steps)
    reserves: list[Call] = [
        ask.Reserve(account_id, steps.new_id("hold"), usage(steps.between(1, 3)), steps.ttl_to(1)) for _ in range(24)
    ]
    begin = [opened, ask.GrantCredits(account_id, steps.new_id("grant"), 90), *reserves]
    return [lambda: begin, 2]


def actual_usage(steps: Steps) -> Story:
    """Commit what was really used: another size, fewer recipients; and what a commit may not change."""
    account_id, opened = new_account(steps)
    hold_id = steps.new_id("hold")
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 30),
        ask.Reserve(account_id, hold_id, usage(3), steps.ttl_to(9)),
    ]
    actual = [
        ask.ActualUsage(Credits(1), channel=Channel.VOICE),
        ask.ActualUsage(Credits(1), region="US"),
        ask.ActualUsage(Credits(steps.between(0, 5)), recipient_count=steps.pick((None, 2))),
    ]
    commits = [ask.Commit(account_id, hold_id, one) for one in (*actual, actual[-1])]
    return [lambda: begin, *(partial(_alone, one) for one in commits)]


def _alone(call: Call) -> list[Call]:
    return [call]


def denials(steps: Steps) -> Story:
    """Repeat what was denied: a charge is denied again for a while, a reserve may pass."""
    account_id, opened = new_account(steps)
    charge = ask.Charge(account_id, steps.new_id("charge"), usage(5))
    reserve = ask.Reserve(account_id, steps.new_id("hold"), usage(4), steps.ttl_to(9), allow_partial=steps.chance(2))
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 9, effective_ms=steps.clock.place(5)),
        charge,
        reserve,
        ask.GrantCredits(account_id, steps.new_id("grant"), 3),
        ask.GrantCredits(account_id, steps.new_id("grant"), 7),
        charge,
        reserve,
        replace(charge, traffic=usage(6)),
    ]
    return [lambda: begin, 1, lambda: [charge, charge]]


def same_again(steps: Steps) -> Story:
    """Take the ids of a hold and its commits again when the hold is forgotten and they are not."""
    account_id, opened = new_account(steps)
    reserve = ask.Reserve(account_id, steps.new_id("hold"), usage(6), steps.ttl_to(300))
    capture = ask.Commit(account_id, reserve.reservation_id, credits=2, keep_open=True, commit_id="x1")
    release = ask.Release(account_id, reserve.reservation_id)
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 30),
        reserve,
        capture,
        release,
        capture,
    ]

    def end() -> Sequence[Call]:
        anew = replace(reserve, ttl_ms=steps.ttl_to(300))
        return [capture, anew, replace(capture, credits=steps.pick((2, 3))), capture, release]

    return [lambda: begin, 4, end]


def long_open(steps: Steps) -> Story:
    """Keep a hold open for longer than its commits are remembered, and extend it as far as it goes."""
    account_id, opened = new_account(steps)
    hold_id = steps.new_id("hold")
    capture = ask.Commit(account_id, hold_id, credits=2, keep_open=True, commit_id="x1")
    begin: list[Call] = [
        opened,
        ask.GrantCredits(account_id, steps.new_id("grant"), 30),
        ask.Reserve(account_id, hold_id, usage(9), steps.ttl_to(300)),
        capture,
        capture,
        ask.Extend(account_id, hold_id, steps.ttl_to(400)),
        ask.Extend(account_id, hold_id, steps.ttl_to(2)),
        ask.Commit(account_id, hold_id, keep_open=True, commit_id="x2"),
    ]
    end: list[Call] = [
        capture,
        ask.Extend(account_id, hold_id, 7 * 24 * HOUR_MS),
        ask.Commit(account_id, hold_id),
        capture,
    ]
    return [lambda: begin, 173, lambda: end]

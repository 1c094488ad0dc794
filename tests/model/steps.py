"""What may happen next: bursts of calls, chosen by chance or told by a story."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from tests.model.calls import Batch, Call
from tests.model.choices import KINDS, LIFE_MS
from tests.model.choices_of_plans import PlanChoices
from tests.model.clock import TICKS_OF_WINDOWS, Clock

from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.ledger import ReferenceLedger
from creditgate_server.credit.terms import (
    AccountStatus,
    Funding,
)

TREES = (
    ("", "a", "a/b", "a/b/c", "d"),
    ("", "a", "a/b", "d", "d/e"),
    ("", "a", "a/b", "a/c"),
    ("", "a", "d", "d/e", "d/e/f"),
)
"""Accounts of an organisation, below its root."""

SIZES = (1, 2, 3, 4, 6, 8)
"""Calls of a burst, some of which are repeated at once."""

PAST_MAX = 200
"""Calls that may be repeated."""


class Steps(PlanChoices):
    """Chooses bursts of calls on one organisation: new ones, and some that were made before."""

    def __init__(self, random: Random, root: str, clock: Clock, model: ReferenceLedger) -> None:
        super().__init__(random, root, clock, model)
        self.past: deque[Call] = deque(maxlen=PAST_MAX)
        self.planned: deque[Callable[[], Sequence[Call]] | int] = deque()

    # A beginning

    def opening(self) -> list[Call]:
        """Return what makes an organisation: its accounts, and credits for most of them."""
        calls: list[Call] = []
        below = self.pick(TREES)
        for one in below:
            settings: dict[str, Any] = self.settings(keep=3) | {"status": AccountStatus.ACTIVE}
            settings["funding"] = Funding.OWN if not one or self.chance(2) else Funding.PARENT
            calls.append(ask.CreateAccount(f"{self.root}/{one}".rstrip("/"), ask.AccountSettings(**settings)))
        for one in below:
            for _ in range(self.between(0, 2)):
                account_id = f"{self.root}/{one}".rstrip("/")
                calls.append(ask.GrantCredits(account_id, self.new_id("grant"), self.between(5, 90), self.pick(KINDS)))
        return calls

    # What was asked before

    def other_content(self) -> Call | None:
        """Return an earlier call's id with another content."""
        found = self.again()
        match found:
            case ask.Reserve(traffic=traffic) | ask.Charge(traffic=traffic):
                other = replace(
                    traffic, usage=replace(traffic.usage, recipient_count=traffic.usage.recipient_count + 1)
                )
                return replace(found, traffic=other)
            case ask.GrantCredits() | ask.Transfer():
                return replace(found, credits=found.credits + 1)
            case ask.Refund() | ask.Commit():
                return replace(found, credits=(found.credits or 0) + 1)
            case ask.RevokeGrant():
                return replace(found, claw_back=not found.claw_back)
            case ask.SetPlan():
                return self.other_plan(found)
        return None

    def again(self) -> Call | None:
        """Return an earlier call: one of the latest, or any that may still be remembered."""
        past = [call for call in self.past if not goes_alone(call)]
        past = past[-6:] if self.chance(2) else past
        return self.anew(self.pick(past)) if past else None

    def again_alone(self) -> Call:
        past = [call for call in self.past if goes_alone(call)]
        return self.anew(self.pick(past)) if past else self.lone_batch()

    def anew(self, call: Call) -> Call:
        """Return a call with another time to live, which is no part of its content: no two holds shall end at once."""
        if isinstance(call, ask.SetPlan):
            return self.again_soon(call)
        if isinstance(call, Batch):
            return replace(call, operations=tuple(map(self.renewed, call.operations)))
        return self.renewed(call) if isinstance(call, ask.Batched) else call

    def renewed(self, operation: ask.Batched) -> ask.Batched:
        if isinstance(operation, ask.Reserve) or (isinstance(operation, ask.Extend) and operation.ttl_ms < LIFE_MS):
            return replace(operation, ttl_ms=self.ttl_ms())
        return operation

    def batch(self) -> Batch:
        kinds = (
            self.reserve,
            self.reserve,
            self.charge,
            self.commit,
            self.capture,
            self.release,
            self.extend,
            self.refund,
        )
        operations: list[ask.Batched] = [self.reserve()]
        for _ in range(self.between(1, 5)):
            operation = self.again() if self.chance(8) else self.pick(kinds)()
            if isinstance(operation, ask.Batched) and not isinstance(operation, ask.Quote):
                operations.append(operation)
        return Batch(tuple(operations), atomic=True)

    def lone_batch(self) -> Call:
        """Return a batch that is not atomic."""
        more: list[ask.Batched] = [self.quote(), self.commit_of_usage(), self.commit()]
        return Batch((*self.batch().operations, *(one for one in more if self.chance(3))), atomic=False)

    # Bursts

    def burst(self) -> list[Call]:
        """Return calls that are made at once: what a story wants next, or what chance does."""
        if not self.planned or isinstance(self.planned[0], int):
            calls = self.chosen()
        else:
            planned = self.planned.popleft()
            calls = [] if isinstance(planned, int) else [*planned()]
        self.past.extend(calls)
        return calls

    def chosen(self) -> list[Call]:
        """Return calls that chance has chosen."""
        if self.chance(20):
            return [self.pick((self.commit_of_usage, self.lone_batch, self.lone_batch, self.again_alone))()]
        calls: list[Call] = []
        for _ in range(self.pick(SIZES)):
            calls += self.some()
        if self.chance(6):
            self.random.shuffle(calls)
        return calls

    def some(self) -> list[Call]:
        """Return one call, or one that is repeated at once."""
        if self.chance(9):
            found = self.other_content() if self.chance(4) else self.again()
            return [found] * self.between(1, 5) if found else []
        return [self.pick(self.kinds)()]

    @property
    def kinds(self) -> Sequence[Callable[[], Call]]:
        weights: dict[Callable[[], Call], int] = {
            self.reserve: 24,
            self.commit: 14,
            self.capture: 10,
            self.charge: 13,
            self.refund: 11,
            self.grant: 9,
            self.release: 6,
            self.transfer: 6,
            self.batch: 4,
            self.extend: 4,
            self.update: 4,
            self.set_plan: 4,
            self.revoke: 4,
            self.quote: 3,
            self.create: 1,
            self.close: 1,
        }
        return [kind for kind, weight in weights.items() for _ in range(weight)]

    def awaited_ticks(self) -> int:
        """Return how much time a story waits for, which then has come."""
        if self.planned and isinstance(ticks := self.planned[0], int):
            self.planned.popleft()
            return ticks
        return 0

    def ticks(self) -> int:
        """Return how far time goes on, most often not at all."""
        if not self.chance(4):
            return 0
        return self.pick(TICKS_OF_WINDOWS) if self.chance(12) else self.pick((1, 1, 1, 2, 3))


def together(calls: Sequence[Call]) -> list[list[Call]]:
    """Split a burst where a plan is set, which takes several requests: what comes before it shall happen before it."""
    runs: list[list[Call]] = []
    for at, call in enumerate(calls):
        if not at or any(isinstance(one, ask.SetPlan) for one in (call, calls[at - 1])):
            runs.append([])
        runs[-1].append(call)
    return runs


def goes_alone(call: Call) -> bool:
    """Whether an engine needs several requests for a call, so that it has no fixed place among those made at once."""
    if isinstance(call, Batch):
        return not call.atomic or any(map(goes_alone, call.operations))
    return isinstance(call, ask.Commit) and call.usage is not None

"""One organisation in the store and in the model: what is asked of both, and all that must then agree."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from random import Random

from tests.model.calls import Answer, Call, on_engine, on_model, operations_of
from tests.model.clock import TICK_MS, Clock
from tests.model.comparison import Differs, agree, brief, of_account, of_answer, of_grant, of_hold, of_plan
from tests.model.coverage import Coverage
from tests.model.sidecars import Sidecars
from tests.model.steps import Steps, together

from creditgate.pricing.usage import Channel, Credits, Direction, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.reference.invariants import audit, check
from creditgate_server.credit.reference.ledger import ReferenceLedger
from creditgate_server.credit.reference.records import Plan
from creditgate_server.credit.reference.views import account_view, grant_view, hold_view, plan_view
from creditgate_server.credit.terms import Decision, ReservationState
from creditgate_server.engine.engine import Engine
from creditgate_server.store import records
from creditgate_server.store.errors import StoreError
from creditgate_server.store.ledger import Lane, Request

SWEEP_AFTER = 12
"""Things due at once that are left to whoever touches the organisation next; when there are more, they are swept."""

SWEEPS_MAX = 1_000
"""Far more than what is due of one organisation ever takes."""

PAGE = 500

KEPT = 12
"""Latest bursts that are told when store and model differ."""


class History:
    """What happens to one organisation."""

    def __init__(self, sidecars: Sidecars, root: str, clock: Clock, random: Random) -> None:
        self.sidecars = sidecars
        self.root = root
        self.clock = clock
        self.random = random
        self.model = ReferenceLedger(clock.now_ms)
        self.steps = Steps(random, root, clock, self.model)
        self.coverage = Coverage(self.model.reached)
        self.operations = 0
        self.has_unnoticed = False
        self.has_unnoticed_renewal = False
        self.latest: deque[tuple[int, Sequence[Call], Sequence[Sequence[Answer]]]] = deque(maxlen=KEPT)

    async def take(self, calls: Sequence[Call], engine: Engine) -> None:
        """Ask for several things at once: they happen in order, some of them in one step of the store."""
        if not calls:
            return
        self.operations += operations_of(calls)
        told_, expected = list[list[Answer]](), list[list[Answer]]()
        for run in self.runs(calls):
            self.clock.bursts += 1
            self.model.pass_time(self.clock.now_ms)
            told_ += await asyncio.gather(*(on_engine(engine, call) for call in run))
            expected += [on_model(self.model, call) for call in run]
        self.latest.append((self.clock.now_ms, calls, told_))
        self.clock.check()
        for call, found, answers in zip(calls, told_, expected, strict=True):
            self.coverage.note(call, answers)
            agree(f"the answer to {brief(call)}", [*map(of_answer, found)], [*map(of_answer, answers)])
        await self.compare(self.touched(calls))

    def runs(self, calls: Sequence[Call]) -> list[list[Call]]:
        """Split a burst into what is asked at once. While a period has ended unnoticed that is one call only.

        For the engine repeats those that notice it, and others meanwhile overtake them.
        """
        return [[call] for call in calls] if self.has_unnoticed_renewal else together(calls)

    async def race(self, call: Call, other: Call) -> None:
        """Ask two engines at once: one of them is first."""
        self.model.pass_time(self.clock.now_ms)
        self.operations += operations_of([call, other])
        engines = self.sidecars.engines
        found = await asyncio.gather(on_engine(engines[0], call), on_engine(engines[1], other))
        self.clock.bursts += 2
        self.latest.append((self.clock.now_ms, (call, other), found))
        self.clock.check()
        await self.judge(call, other, found)

    async def judge(self, call: Call, other: Call, found: Sequence[Sequence[Answer]]) -> None:
        """Find the order that explains the answers, and with it how everything stands.

        Both may explain the answers and still leave different states: a first allotment, and a reserve below it.
        """
        answers = [[*map(of_answer, answer)] for answer in found]
        swapped = self.model.copy()
        orders = (
            (self.model, in_turn(self.model, (call, other))),
            (swapped, in_turn(swapped, (other, call))[::-1]),
        )
        explained = [
            model.organisation for model, told_ in orders if answers == [[*map(of_answer, one)] for one in told_]
        ]
        if not explained:
            told_ = [[*map(of_answer, one)] for one in orders[1][1]]
            agree(f"the answers to a race of {brief(call)} and {brief(other)}", answers, told_)
        for after in explained:
            self.model.organisation = after
            try:
                await self.compare(self.touched((call, other)))
            except Differs:
                if after is explained[-1]:
                    raise
            else:
                return

    def pass_time(self) -> int:
        """Let the model's time catch up with the clock. Returns how many things were due."""
        before = self.plans()
        happened = self.model.pass_time(self.clock.now_ms)
        self.has_unnoticed = self.has_unnoticed or happened > 0
        self.has_unnoticed_renewal = self.has_unnoticed_renewal or self.plans() != before
        return happened

    def plans(self) -> list[Plan | None]:
        """Return the plans of all accounts, each another one in each period."""
        return [one.plan for one in self.model.organisation.accounts.values()]

    async def sweep(self) -> None:
        for _ in range(SWEEPS_MAX):
            if not (await self.sidecars.ledger.sweep(self.root, 5))[1]:
                self.has_unnoticed = self.has_unnoticed_renewal = False
                return
        raise Differs("whether more is due after so many sweeps", SWEEPS_MAX, 0)

    async def quote_unswept(self) -> None:
        """Quote all that may be spent while more may be due than one call works off.

        Whether it passes must not depend on that; how the account stands then, where it passes, may lag.
        """
        account_id = self.steps.spender()
        quote = ask.Quote(account_id, ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Credits(1))))
        (expected,) = on_model(self.model, quote)
        if not isinstance(expected, told.Authorization) or expected.balance is None:
            return
        most = Credits(expected.balance.units_left or 1)
        quote = ask.Quote(account_id, ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, most)))
        (found,), (expected,) = await on_engine(self.sidecars.engines[0], quote), on_model(self.model, quote)
        self.clock.check()
        if isinstance(expected, told.Authorization) and expected.decision is not Decision.DENIED:
            is_same = isinstance(found, told.Authorization) and found.decision is expected.decision
            found = expected if is_same else found
        agree(f"the answer, while much is due, to {brief(quote)}", of_answer(found), of_answer(expected))

    # What must agree

    def touched(self, calls: Sequence[Call]) -> set[str]:
        """Return the ids of the holds that calls name."""
        operations = [one for call in calls for one in getattr(call, "operations", (call,))]
        return {getattr(one, "reservation_id", "") for one in operations} & self.model.organisation.holds.keys()

    async def compare(self, hold_ids: set[str]) -> None:
        """Compare every account, its grants and its plan, every open hold and those named, and all totals.

        Totals are as they stand in the store; so they are left out while something due may not have been noticed there.
        """
        organisation = self.model.organisation
        engine = self.sidecars.engines[1]
        check(organisation)
        accounts = [*organisation.accounts.values()]
        holds = [organisation.holds[hold_id] for hold_id in sorted(hold_ids)]
        seen, grants, plans, audits, open_, named = await asyncio.gather(
            asyncio.gather(*(engine.get_account(one.account_id) for one in accounts)),
            asyncio.gather(*(engine.list_grants(one.account_id, PAGE, "", include_ended=True) for one in accounts)),
            asyncio.gather(*(engine.get_plan(one.account_id) for one in accounts)),
            self.audits([one.account_id for one in accounts]),
            self.open_holds(engine),
            asyncio.gather(*(engine.get_reservation(one.account_id, one.reservation_id) for one in holds)),
        )
        self.clock.check()
        self.has_unnoticed_renewal = False  # whoever reads of an account ends its periods
        for one, account, page, plan, figures in zip(accounts, seen, grants, plans, audits, strict=True):
            agree(f"account {one.account_id}", of_account(account), of_account(account_view(organisation, one)))
            agree(f"plan of {one.account_id}", of_plan(plan), of_plan(plan_view(one)))
            expected = {grant.grant_id: of_grant(grant_view(grant)) for grant in one.grants}
            agree(f"grants of {one.account_id}", {grant.grant_id: of_grant(grant) for grant in page.items}, expected)
            if self.has_unnoticed:
                continue
            totals = audit(one)
            agree(f"totals of {one.account_id}", {name: figures.get(name) for name in totals}, totals)
        pending = [one for one in organisation.holds.values() if one.state is ReservationState.PENDING]
        agree("open holds", _by_id(open_), _by_id([hold_view(one) for one in pending]))
        agree("holds", [*map(of_hold, named)], [of_hold(hold_view(one)) for one in holds])

    async def audits(self, account_ids: Sequence[str]) -> list[dict[str, int]]:
        """Return counters and totals of accounts by name, as they stand in the store."""
        key = self.sidecars.ledger.key_of(self.root)
        requests = [Request(key, Lane.READ, "audit_account", records.pack(one)) for one in account_ids]
        found: list[dict[str, int]] = []
        for reply in await self.sidecars.ledger.send(requests):
            if isinstance(reply, StoreError):
                raise reply
            found.append(reply[1] | reply[2])
        return found

    async def open_holds(self, engine: Engine) -> list[told.Reservation]:
        found: list[told.Reservation] = []
        token = ""
        while True:
            page = await engine.list_reservations(self.root, PAGE, token, include_descendants=True)
            found += page.items
            token = page.next_token
            if not token:
                return found

    async def close(self) -> None:
        """Compare all that is remembered."""
        await self.sweep()
        await self.compare({*self.model.organisation.holds})

    def describe(self) -> str:
        """Tell the latest bursts, and what was answered."""
        lines: list[str] = []
        for now_ms, calls, answers in self.latest:
            lines.append(f"at {now_ms}, tick {(now_ms - self.clock.begin_ms) // TICK_MS} of the history")
            lines += [f"  {brief(call)}\n    -> {brief(answer)}" for call, answer in zip(calls, answers, strict=True)]
        return "\n".join(lines)


def in_turn(model: ReferenceLedger, calls: Sequence[Call]) -> list[list[Answer]]:
    """Put calls to a model, a millisecond apart."""
    answers: list[list[Answer]] = []
    for call in calls:
        model.pass_time(model.organisation.now_ms + 1)
        answers.append(on_model(model, call))
    return answers


def _by_id(holds: Sequence[told.Reservation]) -> dict[str, told.Reservation]:
    return {one.reservation_id: of_hold(one) for one in holds}

"""Any sequence of operations, through two sidecars, repeated, swept or not: every answer is the model's."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.ledger.model import Model
from tests.ledger.model_records import NEVER, Account, Grant, Hold, Moment, Refused, Traffic
from tests.ledger.steps import (
    AT_ONCE,
    Again,
    Change,
    Charge,
    Give,
    Quote,
    Reserve,
    Settle,
    Step,
    settings_changes,
    steps,
)
from tests.ledger.time_of_store import ledger_time_ms

from creditgate.pricing.usage import Credits, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.terms import (
    Funding,
    GrantKind,
    Pot,
    ReservationState,
)
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.engine.errors import OperationError
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.keys import partition_of
from creditgate_server.store.ledger import Lane, Ledger, LedgerSettings, Request
from creditgate_server.verification import verify

EXAMPLES = int(os.environ.get("CREDITGATE_MODEL_EXAMPLES", "40"))
"""Histories to try; each has some 100 operations."""

SEED = int(os.environ.get("CREDITGATE_MODEL_SEED", "") or secrets.randbits(32))
"""Makes the histories; a failure names it."""

PHASES = (Phase.generate, Phase.shrink) if os.environ.get("CREDITGATE_MODEL_SHRINK") else (Phase.generate,)
"""Finding the shortest history with a difference takes minutes: on command only."""

TICK_MS = 1_000_000
"""One tick of the model's clock; the store's stands half a tick further, so that what is due is so beyond doubt."""

SERIAL_MS = 1_000
"""Between two events of one tick: longer than a history takes."""

DUE_MAX = 12
"""Things due at once that are left to whoever touches the organisation next; when there are more, they are swept."""

Answer = Any
Prepared = tuple[Callable[[], Awaitable[Answer]], Callable[[], Answer]]


@dataclass
class Sidecars:
    """Two engines on one store, and the loop that they run in."""

    runner: asyncio.Runner
    connections: StoreConnections
    engines: tuple[Engine, Engine]

    @property
    def ledger(self) -> Ledger:
        return self.engines[0].ledger

    def run(self, awaitable: Awaitable[Any]) -> Any:  # noqa: ANN401 — whatever is awaited
        async def wait() -> Any:  # noqa: ANN401
            return await awaitable

        return self.runner.run(wait())


def summary(grant: told.Grant) -> Answer:
    parts = grant.remaining, grant.held, grant.captured, grant.debt_repaid, grant.expired
    return grant.grant_id, grant.state, grant.amount, parts


def summary_of_model(grant: Grant) -> Answer:
    parts = grant.remaining, grant.held, grant.captured, grant.debt_paid, grant.expired
    return grant.grant_id, grant.shown_state(), grant.amount, parts


def draws_of_model(hold: Hold) -> Answer:
    """What an open hold draws on, as a reservation tells it."""
    return tuple(
        told.Draw(
            draw.demand.account.account_id,
            draw.demand.pot,
            tuple((grant.grant_id, part) for grant, part in draw.parts),
            draw.unfunded,
            hold.verdict.credits - sum(part for _, part in draw.parts) - draw.unfunded,
        )
        for draw in hold.draws
    )


def comparable(answer: told.Authorization | told.Settlement | told.Granted | told.Account) -> Answer:
    """Leave out what the model does not know: prices and times."""
    if isinstance(answer, told.Authorization):
        return replace(answer, price=None, expire_ms=0)
    if isinstance(answer, told.Granted):
        return summary(answer.grant), answer.debt_repaid, answer.balance, answer.replayed
    if isinstance(answer, told.Account):
        return answer.settings, answer.balance
    return answer


class History(RuleBasedStateMachine):
    """One organisation of three accounts, in the store and in the model."""

    sidecars: Sidecars

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.root = f"many-{secrets.token_hex(6)}"
        self.accounts: list[str] = []
        partition = partition_of(self.root, self.sidecars.ledger.partitions)
        now_ms: int = self.run(ledger_time_ms(self.sidecars.connections, partition))
        self.base_ms = now_ms - TICK_MS // 2
        self.serial = 0
        self.past: list[Step] = []
        self.reserved_by: dict[str, str] = {}
        self.answered: set[str] = set()
        self.ids: dict[type, list[str]] = {Reserve: [], Charge: [], Give: []}

    def run(self, awaitable: Awaitable[Any]) -> Any:  # noqa: ANN401
        return self.sidecars.run(awaitable)

    def milliseconds(self, moment: Moment) -> int:
        if moment in (AT_ONCE, NEVER):
            return 0
        return self.base_ms + moment.tick * TICK_MS + moment.serial * SERIAL_MS

    def next_moment(self, in_ticks: int) -> Moment:
        self.serial += 1
        return Moment(self.model.now.tick + in_ticks, self.serial)

    # What a step means

    def new_id(self, step: Reserve | Charge | Give, *, lasts: bool = True) -> str:
        """Return an id of its kind: one used before, if the step says so, else a new one, used again if it lasts."""
        known = self.ids[type(step)]
        if step.used_id is not None and step.used_id < len(known):
            return known[-1 - step.used_id]
        self.serial += 1
        new = f"{type(step).__name__}-{self.serial:04}"
        if lasts:
            known.append(new)
        return new

    def resolve(self, step: Step) -> Step:
        """Give a step its id and its times, or take an earlier step again."""
        if isinstance(step, Again):
            return self.past[-1 - step.back] if step.back < len(self.past) else step
        if isinstance(step, Give):
            begins = AT_ONCE if step.begins_in is None else self.next_moment(step.begins_in)
            ends = NEVER if step.ends_in is None else self.next_moment(step.ends_in)
            # A refused grant's id is not used again: grants of one millisecond burn by id, and here ids tell their age.
            lasts = ends > max(begins, self.model.now) and step.account != 0
            step = replace(step, id=self.new_id(step, lasts=lasts), begins=begins, ends=ends)
        elif isinstance(step, Reserve | Charge):
            step = replace(step, id=self.new_id(step))
        self.past.append(step)
        return step

    def account(self, number: int) -> str:
        return f"{self.root}/nobody" if number == 0 else self.accounts[number % len(self.accounts)]

    def usage(self, traffic: Traffic) -> ask.Traffic:
        size = Credits(traffic.unit)
        usage = Usage(traffic.channel, traffic.direction, size, traffic.recipients, traffic.region, traffic.priority)
        return ask.Traffic(usage)

    def prepare(self, step: Step, engine: Engine) -> Prepared:  # noqa: PLR0911 — one for each kind of step
        """Return the operation on the store and the same on the model."""
        match self.resolve(step):
            case Reserve() as reserve:
                return self.prepare_reserve(reserve, engine)
            case Charge(id=charge_id) as charge:
                account, usage = self.account(charge.account), self.usage(charge.traffic)
                return (
                    lambda: engine.decide(ask.Charge(account, charge_id, usage)),
                    lambda: self.model.charge(account, charge_id, charge.traffic),
                )
            case Give() as gift:
                return self.prepare_gift(gift, engine)
            case Settle() as settlement:
                return self.prepare_settlement(settlement, engine)
            case Change() as change:
                return self.prepare_change(change, engine)
            case Quote(number, traffic):
                account, usage = self.account(number), self.usage(traffic)
                return lambda: engine.decide(ask.Quote(account, usage)), lambda: self.model.quote(account, traffic)
            case Again():
                return lambda: engine.get_account(self.root), lambda: self.on_model(self.root)

    def prepare_reserve(self, step: Reserve, engine: Engine) -> Prepared:
        account, expire = self.account(step.account), self.next_moment(step.ticks)
        hold_id = step.id
        self.reserved_by[hold_id] = account
        ttl_ms = step.ticks * TICK_MS - TICK_MS // 2 + expire.serial * SERIAL_MS
        operation = ask.Reserve(
            account, hold_id, self.usage(step.traffic), ttl_ms, step.allow_partial, step.expiry_action
        )
        return (
            lambda: engine.decide(operation),
            lambda: self.model.reserve(
                account,
                hold_id,
                step.traffic,
                expire,
                allow_partial=step.allow_partial,
                expiry_action=step.expiry_action,
            ),
        )

    def prepare_gift(self, step: Give, engine: Engine) -> Prepared:
        account = self.account(step.account)
        operation = ask.GrantCredits(
            account,
            step.id,
            step.credits,
            step.kind,
            self.milliseconds(step.begins),
            self.milliseconds(step.ends),
            step.priority,
            step.scope,
        )

        def on_model() -> Answer:
            grant, repaid, replayed = self.model.grant(
                account, step.id, step.credits, step.kind, step.priority, step.scope, step.begins, step.ends
            )
            return summary_of_model(grant), repaid, self.model.balance(account), replayed

        return lambda: engine.grant(operation), on_model

    def hold_id(self, step: Settle) -> str:
        """Return one of the latest holds of a state (None: any) if there are such; one just asked for fits them all."""
        holds = self.model.holds
        granted = [hold_id for hold_id in self.reserved_by if hold_id in holds or hold_id not in self.answered]
        fitting = [hold_id for hold_id in granted if hold_id not in holds or holds[hold_id].state is step.state]
        candidates = fitting or granted or [*self.reserved_by] or ["never"]
        return candidates[-1 - step.hold % len(candidates)]

    def prepare_settlement(self, step: Settle, engine: Engine) -> Prepared:
        hold_id = self.hold_id(step)
        account = (
            self.account(step.other_account) if step.other_account is not None else self.reserved_by.get(hold_id, "")
        )
        account = account or self.root
        operation: ask.Commit | ask.Release = (
            ask.Release(account, hold_id) if step.releases else ask.Commit(account, hold_id, credits=step.credits)
        )
        return (
            lambda: engine.settle(operation),
            lambda: (
                self.model.release(account, hold_id)
                if step.releases
                else self.model.commit(account, hold_id, step.credits)
            ),
        )

    def prepare_change(self, step: Change, engine: Engine) -> Prepared:
        account = self.account(step.account)
        changed = {name: value for name, value in step.settings if name != "funding" or account != self.root}

        def on_model() -> Answer:
            own = self.model.lineage(account)[0]
            own.settings = replace(own.settings, **changed)
            return self.on_model(account)

        change = ask.SettingsChange(**changed)
        return lambda: engine.update_account(ask.UpdateAccount(account, change)), on_model

    def on_model(self, account: str) -> Answer:
        return self.model.lineage(account)[0].settings, self.model.balance(account)

    # Rules

    @initialize(
        below=st.sampled_from([("a", "a/b"), ("a", "b"), ("a", "a/b")]),
        chosen=st.tuples(settings_changes, settings_changes, settings_changes),
        credits_=st.tuples(*[st.integers(0, 40)] * 3),
    )
    def open(
        self, below: Sequence[str], chosen: Sequence[tuple[tuple[str, Any], ...]], credits_: Sequence[int]
    ) -> None:
        self.accounts = [self.root, *(f"{self.root}/{one}" for one in below)]
        for account, changed in zip(self.accounts, chosen, strict=True):
            own: dict[str, Any] = {"funding": Funding.PARENT} | dict(changed)
            if account == self.root:
                own["funding"] = Funding.OWN
            self.run(self.sidecars.engines[0].create_account(ask.CreateAccount(account, ask.AccountSettings(**own))))
            self.model.accounts[account] = Account(account, ask.AccountSettings(**own))
        gifts = [
            Give(number, amount, GrantKind.PURCHASED, 0, ask.Scope(), None, None, None)
            for number, amount in zip((3, 1, 2), credits_, strict=True)
            if amount
        ]
        if gifts:
            self.take(gifts, first=True)

    @rule(
        ticks=st.sampled_from([0, 0, 0, 0, 1, 2, 3]),
        sweeps=st.booleans(),
        burst=st.lists(steps, min_size=1, max_size=6),
        first=st.booleans(),
    )
    def go_on(self, ticks: int, burst: Sequence[Step], *, sweeps: bool, first: bool) -> None:
        if ticks:
            self.pass_time(ticks, sweeps=sweeps)
        self.take(burst, first=first)

    def take(self, burst: Sequence[Step], *, first: bool) -> None:
        """Ask one of the sidecars for several things at once: they happen in order, some in one step of the store."""
        engine = self.sidecars.engines[0 if first else 1]
        prepared = [self.prepare(step, engine) for step in burst]

        async def attempt(operation: Callable[[], Awaitable[Answer]]) -> Answer:
            try:
                return comparable(await operation())
            except OperationError as error:
                return error.reason

        async def attempt_all() -> list[Answer]:
            return await asyncio.gather(*(attempt(operation) for operation, _ in prepared))

        answers = self.run(attempt_all())
        for answer, (_, on_model) in zip(answers, prepared, strict=True):
            expected: Answer
            try:
                expected = on_model()
            except Refused as refusal:
                expected = refusal.reason
            assert answer == expected
        self.answered.update(self.reserved_by)
        self.compare_standings()

    def pass_time(self, ticks: int, *, sweeps: bool) -> None:
        self.run(self.sidecars.ledger.advance_test_clock(ticks * TICK_MS))
        happened = self.model.pass_time(ticks)
        if sweeps or happened > DUE_MAX:
            self.sweep()
        self.compare_standings()

    def sweep(self) -> None:
        while self.run(self.sidecars.ledger.sweep(self.root, 5))[1]:
            pass

    # What must agree

    def compare_standings(self) -> None:
        for account in self.accounts:
            standing: told.Standing = self.run(self.sidecars.engines[1].get_standing(account))
            lineage = self.model.lineage(account)
            assert standing.balance == self.model.balance(account)
            found = [(one.available, one.reserved, one.debt, one.limit_left) for one in standing.levels]
            assert found == [
                (
                    one.left(Pot.WALLET, None),
                    one.reserved,
                    one.debt,
                    one.left(Pot.LIMIT, None) if one.has_limit else None,
                )
                for one in lineage
            ]
            expected = sorted(
                summary_of_model(grant)
                for one in lineage
                for grant in one.grants
                if grant.shown_state().name in {"LIVE", "PENDING"}
            )
            assert sorted(map(summary, standing.grants)) == expected

    def teardown(self) -> None:
        if not self.accounts:
            return
        self.sweep()
        for account in self.accounts:
            own = self.model.accounts[account]
            page = self.run(self.sidecars.engines[0].list_grants(account, 500, "", include_ended=True))
            assert sorted(map(summary, page.items)) == sorted(map(summary_of_model, own.grants))
            args = records.pack(account)
            key = self.sidecars.ledger.key_of(self.root)
            ((_, counters, totals, *_),) = self.run(
                self.sidecars.ledger.send([Request(key, Lane.READ, "audit_account", args)])
            )
            for name in ("used", "open_holds"):
                assert (name, counters[name]) == (name, own.counts[name])
            for name in ("debt_incurred", "overrun", "limit_overrun", "inbound", "overage", "late", "usage"):
                assert (name, totals[name]) == (name, own.counts[name])
        for hold_id, hold in self.model.holds.items():
            found = self.run(self.sidecars.engines[0].get_reservation(hold.account_id, hold_id))
            assert (found.state, found.captured, found.restored) == (hold.state, hold.captured, hold.restored)
            if hold.state is ReservationState.PENDING:
                assert found.draws == draws_of_model(hold)
        partition = partition_of(self.root, self.sidecars.ledger.partitions)
        assert self.run(verify(self.sidecars.ledger, partitions=[partition])).breaches == []


def test_every_answer_is_the_models(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with asyncio.Runner() as runner:
        sidecars = runner.run(open_sidecars(runner, store))
        monkeypatch.setattr(History, "sidecars", sidecars, raising=False)
        chosen = settings(
            max_examples=EXAMPLES,
            stateful_step_count=30,
            phases=PHASES,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        try:
            run_state_machine_as_test(seed(SEED)(History), settings=chosen)
        except BaseException as error:
            again = f"CREDITGATE_MODEL_EXAMPLES={EXAMPLES} CREDITGATE_MODEL_SEED={SEED}"
            error.add_note(f"again: {again}; and the shortest history like it: CREDITGATE_MODEL_SHRINK=1 {again}")
            raise
        finally:
            runner.run(close_sidecars(sidecars))


async def open_sidecars(runner: asyncio.Runner, store: EmbeddedStore) -> Sidecars:
    connections = StoreConnections(store.url, reply_timeout_s=5)
    engines: list[Engine] = []
    for _ in range(2):
        ledger = Ledger(connections, LedgerSettings(test_clock=True))
        await ledger.prepare()
        engines.append(await Engine(ledger, CollectorSettings(interval_s=0)).__aenter__())
    return Sidecars(runner, connections, (engines[0], engines[1]))


async def close_sidecars(sidecars: Sidecars) -> None:
    for engine in sidecars.engines:
        await engine.__aexit__(None, None, None)
    await sidecars.connections.close()

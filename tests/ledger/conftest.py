"""An organisation on a real store whose time tests may move; every test ends with a check of all invariants."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterable

import pytest
from tests.ledger.time_of_store import clock_ahead, ledger_time_ms

from creditgate.pricing.usage import Channel, Direction, Priority, Segments, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.explanation import Explanation
from creditgate_server.credit.terms import ExpiryAction, Funding, GrantKind
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.keys import partition_of
from creditgate_server.store.ledger import Lane, Ledger, LedgerSettings, Request
from creditgate_server.verification import verify

PATIENT = CollectorSettings(wait_max_s=10.0)
"""Gives operations the time that a busy machine takes: these tests are about their outcomes."""


def sms(  # noqa: PLR0913 — all that tells one usage from another
    segments: int = 1,
    *,
    recipients: int = 1,
    direction: Direction = Direction.OUTBOUND,
    priority: Priority = Priority.TRANSACTIONAL,
    channel: Channel = Channel.SMS,
    region: str = "",
) -> ask.Traffic:
    size = Segments(segments)
    return ask.Traffic(Usage(channel, direction, size, recipients, region, priority))


class Organisation:
    """Shorthand for what tests ask of one organisation; ids are made where a test does not care."""

    def __init__(self, engine: Engine, connections: StoreConnections, root_id: str) -> None:
        self.engine = engine
        self.ledger = engine.ledger
        self.store = connections
        self.root_id = root_id
        self._numbers = itertools.count(1)
        self.sms = sms

    @property
    def partition(self) -> int:
        return partition_of(self.root_id, self.ledger.partitions)

    def path(self, below: str = "") -> str:
        return f"{self.root_id}/{below}" if below else self.root_id

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._numbers)}"

    async def open(self, below: str = "", **settings: object) -> str:
        settings.setdefault("funding", Funding.PARENT if below else Funding.OWN)
        operation = ask.CreateAccount(self.path(below), ask.AccountSettings(**settings))  # type: ignore[arg-type]
        await self.engine.create_account(operation)
        return self.path(below)

    async def change(self, below: str = "", **settings: object) -> told.Account:
        change = ask.SettingsChange(**settings)  # type: ignore[arg-type]
        return await self.engine.update_account(ask.UpdateAccount(self.path(below), change))

    async def grant(self, credits_: int, below: str = "", /, **terms: object) -> told.Granted:
        terms.setdefault("grant_id", self.new_id("grant"))
        return await self.engine.grant(
            ask.GrantCredits(self.path(below), credits=credits_, **terms)  # type: ignore[arg-type]
        )

    async def allot(self, credits_: int, below: str = "", /, **terms: object) -> told.Granted:
        return await self.grant(credits_, below, kind=GrantKind.ALLOTMENT, **terms)

    async def reserve(  # noqa: PLR0913 — as many as the request has fields
        self,
        traffic: ask.Traffic | None = None,
        below: str = "",
        *,
        id: str | None = None,  # noqa: A002 — the word of the interface
        ttl_ms: int = 60_000,
        allow_partial: bool = False,
        expiry_action: ExpiryAction = ExpiryAction.RELEASE,
    ) -> told.Authorization:
        reservation_id = id or self.new_id("hold")
        return await self.engine.decide(
            ask.Reserve(self.path(below), reservation_id, traffic or sms(), ttl_ms, allow_partial, expiry_action)
        )

    async def quote(self, traffic: ask.Traffic | None = None, below: str = "") -> told.Authorization:
        return await self.engine.decide(ask.Quote(self.path(below), traffic or sms()))

    async def commit(
        self,
        id: str,  # noqa: A002
        below: str = "",
        credits_: int | None = None,
        *,
        usage: ask.ActualUsage | None = None,
    ) -> told.Settlement:
        return await self.engine.settle(ask.Commit(self.path(below), id, usage, credits_))

    async def capture(
        self,
        id: str,  # noqa: A002
        commit_id: str,
        credits_: int | None = None,
        below: str = "",
        *,
        usage: ask.ActualUsage | None = None,
    ) -> told.Settlement:
        """Commit a part of a hold and keep the rest held."""
        operation = ask.Commit(self.path(below), id, usage, credits_, keep_open=True, commit_id=commit_id)
        return await self.engine.settle(operation)

    async def release(self, id: str, below: str = "") -> told.Settlement:  # noqa: A002
        return await self.engine.settle(ask.Release(self.path(below), id))

    async def extend(self, id: str, ttl_ms: int, below: str = "") -> int:  # noqa: A002
        """Return when the hold expires now."""
        return (await self.engine.extend(ask.Extend(self.path(below), id, ttl_ms))).expire_ms

    async def refund(
        self,
        reservation_id: str = "",
        credits_: int | None = None,
        below: str = "",
        *,
        charge_id: str = "",
        id: str | None = None,  # noqa: A002
    ) -> told.Refunded:
        refund_id = id or self.new_id("refund")
        operation = ask.Refund(self.path(below), refund_id, reservation_id, charge_id, credits_)
        return await self.engine.refund(operation)

    async def charge(
        self,
        traffic: ask.Traffic | None = None,
        below: str = "",
        *,
        id: str | None = None,  # noqa: A002
        event_ms: int = 0,
    ) -> told.Authorization:
        traffic = traffic or sms(direction=Direction.INBOUND)
        return await self.engine.decide(ask.Charge(self.path(below), id or self.new_id("charge"), traffic, event_ms))

    async def revoke(self, grant_id: str, below: str = "", *, claw_back: bool = False) -> told.Revoked:
        return await self.engine.revoke_grant(ask.RevokeGrant(self.path(below), grant_id, claw_back))

    async def transfer(
        self,
        credits_: int,
        source: str,
        target: str,
        *,
        id: str | None = None,  # noqa: A002
    ) -> told.Transferred:
        transfer_id = id or self.new_id("transfer")
        return await self.engine.transfer(ask.Transfer(self.path(source), transfer_id, self.path(target), credits_))

    async def close(self, below: str = "") -> told.Closed:
        return await self.engine.close_account(ask.CloseAccount(self.path(below)))

    async def batch(self, operations: Iterable[ask.Batched], *, atomic: bool = False) -> list[told.Outcome | Exception]:
        return await self.engine.batch(list(operations), atomic=atomic)

    async def explain(
        self, traffic: ask.Traffic | None = None, below: str = "", *, reservation_id: str = ""
    ) -> Explanation:
        return await self.engine.explain(ask.Explain(self.path(below), traffic, reservation_id))

    async def balance(self, below: str = "") -> told.Balance:
        return (await self.engine.get_account(self.path(below))).balance

    async def owe(self, credits_: int, below: str = "") -> None:
        """Drive the payer into debt, or deeper, by what the grants do not cover."""
        await self.charge(sms(credits_, direction=Direction.INBOUND), below)

    async def figures(self, below: str = "") -> tuple[int, int, int]:
        """Return what is available, reserved and owed."""
        balance = await self.balance(below)
        return balance.available, balance.reserved, balance.debt

    async def hold(self, id: str, below: str = "") -> told.Reservation:  # noqa: A002
        return await self.engine.get_reservation(self.path(below), id)

    async def grants(self, below: str = "") -> dict[str, told.Grant]:
        """Return all grants of an account, ended ones too, by id."""
        page = await self.engine.list_grants(self.path(below), 500, "", include_ended=True)
        return {grant.grant_id: grant for grant in page.items}

    async def audit(self, below: str = "") -> dict[str, int]:
        """Return the counters and totals of an account by name, as they stand in the store."""
        args = records.pack(self.path(below))
        (reply,) = await self.ledger.send([Request(self.ledger.key_of(self.root_id), Lane.READ, "audit_account", args)])
        assert isinstance(reply, list)
        counters: dict[str, int] = reply[1]
        totals: dict[str, int] = reply[2]
        return counters | totals

    async def pass_time(self, ms: int) -> None:
        await self.ledger.advance_test_clock(ms)

    async def expect_time(self, ahead_ms: int) -> None:
        """Let the sidecar expect a time so far ahead of the store's clock (or behind it), as if that had been set."""
        self.ledger.clock = await clock_ahead(self.store, ahead_ms)

    async def now_ms(self) -> int:
        """Return the ledger's time."""
        return await ledger_time_ms(self.store, self.partition)


@pytest.fixture
async def connections(store: EmbeddedStore) -> AsyncIterator[StoreConnections]:
    connections = StoreConnections(store.url, reply_timeout_s=5)
    yield connections
    await connections.close()


@pytest.fixture
async def engine(connections: StoreConnections) -> AsyncIterator[Engine]:
    ledger = Ledger(connections, LedgerSettings(test_clock=True))
    await ledger.prepare()
    async with Engine(ledger, PATIENT) as engine:
        yield engine


@pytest.fixture
async def second_engine(connections: StoreConnections) -> AsyncIterator[Engine]:
    """Another sidecar on the same store."""
    ledger = Ledger(connections, LedgerSettings(test_clock=True))
    await ledger.prepare()
    async with Engine(ledger, PATIENT) as engine:
        yield engine


@pytest.fixture
async def org(engine: Engine, connections: StoreConnections, organisation: str) -> AsyncIterator[Organisation]:
    opened = Organisation(engine, connections, organisation)
    await opened.open()
    yield opened
    report = await verify(engine.ledger, partitions=[opened.partition])
    assert report.breaches == []

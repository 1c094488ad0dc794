"""Holds whose time is over: each ends once, whoever comes first, and in time without anybody's help."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect, RunServer
from tests.faults.processes import PATIENCE_S, PATIENT, ServerProcess, eventually

from creditgate import LateCommit, ReservationState, SettledBy, aio
from creditgate.answers import Reserved
from creditgate.errors import HoldExpired
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.ledger import Lane, Ledger, Request

CREDITS: Final = 10_000
HOLDS: Final = 200
TTL_S: Final = 1.0

TOGETHER: Final = 1000
"""Holds of one organisation whose time ends at once: more than one call to the store may end."""

SWEPT_S_MAX: Final = 15.0
"""Generous: after the end of its time a hold that nobody touches is to be given back within 5 s."""


@pytest.fixture
async def eager_servers(run_server: RunServer, store: EmbeddedStore) -> list[ServerProcess]:
    """Two servers on one store that sweep nearly all the time."""
    return [await run_server("--sweep-interval-ms", "10", *PATIENT, redis_url=store.url) for _ in range(2)]


async def commit_at_expiry(clients: Sequence[aio.Client], organisation: str, hold: Reserved) -> tuple[str, int]:
    """Commit a hold through all servers at once when its time ends, or nearly; give its fate and what was captured."""
    assert hold.expire_time is not None
    moment = hold.expire_time + timedelta(seconds=random.uniform(-0.2, 0.05))
    await eventually(lambda: datetime.now(UTC) >= moment)
    commits = [client.commit(organisation, hold.reservation_id) for client in clients]
    answers = await asyncio.gather(*commits, return_exceptions=True)
    if all(isinstance(answer, HoldExpired) for answer in answers):
        return "too late", 0
    told = [answer for answer in answers if not isinstance(answer, BaseException)]
    assert len(told) == len(answers), answers
    assert [answer.replayed for answer in told].count(False) == 1
    assert {answer.credits for answer in told} == {hold.credits}
    return "late" if told[0].late else "in time", hold.credits


@pytest.mark.parametrize(
    ("policy", "fates"),
    [(LateCommit.ACCEPT, {"in time", "late"}), (LateCommit.REJECT, {"in time", "too late"})],
    ids=["late commits accepted", "late commits rejected"],
)
async def test_a_hold_that_is_committed_just_when_it_expires_ends_once(
    policy: LateCommit, fates: set[str], eager_servers: list[ServerProcess], connect: Connect, organisation: str
) -> None:
    clients = [connect(server) for server in eager_servers]
    await clients[0].create_account(organisation, late_commit=policy)
    await clients[0].grant(organisation, CREDITS)
    holds = await asyncio.gather(
        *(
            clients[n % 2].reserve(organisation, reservation_id=f"{n}", segments=1 + n % 5, ttl=TTL_S)
            for n in range(HOLDS)
        )
    )
    ends = await asyncio.gather(*(commit_at_expiry(clients, organisation, hold) for hold in holds))
    assert set(Counter(fate for fate, _ in ends)) == fates
    balance = (await clients[0].get_balance(organisation)).balance
    used = sum(captured for _, captured in ends)
    assert (balance.available, balance.reserved, balance.debt) == (CREDITS - used, 0, 0)
    await assert_conserved(eager_servers[0], organisation)


class Stored:
    """An organisation as it stands in the store: to ask the server would be to touch it."""

    def __init__(self, connections: StoreConnections, organisation: str) -> None:
        self._ledger = Ledger(connections)
        self._organisation = organisation

    async def reserved(self) -> int:
        """Read what open holds hold."""
        key = self._ledger.key_of(self._organisation)
        (reply,) = await self._ledger.send([Request(key, Lane.READ, "audit_account", records.pack(self._organisation))])
        assert isinstance(reply, list)
        counters: dict[str, int] = reply[1]
        return counters["reserved"]

    async def is_given_back(self) -> bool:
        """Tell whether nothing is held."""
        return await self.reserved() == 0


Look = Callable[[ServerProcess], Stored]


@pytest.fixture
async def look(organisation: str) -> AsyncIterator[Look]:
    """Look into a server's store."""
    async with AsyncExitStack() as stack:

        def look_into(server: ServerProcess) -> Stored:
            connections = StoreConnections(server.store_url, connections=1, reply_timeout_s=PATIENCE_S)
            stack.push_async_callback(connections.close)
            return Stored(connections, organisation)

        yield look_into


async def test_a_hold_that_nobody_touches_is_given_back_soon_after_its_time(
    server: ServerProcess,
    connect: Connect,
    organisation: str,
    look: Look,
    record_property: Callable[[str, object], None],
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    hold = await client.reserve(organisation, segments=7, ttl=TTL_S)
    assert hold.expire_time is not None
    stored = look(server)
    assert await stored.reserved() == 7 or datetime.now(UTC) >= hold.expire_time
    await eventually(stored.is_given_back)
    late_s = (datetime.now(UTC) - hold.expire_time).total_seconds()
    record_property("swept_after_ms", round(late_s * 1000))
    assert 0 <= late_s <= SWEPT_S_MAX
    ended = await client.get_reservation(organisation, hold.reservation_id)
    assert (ended.state, ended.settled_by, ended.restored) == (ReservationState.EXPIRED, SettledBy.EXPIRY, 7)


async def test_holds_that_end_together_are_given_back_soon_and_each_once(
    run_server: RunServer,
    connect: Connect,
    organisation: str,
    look: Look,
    record_property: Callable[[str, object], None],
) -> None:
    server = await run_server(*PATIENT)
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    together = [client.reserve(organisation, segments=1 + n % 5, ttl=TTL_S) for n in range(TOGETHER)]
    ends = [hold.expire_time for hold in await asyncio.gather(*together) if hold.expire_time is not None]
    assert len(ends) == TOGETHER
    await eventually(look(server).is_given_back)
    late_s = (datetime.now(UTC) - max(ends)).total_seconds()
    record_property("all_swept_after_ms", round(late_s * 1000))
    assert 0 <= late_s <= SWEPT_S_MAX
    balance = (await client.get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS, 0)
    await assert_conserved(server, organisation)


async def test_a_hold_whose_time_ended_while_there_was_no_server_is_given_back_when_there_is(
    server: ServerProcess, connect: Connect, organisation: str, look: Look
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    hold = await client.reserve(organisation, segments=7, ttl=TTL_S)
    server.process.kill()
    await server.wait()
    await eventually(lambda: hold.expire_time is not None and datetime.now(UTC) >= hold.expire_time)

    await server.start()
    started_s = monotonic()
    await eventually(look(server).is_given_back)
    assert monotonic() - started_s <= SWEPT_S_MAX
    balance = (await connect(server).get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS, 0)
    await assert_conserved(server, organisation)

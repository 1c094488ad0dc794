"""Holds whose time is over: each ends once, whoever comes first, and in time without anybody's help."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect, RunServer
from tests.faults.processes import PATIENT, ServerProcess, eventually

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

SWEPT_S_MAX: Final = 5.0
"""After the end of its time a hold that nobody touches is given back within this."""


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


async def test_a_hold_that_nobody_touches_is_given_back_soon_after_its_time(
    server: ServerProcess, connect: Connect, organisation: str, record_property: Callable[[str, object], None]
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    hold = await client.reserve(organisation, segments=7, ttl=TTL_S)
    assert hold.expire_time is not None
    connections = StoreConnections(server.store_url, connections=1)
    ledger = Ledger(connections)

    async def is_given_back() -> bool:
        # As it stands in the store: to ask the server would be to touch it.
        key = ledger.key_of(organisation)
        (reply,) = await ledger.send([Request(key, Lane.READ, "audit_account", records.pack(organisation))])
        assert isinstance(reply, list)
        counters: dict[str, int] = reply[1]
        return counters["reserved"] == 0

    assert not await is_given_back()
    await eventually(is_given_back)
    late_s = (datetime.now(UTC) - hold.expire_time).total_seconds()
    await connections.close()
    record_property("swept_after_ms", round(late_s * 1000))
    assert 0 <= late_s <= SWEPT_S_MAX
    ended = await client.get_reservation(organisation, hold.reservation_id)
    assert (ended.state, ended.settled_by, ended.restored) == (ReservationState.EXPIRED, SettledBy.EXPIRY, 7)

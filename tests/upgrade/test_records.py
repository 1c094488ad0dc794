"""What an older version of the same schema has written is read, repeated, settled and verified as if it were ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from tests.conftest import running_store
from tests.faults.processes import eventually
from tests.upgrade.conftest import Connect, short_directory
from tests.upgrade.make_records import DATA, make_records
from tests.upgrade.records import put_records, read_records
from tests.upgrade.story import EAST, LONG_S, Document, lacking, look, tell_again
from tests.upgrade.versions import OURS, PATIENCE_S, Server, Version

from creditgate import Direction, GrantState, ReservationState, errors
from creditgate_server.credit.invariants import Breach
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.layout import SCHEMA_VERSION
from creditgate_server.store.ledger import Ledger, LedgerSettings
from creditgate_server.verification import verify

OLDEST = DATA / f"schema-{SCHEMA_VERSION}.json"
"""Written by the first revision of this schema: see the README beside it."""


@dataclass(frozen=True, slots=True)
class Heir:
    """A server of ours on a store that holds what another version wrote."""

    server: Server
    store_url: str

    @asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        """Reach the ledger beside the server."""
        connections = StoreConnections(self.store_url, connections=1, reply_timeout_s=PATIENCE_S)
        ledger = Ledger(connections, LedgerSettings(test_clock=True))
        await ledger.prepare(create=False)
        yield ledger
        await connections.close()

    async def breaches(self) -> list[Breach]:
        """Name what is not accounted for in the store, as `creditgate verify` does."""
        async with self.ledger() as ledger:
            return (await verify(ledger)).breaches


@contextmanager
def running_heir(written: Document) -> Iterator[Heir]:
    """Run a server on these records."""
    with short_directory() as place, running_store(place / "store") as store:
        asyncio.run(_put(store.url, written))
        flags = ("--test-clock", "--sweep-interval-ms", "100", "--redis-url", store.url)
        with OURS.serving(place / "server", *flags) as server:
            yield Heir(server, store.url)


async def _put(url: str, written: Document) -> None:
    connections = StoreConnections(url, connections=1, reply_timeout_s=PATIENCE_S)
    await put_records(connections, read_records(written["taken"]))
    await connections.close()


@pytest.fixture(scope="module")
def oldest_records() -> Document:
    document: Document = json.loads(OLDEST.read_text("ascii"))
    return document


@pytest.fixture(scope="module")
def previous_records(previous_version: Version) -> Document:
    with short_directory() as place:
        return asyncio.run(make_records(previous_version, place))


@pytest.fixture(scope="module", params=["oldest", "previous"])
def written(request: pytest.FixtureRequest) -> Document:
    """What an older version has written, and what it told of it."""
    document: Document = request.getfixturevalue(f"{request.param}_records")
    return document


@pytest.fixture(scope="module")
def heir(written: Document) -> Iterator[Heir]:
    """A server that has come into these records; tests leave them as they are."""
    with running_heir(written) as heir:
        yield heir


@pytest.fixture
def heir_of_the_oldest(oldest_records: Document) -> Iterator[Heir]:
    """A server of the test's own."""
    with running_heir(oldest_records) as heir:
        yield heir


async def test_all_that_was_written_reads_as_it_did(written: Document, heir: Heir, connect: Connect) -> None:
    client = connect(heir.server)
    assert lacking(await look(client), written["seen"]) == []
    assert await heir.breaches() == []


async def test_every_id_is_known_with_its_answer_and_refused_with_another_content(
    written: Document, heir: Heir, connect: Connect
) -> None:
    client = connect(heir.server)
    before = await client.get_balance("acme")
    assert lacking(await tell_again(client), written["told"]) == []

    others: list[Callable[[], Awaitable[object]]] = [
        lambda: client.reserve(EAST, reservation_id="open", body="another text", recipient_count=3, region="US"),
        lambda: client.charge(EAST, charge_id="reply", direction=Direction.INBOUND, segments=2),
        lambda: client.charge("acme/owing", charge_id="dear", direction=Direction.OUTBOUND, segments=1),
        lambda: client.refund(EAST, reservation_id="less", credits=1, refund_id="less-back"),
        lambda: client.grant("acme", 501, grant_id="bought", priority=5),
        lambda: client.transfer("acme", "acme/sales", 16, transfer_id="moved"),
    ]
    for other in others:
        with pytest.raises(errors.IdReused):
            await other()
    with pytest.raises(errors.AccountAlreadyExists):
        await client.create_account("acme", display_name="Another")
    assert await client.get_balance("acme") == before
    assert await heir.breaches() == []


async def test_what_is_open_is_settled_and_what_is_settled_refunded(heir_of_the_oldest: Heir, connect: Connect) -> None:
    heir, client = heir_of_the_oldest, connect(heir_of_the_oldest.server)
    committed = await client.commit(EAST, "open")
    assert (committed.credits, committed.restored, committed.late) == (6, 0, False)
    rest = await client.commit(EAST, "in part", credits=1)
    assert (rest.credits, rest.restored) == (1, 3)
    late = await client.commit(EAST, "expired", credits=5)
    assert (late.credits, late.late) == (5, True)
    reported = await client.commit(EAST, "captured by expiry", credits=2)
    assert (reported.credits, reported.restored) == (0, 4)
    assert (await client.refund(EAST, reservation_id="less", refund_id="rest-back")).credits == 1
    assert (await client.refund(EAST, charge_id="sent", refund_id="rest-of-sent-back")).credits == 3
    with pytest.raises(errors.HoldAlreadyReleased):
        await client.commit(EAST, "released")

    # Of 70 held there, 40 were covered by nothing.
    assert (await client.release("acme/sales", "overdrawn")).restored == 30
    assert (await client.commit("acme/watch", "let through")).credits == 4
    assert (await client.revoke_grant("acme", "to-come")).revoked == 40
    assert (await client.transfer("acme/sales", "acme", 45)).credits == 45
    assert (await client.grant("acme/owing", 10)).debt_repaid == 4
    assert (await client.close_account("acme/owing")).revoked == 6

    balance = (await client.get_balance("acme")).balance
    # 568 were available and 12 held; 6, 1 and 5 have been captured, 4, 1 and 3 came back, and 45 from sales.
    assert (balance.available, balance.reserved) == (568 + 12 - 2 - 12 + 8 + 45, 2)
    assert await heir.breaches() == []


async def test_what_ends_in_time_ends(heir_of_the_oldest: Heir, connect: Connect) -> None:
    heir, client = heir_of_the_oldest, connect(heir_of_the_oldest.server)
    async with heir.ledger() as ledger:
        await ledger.advance_test_clock(int(LONG_S * 1000))

    async def holds_have_ended() -> bool:
        return [hold async for hold in client.list_reservations("acme", include_descendants=True)] == []

    await eventually(holds_have_ended)
    assert (await client.get_reservation(EAST, "to-one")).state is ReservationState.EXPIRED
    grants = {grant.grant_id: grant async for grant in client.list_grants("acme", include_ended=True)}
    # The plan's 68 remaining and 7 held are gone with it; what promotion and purchase gave came back to them.
    assert (grants["plan"].state, grants["plan"].remaining) == (GrantState.EXPIRED, 0)
    assert grants["plan"].expired == 75 - grants["plan"].held
    assert (grants["promotion"].remaining, grants["bought"].remaining, grants["to-come"].remaining) == (5, 500, 40)
    assert await heir.breaches() == []

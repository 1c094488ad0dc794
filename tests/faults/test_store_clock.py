"""Clocks that leap by an hour, the store's or a server's own: no hold ends early, decisions go on, and it is said.

What is made or due while clocks disagree may end late, never early. Afterwards all is as before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.clocks import Clocks, LeapingStore
from tests.faults.conftest import Connect, RunServer
from tests.faults.processes import PATIENT, ServerProcess, eventually
from tests.faults.shims import shim, store_binary_with

from creditgate import Direction, ReservationState
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore

HOUR_S: Final = 3600

TTL_S: Final = 600.0
"""Of holds that must not end during a test, and would if an hour passed."""

CREDITS: Final = 1000


@pytest.fixture
async def leaping_store(place: Path) -> AsyncIterator[LeapingStore]:
    directory = place / "store"
    binary = await store_binary_with("store_clock.c", place)
    async with EmbeddedStore(directory, binary=binary, durability=Durability.MEMORY) as embedded:
        store = LeapingStore(embedded.url, directory)
        yield store
        await store.close()


@pytest.fixture
async def server(run_server: RunServer, leaping_store: LeapingStore) -> ServerProcess:
    """A server that sweeps nearly all the time."""
    return await run_server("--sweep-interval-ms", "10", *PATIENT, redis_url=leaping_store.url)


@pytest.fixture
async def wrong_and_right(
    place: Path, run_server: RunServer, store: EmbeddedStore
) -> tuple[ServerProcess, ServerProcess]:
    """Two servers on one store, the first with clocks of its own."""
    library = await shim("store_clock.c", place)
    flags = ("--sweep-interval-ms", "10", *PATIENT)
    return await run_server(*flags, redis_url=store.url, preload=library), await run_server(*flags, redis_url=store.url)


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
async def test_a_store_clock_that_leaps_ends_nothing_early_and_stops_no_decision_and_is_got_over(
    offset_s: int, leaping_store: LeapingStore, server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    # This grant's time is not over either.
    await client.grant(organisation, CREDITS, expire_time=datetime.now(UTC) + timedelta(seconds=HOUR_S // 2))
    for id_ in ("touched", "untouched"):
        await client.reserve(organisation, reservation_id=id_, segments=7, ttl=TTL_S)

    await leaping_store.leap_to(offset_s)
    await leaping_store.is_swept()
    balance = (await client.get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 14, 14)
    committed = await client.commit(organisation, "touched")
    assert (committed.credits, committed.late, committed.state) == (7, False, ReservationState.COMMITTED)
    new = await client.reserve(organisation, segments=5, ttl=TTL_S)
    assert (await client.release(organisation, new.reservation_id)).restored == 5
    assert (await client.charge(organisation, segments=3, direction=Direction.INBOUND)).allowed
    await eventually(lambda: bool(server.logged("store_clock_stepped")))
    assert {said["level"] for said in server.logged("store_clock_stepped")} == {"error"}

    await leaping_store.leap_to(0)
    await eventually(lambda: bool(server.logged("store_clock_agrees")))
    await leaping_store.is_swept()
    assert not (await client.commit(organisation, "untouched")).late
    # What is made from now on ends in its time again.
    short = await client.reserve(organisation, segments=2, ttl=1.0)

    async def has_expired() -> bool:
        hold = await client.get_reservation(organisation, short.reservation_id)
        return hold.state is ReservationState.EXPIRED

    await eventually(has_expired)
    balance = (await client.get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 17, 0)
    await assert_conserved(server, organisation)


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
async def test_a_hold_made_while_the_clock_is_wrong_does_not_end_early_then_or_when_that_is_mended(
    offset_s: int, leaping_store: LeapingStore, server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client = connect(server)
    await leaping_store.leap_to(offset_s)
    await eventually(lambda: bool(server.logged("store_clock_stepped")))
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    for id_ in ("then", "afterwards"):
        await client.reserve(organisation, reservation_id=id_, segments=7, ttl=TTL_S)
    await leaping_store.is_swept()
    assert not (await client.commit(organisation, "then")).late

    await leaping_store.leap_to(0)
    await leaping_store.is_swept()
    assert not (await client.commit(organisation, "afterwards")).late
    await assert_conserved(server, organisation)


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["ahead", "behind"])
async def test_a_server_whose_own_clock_is_wrong_ends_no_hold_early_and_makes_none_that_others_do(
    offset_s: int, wrong_and_right: tuple[ServerProcess, ServerProcess], connect: Connect, organisation: str
) -> None:
    wrong, right = wrong_and_right
    client, other = connect(wrong), connect(right)
    await other.create_account(organisation)
    await other.grant(organisation, CREDITS)
    await other.reserve(organisation, reservation_id="before", segments=7, ttl=TTL_S)

    # A machine that is paused counts on only afterwards.
    clocks = Clocks(wrong.directory)
    clocks.set(boot_s=offset_s)
    await eventually(lambda: bool(wrong.logged("store_clock_stepped")))
    # Of an account that only this server knows, so that nobody else's time is on it.
    its_own = f"{organisation}-own"
    await client.create_account(its_own)
    await client.grant(its_own, CREDITS)
    await client.reserve(its_own, reservation_id="meanwhile", segments=7, ttl=TTL_S)
    short = await other.reserve(organisation, segments=5, ttl=1.0)

    async def has_expired() -> bool:
        hold = await other.get_reservation(organisation, short.reservation_id)
        return hold.state is ReservationState.EXPIRED

    # By then it has been looked for what is due.
    await eventually(has_expired)
    assert not (await other.commit(organisation, "before")).late
    assert not (await other.commit(its_own, "meanwhile")).late
    assert not right.logged("store_clock_stepped")
    await assert_conserved(right, organisation)
    clocks.close()


async def test_a_hold_whose_time_is_over_ends_though_the_clock_has_leapt_ahead(
    leaping_store: LeapingStore, server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, CREDITS)
    await client.reserve(organisation, reservation_id="before", segments=7, ttl=1.0)
    await leaping_store.leap_to(HOUR_S)

    async def has_expired() -> bool:
        return (await client.get_reservation(organisation, "before")).state is ReservationState.EXPIRED

    await eventually(has_expired)
    assert (await client.get_balance(organisation)).balance.available == CREDITS
    await assert_conserved(server, organisation)

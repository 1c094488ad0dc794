"""A disk that is full: what cannot be written is refused, nothing that was told is lost, and room is all that it takes.

Under `fsync` a store that cannot write its log ends, before it answers. It is started again once there is room.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest
from tests.faults.audit import Audit, assert_conserved
from tests.faults.conftest import Connect, Drive, RunServer
from tests.faults.decisions import Kind, Request, ask, open_organisation
from tests.faults.processes import PATIENT, PrivateDisk, eventually, has_status
from tests.faults.shims import store_binary_with

from creditgate import Direction, ServingStatus, aio
from creditgate.errors import OutcomeUnknown, Unavailable
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.locate import StoreBinary

DISK_BYTES: Final = 48 * 1024 * 1024

DEATHS: Final = 3
"""Of a store that is started again though its disk is full."""

TOLD_MIN: Final = 200

NEW = [
    Request(Kind.RESERVE, "new", 5),
    Request(Kind.CHARGE, "new", 5),
    Request(Kind.GRANT, "new", 5),
]


@pytest.fixture
def small_disk(place: Path) -> PrivateDisk:
    disk = PrivateDisk(place / "disk", DISK_BYTES)
    disk.directory.mkdir()
    try:
        trying = subprocess.run(disk.command("true"), capture_output=True, text=True, check=False)
        problem = trying.stderr.strip() if trying.returncode else ""
    except FileNotFoundError as error:
        problem = str(error)
    if problem:
        pytest.skip(f"NOT TRIED, for want of the right to mount: a disk that is really full ({problem})")
    return disk


@pytest.fixture
async def binary(place: Path) -> StoreBinary:
    return await store_binary_with("full_disk.c", place)


@pytest.fixture
async def cutting_store(place: Path, binary: StoreBinary) -> AsyncIterator[EmbeddedStore]:
    """A store whose disk is full for as long as there is a file `full`, and cuts the last entry in two."""
    async with EmbeddedStore(place / "store", binary=binary) as store:
        yield store


@pytest.fixture
async def forgetful_store(place: Path, binary: StoreBinary) -> AsyncIterator[EmbeddedStore]:
    """As `cutting_store`, but it answers before it writes."""
    async with EmbeddedStore(place / "store", binary=binary, durability=Durability.MEMORY) as store:
        yield store


def fill(path: Path) -> None:
    """Write a file until there is not a byte left on its disk."""
    with path.open("wb", buffering=0) as file:
        for size in (1024 * 1024, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))


async def refusal_of(client: aio.Client, organisation: str, request: Request) -> Unavailable:
    """Ask for what cannot be done now."""
    with pytest.raises(Unavailable) as raised:
        await ask(client, organisation, request)
    return raised.value


async def test_while_the_disk_is_full_everything_is_refused_and_when_there_is_room_nothing_was_lost(
    small_disk: PrivateDisk, run_server: RunServer, connect: Connect, drive: Drive
) -> None:
    server = await run_server(private_disk=small_disk)
    client, once = connect(server), connect(server, once=True)
    load = await drive(server)
    audit = Audit(load)
    await audit.wait_for(TOLD_MIN)

    filler = small_disk.seen_through(server.process.pid) / "filler"
    fill(filler)
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))
    for request in NEW:
        refusal = await refusal_of(once, load.organisation, request)
        assert not isinstance(refusal, OutcomeUnknown)
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "STORE_UNREACHABLE")
    await eventually(lambda: "its disk is full" in str(server.logged("store_restart_failed")))
    # It is not started only to die again, with a caller in the dark each time.
    assert len(server.logged("store_died")) == 1

    filler.unlink()
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    assert await audit.check_told(client) > 0
    for request in NEW:
        assert not (await ask(client, load.organisation, request)).replayed
    await audit.wait_for(TOLD_MIN)
    await load.stop()
    assert await audit.check_told(client) > 0
    await assert_conserved(server, load.organisation)
    assert server.process.returncode is None


async def test_what_was_told_survives_a_log_that_is_cut_in_the_middle_of_an_entry_again_and_again(
    place: Path, cutting_store: EmbeddedStore, run_server: RunServer, connect: Connect, drive: Drive
) -> None:
    server = await run_server(*PATIENT, "--durability", "fsync", redis_url=cutting_store.url)
    client = connect(server)
    load = await drive(server)
    audit = Audit(load)
    await audit.wait_for(TOLD_MIN)

    full = place / "store" / "full"
    full.touch()
    await eventually(lambda: cutting_store.restarts >= DEATHS)
    full.unlink()
    assert "aof-load-truncated" in (place / "store" / "store.log").read_text()

    await audit.wait_for(TOLD_MIN)
    assert await audit.check_told(client) > 0
    await load.stop()
    await audit.check_sums(client)
    await audit.check_exactly(client)
    await assert_conserved(server, load.organisation)


async def test_a_store_that_does_not_wait_for_its_disk_refuses_writes_while_that_is_full_and_goes_on_reading(
    place: Path, forgetful_store: EmbeddedStore, run_server: RunServer, connect: Connect, organisation: str
) -> None:
    server = await run_server(*PATIENT, "--durability", "memory", redis_url=forgetful_store.url)
    client, once = connect(server), connect(server, once=True)
    await open_organisation(client, organisation)
    await ask(client, organisation, Request(Kind.RESERVE, "held", 7))

    full = place / "store" / "full"
    full.touch()
    # It finds out by writing.
    await once.charge(organisation, charge_id="last", segments=1, direction=Direction.INBOUND)
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))
    for request in (*NEW, Request(Kind.COMMIT, "held", 7)):
        refusal = await refusal_of(once, organisation, request)
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "STORE_READ_ONLY")
    assert (await once.get_balance(organisation)).balance.reserved == 7

    full.unlink()
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    for request in (*NEW, Request(Kind.COMMIT, "held", 7)):
        assert not (await ask(client, organisation, request)).replayed
    await assert_conserved(server, organisation)
    assert forgetful_store.restarts == 0

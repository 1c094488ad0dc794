"""kill -9 of a store whose disk is slow: what was told was on disk before it was told.

On a quick disk a store that answers first and writes afterwards loses nothing either, or hardly ever.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults.audit import Audit, assert_conserved
from tests.faults.conftest import Connect, Drive, RunServer
from tests.faults.processes import PATIENT, eventually

from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.locate import locate_store_binary

KILLS = 3

TOLD_MIN = 20
"""Answers before a kill, and the most that a store gives during one write if it does not wait for its disk."""


@pytest.fixture
async def slow_store(place: Path) -> AsyncIterator[EmbeddedStore]:
    """A store on a disk that takes 50 ms for every write."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("kills on a slow disk were not tried: that takes Linux and a C compiler")
    library = place / "slow_disk.so"
    source = Path(__file__).with_name("slow_disk.c")
    compiling = await asyncio.create_subprocess_exec(compiler, "-shared", "-fPIC", "-o", library, source)
    assert await compiling.wait() == 0
    binary = replace(locate_store_binary(), preload=library)
    async with EmbeddedStore(place / "store", binary=binary) as store:
        yield store


async def kill_while_it_writes(store: EmbeddedStore, syncing: Path, audit: Audit) -> None:
    """Kill a store in the middle of a write when it tells something meanwhile, else at the end of one."""
    await audit.wait_for(TOLD_MIN)
    await eventually(syncing.exists)
    unsafe = audit.read() + TOLD_MIN
    await eventually(lambda: audit.read() >= unsafe or not syncing.exists())
    killed, restarts = store.pid, store.restarts
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: store.restarts > restarts)


async def test_what_was_told_survives_kill_9_of_a_store_on_a_slow_disk(
    place: Path, slow_store: EmbeddedStore, run_server: RunServer, connect: Connect, drive: Drive
) -> None:
    server = await run_server(*PATIENT, "--durability", "fsync", redis_url=slow_store.url)
    client = connect(server)
    load = await drive(server)
    audit = Audit(load)
    for _ in range(KILLS):
        await kill_while_it_writes(slow_store, place / "store" / "syncing", audit)
        assert await audit.check_told(client) > 0
    await load.stop()
    await audit.check_sums(client)
    await audit.check_exactly(client)
    await assert_conserved(server, load.organisation)

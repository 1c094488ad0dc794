"""kill -9 of the server and of its store, at random moments under load: nothing that was told is lost or doubled.

Twenty kills by default. For more: CREDITGATE_TEST_KILLS=200 scripts/test tests/faults/test_kills.py
"""

from __future__ import annotations

import os
import random
import signal
import statistics
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

import pytest
from tests.faults.audit import Audit, assert_conserved
from tests.faults.conftest import Connect, Drive, RunServer
from tests.faults.processes import ServerProcess, eventually

KILLS: Final = int(os.environ.get("CREDITGATE_TEST_KILLS", "20"))
"""Of server and store together."""

TOLD_MAX: Final = 1000
"""A victim is killed after a random number of answers, up to this: within a second or so."""


async def kill_server(server: ServerProcess) -> None:
    """Kill the server, whose store then ends by itself, and start it again as whoever runs it would."""
    server.process.kill()
    await server.wait()
    await server.start()


async def kill_store(server: ServerProcess) -> None:
    """Kill the store only, and wait for the server to start another."""
    killed = server.store_pid
    os.kill(killed, signal.SIGKILL)
    await eventually(lambda: server.store_pid not in (0, killed))
    assert server.process.returncode is None


@pytest.mark.timeout(60 + 6 * KILLS)
@pytest.mark.parametrize("kill", [kill_server, kill_store], ids=["server", "store"])
async def test_what_was_told_survives_kill_9_under_load(
    kill: Callable[[ServerProcess], Awaitable[None]],
    run_server: RunServer,
    connect: Connect,
    drive: Drive,
    record_property: Callable[[str, object], None],
) -> None:
    # A short journal is soon read, so that hundreds of kills are checked as quickly as the first.
    server = await run_server("--journal-length", "1000")
    load = await drive(server)
    audit = Audit(load)
    away_ms = []
    for _ in range(KILLS // 2):
        await audit.wait_for(random.randint(1, TOLD_MAX))
        killed_s = monotonic()
        await kill(server)
        client = connect(server)
        await client.quote(load.organisation, segments=1)
        away_ms.append(round((monotonic() - killed_s) * 1000))
        assert await audit.check_told(client) > 0
        await assert_conserved(server, load.organisation)
    await load.stop()
    client = connect(server)
    await audit.check_sums(client)
    await audit.check_exactly(client)
    await assert_conserved(server, load.organisation)
    record_property("ready_again_ms_median", statistics.median(away_ms))
    record_property("ready_again_ms_max", max(away_ms))
    record_property("told", audit.read())

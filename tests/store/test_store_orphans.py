"""No orphan, ever: a supervisor that is killed takes its store along, and the next one finds all its data."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from creditgate_server.store import data_directory, launcher
from creditgate_server.store.embedded import EmbeddedStore

Ask = Callable[..., Awaitable[object]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
Supervise = Callable[[], Awaitable[tuple[Process, int]]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")

SUPERVISOR = """
import asyncio, sys
from pathlib import Path
import structlog
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    async with EmbeddedStore(Path(sys.argv[1])) as store:
        connections = StoreConnections(store.url, reply_timeout_s=5)
        await connections.execute([("SET", "balance", 17)])
        print(store.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def spawn(data_dir: Path) -> AsyncIterator[Callable[[], Awaitable[Process]]]:
    """Start another process that supervises a store on the data directory, writes, and prints the store's id."""
    processes: list[Process] = []

    async def start() -> Process:
        processes.append(
            await asyncio.create_subprocess_exec(sys.executable, "-c", SUPERVISOR, str(data_dir), stdout=PIPE)
        )
        return processes[-1]

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


@pytest.fixture
def supervise(spawn: Callable[[], Awaitable[Process]]) -> Supervise:
    """Start such a process and wait until its store serves; give it and the store's id."""

    async def start() -> tuple[Process, int]:
        process = await spawn()
        assert process.stdout is not None
        return process, int(await process.stdout.readline())

    return start


def no_store_on(data_dir: Path) -> bool:
    """Tell whether all who hold the store's lock have ended: store, its children, and who was to become it."""
    try:
        fd = os.open(data_dir / "store.lock", os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


async def test_kill_9_of_the_supervisor_ends_the_store_cleanly(
    data_dir: Path, supervise: Supervise, eventually: Eventually
) -> None:
    supervisor, _ = await supervise()
    supervisor.kill()
    await eventually(lambda: no_store_on(data_dir))
    assert "ready to exit" in (data_dir / "store.log").read_text()


@pytest.mark.parametrize("stage", ["supervisor.lock", "store.lock", "store.log", "appendonlydir", "store.sock"])
async def test_kill_9_at_any_stage_of_the_start_leaves_no_store(
    stage: str, data_dir: Path, spawn: Callable[[], Awaitable[Process]], eventually: Eventually
) -> None:
    supervisor = await spawn()
    await eventually((data_dir / stage).exists)
    supervisor.kill()
    await supervisor.wait()
    await eventually(lambda: no_store_on(data_dir))


async def test_the_next_start_waits_for_the_old_store_and_has_its_data(
    data_dir: Path, supervise: Supervise, ask: Ask
) -> None:
    supervisor, _ = await supervise()
    supervisor.kill()
    await supervisor.wait()
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "GET", "balance") == b"17"


async def test_the_next_start_kills_an_old_store_that_is_frozen(
    data_dir: Path, supervise: Supervise, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_directory, "LEFTOVER_PATIENCE_S", 0.2)
    supervisor, frozen_pid = await supervise()
    os.kill(frozen_pid, signal.SIGSTOP)
    supervisor.kill()
    await supervisor.wait()
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "GET", "balance") == b"17"
        assert store.pid != frozen_pid


def test_a_store_whose_supervisor_died_before_it_could_ask_for_the_signal_does_not_start(tmp_path: Path) -> None:
    with (tmp_path / "store.lock").open("w") as lock:
        completed = subprocess.run(
            [sys.executable, launcher.__file__, "1", str(lock.fileno()), "", "/bin/echo", "started"],
            check=False,
            capture_output=True,
            pass_fds=(lock.fileno(),),
        )
    assert completed.returncode != 0
    assert b"died while its store was being started" in completed.stderr
    assert completed.stdout == b""

"""The embedded store's life: its start, its restarts after every death, and its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from creditgate_server.store import data_directory, store_process
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import OutcomeUnknown, StoreDirectoryUnusable, StoreStartFailed
from creditgate_server.store.locate import StoreBinary, locate_store_binary

Ask = Callable[..., Awaitable[object]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_binary_that_ends_at_once_fails_the_start_with_its_own_words(data_dir: Path) -> None:
    program = data_dir.with_name("program")
    program.write_text("#!/bin/sh\necho 'out of order' >&2\nexit 3\n")
    program.chmod(0o700)
    binary = StoreBinary(program, "valkey", (9, 0, 0), "libc")
    with pytest.raises(StoreStartFailed, match=r"exit status 3[\s\S]*out of order"):
        await EmbeddedStore(data_dir, binary=binary).start()


async def test_a_store_that_does_not_answer_in_time_fails_the_start_and_is_ended(data_dir: Path) -> None:
    program = data_dir.with_name("program")
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o700)
    binary = StoreBinary(program, "valkey", (9, 0, 0), "libc")
    with pytest.raises(StoreStartFailed, match=r"did not answer within 0\.1 s"):
        await EmbeddedStore(data_dir, binary=binary, start_timeout_s=0.1).start()
    async with EmbeddedStore(data_dir):
        pass


async def test_a_cancelled_start_leaves_nothing_behind(data_dir: Path) -> None:
    for turns in range(0, 60, 3):
        start = asyncio.create_task(EmbeddedStore(data_dir, durability=Durability.MEMORY).start())
        for _ in range(turns):
            await asyncio.sleep(0)
        start.cancel()
        await asyncio.wait((start,))
        assert start.cancelled()
    async with EmbeddedStore(data_dir):
        pass


async def test_a_store_that_dies_is_started_again_under_the_same_address_and_loudly(
    embedded: EmbeddedStore, eventually: Eventually, ask: Ask
) -> None:
    url, pid = embedded.url, embedded.pid
    assert pid is not None
    with capture_logs() as logged:
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: embedded.restarts == 1)
    assert embedded.alive
    assert embedded.url == url
    assert embedded.pid != pid
    assert await ask(embedded, "PING") == b"PONG"
    assert [(event["event"], event["log_level"]) for event in logged] == [
        ("store_died", "error"),
        ("store_started", "info"),
        ("store_restarted", "warning"),
    ]


async def test_a_store_that_cannot_start_again_is_tried_until_it_can(
    embedded: EmbeddedStore, data_dir: Path, eventually: Eventually, ask: Ask
) -> None:
    assert embedded.pid is not None
    logs = data_dir / "appendonlydir"
    logs.rename(data_dir / "hidden")
    logs.touch()
    with capture_logs() as logged:
        os.kill(embedded.pid, signal.SIGKILL)
        await eventually(lambda: any(event["event"] == "store_restart_failed" for event in logged))
        assert not embedded.alive
        logs.unlink()
        (data_dir / "hidden").rename(logs)
        await eventually(lambda: embedded.alive)
    assert await ask(embedded, "PING") == b"PONG"


async def test_a_store_that_ends_by_itself_is_quoted(embedded: EmbeddedStore, eventually: Eventually, ask: Ask) -> None:
    with capture_logs() as logged:
        with pytest.raises(OutcomeUnknown):
            await ask(embedded, "SHUTDOWN")
        await eventually(lambda: embedded.restarts == 1)
    (died,) = (event for event in logged if event["event"] == "store_died")
    assert died["ending"] == "exit status 0"
    assert "ready to exit" in died["last_words"]


async def test_a_start_on_a_full_disk_is_refused(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_process, "ROOM_BYTES_MIN", 2**62)
    with pytest.raises(StoreDirectoryUnusable, match=r"its disk is full: \d+ bytes are left"):
        await EmbeddedStore(data_dir).start()
    monkeypatch.undo()
    async with EmbeddedStore(data_dir):
        pass


async def test_a_store_that_died_is_not_started_again_before_there_is_room_on_its_disk(
    embedded: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, eventually: Eventually, ask: Ask
) -> None:
    assert embedded.pid is not None
    monkeypatch.setattr(store_process, "ROOM_BYTES_MIN", 2**62)
    with capture_logs() as logged:
        os.kill(embedded.pid, signal.SIGKILL)
        await eventually(lambda: any(event["event"] == "store_restart_failed" for event in logged))
        assert not embedded.alive
        monkeypatch.undo()
        await eventually(lambda: embedded.alive)
    assert await ask(embedded, "PING") == b"PONG"


async def test_a_stop_ends_the_attempts_to_start_again(data_dir: Path, eventually: Eventually) -> None:
    store = EmbeddedStore(data_dir)
    await store.start()
    (data_dir / "appendonlydir").rename(data_dir / "hidden")
    (data_dir / "appendonlydir").touch()
    assert store.pid is not None
    os.kill(store.pid, signal.SIGKILL)
    await eventually(lambda: not store.alive)
    await store.stop()
    assert not store.alive


async def test_a_frozen_store_is_killed_when_patience_ends(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(store_process, "REPLY_TIMEOUT_S", 0.1)
    async with EmbeddedStore(data_dir, stop_patience_s=0.1) as store:
        await ask(store, "SET", "balance", 17)
        pid = store.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    assert not is_running(pid)
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "GET", "balance") == b"17"


async def test_a_cancelled_stop_kills_the_store_at_once(data_dir: Path, eventually: Eventually) -> None:
    store = EmbeddedStore(data_dir)
    await store.start()
    pid = store.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    stop = asyncio.create_task(store.stop())
    await asyncio.sleep(0)
    stop.cancel()
    await eventually(stop.done)
    assert stop.cancelled()
    assert not is_running(pid)


async def test_the_children_of_a_killed_store_do_not_delay_the_next_one(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, eventually: Eventually
) -> None:
    program = data_dir.with_name("program")
    real = locate_store_binary()
    # A child of the store that keeps the lock open, as one that rewrites a log does, for longer than anybody waits.
    program.write_text(f'#!/bin/sh\nsleep 60 &\nexec "{real.path}" "$@"\n')
    program.chmod(0o700)
    monkeypatch.setattr(data_directory, "LEFTOVER_PATIENCE_S", 30)
    binary = StoreBinary(program, real.product, real.version, real.allocator)
    async with EmbeddedStore(data_dir, binary=binary, stop_patience_s=0.1) as store:
        assert store.pid is not None
        os.kill(store.pid, signal.SIGKILL)
        await eventually(lambda: store.restarts == 1)
        os.kill(store.pid, signal.SIGSTOP)
    async with EmbeddedStore(data_dir):
        pass

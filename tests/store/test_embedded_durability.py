"""The embedded store's data: on disk before a reply, and there again after every end."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from creditgate_server.store import store_process
from creditgate_server.store.checks import FSYNC_SETTINGS
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreStartFailed

Ask = Callable[..., Awaitable[object]]
Setting = Callable[[EmbeddedStore, str], Awaitable[str]]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


def log_of(data_dir: Path) -> Path:
    """Find the part of the store's log that grows."""
    (log,) = (data_dir / "appendonlydir").glob("*.incr.aof")
    return log


async def test_under_fsync_each_reply_waits_for_the_disk_and_nothing_is_evicted(
    data_dir: Path, setting: Setting
) -> None:
    async with EmbeddedStore(data_dir) as store:
        assert {name: await setting(store, name) for name in FSYNC_SETTINGS} == FSYNC_SETTINGS
        assert await setting(store, "maxmemory-policy") == "noeviction"


async def test_under_memory_the_log_is_kept_without_waiting_for_the_disk(
    embedded: EmbeddedStore, setting: Setting
) -> None:
    assert await setting(embedded, "appendonly") == "yes"
    assert await setting(embedded, "appendfsync") == "everysec"


async def test_data_survives_a_stop_and_a_start(data_dir: Path, ask: Ask) -> None:
    async with EmbeddedStore(data_dir) as store:
        await ask(store, "SET", "balance", 17)
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "GET", "balance") == b"17"


async def test_every_acknowledged_write_survives_kill_9_of_the_store(
    data_dir: Path, eventually: Eventually, ask: Ask
) -> None:
    async with EmbeddedStore(data_dir) as store:
        for kills in range(1, 4):
            assert await ask(store, "INCR", "count") == kills
            assert store.pid is not None
            os.kill(store.pid, signal.SIGKILL)
            await eventually(lambda kills=kills: store.restarts == kills)  # type: ignore[misc]
        assert await ask(store, "GET", "count") == b"3"


async def test_a_log_that_ends_in_half_an_entry_is_read_up_to_there(data_dir: Path, ask: Ask) -> None:
    async with EmbeddedStore(data_dir) as store:
        await ask(store, "SET", "balance", 17)
    with log_of(data_dir).open("ab") as log:
        log.write(b"*3\r\n$3\r\nSET\r\n$7\r\nbal")
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "GET", "balance") == b"17"


async def test_a_damaged_log_fails_the_start_and_the_store_says_why(data_dir: Path, ask: Ask) -> None:
    async with EmbeddedStore(data_dir) as store:
        await ask(store, "SET", "balance", 17)
    damaged = log_of(data_dir)
    damaged.write_bytes(b"damage\r\n" + damaged.read_bytes())
    with pytest.raises(StoreStartFailed, match="Bad file format"):
        await EmbeddedStore(data_dir).start()


async def test_a_log_that_has_grown_large_is_rewritten_by_a_clean_stop(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(store_process, "COMPACTION_BYTES_MIN", 1024)
    async with EmbeddedStore(data_dir) as store:
        for _ in range(3):
            await ask(store, "SET", "note", "x" * 1024)
    assert log_of(data_dir).stat().st_size == 0
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "STRLEN", "note") == 1024

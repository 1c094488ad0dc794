"""The embedded store's directory: private, and worked on by one store."""

# ruff: noqa: ASYNC240 (a test may wait for the file system)

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from creditgate_server.store.data_directory import LOG_BYTES_MAX, SOCKET_PATH_BYTES_MAX
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreDirectoryTaken, StoreDirectoryUnusable

Ask = Callable[..., Awaitable[object]]
Setting = Callable[[EmbeddedStore, str], Awaitable[str]]


async def test_the_store_is_reached_through_a_private_socket_only(
    embedded: EmbeddedStore, data_dir: Path, setting: Setting
) -> None:
    path = Path(embedded.url.removeprefix("unix://"))
    assert path.parent == data_dir
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert await setting(embedded, "port") == "0"


async def test_an_empty_directory_that_others_can_read_is_made_private(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    async with EmbeddedStore(data_dir):
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700


async def test_a_directory_with_other_files_is_refused_and_left_as_it_is(data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    (data_dir / "letters.txt").touch()
    with pytest.raises(StoreDirectoryUnusable, match="directory of its own"):
        await EmbeddedStore(data_dir).start()
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o755


async def test_a_path_that_is_no_directory_is_refused(data_dir: Path) -> None:
    data_dir.touch()
    with pytest.raises(StoreDirectoryUnusable, match=str(data_dir)):
        await EmbeddedStore(data_dir).start()


@pytest.mark.parametrize("name", ["with space", "with#?%41", "Übung"])
async def test_a_directory_may_have_any_name(name: str, tmp_path: Path, ask: Ask) -> None:
    async with EmbeddedStore(tmp_path / name, durability=Durability.MEMORY) as store:
        assert await ask(store, "PING") == b"PONG"
    assert (tmp_path / name / "appendonlydir").is_dir()


async def test_a_path_too_long_for_a_socket_puts_it_into_a_private_directory_elsewhere_and_says_so(
    data_dir: Path, ask: Ask
) -> None:
    deep = data_dir / ("d" * SOCKET_PATH_BYTES_MAX)
    with capture_logs() as logged:
        async with EmbeddedStore(deep, durability=Durability.MEMORY) as store:
            path = Path(store.url.removeprefix("unix://"))
            assert await ask(store, "PING") == b"PONG"
            assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
            assert len(str(path)) <= SOCKET_PATH_BYTES_MAX
    assert {"store_socket_elsewhere", str(path)} <= {v for event in logged for v in event.values()}
    assert not path.parent.exists()


async def test_a_directory_for_the_socket_that_is_not_ours_is_refused(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path.parent))
    store = EmbeddedStore(data_dir / ("d" * SOCKET_PATH_BYTES_MAX))
    Path(store.url.removeprefix("unix://")).parent.symlink_to(tmp_path)
    with pytest.raises(StoreDirectoryUnusable, match="not a directory of this user"):
        await store.start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows a process's environment")
async def test_the_store_does_not_inherit_our_secrets(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDITGATE_REDIS_URL", "redis://user:s3cret@host")
    async with EmbeddedStore(data_dir, durability=Durability.MEMORY) as store:
        assert b"s3cret" not in Path(f"/proc/{store.pid}/environ").read_bytes()


async def test_a_signal_from_the_terminal_does_not_reach_the_store(embedded: EmbeddedStore) -> None:
    assert embedded.pid is not None
    assert os.getsid(embedded.pid) != os.getsid(0)


async def test_a_second_start_on_a_directory_is_refused_naming_it_and_the_holder(
    embedded: EmbeddedStore, data_dir: Path, ask: Ask
) -> None:
    with pytest.raises(StoreDirectoryTaken) as taken:
        await EmbeddedStore(data_dir).start()
    assert taken.value.holder_pid == os.getpid()
    assert str(data_dir) in str(taken.value)
    assert await ask(embedded, "PING") == b"PONG"


async def test_a_stopped_store_leaves_the_directory_to_the_next(data_dir: Path) -> None:
    first = EmbeddedStore(data_dir)
    await first.start()
    await first.stop()
    await first.stop()
    assert (first.alive, first.pid) == (False, None)
    async with EmbeddedStore(data_dir):
        pass


async def test_a_stale_socket_does_not_hinder_the_start(data_dir: Path, ask: Ask) -> None:
    async with EmbeddedStore(data_dir) as store:
        path = store.url.removeprefix("unix://")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    async with EmbeddedStore(data_dir) as store:
        assert await ask(store, "PING") == b"PONG"


async def test_what_a_killed_rewrite_left_is_removed(data_dir: Path) -> None:
    async with EmbeddedStore(data_dir):
        pass
    (data_dir / "temp-rewriteaof-123.aof").write_bytes(b"x")
    async with EmbeddedStore(data_dir):
        assert not list(data_dir.glob("temp-*"))


async def test_a_large_log_of_events_is_set_aside(data_dir: Path) -> None:
    async with EmbeddedStore(data_dir):
        pass
    os.truncate(data_dir / "store.log", LOG_BYTES_MAX)
    async with EmbeddedStore(data_dir):
        assert (data_dir / "store.log").stat().st_size < LOG_BYTES_MAX
    assert (data_dir / "store.log.1").stat().st_size == LOG_BYTES_MAX

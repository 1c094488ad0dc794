"""One process of the embedded store: its command line, its start, its clean end."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from typing import Self
from urllib.parse import quote

import structlog

from creditgate_server.store import launcher
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.data_directory import DataDirectory
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import (
    OutcomeUnknown,
    StoreDirectoryUnusable,
    StoreError,
    StoreStartFailed,
    StoreUnreachable,
)
from creditgate_server.store.information import parse_information
from creditgate_server.store.locate import StoreBinary

POLL_INTERVAL_S = 0.01
"""How often a store that starts, or rewrites its log, is asked whether it is ready."""

REPLY_TIMEOUT_S = 1.0
"""How long the supervisor's own questions wait for a reply."""

ROOM_BYTES_MIN = 4 * 1024 * 1024
"""Room on the disk that a start needs: some 4,000 reserves. Under `fsync` a store that cannot write its log ends;
started without room it would end again at the next write, and each time leave some callers in the dark."""

COMPACTION_BYTES_MIN = 16 * 1024 * 1024
"""A log that grew by less since it was last rewritten is read in a fraction of a second."""

COMPACTION_PATIENCE_S = 5.0
"""How long a stop waits for a rewrite, which loses nothing when cut short; container runtimes give 10 s."""

INHERITED_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")
"""All that the store sees of our environment, which may hold passwords."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class StoreProcess:
    """A store process that serves, or did."""

    def __init__(self, process: Process, directory: DataDirectory) -> None:
        """Wrap a process that was spawned on the directory; use `start`."""
        self._process = process
        self._directory = directory

    @classmethod
    async def start(
        cls, directory: DataDirectory, binary: StoreBinary, durability: Durability, timeout_s: float
    ) -> Self:
        """Spawn a store on a directory that was taken, and wait until it answers with its data loaded.

        Raises StoreDirectoryTaken, StoreDirectoryUnusable (its disk is full) or StoreStartFailed; then, or when
        cancelled, no process is left.
        """
        room_bytes = shutil.disk_usage(directory.path).free
        if room_bytes < ROOM_BYTES_MIN:
            problem = f"its disk is full: {room_bytes} bytes are left, and a start needs {ROOM_BYTES_MIN}"
            raise StoreDirectoryUnusable(directory.path, problem)
        directory.rotate_log()
        lock_fd = await directory.lock_for_store()
        try:
            with directory.log_path.open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    # Isolated and without site-packages, an interpreter is up in 10 ms.
                    *(sys.executable, "-I", "-S", launcher.__file__),
                    *(str(os.getpid()), str(lock_fd), str(binary.preload or "")),
                    *(str(binary.path), *_options(directory, durability)),
                    stdin=DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=directory.path,
                    env={name: os.environ[name] for name in INHERITED_ENVIRONMENT if name in os.environ},
                    pass_fds=(lock_fd,),
                    # Ctrl-C reaches a terminal's whole foreground group; the store must outlive our drain.
                    start_new_session=True,
                )
        finally:
            os.close(lock_fd)
        store = cls(process, directory)
        try:
            await store._wait_until_serving(timeout_s)
        except BaseException:
            await store.end(patience_s=0)
            raise
        return store

    @property
    def pid(self) -> int:
        """The process id; it stays the same through launcher and store."""
        return self._process.pid

    async def wait(self, timeout_s: float) -> str | None:
        """Wait for the end of the process and say how it ended; None when it still runs after `timeout_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._process.wait()
        return self._ending()

    async def compact(self) -> None:
        """Rewrite a log that has grown large, so that the next start is quick; failing costs only that."""
        connections = StoreConnections(socket_url(self._directory), connections=1, reply_timeout_s=REPLY_TIMEOUT_S)
        try:
            async with asyncio.timeout(COMPACTION_PATIENCE_S):
                persistence = await _persistence(connections)
                grown_bytes = int(persistence.get("aof_current_size", 0)) - int(persistence.get("aof_base_size", 0))
                if grown_bytes < COMPACTION_BYTES_MIN:
                    return
                await connections.execute([("BGREWRITEAOF",)])
                # The store has no way to announce the end of a rewrite.
                while _is_rewriting(await _persistence(connections)):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_INTERVAL_S)
        except (StoreError, TimeoutError) as error:
            _log.warning("store_log_not_rewritten", directory=str(self._directory.path), error=str(error))
        finally:
            await connections.close()

    async def end(self, patience_s: float) -> None:
        """Send SIGTERM, on which the store flushes and ends; after `patience_s`, or cancelled, SIGKILL."""
        try:
            with suppress(TimeoutError, ProcessLookupError):
                self._process.terminate()
                async with asyncio.timeout(patience_s):
                    await self._process.wait()
        finally:
            if self._process.returncode is None:
                _log.error("store_killed", directory=str(self._directory.path), pid=self.pid, patience_s=patience_s)
                # The whole group: a store that rewrites its log has a child, which would be left behind.
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                await self._process.wait()

    async def _wait_until_serving(self, timeout_s: float) -> None:
        """Wait until PING is answered: a store that loads its data listens, but says LOADING to all."""
        probe = StoreConnections(socket_url(self._directory), connections=1, reply_timeout_s=REPLY_TIMEOUT_S)
        try:
            async with asyncio.timeout(timeout_s):
                while await self.wait(POLL_INTERVAL_S) is None:
                    with suppress(StoreUnreachable, OutcomeUnknown):
                        await probe.execute([("PING",)])
                        return
            problem = f"ended while it was started ({self._ending()})"
        except TimeoutError:
            problem = f"did not answer within {timeout_s:g} s"
        finally:
            await probe.close()
        raise StoreStartFailed(self._directory.path, problem, self._directory.log_tail())

    def _ending(self) -> str | None:
        status = self._process.returncode
        if status is None:
            return None
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def socket_url(directory: DataDirectory) -> str:
    """Give the address of the store on a directory, percent-encoded as addresses are."""
    return "unix://" + quote(str(directory.socket_path))


def _options(directory: DataDirectory, durability: Durability) -> list[str]:
    """Give the store's configuration as its command line: it reads no file."""
    options = {
        "port": "0",
        "unixsocket": str(directory.socket_path),
        "unixsocketperm": "700",
        "dir": str(directory.path),
        "logfile": str(directory.log_path),
        "daemonize": "no",
        "databases": "1",
        # Fits into the 1,024 open files of an ordinary process; a sidecar opens a handful of connections.
        "maxclients": "512",
        "maxmemory-policy": "noeviction",
        # The log is the data. Snapshots beside it would cost a fork each and be read by nobody.
        "save": "",
        "appendonly": "yes",
        "appendfsync": "always" if durability is Durability.FSYNC else "everysec",
        "no-appendfsync-on-rewrite": "no",
        "aof-use-rdb-preamble": "yes",
        # A kill in the middle of a write leaves half an entry, which nobody was told of.
        "aof-load-truncated": "yes",
        # Reading a log takes about 1 s for 85 MB: rewrite it before that makes a start slow.
        "auto-aof-rewrite-percentage": "100",
        "auto-aof-rewrite-min-size": "64mb",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


async def _persistence(connections: StoreConnections) -> dict[str, str]:
    (reply,) = await connections.execute([("INFO", "persistence")])
    return parse_information(reply)


def _is_rewriting(persistence: dict[str, str]) -> bool:
    return "1" in (persistence["aof_rewrite_in_progress"], persistence["aof_rewrite_scheduled"])

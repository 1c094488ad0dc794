"""The embedded store: a supervised Valkey or Redis process, durable, private, and never an orphan."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from creditgate_server.store.data_directory import DataDirectory
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import StoreError
from creditgate_server.store.locate import StoreBinary, locate_store_binary
from creditgate_server.store.store_process import StoreProcess, socket_url

START_TIMEOUT_S = 120.0
"""A store that reads its log for longer is taken for stuck; a log of 861 MB takes 10 s."""

STOP_PATIENCE_S = 10.0
"""How long the store may take to flush and end after SIGTERM before it is killed."""

RESTART_DELAY_MIN_S = 0.05
"""The wait before a store that died is started again; it doubles each time ..."""

RESTART_DELAY_MAX_S = 1.0
"""... up to this, so that it serves again within 2 s of every death, for as long as the store keeps dying, ..."""

STABLE_AFTER_S = 1.0
"""... and starts over once a store has served this long."""

LOG_CHECK_INTERVAL_S = 60.0
"""How often the size of the store's log is looked at."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class EmbeddedStore:
    """A store process on a data directory, kept alive for as long as the context is entered.

    It listens on a unix socket only, appends every write to a log that is synced before the reply (with
    Durability.MEMORY: once a second), never evicts, and is started again, with all its data, whenever it
    dies. When our process dies, be it by SIGKILL, the kernel sends the store SIGTERM, on which it flushes and
    ends. For the kernel, the end of the *thread* that started the store is the death of its parent: the event
    loop belongs in a thread that lives as long as the store shall. On systems other than Linux, which have no
    such signal, a store whose supervisor was killed goes on, keeps the directory, and must be ended by hand.

    For one event loop; `url`, `pid`, `alive` and `restarts` may be read from any thread.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        durability: Durability = Durability.FSYNC,
        binary: StoreBinary | None = None,
        start_timeout_s: float = START_TIMEOUT_S,
        stop_patience_s: float = STOP_PATIENCE_S,
    ) -> None:
        """Describe the store; nothing is touched before `start`, which looks for a binary if none is given.

        Raises StoreDirectoryUnusable when no path for its socket is short enough.
        """
        self._directory = DataDirectory(data_dir)
        self._durability = durability
        self._binary = binary
        self._start_timeout_s = start_timeout_s
        self._stop_patience_s = stop_patience_s
        self._process: StoreProcess | None = None
        self._supervision: asyncio.Task[None] | None = None
        self._restarts = 0

    @property
    def url(self) -> str:
        """Where the store listens, such as `unix:///var/lib/creditgate/store.sock`; restarts keep it."""
        return socket_url(self._directory)

    @property
    def pid(self) -> int | None:
        """The process id of the store that serves; None while there is none."""
        return self._process.pid if self._process is not None else None

    @property
    def alive(self) -> bool:
        """Whether a store serves: it was started, answered, and has not ended."""
        return self._process is not None

    @property
    def restarts(self) -> int:
        """How often the store died and was started again since `start`."""
        return self._restarts

    async def start(self) -> None:
        """Take the directory, start the store and wait until it answers with its data loaded.

        Raises StoreBinaryMissing, StoreDirectoryUnusable, StoreDirectoryTaken or StoreStartFailed; then
        nothing runs.
        """
        binary = self._binary or locate_store_binary()
        self._directory.take()
        try:
            process = await self._start_process(binary)
        except BaseException:
            self._directory.give_back()
            raise
        self._supervision = asyncio.create_task(self._supervise(binary, process), name="store-supervision")

    async def stop(self) -> None:
        """End the store cleanly within `stop_patience_s`, else by SIGKILL, and let go of the directory.

        A log that has grown large is rewritten first. Without effect when nothing runs. When cancelled, the
        store is killed at once.
        """
        patience_s = 0.0
        try:
            if self._supervision is not None:
                self._supervision.cancel()
                await asyncio.wait((self._supervision,))
            if self._process is not None:
                await self._process.compact()
            patience_s = self._stop_patience_s
        finally:
            try:
                if self._process is not None:
                    await self._process.end(patience_s)
            finally:
                self._process = None
                self._supervision = None
                self._directory.give_back()

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self.stop()

    async def _start_process(self, binary: StoreBinary) -> StoreProcess:
        process = await StoreProcess.start(self._directory, binary, self._durability, self._start_timeout_s)
        self._process = process
        _log.info(
            "store_started",
            directory=str(self._directory.path),
            pid=process.pid,
            durability=self._durability.value,
        )
        return process

    async def _supervise(self, binary: StoreBinary, process: StoreProcess) -> None:
        """Start the store again whenever it ends, until cancelled."""
        delay_s = RESTART_DELAY_MIN_S
        while True:
            served_s = await self._wait_for_death(process)
            delay_s = RESTART_DELAY_MIN_S if served_s >= STABLE_AFTER_S else delay_s
            process, delay_s = await self._start_again(binary, delay_s)
            self._restarts += 1
            _log.warning("store_restarted", directory=str(self._directory.path), restarts=self._restarts)

    async def _wait_for_death(self, process: StoreProcess) -> float:
        """Wait until the store ends, bounding its log meanwhile; give for how long it served."""
        started_s = time.monotonic()
        while (ending := await process.wait(LOG_CHECK_INTERVAL_S)) is None:
            self._rotate_log()
        self._process = None
        _log.error(
            "store_died",
            directory=str(self._directory.path),
            pid=process.pid,
            ending=ending,
            last_words=self._directory.log_tail().rpartition("\n")[2],
        )
        return time.monotonic() - started_s

    def _rotate_log(self) -> None:
        """Bound the store's log; a disk that refuses must not end the supervision."""
        try:
            self._directory.rotate_log()
        except OSError as error:
            _log.warning("store_log_kept", directory=str(self._directory.path), error=str(error))

    async def _start_again(self, binary: StoreBinary, delay_s: float) -> tuple[StoreProcess, float]:
        """Try to start the store, after a delay that doubles, until it serves; give it and the next delay."""
        while True:
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, RESTART_DELAY_MAX_S)
            try:
                return await self._start_process(binary), delay_s
            except (StoreError, OSError) as error:
                _log.error("store_restart_failed", directory=str(self._directory.path), error=str(error))

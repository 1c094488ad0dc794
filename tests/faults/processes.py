"""Servers to mistreat, each a process as `creditgate serve` starts it, and the wait for what they do."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from creditgate import ServingStatus, aio

REPOSITORY: Final = Path(__file__).parents[2]

PATIENCE_S: Final = 20.0
"""Far beyond what anything here takes: whoever waits longer waits for something that will not come."""

PATIENT: Final = ("--store-timeout-ms", "5000")
"""Flags of a server that waits for its store as long as a busy machine may take, for tests of something else."""

POLL_INTERVAL_S: Final = 0.005


async def eventually(condition: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait until a condition of another process holds."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            holds = condition()
            if await holds if inspect.isawaitable(holds) else holds:
                return
            await asyncio.sleep(POLL_INTERVAL_S)


async def has_status(client: aio.Client, status: ServingStatus) -> bool:
    """Tell whether a server says of itself that it stands so."""
    return await client.health() is status


def environment() -> dict[str, str]:
    """Give the environment of a process of ours: settings of whoever runs the tests are not the test's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CREDITGATE_")}


@dataclass(frozen=True, slots=True)
class PrivateDisk:
    """A small disk in memory for one process and its children: nobody else sees it, and it is gone when they are."""

    directory: Path
    """Where they see it."""
    size_bytes: int

    def command(self, *command: str) -> Sequence[str]:
        """Give a command that runs another one with this disk, in the same process."""
        mount = 'mount -t tmpfs -o size="$0" none "$1" && shift && exec "$@"'
        way = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount)
        return (*way, str(self.size_bytes), str(self.directory), *command)

    def seen_through(self, pid: int) -> Path:
        """Give the way to this disk through a process that has it."""
        return Path(f"/proc/{pid}/root") / self.directory.relative_to("/")


class ServerProcess:
    """A server on a unix socket in a directory of its own, so that it has the same address whenever it is started."""

    def __init__(
        self,
        directory: Path,
        *flags: str,
        redis_url: str | None = None,
        private_disk: PrivateDisk | None = None,
        preload: Path | None = None,
    ) -> None:
        self.directory = directory
        self.data_dir = (private_disk.directory if private_disk else directory) / "data"
        self.target = f"unix:{directory}/rpc"
        self._flags = flags if redis_url is None else (*flags, "--redis-url", redis_url)
        self._redis_url = redis_url
        self._private_disk = private_disk
        self._preload = preload
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The process that was started last."""
        assert self._process is not None
        return self._process

    @property
    def _visible_data_dir(self) -> Path:
        """The data directory as the test sees it."""
        if self._private_disk is None:
            return self.data_dir
        return self._private_disk.seen_through(self.process.pid) / self.data_dir.name

    @property
    def log(self) -> str:
        """All that it has said, those before it included."""
        return (self.directory / "log").read_text()

    def logged(self, event: str) -> list[dict[str, Any]]:
        """What it has said of an event, those before it included; a line that is being written is not read yet."""
        lines = [line for line in self.log.splitlines(keepends=True) if line.startswith("{") and line.endswith("\n")]
        return [fields for fields in map(json.loads, lines) if fields["event"] == event]

    @property
    def store_url(self) -> str:
        """Where its store listens: the embedded one, unless it was told of another."""
        return self._redis_url or f"unix://{self._visible_data_dir}/store.sock"

    @property
    def store_pid(self) -> int:
        """The process of its embedded store; 0 while there is none."""
        with suppress(FileNotFoundError, ValueError):
            return int((self._visible_data_dir / "store.lock").read_text())
        return 0

    async def spawn(self) -> None:
        """Start it without waiting for anything."""
        command: Sequence[str] = (
            *(sys.executable, "-m", "creditgate_server", "serve", "--log-format", "json"),
            *("--listen", self.target, "--metrics-listen", "off", "--data-dir", str(self.data_dir), *self._flags),
        )
        if self._private_disk is not None:
            command = self._private_disk.command(*command)
        with (self.directory / "log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=environment() | ({"LD_PRELOAD": str(self._preload)} if self._preload else {}),
            )

    async def start(self) -> None:
        """Start it and wait until it listens, which it does when it can decide."""
        await self.spawn()
        await eventually(self._listens)

    async def wait(self) -> int:
        """Wait for its end and give its exit status."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    async def end(self) -> None:
        """End it and its store, whatever was done to them."""
        if self._process is None:
            return
        if not self.store_has_ended():
            os.kill(self.store_pid, signal.SIGCONT)
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await self.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        try:
            await eventually(self.store_has_ended)
        except TimeoutError:
            os.kill(self.store_pid, signal.SIGKILL)
            raise

    def store_has_ended(self) -> bool:
        """Tell whether no process holds the lock of its store, which the store inherits and its children too."""
        try:
            fd = os.open(self._visible_data_dir / "store.lock", os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        return True

    def _listens(self) -> bool:
        assert self.process.returncode is None, self.log
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.target.removeprefix("unix:")) == 0


class LoadProcess:
    """The load on a server: it sends an organisation's messages and keeps a diary of them, until it is stopped."""

    def __init__(self, server: ServerProcess, organisation: str) -> None:
        self.organisation = organisation
        self.diary = server.directory / "diary"
        self._target = server.target
        self._process: Process | None = None

    @property
    def process(self) -> Process:
        """The process that was started."""
        assert self._process is not None
        return self._process

    async def start(self) -> None:
        """Start it without waiting for anything."""
        self.diary.touch()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.load", self._target, self.organisation, str(self.diary)),
            stdin=PIPE,
            cwd=REPOSITORY,
            env=environment(),
        )

    async def stop(self) -> None:
        """Let it finish the messages under way."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await self.process.wait() == 0

    async def end(self) -> None:
        """End it, whatever it does."""
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

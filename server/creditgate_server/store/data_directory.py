"""The embedded store's directory: privacy, the two locks that keep a second server out, and the names in it.

`supervisor.lock` is held by the process that runs the store, for as long as it means to; a second one is
refused at once. `store.lock` is held by the store process itself, which inherits the open file, and by the
children it forks. So when a supervisor is killed, the next one can start, yet its store waits until the old
store has ended: two servers never append to one log.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import structlog

from creditgate_server.store.errors import StoreDirectoryTaken, StoreDirectoryUnusable

SOCKET_PATH_BYTES_MAX = 107 if sys.platform == "linux" else 103
"""The longest path of a unix socket: `sun_path` of unix(7), less its final zero byte."""

LOG_BYTES_MAX = 1024 * 1024
"""The store's log is set aside at this size; one older log is kept."""

LOG_TAIL_BYTES = 2048
"""How much of the log an error quotes."""

LEFTOVER_PATIENCE_S = 10.0
"""How long a store left behind by a killed supervisor may take to shut down cleanly before it is killed."""

LOCK_POLL_INTERVAL_S = 0.02
"""flock(2) can be waited for only by blocking a thread, so it is asked this often."""

_log: structlog.typing.FilteringBoundLogger = structlog.get_logger(__name__)


class DataDirectory:
    """A directory that belongs to one embedded store."""

    def __init__(self, path: Path) -> None:
        """Name the directory; nothing is touched before `take`."""
        self.path = path.expanduser().resolve()
        self.log_path = self.path / "store.log"
        self.socket_path = self._socket_path()
        self._supervisor_lock_path = self.path / "supervisor.lock"
        self._store_lock_path = self.path / "store.lock"
        self._supervisor_lock_fd: int | None = None

    def take(self) -> None:
        """Make the directory, private to this user, and become its one supervisor.

        Raises StoreDirectoryUnusable when it cannot be ours, StoreDirectoryTaken when another process has it.
        """
        self._make_private()
        fd = self._open_lock(self._supervisor_lock_path)
        if not _try_lock(fd):
            os.close(fd)
            raise StoreDirectoryTaken(self.path, _read_pid(self._supervisor_lock_path), "another Creditgate")
        os.ftruncate(fd, 0)
        os.pwrite(fd, b"%d\n" % os.getpid(), 0)
        self._supervisor_lock_fd = fd
        if self.socket_path.parent != self.path:
            _make_private_directory(self.socket_path.parent)
            _log.warning("store_socket_elsewhere", directory=str(self.path), socket=str(self.socket_path))

    def give_back(self) -> None:
        """Let another process take the directory; without effect when it was not taken."""
        if self._supervisor_lock_fd is None:
            return
        if self.socket_path.parent != self.path:
            self.socket_path.unlink(missing_ok=True)
            with suppress(OSError):
                self.socket_path.parent.rmdir()
        os.close(self._supervisor_lock_fd)
        self._supervisor_lock_fd = None

    async def lock_for_store(self) -> int:
        """Wait until no store works on the directory; give the locked file for the next one to inherit.

        The caller closes its own copy once the store has it. Raises StoreDirectoryTaken when a store that was
        left behind can neither be waited for nor killed.
        """
        fd = self._open_lock(self._store_lock_path)
        try:
            await self._wait_for_store_lock(fd)
        except BaseException:
            os.close(fd)
            raise
        for unfinished_rewrite in self.path.glob("temp-*"):
            unfinished_rewrite.unlink(missing_ok=True)
        return fd

    def rotate_log(self) -> None:
        """Set the log aside when it has grown to LOG_BYTES_MAX; the store opens it anew for every line."""
        with suppress(FileNotFoundError):
            if self.log_path.stat().st_size >= LOG_BYTES_MAX:
                self.log_path.replace(self.log_path.with_suffix(".log.1"))

    def log_tail(self) -> str:
        """Give the last lines of the store's log, for an error message."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - LOG_TAIL_BYTES))
                return log.read().decode(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def _open_lock(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreDirectoryUnusable(self.path, f"it cannot be written to ({error.strerror})") from error

    def _make_private(self) -> None:
        """Make the directory if need be; refuse one with other people's files before changing its mode."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            if not self._supervisor_lock_path.exists() and any(self.path.iterdir()):
                problem = "it holds other files; give the store a directory of its own"
                raise StoreDirectoryUnusable(self.path, problem)
        except OSError as error:
            raise StoreDirectoryUnusable(self.path, f"it cannot be made or read ({error.strerror})") from error
        _make_private_directory(self.path)

    def _socket_path(self) -> Path:
        """Choose where the socket goes: in the directory or, when that path is too long, in a temporary one.

        The latter's name depends on the directory alone, so that a restart finds and reuses it.
        """
        inside = self.path / "store.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES_MAX:
            return inside
        name = "creditgate-" + hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir()):
            elsewhere = Path(base or "") / name / "store.sock"
            if base and Path(base).is_dir() and len(os.fsencode(elsewhere)) <= SOCKET_PATH_BYTES_MAX:
                return elsewhere
        problem = f"its path is too long for a socket ({SOCKET_PATH_BYTES_MAX} bytes), as is the temporary one"
        raise StoreDirectoryUnusable(self.path, problem)

    async def _wait_for_store_lock(self, fd: int) -> None:
        """Wait for the end of a store that a killed supervisor left behind.

        Its parent-death signal has told it to end. After LEFTOVER_PATIENCE_S it hangs or is frozen and is
        killed: what it acknowledged under `fsync` is on disk.
        """
        started_s = time.monotonic()
        while not _try_lock(fd):
            waited_s = time.monotonic() - started_s
            if waited_s > 2 * LEFTOVER_PATIENCE_S:
                raise StoreDirectoryTaken(self.path, _read_pid(self._store_lock_path), "a store left behind")
            self._kill_leftovers(with_store=waited_s > LEFTOVER_PATIENCE_S)
            await asyncio.sleep(LOCK_POLL_INTERVAL_S)

    def _kill_leftovers(self, *, with_store: bool) -> None:
        """Kill what holds the store's lock.

        Children of a dead store, which rewrite a log that nobody waits for, at once; a living store and its
        children only `with_store`.
        """
        store_pid = _read_pid(self._store_lock_path)
        holders = [] if store_pid is None else _holders(self._store_lock_path, process_group=store_pid)
        if store_pid in holders and not with_store:
            return
        for pid in holders:
            _log.error("store_leftover_killed", directory=str(self.path), pid=pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _make_private_directory(path: Path) -> None:
    """Make a directory that only this user can enter, or make an existing one of ours so."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise StoreDirectoryUnusable(path, "it is not a directory of this user's")
        if stat.S_IMODE(status.st_mode) != stat.S_IRWXU:
            path.chmod(stat.S_IRWXU)
    except OSError as error:
        raise StoreDirectoryUnusable(path, f"it cannot be made private ({error.strerror})") from error


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_pid(lock_path: Path) -> int | None:
    """Read the id that the holder of a lock wrote into it."""
    try:
        return int(lock_path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _holders(path: Path, process_group: int) -> list[int]:
    """List the processes of a group that have the file open, as Linux shows them; elsewhere, none.

    A process id in a file is not enough to kill by: ids are used again, and the new owner is a stranger.
    """
    target = path.resolve()
    holders = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(process.name)
            if os.getpgid(pid) == process_group and target in map(Path.readlink, (process / "fd").iterdir()):
                holders.append(pid)
    return holders

"""A server under test: `creditgate serve` in a process and a directory of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_S_MAX: Final = 30.0
"""How long a start may take; it takes about a second."""

STOP_S_MAX: Final = 15.0
"""How long a stop may take, calls under way included; longer than the server gives them."""

STORE_TIMEOUT_MS: Final = 5_000
"""How long the store may take for an answer: the machine of whoever runs tests is busy with them."""

_LOOK_INTERVAL_S: Final = 0.01


class ServerNotStarted(Exception):
    """The server ended, or said nothing for too long; the message has its own words."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that serves. `target` is its address; the files are gone with it."""

    target: str
    data_dir: Path
    """Its store's, for `creditgate verify --data-dir`: is every credit accounted for?"""
    log: Path
    """What it has said so far, a line of JSON for every denial, error and slow call."""


@contextmanager
def running_server() -> Iterator[Server]:
    """Run a server with a test clock while the context lasts. Raises ServerNotStarted, which says what to do.

    Its settings are its own: the environment's, and `creditgate.toml`, are not read. It need not survive a crash of the
    machine, and so does not wait for the disk.
    """
    # Not below pytest's temporary directory: the path of a socket has at most some hundred characters.
    directory = Path(tempfile.mkdtemp(prefix="creditgate-"))
    try:
        server = Server(f"unix:{directory}/rpc", directory / "data", directory / "log")
        process = _spawn(server, directory)
        try:
            _wait_until_listening(process, server)
            yield server
        finally:
            _stop(process)
    finally:
        shutil.rmtree(directory)


def _spawn(server: Server, directory: Path) -> subprocess.Popen[bytes]:
    command = (
        *(sys.executable, "-m", "creditgate_server", "serve", "--test-clock", "--log-format", "json"),
        *("--listen", server.target, "--metrics-listen", "off"),
        *("--data-dir", str(server.data_dir), "--durability", "memory", "--store-timeout-ms", str(STORE_TIMEOUT_MS)),
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CREDITGATE_")}
    with server.log.open("wb") as log:
        return subprocess.Popen(  # noqa: S603 -- this very Python, and words of our own
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=directory, env=environment
        )


def _wait_until_listening(process: subprocess.Popen[bytes], server: Server) -> None:
    """Wait for the server's socket, where it listens when it can decide."""
    ends_s = time.monotonic() + START_S_MAX
    while not _is_listening(server):
        if process.poll() is not None:
            raise ServerNotStarted(f"the Creditgate server did not start: {_words(server)}")
        if time.monotonic() > ends_s:
            raise ServerNotStarted(f"the Creditgate server does not serve after {START_S_MAX:.0f} s: {_words(server)}")
        time.sleep(_LOOK_INTERVAL_S)


def _is_listening(server: Server) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(server.target.removeprefix("unix:")) == 0


def _words(server: Server) -> str:
    return server.log.read_text(errors="replace").strip() or "it said nothing"


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

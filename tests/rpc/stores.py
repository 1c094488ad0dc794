"""The store of a server: what is done to it, and the wait for what comes of that."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis
from tests.rpc.conftest import PATIENCE_S

if TYPE_CHECKING:
    from tests.rpc.conftest import ServerProcess


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that must come true."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def store_pid(server: ServerProcess) -> int:
    """Give the process of its embedded store."""
    lines = [json.loads(line) for line in server.output if line.startswith("{")]
    return int(next(line["pid"] for line in lines if line["event"] == "store_started"))


def store_of(server: ServerProcess) -> redis.Redis:
    """Speak to its embedded store, as an operator would."""
    return redis.Redis(unix_socket_path=str(server.data_dir / "store.sock"), single_connection_client=True)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process for a while."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)

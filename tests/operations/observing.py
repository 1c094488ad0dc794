"""What operators see of a server: its log, its pages, and what becomes of calls while they do something to it."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from tests.rpc.conftest import Api, ServerProcess

    Start = Callable[..., ServerProcess]
    Connect = Callable[[ServerProcess], Api]

PATIENCE_S = 20.0
"""Far beyond what any of it takes."""


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that must come true."""
    end_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def events(server: ServerProcess) -> list[dict[str, Any]]:
    """Read what a server has logged so far."""
    return [json.loads(line) for line in server.output if line.startswith("{")]


def lines_of(server: ServerProcess, event: str) -> list[dict[str, Any]]:
    """Read what a server has logged of an event so far."""
    return [line for line in events(server) if line["event"] == event]


def said(server: ServerProcess, event: str) -> bool:
    """Whether a server has logged an event."""
    return bool(lines_of(server, event))


def page(server: ServerProcess, path: str) -> tuple[int, str]:
    """Read a page of a server that serves some: its status, and its text."""
    until(lambda: any(line.startswith("  metrics") for line in server.output))
    address = next(line.split()[-1] for line in server.output if line.startswith("  metrics"))
    try:
        with urllib.request.urlopen(address.replace("/metrics", path), timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def metric(server: ServerProcess, name: str) -> float:
    """Read one of a server's metrics, which it must serve."""
    _, shown = page(server, "/metrics")
    return float(next(line.split()[-1] for line in shown.splitlines() if line.startswith(f"{name} ")))


@contextmanager
def frozen_store(server: ServerProcess) -> Iterator[None]:
    """Keep a server's store, and so its calls, from going on."""
    pid = next(line["pid"] for line in lines_of(server, "store_started"))
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


class Caller(threading.Thread):
    """A call under way; `result` is its answer or its error, once joined."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self._call = call
        self.result: object = None

    def run(self) -> None:
        """Call."""
        try:
            self.result = self._call()
        except grpc.RpcError as error:
            self.result = error

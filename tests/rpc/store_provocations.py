"""Calls that fail because of the store, or because the server ends: what is done to them is undone, but for the end."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

from tests.rpc.conftest import PATIENCE_S, Failed, NoDetails
from tests.rpc.provocations import Provocation
from tests.rpc.scenes import Scene, text
from tests.rpc.stores import frozen, store_of, store_pid, until

from creditgate.v1.authorization_pb2 import ReserveRequest
from creditgate_server.store.keys import account_key, partition_of

_AT_ONCE: Final = 12
"""Calls that fill its pipelines, and its queue."""

_ATTEMPTS_MAX: Final = 1000

_SHORT_S: Final = 0.15
"""A deadline that is over before the server gives its store up."""


def overloaded(scene: Scene) -> Failed:
    """Let more calls wait than may."""
    with frozen(store_pid(scene.server)), ThreadPoolExecutor(_AT_ONCE) as threads:
        refusals = list(threads.map(lambda number: _reserve(scene, f"r-{number}"), range(_AT_ONCE)))
    until(scene.api.is_serving)
    return next(refused for refused in refusals if refused.reason == "OVERLOADED")


def store_unreachable(scene: Scene) -> Failed:
    """Let no new connection find the store, and cut the others."""
    socket = scene.server.data_dir / "store.sock"
    hidden = socket.with_name("hidden.sock")
    with store_of(scene.server) as store:
        socket.rename(hidden)
        try:
            store.client_kill_filter(_type="normal", skipme=True)
            return _first("STORE_UNREACHABLE", lambda number: _reserve(scene, f"r-{number}"))
        finally:
            hidden.rename(socket)
            until(scene.api.is_serving)


def outcome_unknown(scene: Scene) -> Failed:
    """Freeze the store for longer than the server waits for it."""
    with frozen(store_pid(scene.server)):
        refused = _reserve(scene, "r")
    until(scene.api.is_serving)
    return refused


def deadline_exceeded(scene: Scene) -> Failed:
    """Freeze the store for longer than the caller waits."""
    with frozen(store_pid(scene.server)):
        refused = _first("DEADLINE_EXCEEDED", lambda number: _reserve(scene, f"r-{number}", _SHORT_S))
    until(scene.api.is_serving)
    return refused


def store_read_only(scene: Scene) -> Failed:
    """Make the store a replica."""
    with _changed(scene, ("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")):
        return _reserve(scene, "r")


def store_full(scene: Scene) -> Failed:
    """Leave the store no memory."""
    with _changed(scene, ("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")):
        return _reserve(scene, "r")


def store_misconfigured(scene: Scene) -> Failed:
    """Take a right away."""
    taken, given = ("ACL", "SETUSER", "default", "-fcall"), ("ACL", "SETUSER", "default", "+@all")
    with _changed(scene, taken, given):
        return _reserve(scene, "r")


def internal(scene: Scene) -> Failed:
    """Damage the record of an account."""
    with store_of(scene.server) as store:
        store.hset(account_key(partition_of(scene.root, 64), scene.root), "c", "nonsense")
    return _reserve(scene, "r")


def shutting_down(scene: Scene) -> Failed:
    """Tell the server to end; who calls then is told so before anything is read, be it as wrong as can be."""
    scene.server.process.send_signal(signal.SIGTERM)
    return _first("SHUTTING_DOWN", lambda _: scene.refusal_at_once("AuthorizationService/Reserve", b"\xff"))


def _reserve(scene: Scene, reservation_id: str, timeout_s: float = PATIENCE_S) -> Failed:
    request = ReserveRequest(account_id=scene.root, reservation_id=reservation_id, usage=text())
    return scene.refusal_at_once("AuthorizationService/Reserve", request, timeout_s)


def _first(reason: str, ask: Callable[[int], Failed]) -> Failed:
    """Ask until a reason is given: what a moment decides may go otherwise, and the caller's own clock be the faster."""
    for number in range(_ATTEMPTS_MAX):
        with suppress(NoDetails):
            refused = ask(number)
            if refused.reason == reason:
                return refused
    raise AssertionError(reason)


@contextmanager
def _changed(scene: Scene, begin: tuple[str, ...], end: tuple[str, ...]) -> Iterator[None]:
    """Have an operator do something to the store, and undo it."""
    with store_of(scene.server) as store:
        store.execute_command(*begin)
        try:
            yield
        finally:
            store.execute_command(*end)
            until(scene.api.is_serving)


BY_STORE: Final[Mapping[str, Provocation]] = {
    provoke.__name__.upper(): provoke
    for provoke in (
        overloaded,
        store_unreachable,
        outcome_unknown,
        deadline_exceeded,
        store_read_only,
        store_full,
        store_misconfigured,
        internal,
    )
}
"""The provocation of each reason, on the server that tests may mistreat."""

BY_END: Final[Mapping[str, Provocation]] = {"SHUTTING_DOWN": shutting_down}
"""The provocation that ends its server."""

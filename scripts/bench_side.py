"""One side of a measurement: a source tree's server, the store behind it, and the loads that both are put under.

Nothing here imports the server's modules or knows how a server speaks to its store: the server is the tree's own, and
its call of the store is recorded. So the same loads measure any two revisions.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from math import inf
from pathlib import Path
from typing import Any, Final, Self, cast

import grpc
import hiredis
import uvloop

import creditgate
from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1 import usage_pb2

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
CONNECTIONS, STREAMS = 4, 32

STORE_CONNECTIONS, STORE_BATCH = 32, 16

STORE_OPERATIONS: Final = 1_024
"""Operations of one turn of the store alone."""

TURNS: Final = 8
"""Turns in a round."""

GROUP: Final = 16
"""Operations in one call where they are grouped, as a busy server sends them."""

HOLDS_WEIGHED: Final = 10_000

RESERVE_METHOD: Final = "/creditgate.v1.AuthorizationService/Reserve"
NO_OP_METHOD: Final = "/creditgate.bench.NoOp/Call"
EMPTY_FUNCTION: Final = "#!lua name=bench_empty\nredis.register_function('bench_empty', function() return 'x' end)"

ROOT_ID: Final = "bench"
LEAF_ID: Final = "bench/field"
TTL: Final = timedelta(hours=12)
"""No hold ends while others are made."""

RECORDED_ID: Final = "00000000-0000-7000-8000-000000000000"

QUOTE_SETUP: Final = """
from creditgate.pricing import DEFAULT_RATE_CARD, Body, Channel, Direction, Usage, price
body = ({text!r} * 160)[:160]
"""
QUOTE: Final = "price(DEFAULT_RATE_CARD, Usage(Channel.SMS, Direction.OUTBOUND, Body(body)))"


def packed(*words: bytes | str | int) -> bytes:
    """Return a call of the store as it is sent."""
    return cast("Callable[[tuple[bytes | str | int, ...]], bytes]", hiredis.pack_command)(words)


class Store:
    """A plain connection to a store, which blocks."""

    def __init__(self, url: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(url.removeprefix("unix://"))
        self._reader = hiredis.Reader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, *call: bytes | str | int) -> Any:  # noqa: ANN401 (whatever it answers)
        """Return the reply to one call."""
        self.send(packed(*call))
        return self.read()

    def read(self) -> Any:  # noqa: ANN401
        """Return the next reply. Exits at one that is an error."""
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(1 << 16))
        if isinstance(reply, hiredis.ReplyError):
            sys.exit(f"bench: the store answered {reply}")
        return reply

    def send(self, calls: bytes) -> None:
        """Write calls, whose replies are to be read."""
        self._socket.sendall(calls)

    def bytes_used(self) -> int:
        """Return all memory that the store has allocated."""
        found = re.search(rb"used_memory:(\d+)", self.ask("INFO", "memory"))
        return int(found[1]) if found else sys.exit("bench: the store does not say how much memory it uses")


class Side:
    """A source tree's server on a store of its own, for as long as the context is entered. All methods block."""

    def __init__(self, tree: Path) -> None:
        self._environment = os.environ | {"PYTHONPATH": f"{tree / 'client'}{os.pathsep}{tree / 'server'}"}
        self._script = tree / "scripts" / "bench_server.py"
        self._stack = ExitStack()
        self._next_id = 1

    def __enter__(self) -> Self:
        with self._stack:
            command = [sys.executable, str(self._script), str(SERVER_CORE)]
            server = self._stack.enter_context(
                subprocess.Popen(command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 (ours)
            )
            if server.stdout is None:
                raise TypeError(server)
            # Leaving Popen closes the server's input, at which it ends.
            self._addresses: dict[str, str] = json.loads(server.stdout.readline() or sys.exit(1))
            if LOAD_CORE in os.sched_getaffinity(0):
                os.sched_setaffinity(0, {LOAD_CORE})
            stores = [self._stack.enter_context(Store(self._addresses["store"])) for _ in range(STORE_CONNECTIONS)]
            self._store, self._stores = stores[0], stores
            self._store.ask("FUNCTION", "LOAD", "REPLACE", EMPTY_FUNCTION)
            self._open_organisation()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def reserves(self, seconds: float) -> float:
        """Return unary Reserves a second that were granted, each a hold of its own."""
        usage = usage_pb2.Usage(
            channel=usage_pb2.CHANNEL_SMS, segments=1, recipient="+15551234567", labels={"campaign": "autumn"}
        )
        request = pb.ReserveRequest(account_id=LEAF_ID, usage=usage)
        request.ttl.FromTimedelta(TTL)
        keys_before = self._store.ask("DBSIZE")
        rate = _load(self._addresses["creditgate"], RESERVE_METHOD, request.SerializeToString(), seconds)
        # A refusal stands in a trailer, which the load does not read; a hold is a key.
        holds: int = self._store.ask("DBSIZE") - keys_before
        return min(rate, holds / seconds)

    def no_ops(self, seconds: float) -> float:
        """Return calls a second of the method that does nothing."""
        return _load(self._addresses["no_op"], NO_OP_METHOD, b"x" * 80, seconds)

    def stop_log(self) -> None:
        """End the store's log on disk: from here on it is about its functions."""
        self._store.ask("CONFIG", "SET", "appendonly", "no")

    def store_reserves(self, group: int) -> float:
        """Return reserves a second of the store alone, `group` of them in a call."""
        calls = [self._new_call(group) for _ in range(STORE_OPERATIONS // group)]
        return STORE_OPERATIONS / self._seconds_of(calls)

    def store_empties(self) -> float:
        """Return calls a second of a function that does nothing."""
        call = packed("FCALL", "bench_empty", *self._call[2:])
        return STORE_OPERATIONS / self._seconds_of([call] * STORE_OPERATIONS)

    def bytes_of_hold(self) -> float:
        """Return what an open hold costs the store in memory, with its part of the indexes and the journal."""
        before = self._store.bytes_used()
        self._seconds_of([self._new_call(1) for _ in range(HOLDS_WEIGHED)])
        return (self._store.bytes_used() - before) / HOLDS_WEIGHED

    def quote_us(self, text: str) -> float:
        """Return the microseconds that pricing a body of 160 characters takes."""
        timeit = [
            *(sys.executable, "-W", "ignore", "-m", "timeit", "-u", "usec", "-n", "2000"),
            *("-s", QUOTE_SETUP.format(text=text), QUOTE),
        ]
        done = subprocess.run(timeit, env=self._environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 (ours)
        found = re.search(r"best of \d+: ([\d.]+) usec", done.stdout)
        return float(found[1]) if found else sys.exit(f"bench: timeit printed {done.stdout}")

    def _open_organisation(self) -> None:
        """Open two levels of accounts with three grants each, and record how a Reserve there is put to the store."""
        with creditgate.Client(self._addresses["creditgate"]) as client:
            client.create_account(ROOT_ID)
            client.create_account(LEAF_ID)
            for number in range(3):
                client.grant(ROOT_ID, 10**12, grant_id=f"wallet-{number}")
                client.grant(LEAF_ID, 10**12, grant_id=f"limit-{number}", kind=creditgate.GrantKind.ALLOTMENT)
            with Store(self._addresses["store"]) as listener:
                listener.ask("MONITOR")
                client.reserve(
                    LEAF_ID, reservation_id=RECORDED_ID, ttl=TTL,
                    segments=1, recipient="+15551234567", labels={"campaign": "autumn"},
                )  # fmt: skip
                self._call = next(call for call in _calls_seen_by(listener) if _is_recorded(call))

    def _seconds_of(self, calls: Sequence[bytes]) -> float:
        """Return how long the store takes for calls, with a batch under way on each connection."""
        batches = [calls[at : at + STORE_BATCH] for at in range(0, len(calls), STORE_BATCH)]
        awaited = [0] * len(self._stores)
        started = time.perf_counter()
        # At last nothing more is written, and what is still awaited is read.
        for number, batch in enumerate([*batches, *[[]] * len(self._stores)]):
            at = number % len(self._stores)
            for _ in range(awaited[at]):
                self._stores[at].read()
            self._stores[at].send(b"".join(batch))
            awaited[at] = len(batch)
        return time.perf_counter() - started

    def _new_call(self, group: int) -> bytes:
        """Return a call as recorded, but with new ids; its last two words are an operation's name and arguments."""
        operations: list[bytes] = []
        for _ in range(group):
            id_ = f"{RECORDED_ID[:-12]}{self._next_id:012d}"
            operations += (word.replace(RECORDED_ID.encode(), id_.encode()) for word in self._call[-2:])
            self._next_id += 1
        return packed(*self._call[:-2], *operations)


def in_rounds(
    rounds: int, *measures: Callable[[], float], turns: int = TURNS, is_cost: bool = False
) -> list[list[float]]:
    """Return what each round gave for each measure: the best of some short turns, in order and backwards in turn.

    Whatever else a machine does only makes it slower, often for seconds: so turns are short, and the best is nearest to
    the truth.
    """
    found = []
    for _ in range(rounds):
        best = [inf if is_cost else 0.0] * len(measures)
        for turn in range(turns):
            for at in range(len(measures)) if turn % 2 else reversed(range(len(measures))):
                best[at] = (min if is_cost else max)(best[at], measures[at]())
        found.append(best)
    return found


def _calls_seen_by(listener: Store) -> Iterator[tuple[bytes, ...]]:
    """Yield the words of the calls that MONITOR tells of, which quotes them as Python does."""
    while True:
        line = listener.read().decode()
        yield tuple(ast.literal_eval(f"b{word}") for word in re.findall(r'"(?:[^"\\]|\\.)*"', line))


def _is_recorded(call: tuple[bytes, ...]) -> bool:
    return call[0].upper() == b"FCALL" and RECORDED_ID.encode() in call[-1]


def _load(address: str, method: str, message: bytes, seconds: float) -> float:
    """Return calls a second of one method."""
    if shutil.which("h2load"):
        return _load_with_h2load(address, method, message, seconds)
    return uvloop.run(_load_with_ours(address, method, message, seconds))


def _load_with_h2load(address: str, method: str, message: bytes, seconds: float) -> float:
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        command = ["h2load", "-c", str(CONNECTIONS), "-m", str(STREAMS), "-D", f"{round(seconds * 1000)}ms"]
        command += ["-d", body.name, "-H", "content-type: application/grpc", "-H", "te: trailers"]
        command += [f"http://{address}{method}"]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 (ours)
    failed = re.search(r"(\d+) failed, (\d+) errored", output)
    rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", output)
    if failed is None or rate is None or failed.groups() != ("0", "0"):
        sys.exit(f"bench: h2load did not get all its answers:\n{output}")
    return float(rate[1])


async def _load_with_ours(address: str, method: str, message: bytes, seconds: float) -> float:
    """Do what h2load would, from this process."""
    ends, done = time.perf_counter() + seconds, 0
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(CONNECTIONS)]

    async def call(channel: grpc.aio.Channel) -> None:
        nonlocal done
        ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
        while time.perf_counter() < ends:
            await ask(message)
            done += 1

    await asyncio.gather(*(call(channel) for channel in channels for _ in range(STREAMS)))
    for channel in channels:
        await channel.close()
    return done / seconds

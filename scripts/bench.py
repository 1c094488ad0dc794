"""Measures unary Reserve beside a method that does nothing, and the store's reserve beside such a function.

Both sides of a ratio alternate in one run, for machines differ and drift; what counts is the median of the ratios. The
server and its store share one processor, the load has the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import grpc
import uvloop

import creditgate
import creditgate.aio
from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1 import usage_pb2
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.keys import account_key, partition_of
from creditgate_server.store.ledger import PARTITIONS, LedgerSettings
from creditgate_server.store.library import library

SERVER_CORE, LOAD_CORE = 0, 1
CONNECTIONS, STREAMS = 4, 32
BATCHES_IN_FLIGHT, BATCH = 32, 16

RESERVE_METHOD = "/creditgate.v1.AuthorizationService/Reserve"
NO_OP_METHOD = "/creditgate.bench.NoOp/Call"
EMPTY_FUNCTION = "#!lua name=bench_empty\nredis.register_function('bench_empty', function() return 'x' end)"


@dataclass(frozen=True)
class Figure:
    """A ratio of two rates of one run, and the least it should be."""

    name: str
    rate: float
    beside: str
    beside_rate: float
    ratio: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.ratio >= self.target


def load_with_h2load(address: str, method: str, message: bytes, seconds: float) -> float:
    """Return calls a second of one method over h2load's connections and streams."""
    with tempfile.NamedTemporaryFile() as body:
        body.write(b"\0" + len(message).to_bytes(4, "big") + message)
        body.flush()
        command = [
            "h2load",
            "-c",
            str(CONNECTIONS),
            "-m",
            str(STREAMS),
            "-D",
            f"{round(seconds * 1000)}ms",
            "-d",
            body.name,
        ]
        command += ["-H", "content-type: application/grpc", "-H", "te: trailers", f"http://{address}{method}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (ours)
        output = done.stdout
    failed = re.search(r"(\d+) failed, (\d+) errored", output)
    rate = re.search(r"finished in [^,]+, ([\d.]+) req/s", output)
    if failed is None or rate is None or failed.groups() != ("0", "0"):
        sys.exit(f"bench: h2load did not get all its answers:\n{output}")
    return float(rate[1])


async def load_with_ours(address: str, method: str, message: bytes, seconds: float) -> float:
    """Return calls a second of one method, as h2load would, from this process."""
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


async def load(address: str, method: str, message: bytes, seconds: float) -> float:
    """Return calls a second of one method."""
    if shutil.which("h2load"):
        return await asyncio.to_thread(load_with_h2load, address, method, message, seconds)
    return await load_with_ours(address, method, message, seconds)


async def open_organisation(target: str, root_id: str) -> None:
    """Open the accounts of measuring.md: two levels, a limit on the leaf, three grants each."""
    async with creditgate.aio.Client(target) as client:
        await client.create_account(root_id)
        await client.create_account(f"{root_id}/field")
        for number in range(3):
            await client.grant(root_id, 10**12, grant_id=f"wallet-{number}")
            limit_id = f"limit-{number}"
            await client.grant(f"{root_id}/field", 10**12, grant_id=limit_id, kind=creditgate.GrantKind.ALLOTMENT)


async def measure_store(connections: StoreConnections, make: Callable[[], tuple[bytes | str | int, ...]]) -> float:
    """Return commands a second, pipelined as a busy server would."""
    batches = [[make() for _ in range(BATCH)] for _ in range(BATCHES_IN_FLIGHT * 20)]
    started = time.perf_counter()
    for at in range(0, len(batches), BATCHES_IN_FLIGHT):
        await asyncio.gather(*(connections.execute(batch) for batch in batches[at : at + BATCHES_IN_FLIGHT]))
    return len(batches) * BATCH / (time.perf_counter() - started)


async def alternate(
    rounds: int, measured: Callable[[], Awaitable[float]], beside: Callable[[], Awaitable[float]]
) -> tuple[float, float, float]:
    """Return the medians of two rates taken in turn, and the median of their ratios."""
    pairs = []
    for number in range(rounds):
        # Who goes first changes too, or a machine that slows down would favour one side.
        first, second = (measured, beside) if number % 2 else (beside, measured)
        rates = (await first(), await second())
        pairs.append(rates if number % 2 else rates[::-1])
    ratios = [rate / beside_rate for rate, beside_rate in pairs]
    return (
        statistics.median(rate for rate, _ in pairs),
        statistics.median(beside_rate for _, beside_rate in pairs),
        statistics.median(ratios),
    )


async def unary(addresses: dict[str, str], rounds: int, seconds: float, root_id: str) -> Figure:
    """Measure Reserve, each call a hold of its own, beside the method that does nothing."""
    usage = usage_pb2.Usage(
        channel=usage_pb2.CHANNEL_SMS, segments=1, recipient="+15551234567", labels={"campaign": "autumn"}
    )
    message = pb.ReserveRequest(account_id=f"{root_id}/field", usage=usage).SerializeToString()
    rate, no_op_rate, ratio = await alternate(
        rounds,
        lambda: load(addresses["creditgate"], RESERVE_METHOD, message, seconds),
        lambda: load(addresses["no_op"], NO_OP_METHOD, message, seconds),
    )
    return Figure("unary Reserve", rate, "no-op method", no_op_rate, ratio, 0.65)


async def store_alone(url: str, rounds: int, root_id: str) -> Figure:
    """Measure the store's reserve, one operation a call, beside a function that does nothing."""
    connections = StoreConnections(url, connections=BATCHES_IN_FLIGHT, reply_timeout_s=30)
    await connections.execute([("FUNCTION", "LOAD", "REPLACE", EMPTY_FUNCTION)])
    key, kept = account_key(partition_of(root_id, PARTITIONS), root_id), LedgerSettings()
    settings = records.pack_settings(
        test_clock=False,
        journal_length=kept.journal_length,
        settled_ms=kept.settled_ms,
        expired_ms=kept.expired_ms,
        charge_ms=kept.charge_ms,
    )

    def reserve() -> tuple[bytes | str | int, ...]:
        account_id, reservation_id = f"{root_id}/field", str(uuid4())
        args = records.pack(
            *(account_id, reservation_id, b"0" * 12, 1, 1, "US", 1, 1, 1, 0),
            *("default", 1, "sms", False, 60_000, 1, ()),
        )
        return ("FCALL", library().decide, 1, key, settings, "reserve", args)

    def empty() -> tuple[bytes | str | int, ...]:
        return ("FCALL", "bench_empty", 1, key, settings, "reserve", b"0" * 80)

    rate, empty_rate, ratio = await alternate(
        rounds, lambda: measure_store(connections, reserve), lambda: measure_store(connections, empty)
    )
    await connections.close()
    return Figure("store's reserve", rate, "empty function", empty_rate, ratio, 0.12)


async def measure(rounds: int, seconds: float) -> list[Figure]:
    """Start the server, measure, and end it."""
    script = Path(__file__).with_name("bench_server.py")
    command = [sys.executable, str(script), str(SERVER_CORE)]
    server = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    if server.stdin is None or server.stdout is None:
        raise TypeError(server)
    try:
        addresses = json.loads(await server.stdout.readline())
        if LOAD_CORE in os.sched_getaffinity(0):
            os.sched_setaffinity(0, {LOAD_CORE})
        await open_organisation(addresses["creditgate"], "bench")
        return [
            await unary(addresses, rounds, seconds, "bench"),
            await store_alone(addresses["store"], rounds, "bench"),
        ]
    finally:
        server.stdin.close()
        await server.wait()


def main() -> None:
    """Measure, print the table, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each pair is measured (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="how long each load lasts (default 3)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    figures = uvloop.run(measure(arguments.rounds, arguments.seconds))
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, durability fsync")
    print(f"{'':18}{'per second':>12}  {'beside':18}{'per second':>12}{'ratio':>8}{'target':>8}")
    for figure in figures:
        print(
            f"{figure.name:18}{figure.rate:12,.0f}  {figure.beside:18}{figure.beside_rate:12,.0f}"
            f"{figure.ratio:8.3f}{figure.target:8.2f}  {'met' if figure.met else 'missed'}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps([asdict(figure) | {"met": figure.met} for figure in figures], indent=2))


if __name__ == "__main__":
    main()

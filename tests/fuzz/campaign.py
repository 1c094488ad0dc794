"""A run of the fuzzing: rounds of recorded calls and of what is made out of them, on a server of its own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc
from tests.faults.processes import PATIENCE_S, ServerProcess
from tests.fuzz import canaries
from tests.fuzz.effects import Effect, Effects, accepted
from tests.fuzz.judgement import complaints
from tests.fuzz.messages import Message, Messages
from tests.fuzz.sending import Answer, send
from tests.fuzz.tour import Call, calls_of

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.ledger import Ledger
from creditgate_server.verification import verify

ROUND_MESSAGES: Final = 1000
"""Messages made out of the calls of one organisation: then most of its accounts are suspended, closed or drained."""

CONCURRENT: Final = 32
"""Calls under way: they meet each other in pipelines, and make the server wait for nothing."""

FLAGS: Final = ("--durability", "memory", "--store-timeout-ms", "20000", "--journal-length", "100000000")
"""Of the server: it waits for its store as long as a busy machine may take, and forgets nothing it did."""


class Fault(Exception):
    """The server has done what it must not; `str()` says what, to whom, and how to see it again."""


@dataclass
class Tally:
    """What was sent and what came back."""

    requests: Counter[str] = field(default_factory=Counter)
    not_requests: Counter[str] = field(default_factory=Counter)
    met: Counter[str] = field(default_factory=Counter)
    effects: int = 0

    @property
    def sent(self) -> int:
        """How many messages, without those that were recorded."""
        return self.requests.total() + self.not_requests.total()


@asynccontextmanager
async def fuzzed_server() -> AsyncIterator[ServerProcess]:
    """Run a server, and check at the end that it has lived through it all, and has logged nothing that it must not."""
    # A short path, whatever the system's temporary directory is: sockets have names of some hundred bytes at most.
    with TemporaryDirectory(prefix="cg-", dir="/tmp") as directory:
        server = ServerProcess(Path(directory), *FLAGS)
        await server.start()
        try:
            yield server
            check_log(server.log)
        finally:
            await server.end()
        if server.process.returncode != 0:
            raise Fault(f"the server ended with status {server.process.returncode}")


async def run(
    server: ServerProcess, seed: int, messages: int, on_progress: Callable[[Tally], None] = lambda _: None
) -> Tally:
    """Send as many messages, and judge each. Raises Fault."""
    connections = StoreConnections(server.store_url, reply_timeout_s=PATIENCE_S)
    tally = Tally()
    try:
        ledger = Ledger(connections)
        await ledger.prepare(create=False)
        effects = Effects(ledger)
        await effects.look()
        async with grpc.aio.insecure_channel(server.target) as channel:
            round_ = _Round(channel, effects, tally, seed)
            while tally.sent < messages:
                await round_.run(min(ROUND_MESSAGES, messages - tally.sent))
                on_progress(tally)
        report = await verify(ledger)
        if report.breaches:
            raise Fault(f"seed {seed}: the ledger is not conserved: {report.breaches[:5]}")
    finally:
        await connections.close()
    return tally


class _Round:
    """The rounds of a run, one after the other."""

    def __init__(self, channel: grpc.aio.Channel, effects: Effects, tally: Tally, seed: int) -> None:
        self._channel = channel
        self._effects = effects
        self._tally = tally
        self._seed = seed
        self._number = 0
        self._admitted: Counter[Effect] = Counter()

    async def run(self, messages: int) -> None:
        """Record the calls of a new organisation, and send messages that are made out of them."""
        organisation = f"fuzz{self._number}"
        recorded = calls_of(organisation)
        self._admitted.clear()
        for call in recorded:
            await self._record(call)
        sent = list(islice(Messages(f"{self._seed}/{self._number}", recorded), messages))
        waiting = iter(sent)

        async def work() -> None:
            for message in waiting:
                await self._send(message)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CONCURRENT):
                    tasks.create_task(work())
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        await self._check_effects(sent)
        self._number += 1

    async def _record(self, call: Call) -> None:
        message = Message(-1, call.method, call.request, is_request=True)
        answer = await self._judge(message)
        if answer.code is not grpc.StatusCode.OK:
            raise Fault(f"a recorded call was refused: {_named(message)}: {answer.details}")

    async def _send(self, message: Message) -> None:
        counter = self._tally.requests if message.is_request else self._tally.not_requests
        counter[message.method.path] += 1
        await self._judge(message)

    async def _judge(self, message: Message) -> Answer:
        request_id = f"fuzz-{self._number}-{message.number}"
        answer = await send(self._channel, message.method, (*message.before, message.data), request_id)
        wrong = list(complaints(message, answer, self._tally.met))
        if wrong:
            raise Fault(self._again(f"{'; '.join(wrong)}\n{_named(message)}"))
        self._admitted.update(accepted(message, answer))
        return answer

    async def _check_effects(self, sent: Sequence[Message]) -> None:
        found = await self._effects.look()
        self._tally.effects += found.total()
        too_many = found - self._admitted
        if too_many:
            suspects = [message for message in sent if any(effect.id.encode() in message.data for effect in too_many)]
            named = "\n".join(map(_named, suspects))
            raise Fault(self._again(f"nobody was told of these effects: {dict(too_many)}\n{named}"))

    def _again(self, what: str) -> str:
        return f"seed {self._seed}, round {self._number}: {what}"


def _named(message: Message) -> str:
    """Name a message so that it can be sent again by hand."""
    frames = " then ".join(frame.hex() for frame in (*message.before, message.data))
    return f"message {message.number}: {message.method.path} {frames}"


def check_log(log: str) -> None:
    """Check that a log has no defect, and none of the texts that no line may have. Raises Fault."""
    for line in log.splitlines():
        if not line.startswith("{"):
            continue
        fields = json.loads(line)
        if fields["level"] == "error" or "exception_type" in fields:
            raise Fault(f"the server has logged a defect: {line}")
        words = [str(value) for name, value in fields.items() if not name.endswith("_id")]
        if any(canaries.seen_in(word.encode()) for word in words):
            raise Fault(f"the server has logged what it must not: {line}")

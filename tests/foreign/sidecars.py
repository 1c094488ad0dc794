"""What stands between a worker and its server, and makes calls fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

SERVICE: Final = "/creditgate.v1.AuthorizationService/"

CHUNK_BYTES: Final = 65536


def refusal(code: grpc.StatusCode, reason: str, retry_delay_ms: int | None = None) -> Status:
    """Make what a server refuses a call with."""
    status = Status(code=code.value[0], message="refused by a test")
    details: list[Any] = [ErrorInfo(reason=reason, domain="creditgate", metadata={"request_id": "r-1"})]
    if retry_delay_ms is not None:
        seconds, milliseconds = divmod(retry_delay_ms, 1000)
        details.append(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=milliseconds * 1_000_000)))
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status


@dataclass(slots=True)
class Refuser:
    """A server that refuses calls as long as it has refusals, and lets a real one answer the others."""

    target: str
    refusals: Mapping[str, Iterator[Status]]
    """By the method's name."""
    calls: list[tuple[str, bytes, float]] = field(default_factory=list)
    """The method, request and time in seconds of each call that came."""

    def calls_of(self, method: str) -> list[tuple[bytes, float]]:
        """Give request and time of the calls of a method."""
        return [(request, time_s) for name, request, time_s in self.calls if name == method]


@contextmanager
def refusing(target: str, **refusals: Status | Iterator[Status]) -> Iterator[Refuser]:
    """Run a server before the one at `target`, which refuses each method that is named: once, or as often as given."""
    each = {name: iter((given,)) if isinstance(given, Status) else given for name, given in refusals.items()}
    server = grpc.server(ThreadPoolExecutor(2))
    with grpc.insecure_channel(target) as channel:
        port = server.add_insecure_port("127.0.0.1:0")
        refuser = Refuser(f"127.0.0.1:{port}", each)
        server.add_generic_rpc_handlers((_Methods(refuser, channel),))
        server.start()
        try:
            yield refuser
        finally:
            server.stop(None).wait()


def always(status: Status) -> Iterator[Status]:
    """Refuse for good."""
    return repeat(status)


class _Methods(grpc.GenericRpcHandler):
    def __init__(self, refuser: Refuser, channel: grpc.Channel) -> None:
        self._refuser = refuser
        self._channel = channel

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes]:
        method = handler_call_details.method
        name = method.removeprefix(SERVICE)
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)

        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            self._refuser.calls.append((name, request, time.monotonic()))
            if refused := next(self._refuser.refusals.get(name, iter(())), None):
                context.abort_with_status(rpc_status.to_status(refused))
            return call(request)

        return grpc.unary_unary_rpc_method_handler(answer)


@dataclass(slots=True)
class Loss:
    """A way to a server that loses an answer."""

    target: str = ""
    connections: int = 0
    lost: int = 0
    """Answers lost: none yet, or one."""


@asynccontextmanager
async def losing_an_answer(target: str, word: str) -> AsyncIterator[Loss]:
    """Carry connections to `target`; the first answer with this word is lost, and its connection cut."""
    host, _, port = target.rpartition(":")
    loss = Loss()
    carrying = set[asyncio.Task[None]]()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await reader.read(CHUNK_BYTES):
            if answers and not loss.lost and word.encode() in data:
                loss.lost += 1
                return
            writer.write(data)
            await writer.drain()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loss.connections += 1
        server_reader, server_writer = await asyncio.open_connection(host, int(port))
        pumps = {
            asyncio.create_task(pump(reader, server_writer, answers=False)),
            asyncio.create_task(pump(server_reader, writer, answers=True)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)  # a side that hung up is no failure of the test
            writer.close()
            server_writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        loss.target = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield loss
        if carrying:
            await asyncio.wait(carrying)

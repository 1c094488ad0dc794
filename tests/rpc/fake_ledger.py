"""Batch and Stream in a server of their own, on a ledger that does as a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1.usage_pb2 import CHANNEL_SMS, Usage
from creditgate_server.credit.operations import Batched, Reserve
from creditgate_server.credit.outcomes import Authorization, Balance, Denial
from creditgate_server.credit.terms import Decision, DenialReason, ReservationState
from creditgate_server.rpc.batches import DoBatch, batch_method
from creditgate_server.rpc.calls import Calls
from creditgate_server.rpc.method import handler_of
from creditgate_server.rpc.stream import stream_method

PATIENCE_S = 20.0
"""Far beyond what any of it takes."""

BALANCE = Balance("acme", "acme", 9, 9, 1, 0, None, 9)
ALLOWED = Authorization(Decision.ALLOWED, None, 1, 1, BALANCE, None, ReservationState.PENDING, 1000)
DENIED = Authorization(Decision.DENIED, Denial(DenialReason.INSUFFICIENT_CREDITS, "acme", 3), 0, 0, BALANCE)


@dataclass
class FakeLedger:
    """Allows all, or does what `outcome` says; remembers what it was asked."""

    outcome: Callable[[Batched], Awaitable[object]] | None = None
    asked: list[tuple[list[Batched], bool]] = field(default_factory=list)

    async def __call__(self, operations: Sequence[Batched], *, atomic: bool) -> Sequence[object]:
        """Do a batch."""
        self.asked.append((list(operations), atomic))
        return [await self.outcome(operation) if self.outcome else ALLOWED for operation in operations]


@dataclass
class Gate:
    """Lets an operation through once it is opened for it, by reservation id; `begun` tells which are under way."""

    begun: list[str] = field(default_factory=list)
    open_for: set[str] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def pass_through(self, operation: Batched) -> object:
        """Wait until the gate is open for an operation."""
        assert isinstance(operation, Reserve)
        async with self._changed:
            self.begun.append(operation.reservation_id)
            self._changed.notify_all()
            await self._changed.wait_for(lambda: operation.reservation_id in self.open_for)
        return ALLOWED

    async def open(self, *reservation_ids: str) -> None:
        """Let operations through."""
        async with self._changed:
            self.open_for.update(reservation_ids)
            self._changed.notify_all()

    async def until_begun(self, count: int) -> None:
        """Wait until so many operations have begun."""
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: len(self.begun) >= count)


@dataclass(frozen=True)
class Client:
    """The methods as clients see them."""

    _batch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
    _stream: grpc.aio.StreamStreamMultiCallable[pb.StreamRequest | bytes, pb.StreamResponse]

    async def batch(
        self, *operations: pb.Operation, atomic: bool = False, metadata: tuple[tuple[str, str], ...] = ()
    ) -> list[pb.Result]:
        """Call Batch."""
        request = pb.BatchRequest(operations=operations, atomic=atomic)
        answer = await self._batch(request.SerializeToString(), timeout=PATIENCE_S, metadata=metadata)
        return list(pb.BatchResponse.FromString(answer).results)

    def stream(
        self, timeout_s: float = PATIENCE_S, metadata: tuple[tuple[str, str], ...] = ()
    ) -> grpc.aio.StreamStreamCall[pb.StreamRequest | bytes, pb.StreamResponse]:
        """Call Stream; frames may be messages, or bytes as they are."""
        return self._stream(timeout=timeout_s, metadata=metadata)


@asynccontextmanager
async def serving(calls: Calls, ledger: DoBatch) -> AsyncIterator[Client]:
    """Serve batches."""
    server = grpc.aio.server()
    methods = [batch_method(calls, ledger), stream_method(calls, ledger)]
    server.add_generic_rpc_handlers((handler_of("test.Service", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Client(
                channel.unary_unary("/test.Service/Batch"),
                channel.stream_stream(
                    "/test.Service/Stream",
                    request_serializer=lambda frame: frame if isinstance(frame, bytes) else frame.SerializeToString(),
                    response_deserializer=pb.StreamResponse.FromString,
                ),
            )
    finally:
        await server.stop(None)


def reserve(reservation_id: str, tag: str = "", account_id: str = "acme", **usage: object) -> pb.Operation:
    """Make an operation that reserves an SMS, of one segment unless `usage` says otherwise."""
    fields: dict[str, object] = {"channel": CHANNEL_SMS, **(usage or {"segments": 1})}
    request = pb.ReserveRequest(
        account_id=account_id,
        reservation_id=reservation_id,
        usage=Usage(**fields),  # type: ignore[arg-type]
    )
    return pb.Operation(tag=tag, reserve=request)


def frame(batch_id: int, *operations: pb.Operation) -> pb.StreamRequest:
    """Make a frame; without operations it reserves `r-` and its own number."""
    return pb.StreamRequest(batch_id=batch_id, operations=operations or [reserve(f"r-{batch_id}")])

"""The adapter of `Stream`: frames come in, and each is answered as soon as it is done."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import grpc

from creditgate.v1 import authorization_pb2 as pb
from creditgate_server.rpc.batches import results_of
from creditgate_server.rpc.calls import Call
from creditgate_server.rpc.errors import (
    DeadlineExceeded,
    ShuttingDown,
    error_of,
    failure_of,
    status_metadata,
)
from creditgate_server.rpc.method import REPLY_S, Method, decode, limit_s, method_name

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from grpc.aio import ServicerContext

    from creditgate_server.rpc.batches import DoBatch
    from creditgate_server.rpc.calls import Calls

FRAMES_MAX: Final = 16
"""Frames of one stream under way: enough to fill pipelines with small ones while answers travel."""

FRAMES_OPERATIONS_MAX: Final = 2000
"""Operations under way with which a stream reads no further frame: well under a tenth of a second of the store."""

STREAM_REPLY_S: Final = REPLY_S / 2
"""How long before its deadline a stream ends: its frames have been answered before, that it has passed."""

_NAME: Final = method_name(pb.StreamRequest)


def stream_method(calls: Calls, do_batch: DoBatch) -> Method:
    """Make the method Stream."""
    calls.metrics.expect_calls(_NAME)

    async def answer(frames: AsyncIterator[bytes], context: ServicerContext[bytes, bytes]) -> None:
        call = Call(calls, _NAME, context)
        try:
            calls.check_open()
            await _Stream(calls, call, context, do_batch).serve(frames)
        except Exception as error:  # noqa: BLE001 (the boundary: nothing else may reach gRPC, or the caller)
            failure = failure_of(error, None)
            request_id = call.broken(error, failure)
        else:
            return
        # It fails where the caller has left, or reads no more and its deadline comes.
        with suppress(grpc.aio.InternalError):
            await context.abort(failure.code, failure.message, status_metadata(failure, request_id))

    return Method(_NAME, grpc.stream_stream_rpc_method_handler(answer))


class _Stream:
    """One stream, and its frames under way."""

    def __init__(self, calls: Calls, call: Call, context: ServicerContext[bytes, bytes], do_batch: DoBatch) -> None:
        self._calls = calls
        self._caller = call.caller
        self._remaining_s = call.remaining_s
        self._context = context
        self._do_batch = do_batch
        self._frames = 0
        self._operations = 0
        self._room = asyncio.Event()
        self._writing = asyncio.Lock()

    async def serve(self, frames: AsyncIterator[bytes]) -> None:
        """Answer frames until the caller has no more.

        Raises MalformedRequest, or ShuttingDown when the server drains, after what was begun is answered; and
        DeadlineExceeded.
        """
        # Now, and not with the first answer: gRPC could not end a stream while that is being sent. It fails where the
        # caller has left, and then there are no frames.
        with suppress(grpc.aio.InternalError):
            await self._context.send_initial_metadata(())
        time_s = None if self._remaining_s is None else limit_s(self._remaining_s, STREAM_REPLY_S)
        try:
            async with asyncio.timeout(time_s):
                await self._serve(frames)
        except TimeoutError:
            raise DeadlineExceeded from None

    async def _serve(self, frames: AsyncIterator[bytes]) -> None:
        closed = asyncio.create_task(self._calls.wait_until_closed())
        async with asyncio.TaskGroup() as answers:
            reading = asyncio.create_task(self._read(frames, answers))
            try:
                await asyncio.wait((reading, closed), return_when=asyncio.FIRST_COMPLETED)
            finally:
                closed.cancel()
                reading.cancel()
                await asyncio.wait((reading,))
        if reading.cancelled():
            raise ShuttingDown
        reading.result()

    async def _read(self, frames: AsyncIterator[bytes], answers: asyncio.TaskGroup) -> None:
        """Begin frames as they come, as long as there is room. Raises MalformedRequest."""
        async for data in frames:
            frame = decode(pb.StreamRequest, data)
            self._frames += 1
            self._operations += len(frame.operations)
            answers.create_task(self._answer(frame))
            while self._frames >= FRAMES_MAX or self._operations >= FRAMES_OPERATIONS_MAX:
                self._room.clear()
                await self._room.wait()

    async def _answer(self, frame: pb.StreamRequest) -> None:
        """Do a frame and send its answer. It is under way until gRPC has taken that, which a slow reader delays."""
        try:
            with Call(self._calls, _NAME, self._context, self._caller) as call:
                response = await self._respond(frame, call)
                data = response.SerializeToString()
                # It fails where the caller has left; then the whole stream is cancelled.
                with suppress(grpc.aio.InternalError):
                    async with self._writing:
                        await self._context.write(data)
        finally:
            self._frames -= 1
            self._operations -= len(frame.operations)
            self._room.set()

    async def _respond(self, frame: pb.StreamRequest, call: Call) -> pb.StreamResponse:
        try:
            results = await results_of(frame.operations, call, self._do_batch, atomic=False)
        except Exception as error:  # noqa: BLE001 (as a call's: it is the frame that failed, and not the stream)
            failure = failure_of(error, None)
            request_id = call.failed(error, failure)
            return pb.StreamResponse(batch_id=frame.batch_id, error=error_of(failure, request_id))
        call.answered(None, len(results))
        return pb.StreamResponse(batch_id=frame.batch_id, results=results)

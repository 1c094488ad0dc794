"""Sends messages as bytes, and gives what came back as bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import grpc
from tests.fuzz.canaries import TOKEN
from tests.fuzz.interface import Method

DEADLINE_S: Final = 20.0
"""Far beyond what an answer takes: who waits so long waits for something that will not come."""

HANG_S: Final = DEADLINE_S + 10
"""When not even gRPC has ended a call whose deadline is long over."""


@dataclass(frozen=True)
class Answer:
    """What came back: messages, and how the call ended (None: not at all)."""

    request_id: str
    messages: tuple[bytes, ...]
    code: grpc.StatusCode | None
    details: str
    trailers: tuple[tuple[str, str | bytes], ...]

    @property
    def words(self) -> bytes:
        """All that it says beside the messages."""
        said = [self.details.encode()]
        for key, value in self.trailers:
            said += [key.encode(), value if isinstance(value, bytes) else value.encode()]
        return b"\n".join(said)


async def send(channel: grpc.aio.Channel, method: Method, frames: tuple[bytes, ...], request_id: str) -> Answer:
    """Call a method: with all frames where it takes many, else with the only one there is."""
    metadata = (("x-request-id", request_id), ("authorization", f"Bearer {TOKEN}"))
    messages: list[bytes] = []
    calling: Any
    if method.streams_requests:
        calling = channel.stream_stream(method.path)
    elif method.streams_responses:
        calling = channel.unary_stream(method.path)
    else:
        calling = channel.unary_unary(method.path)
    sent = _each(frames) if method.streams_requests else frames[0]
    call = calling(sent, timeout=DEADLINE_S, metadata=metadata)
    try:
        async with asyncio.timeout(HANG_S):
            await _receive(method, call, messages)
    except TimeoutError:
        call.cancel()
        return Answer(request_id, tuple(messages), None, "", ())
    except grpc.aio.AioRpcError as error:
        trailers = tuple((each[0], each[1]) for each in error.trailing_metadata())
        return Answer(request_id, tuple(messages), error.code(), error.details() or "", trailers)
    return Answer(request_id, tuple(messages), grpc.StatusCode.OK, "", ())


async def _receive(method: Method, call: Any, messages: list[bytes]) -> None:  # noqa: ANN401 (three kinds of calls)
    if not method.streams_responses:
        messages.append(await call)
        return
    async for message in call:
        messages.append(message)
        if not method.streams_requests:
            call.cancel()  # a watch of health would go on for ever
            return


async def _each(frames: tuple[bytes, ...]) -> AsyncIterator[bytes]:
    for frame in frames:
        yield frame

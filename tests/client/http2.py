"""What goes over a connection, by frames (RFC 9113): enough of HTTP/2 to see what gRPC does below the calls."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
ACK = 1
NOTHING_DONE = bytes(8)
"""Of a GOAWAY: the last stream that was worked on, of which there is none, and no error."""


class Kind(IntEnum):
    """What a frame is, as far as anybody asks here."""

    DATA = 0
    HEADERS = 1
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8


@dataclass(frozen=True)
class Frame:
    """One frame."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    def __bytes__(self) -> bytes:
        head = len(self.payload).to_bytes(3, "big") + bytes((self.kind, self.flags)) + self.stream.to_bytes(4, "big")
        return head + self.payload


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[Frame]:
    """Read frames until the connection ends."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await reader.readexactly(9)
            payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
            yield Frame(head[3], head[4], int.from_bytes(head[5:], "big"), payload)


@dataclass
class Seen:
    """How many frames of each kind have come from the client, and from the server; answers to pings not counted."""

    by_client: Counter[int] = field(default_factory=Counter)
    by_server: Counter[int] = field(default_factory=Counter)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, counter: Counter[int], frame: Frame) -> None:
        """Count a frame."""
        if frame.kind == Kind.PING and frame.flags & ACK:
            return
        async with self._changed:
            counter[frame.kind] += 1
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was seen fulfils a condition."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(condition)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[object, object, None]]
"""Serves one connection, to its end."""


@asynccontextmanager
async def _listening(serve: Serve) -> AsyncIterator[str]:
    connections: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((asyncio.create_task(serve(reader, writer)), writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"{host}:{port}"
    finally:
        server.close()
        for serving, writer in connections:
            writer.close()
            await serving


@asynccontextmanager
async def refusing_server(seen: Seen) -> AsyncIterator[str]:
    """Serve HTTP/2 that hangs up at every call, saying that nobody has looked at it; gives the address."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PREFACE))
        writer.write(bytes(Frame(Kind.SETTINGS, 0, 0, b"")))
        async for frame in frames(reader):
            await seen.note(seen.by_client, frame)
            if frame.kind == Kind.HEADERS:
                writer.write(bytes(Frame(Kind.GOAWAY, 0, 0, NOTHING_DONE)))
            elif frame.kind in {Kind.SETTINGS, Kind.PING} and not frame.flags & ACK:
                payload = frame.payload if frame.kind == Kind.PING else b""
                writer.write(bytes(Frame(frame.kind, ACK, 0, payload)))

    async with _listening(refuse) as address:
        yield address


@asynccontextmanager
async def tapped(address: str, seen: Seen) -> AsyncIterator[str]:
    """Carry connections to a server, and see their frames; gives the address to call."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counter: Counter[int]) -> None:
        async for frame in frames(reader):
            writer.write(bytes(frame))
            await seen.note(counter, frame)
        writer.close()

    async def tap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(*address.split(":"))
        server_writer.write(await reader.readexactly(len(PREFACE)))
        async with asyncio.TaskGroup() as ways:
            ways.create_task(carry(reader, server_writer, seen.by_client))
            ways.create_task(carry(server_reader, writer, seen.by_server))

    async with _listening(tap) as tapped_address:
        yield tapped_address

"""A proxy between server and store that cuts connections, at a point that the test chooses."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

import hiredis

CHUNK_BYTES: Final = 65536


class Cut(Enum):
    """When a connection is cut."""

    BEFORE = "before"
    """The request has come, and the store never sees it."""
    DURING = "during"
    """The store has done what was asked, and only a part of its reply has gone through."""
    AFTER = "after"
    """The whole reply has gone through."""


class CuttingProxy:
    """Carries bytes from a unix socket to another and back; `fault` tells of each request whether to cut, and when."""

    def __init__(self, path: Path, store_path: Path) -> None:
        self.url = f"unix://{path}"
        self.fault: Callable[[bytes], Cut | None] = lambda _: None
        self.cuts = 0
        self._path = path
        self._store_path = store_path
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._accept, self._path)

    async def stop(self) -> None:
        """Cut all that is left."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def decide(self, request: bytes) -> Cut | None:
        """Ask the test about a request, and count the cuts."""
        cut = self.fault(request)
        self.cuts += cut is not None
        return cut

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.create_task(self._carry(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(self._store_path)
        carrier = _Carrier(self)
        ways = [
            asyncio.create_task(carrier.carry_requests(reader, store_writer)),
            asyncio.create_task(carrier.carry_replies(store_reader, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            writer.close()
            store_writer.close()


class _Carrier:
    """Carries one connection, and counts commands and replies to know when a reply is whole."""

    def __init__(self, proxy: CuttingProxy) -> None:
        self._proxy = proxy
        self._cut: Cut | None = None
        self._awaited = 0
        self._commands = hiredis.Reader(notEnoughData=NotImplemented)
        self._replies = hiredis.Reader(notEnoughData=NotImplemented)

    async def carry_requests(self, reader: StreamReader, store: StreamWriter) -> None:
        with suppress(ConnectionError):
            while request := await reader.read(CHUNK_BYTES):
                self._awaited += _completed(self._commands, request)
                self._cut = self._proxy.decide(request)
                if self._cut is Cut.BEFORE:
                    return
                store.write(request)
                await store.drain()

    async def carry_replies(self, store: StreamReader, writer: StreamWriter) -> None:
        with suppress(ConnectionError):
            while reply := await store.read(CHUNK_BYTES):
                self._awaited -= _completed(self._replies, reply)
                if self._cut is Cut.DURING:
                    writer.write(reply[: len(reply) // 2])
                    return
                writer.write(reply)
                await writer.drain()
                if self._cut is Cut.AFTER and not self._awaited:
                    return


def _completed(parser: hiredis.Reader, data: bytes) -> int:
    """Feed a parser, and count the commands or replies that are whole now."""
    parser.feed(data)
    count = 0
    while parser.gets() is not NotImplemented:
        count += 1
    return count

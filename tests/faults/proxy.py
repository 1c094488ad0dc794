"""Proxies between server and store: one cuts connections, another answers in the store's name, as the test chooses."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, cast

import hiredis

CHUNK_BYTES: Final = 65536

Words = list[bytes]
"""Of a command."""

_pack = cast("Callable[[tuple[bytes, ...]], bytes]", hiredis.pack_command)


class Cut(Enum):
    """When a connection is cut."""

    BEFORE = "before"
    """The request has come, and the store never sees it."""
    DURING = "during"
    """The store has done what was asked, and only a part of its reply has gone through."""
    AFTER = "after"
    """The whole reply has gone through."""


class _Proxy(ABC):
    """Carries connections from a unix socket to another."""

    def __init__(self, path: Path, store_path: Path) -> None:
        self.url = f"unix://{path}"
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

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        connection = asyncio.create_task(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _connect(self, reader: StreamReader, writer: StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(self._store_path)
        try:
            await self._carry(_Ends(reader, writer, store_reader, store_writer))
        finally:
            writer.close()
            store_writer.close()

    @abstractmethod
    async def _carry(self, ends: _Ends) -> None: ...


@dataclass(frozen=True, slots=True)
class _Ends:
    """Both ends of a connection that is carried."""

    requests: StreamReader
    answers: StreamWriter
    store_replies: StreamReader
    store: StreamWriter


class CuttingProxy(_Proxy):
    """Carries bytes there and back; `fault` tells of each request whether to cut, and when."""

    def __init__(self, path: Path, store_path: Path) -> None:
        super().__init__(path, store_path)
        self.fault: Callable[[bytes], Cut | None] = lambda _: None
        self.cuts = 0

    def decide(self, request: bytes) -> Cut | None:
        """Ask the test about a request, and count the cuts."""
        cut = self.fault(request)
        self.cuts += cut is not None
        return cut

    async def _carry(self, ends: _Ends) -> None:
        carrier = _Carrier(self)
        ways = [
            asyncio.create_task(carrier.carry_requests(ends.requests, ends.store)),
            asyncio.create_task(carrier.carry_replies(ends.store_replies, ends.answers)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()


class AnsweringProxy(_Proxy):
    """Carries one command after the other; what `answer` gives for one goes back, and the store never sees it."""

    def __init__(self, path: Path, store_path: Path) -> None:
        super().__init__(path, store_path)
        self.answer: Callable[[Words], bytes | None] = lambda _: None
        self.answered = 0

    async def _carry(self, ends: _Ends) -> None:
        commands = hiredis.Reader(notEnoughData=NotImplemented)
        with suppress(ConnectionError):
            while data := await ends.requests.read(CHUNK_BYTES):
                commands.feed(data)
                while (words := commands.gets()) is not NotImplemented:
                    answer = self.answer(words)
                    self.answered += answer is not None
                    ends.answers.write(await _ask(ends, words) if answer is None else answer)
                    await ends.answers.drain()


async def _ask(ends: _Ends, words: Words) -> bytes:
    """Have the store carry out a command; give its whole reply as it came."""
    ends.store.write(_pack(tuple(words)))
    reply, replies = b"", hiredis.Reader(notEnoughData=NotImplemented)
    while part := await ends.store_replies.read(CHUNK_BYTES):
        reply += part
        if _completed(replies, part):
            return reply
    raise ConnectionResetError


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

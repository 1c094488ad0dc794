"""Stores to mistreat: embedded ones, servers with any configuration, and a fake that answers as told."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import hiredis
import pytest

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreAccessRefused, StoreUnreachable
from creditgate_server.store.locate import locate_store_binary

Words = list[bytes]
Answer = Callable[[Words], bytes | None]


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds; a test that waits for longer than a store may take is wrong."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110 (conditions of other processes announce nothing)
                await asyncio.sleep(0.005)

    return wait


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
async def embedded(data_dir: Path) -> AsyncIterator[EmbeddedStore]:
    """A store of the test's own, to be killed and frozen; its end thaws it."""
    async with EmbeddedStore(data_dir, durability=Durability.MEMORY) as store:
        yield store
        if store.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(store.pid, signal.SIGCONT)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[..., StoreConnections]]:
    """Make StoreConnections that are closed when the test ends."""
    opened: list[StoreConnections] = []

    def make(url: str, **settings: float) -> StoreConnections:
        opened.append(StoreConnections(url, **settings))  # type: ignore[arg-type]
        return opened[-1]

    yield make
    for connections in opened:
        await connections.close()


@pytest.fixture
async def ask(connect: Callable[..., StoreConnections]) -> Callable[..., Awaitable[object]]:
    """Send one command to a store and give its reply."""

    async def send(store: EmbeddedStore, *command: str | int) -> object:
        connections = connect(store.url, connections=1, reply_timeout_s=5)
        (reply,) = await connections.execute([command])
        await connections.close()
        return reply

    return send


@pytest.fixture
async def setting(ask: Callable[..., Awaitable[object]]) -> Callable[[EmbeddedStore, str], Awaitable[str]]:
    """Read one setting of a store."""

    async def read(store: EmbeddedStore, name: str) -> str:
        reply = await ask(store, "CONFIG", "GET", name)
        assert isinstance(reply, list)
        return str(reply[1].decode())

    return read


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Run a bare server with any options on a unix socket and give its address."""
    processes: list[Process] = []

    async def start(*options: str, binary: Path | None = None, url: str | None = None) -> str:
        directory = tmp_path / f"server-{len(processes)}"
        directory.mkdir()
        process = await asyncio.create_subprocess_exec(
            binary or locate_store_binary().path,
            *("--port", "0", "--save", "", "--dir", str(directory)),
            *("--logfile", str(directory / "log"), "--unixsocket", str(directory / "socket"), *options),
        )
        processes.append(process)
        address = url or f"unix://{directory / 'socket'}"
        probe = StoreConnections(address, connections=1)
        for _ in itertools.repeat(None):
            assert process.returncode is None, (directory / "log").read_text()
            try:
                await probe.execute([("PING",)])
            except StoreAccessRefused:
                break
            except StoreUnreachable:
                await asyncio.sleep(0.005)
            else:
                break
        await probe.close()
        return address

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture
async def fake_store() -> AsyncIterator[Callable[[Answer], Awaitable[str]]]:
    """Serve RESP on a TCP port: each command's words go to a function, which gives the bytes to send or None.

    None closes the connection.
    """
    servers: list[asyncio.Server] = []

    async def start(answer: Answer) -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            parser = hiredis.Reader(notEnoughData=NotImplemented)
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    parser.feed(data)
                    while (words := parser.gets()) is not NotImplemented:
                        reply = answer(words)
                        if reply is None:
                            data = b""
                            break
                        writer.write(reply)
                    if not data:
                        break
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        servers.append(server)
        return f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    yield start
    for server in servers:
        server.close()

"""Servers, stores, clients and load of a test's own, all ended with it, whatever was done to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import pytest
from tests.faults.decisions import open_organisation
from tests.faults.processes import PATIENCE_S, PATIENT, LoadProcess, PrivateDisk, ServerProcess

from creditgate import aio
from creditgate.retries import ONE_ATTEMPT, RetryPolicy
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreError

QUICK = RetryPolicy(attempts_max=10_000, backoff_s=0.01, backoff_s_max=0.05)
"""For calls that shall be answered in the end, as soon as somebody can."""


class RunServer(Protocol):
    """Starts a server in a directory of its own and waits until it decides."""

    async def __call__(
        self,
        *flags: str,
        redis_url: str | None = None,
        private_disk: PrivateDisk | None = None,
        preload: Path | None = None,
    ) -> ServerProcess: ...


class Connect(Protocol):
    """Makes a client that makes each call `once`, or else insists for PATIENCE_S."""

    def __call__(self, server: ServerProcess, *, once: bool = False) -> aio.Client: ...


class Drive(Protocol):
    """Opens an organisation with CREDITS, and starts to send its messages through a server."""

    async def __call__(self, server: ServerProcess) -> LoadProcess: ...


class Command(Protocol):
    """Sends a command to a store, as its operator would, and gives the reply."""

    async def __call__(self, *words: str | int) -> object: ...


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, whatever the system's temporary directory is."""
    directory = Path(tempfile.mkdtemp(prefix="cg-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def run_server(place: Path) -> AsyncIterator[RunServer]:
    servers: list[ServerProcess] = []

    async def run(
        *flags: str,
        redis_url: str | None = None,
        private_disk: PrivateDisk | None = None,
        preload: Path | None = None,
    ) -> ServerProcess:
        directory = place / f"server-{len(servers)}"
        directory.mkdir()
        server = ServerProcess(directory, *flags, redis_url=redis_url, private_disk=private_disk, preload=preload)
        servers.append(server)
        await server.start()
        return server

    yield run
    for server in servers:
        await server.end()


@pytest.fixture
async def server(run_server: RunServer) -> ServerProcess:
    """A server with an embedded store."""
    return await run_server()


@pytest.fixture
async def servers(run_server: RunServer, store: EmbeddedStore) -> list[ServerProcess]:
    """Two servers on one store, which other tests use too."""
    return [await run_server(redis_url=store.url) for _ in range(2)]


@pytest.fixture
async def external_store(place: Path) -> AsyncIterator[EmbeddedStore]:
    """A store of the test's own, which a server is told of by its address."""
    async with EmbeddedStore(place / "store", durability=Durability.MEMORY) as store:
        yield store


@pytest.fixture
async def external_server(run_server: RunServer, external_store: EmbeddedStore) -> ServerProcess:
    """A server on that store."""
    return await run_server(*PATIENT, redis_url=external_store.url)


@pytest.fixture
async def command(external_store: EmbeddedStore) -> AsyncIterator[Command]:
    """The operator's connection to that store, let in before anything was changed."""
    connections = StoreConnections(external_store.url, connections=1, reply_timeout_s=PATIENCE_S)

    async def send(*words: str | int) -> object:
        (reply,) = await connections.execute([words])
        assert not isinstance(reply, StoreError), reply
        return reply

    yield send
    await connections.close()


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        def make(server: ServerProcess, *, once: bool = False) -> aio.Client:
            policy = ONE_ATTEMPT if once else QUICK
            client = aio.Client(server.target, timeout_s=PATIENCE_S, retries=policy)
            stack.push_async_callback(client.close)
            return client

        yield make


@pytest.fixture
async def drive(connect: Connect, organisation: str) -> AsyncIterator[Drive]:
    loads: list[LoadProcess] = []

    async def start(server: ServerProcess) -> LoadProcess:
        await open_organisation(connect(server), organisation)
        loads.append(LoadProcess(server, organisation))
        await loads[-1].start()
        return loads[-1]

    yield start
    for load in loads:
        await load.end()

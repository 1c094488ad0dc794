"""Stores of a test's own, servers of several versions on them, and clients."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.conftest import running_store
from tests.upgrade.versions import PATIENCE_S, NoRevision, Server, Version, previous, sibling

from creditgate import aio
from creditgate.retries import ONE_ATTEMPT
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore

Serve = Callable[..., Server]
"""Starts a server of a version, in a directory of its own, with further flags; `on`: the address of its store."""

Connect = Callable[[Server], aio.Client]
"""Makes a client of a server, which makes each call once."""


@pytest.fixture(scope="session")
def sibling_version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """A version whose functions are others than ours."""
    return sibling(tmp_path_factory.mktemp("sibling"))


@pytest.fixture(scope="session")
def previous_version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    """The revision before ours, as the history has it."""
    try:
        return previous(tmp_path_factory.mktemp("previous"))
    except NoRevision as reason:
        pytest.skip(f"NOT TRIED: a store shared with the revision before ({reason})")


@pytest.fixture(scope="module")
def elder(request: pytest.FixtureRequest) -> Version:
    """A version to work beside ours: the one before, or, where that is not to be had, one made for it."""
    version: Version
    try:
        version = request.getfixturevalue("previous_version")
    except pytest.skip.Exception:
        version = request.getfixturevalue("sibling_version")
    return version


@contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory whose path is short enough for sockets, whatever the system's temporary directory is."""
    directory = Path(tempfile.mkdtemp(prefix="cg-", dir="/tmp"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of the test's own."""
    with short_directory() as directory:
        yield directory


@pytest.fixture
def own_store(place: Path) -> Iterator[EmbeddedStore]:
    """An empty store, for nobody else."""
    with running_store(place / "store") as store:
        yield store


@pytest.fixture
async def own_connections(own_store: EmbeddedStore) -> AsyncIterator[StoreConnections]:
    """The operator's way to that store."""
    connections = StoreConnections(own_store.url, connections=1, reply_timeout_s=PATIENCE_S)
    yield connections
    await connections.close()


@pytest.fixture
def serve(place: Path) -> Iterator[Serve]:
    with ExitStack() as stack:
        count = 0

        def start(version: Version, *flags: str, on: str | None = None) -> Server:
            nonlocal count
            count += 1
            flags = flags if on is None else (*flags, "--redis-url", on)
            return stack.enter_context(version.serving(place / f"server-{count}", *flags))

        yield start


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    async with AsyncExitStack() as stack:

        def make(server: Server) -> aio.Client:
            client = aio.Client(server.target, timeout_s=PATIENCE_S, retries=ONE_ATTEMPT)
            stack.push_async_callback(client.close)
            return client

        yield make

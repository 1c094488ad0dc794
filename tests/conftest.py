"""What tests that need a store share: one real store for each worker process."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import structlog

from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore

pytest_plugins = ["creditgate.testing", "pytester"]


@contextmanager
def running_store(directory: Path) -> Iterator[EmbeddedStore]:
    """Run a store as the server runs it, but without waiting for the disk.

    Each test has its own event loop; the store is supervised by another, in a thread that lives as long as the context.
    """
    embedded = EmbeddedStore(directory, durability=Durability.MEMORY)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="store-supervision")
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(embedded.start(), loop).result()
        yield embedded
        asyncio.run_coroutine_threadsafe(embedded.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedStore]:
    """A real store for each worker process. Connect to `store.url`.

    Keep apart by organisation, and do not stop, freeze or flush it.
    """
    with running_store(tmp_path_factory.mktemp("store") / "data") as embedded:
        yield embedded


@pytest.fixture(autouse=True)
def _logs_of_its_own() -> None:
    """Forget how an earlier test of this process has configured logs."""
    structlog.reset_defaults()


@pytest.fixture
def organisation() -> str:
    """The id of a root account that no other test uses; not from `random`, whose seed tests share."""
    return f"org-{secrets.token_hex(6)}"

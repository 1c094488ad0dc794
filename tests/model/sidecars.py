"""Two engines on one store, each with connections of its own, as two sidecars have."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.ledger.time_of_store import ledger_time_ms

from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.keys import partition_of
from creditgate_server.store.ledger import Ledger, LedgerSettings
from creditgate_server.store.library import Library

PATIENCE_S = 30.0
"""How long an operation may wait for a busy machine."""

JOURNAL_LENGTH = 1_000_000
"""Entries kept of a partition: the whole history of its organisations, for `verify`."""


@dataclass(frozen=True)
class Sidecars:
    """Two engines, and the connections of the first for what is asked of the store itself."""

    engines: tuple[Engine, Engine]
    connections: StoreConnections

    @property
    def ledger(self) -> Ledger:
        return self.engines[0].ledger

    async def now_ms(self, root: str) -> int:
        """Return the ledger's time, which is the same in all partitions."""
        return await ledger_time_ms(self.connections, partition_of(root, self.ledger.partitions))


@asynccontextmanager
async def own_store() -> AsyncIterator[str]:
    """Run an empty store for as long as it is needed; yields its address."""
    with TemporaryDirectory(prefix="creditgate-model-") as directory:
        store = EmbeddedStore(Path(directory) / "data", durability=Durability.MEMORY)
        await store.start()
        try:
            yield store.url
        finally:
            await store.stop()


@asynccontextmanager
async def open_sidecars(url: str, functions: Library | None = None) -> AsyncIterator[Sidecars]:
    """Open both; `functions` take the place of the library of this version."""
    settings = LedgerSettings(test_clock=True, journal_length=JOURNAL_LENGTH)
    patient = CollectorSettings(interval_s=0, wait_max_s=PATIENCE_S)
    async with AsyncExitStack() as stack:
        engines: list[Engine] = []
        connections: list[StoreConnections] = []
        for _ in range(2):
            own = StoreConnections(url, reply_timeout_s=PATIENCE_S)
            stack.push_async_callback(own.close)
            ledger = Ledger(own, settings, functions=functions)
            await ledger.prepare()
            engines.append(await stack.enter_async_context(Engine(ledger, patient)))
            connections.append(own)
        yield Sidecars((engines[0], engines[1]), connections[0])

"""Records as a version of the sidecar writes them, with what it told of them.

`python -m tests.upgrade.make_records REVISION` writes those of a revision to `data/schema-N.json`, N being its schema.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.conftest import running_store
from tests.upgrade.records import take_records, write_document
from tests.upgrade.story import Document, look, tell
from tests.upgrade.versions import PATIENCE_S, Version, unpack

from creditgate import aio
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.ledger import Ledger, LedgerSettings

DATA: Final = Path(__file__).with_name("data")


async def make_records(version: Version, place: Path) -> Document:
    """Let a version live the story on a store of its own; return what it told, and what it left."""
    with running_store(place / "store") as store:
        connections = StoreConnections(store.url, reply_timeout_s=PATIENCE_S)
        clock = Ledger(connections, LedgerSettings(test_clock=True))
        with version.serving(place / "server", "--test-clock", "--redis-url", store.url) as server:
            async with aio.Client(server.target, timeout_s=PATIENCE_S) as client:
                told = await tell(client, clock.advance_test_clock)
                seen = await look(client)
            server.stop()
        taken = await take_records(connections)
        await connections.close()
    return {"told": told, "seen": seen, "taken": taken.as_document()}


def main(revision: str) -> None:
    """Write the records of a revision."""
    with tempfile.TemporaryDirectory(prefix="cg-", dir="/tmp") as directory:
        place = Path(directory)
        version = unpack(revision, place / "version")
        write_document(DATA / f"schema-{version.schema}.json", asyncio.run(make_records(version, place)))


if __name__ == "__main__":
    main(*sys.argv[1:])

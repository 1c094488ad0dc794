"""How a store's data is laid out: by which schema, over how many partitions. That is chosen once, for good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate_server.store import keys
from creditgate_server.store.errors import StoreError, StoreProblem, StoreUnfit

if TYPE_CHECKING:
    from creditgate_server.store.connections import Command, StoreConnections

SCHEMA_VERSION: Final = 2
"""Of the records in `lua/codec.lua` and the keys in `keys.py`; a store of another version is refused.

Versions of the sidecar that share it work on one store side by side, so it must change with whatever one of them would
misread, or would drop when it writes a record anew: it decodes the values that it knows, and encodes no others. What is
new and shall not change it stands in keys, or in fields of hashes, that older versions leave alone; or nobody asks for
it before all are new, as `docs/upgrading.md` says of plans.
"""

PARTITIONS: Final = 64
"""Partitions of a new store: enough to spread over any cluster, few enough to sweep one by one."""

CHOOSE: Final[tuple[Command, ...]] = (
    ("HSETNX", keys.META, "schema", SCHEMA_VERSION),
    ("HSETNX", keys.META, "partitions", PARTITIONS),
)
"""Commands that lay out a new store, and leave any other as it is."""

_READ: Final[Command] = ("HMGET", keys.META, "schema", "partitions")


@dataclass(frozen=True, slots=True)
class Layout:
    """What was chosen when the store was new."""

    schema: int
    partitions: int


async def look(connections: StoreConnections) -> Layout | None:
    """Return the layout of a store, None where it holds no ledger.

    Raises StoreUnfit where this version cannot work on it, and what `StoreConnections.execute` raises.
    """
    (reply,) = await connections.execute((_READ,))
    if isinstance(reply, StoreError):
        raise reply
    schema, partitions = reply if isinstance(reply, list) else (None, None)
    if schema is None or partitions is None:
        return None
    try:
        layout = Layout(int(schema), int(partitions))
    except ValueError:
        raise StoreUnfit(connections.name, (_NO_LAYOUT,)) from None
    if layout.schema != SCHEMA_VERSION:
        raise StoreUnfit(connections.name, (_other_schema(layout.schema),))
    if layout.partitions < 1:
        raise StoreUnfit(connections.name, (_NO_LAYOUT,))
    return layout


_NO_LAYOUT: Final = StoreProblem(
    f"its key {keys.META} holds no numbers that lay out a ledger, so something else than creditgate wrote it",
    "give another store, or another database of this one",
)


def _other_schema(schema: int) -> StoreProblem:
    found = f"its data has schema version {schema}, this version of creditgate works on {SCHEMA_VERSION} alone"
    if schema > SCHEMA_VERSION:
        return StoreProblem(f"a newer creditgate wrote it ({found})", "start that one again, or give another store")
    return StoreProblem(f"an older creditgate wrote it ({found})", "start that one again, or give an empty store")

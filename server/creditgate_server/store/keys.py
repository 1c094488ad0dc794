"""Where things stand in the store: the keys that callers name. The functions derive all others, within a hash tag."""

from __future__ import annotations

from typing import Final
from zlib import crc32

META: Final = "cg:meta"
"""Hash: the schema version and the number of partitions, chosen once."""

LIBRARIES: Final = "cg:libraries"
"""List: the digests of the function libraries that sidecars have loaded, the latest first."""

RATE_CARDS: Final = "cg:cards"
"""Hash: every version of every rate card, by `id@version`; fields are only ever added."""


def partition_of(root_id: str, partitions: int) -> int:
    """Return the partition that holds an organisation, stable for good."""
    return crc32(root_id.encode()) % partitions


def account_key(partition: int, account_id: str) -> str:
    """Return the key of an account's hash; its hash tag is that of all keys of its organisation."""
    return f"cg:{{{partition}}}:a:{account_id}"


def partition_key(partition: int) -> str:
    """Return the key that routes work on a whole partition: its index of roots with anything due."""
    return f"cg:{{{partition}}}:due"


def journal_key(partition: int) -> str:
    """Return the key of a partition's journal stream."""
    return f"cg:{{{partition}}}:j"


def clock_key(partition: int) -> str:
    """Return the key of the milliseconds by which the test clock is ahead."""
    return f"cg:{{{partition}}}:clock"

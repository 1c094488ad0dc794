"""What an acknowledged decision may rely on."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """How safe a decision is by the time it is answered."""

    FSYNC = "fsync"
    """On the store's disk: the append-only file is synced before the reply."""

    MEMORY = "memory"
    """Whatever the store does: its crash, or its machine's, may lose decisions that were answered."""

"""Ids that the server makes where a caller brings none."""

from __future__ import annotations

import os
import secrets
import time
from itertools import count
from typing import Final
from uuid import UUID

_PROCESS: Final = secrets.token_hex(6)
_numbers: Final = count(1)


def new_reservation_id() -> str:
    """Make a UUID of version 7 (RFC 9562, 5.7): milliseconds since 1970, then 74 random bits."""
    time_ms = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    high, low = random >> 64 & 0xFFF, random & (1 << 62) - 1
    return str(UUID(int=time_ms << 80 | 0x7 << 76 | high << 64 | 0b10 << 62 | low))


def new_request_id() -> str:
    """Make an id that no other process and no other call of this one has: in errors and logs, not in the ledger."""
    return f"{_PROCESS}-{next(_numbers):x}"

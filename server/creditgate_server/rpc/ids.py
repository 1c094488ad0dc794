"""Ids that the server makes where a caller brings none."""

from __future__ import annotations

import os
import secrets
import time
from itertools import count
from typing import Final

_PROCESS: Final = secrets.token_hex(6)
_numbers: Final = count(1)


def new_reservation_id() -> str:
    """Make a UUID of version 7 (RFC 9562, 5.7): milliseconds since 1970, then 74 random bits.

    Written out here, for the standard library's UUID takes three times as long.
    """
    random = int.from_bytes(os.urandom(10))
    high, low = random >> 64 & 0xFFF, random & (1 << 62) - 1
    digits = f"{time.time_ns() // 1_000_000:012x}7{high:03x}{0b10 << 62 | low:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def new_request_id() -> str:
    """Make an id that no other process and no other call of this one has: in errors and logs, not in the ledger."""
    return f"{_PROCESS}-{next(_numbers):x}"

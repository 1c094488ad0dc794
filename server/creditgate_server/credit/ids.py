"""Account paths and operation ids: their form, and what follows from it."""

from __future__ import annotations

import re
from typing import Final

_PART: Final = r"[a-z0-9][a-z0-9._-]{0,62}"
_ACCOUNT_ID: Final = re.compile(rf"{_PART}(?:/{_PART}){{0,3}}")
_OPERATION_ID: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,126}[\x21-\x7e])?")

ACCOUNT_ID_RULE: Final = "1 to 4 parts joined by '/', each [a-z0-9][a-z0-9._-]{0,62}, such as acme/field"
OPERATION_ID_RULE: Final = "1 to 128 printable ASCII characters, no space at either end"


def is_account_id(text: str) -> bool:
    """Tell whether `text` has the form of an account id (ACCOUNT_ID_RULE)."""
    return _ACCOUNT_ID.fullmatch(text) is not None


def is_operation_id(text: str) -> bool:
    """Tell whether `text` may be a reservation, charge or grant id (OPERATION_ID_RULE)."""
    return _OPERATION_ID.fullmatch(text) is not None


def root_of(account_id: str) -> str:
    """Return the organisation an account belongs to: the path's first part. It decides where the data lives."""
    return account_id.partition("/")[0]


def parent_of(account_id: str) -> str | None:
    """Return the account one level up, or None for a root."""
    parent, slash, _ = account_id.rpartition("/")
    return parent if slash else None

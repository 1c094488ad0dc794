"""What `doctor` finds: one check, its result, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check turned out."""

    OK = "ok"
    NOTE = "note"
    """It could not be made, or what it found is as it may be."""
    WARNING = "warning"
    """It works, and may not always."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and, unless all is well, the remedy."""

    name: str
    status: Status
    finding: str
    remedy: str = ""

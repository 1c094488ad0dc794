"""What `error_reason.proto` says of each reason.

A comment has a form: code and cause; then a remedy, whether to ask again, and what metadata the reason adds, each a
line or more that begins with its word; then a sample.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROTO: Final = Path(__file__).resolve().parents[2] / "proto/creditgate/v1/error_reason.proto"

_REASON: Final = re.compile(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = [1-9]")
_COMMENT: Final = re.compile(
    r"(?P<code>[A-Z_]+)(?:, with (?P<details>[^`]*`[^`]*`[^.]*))?\. (?P<cause>.*?) "
    r"Remedy: (?P<remedy>.*?) Again: (?P<again>.*?) (?:Metadata: (?P<metadata>.*?) )?Sample: (?P<sample>\{.*\})"
)


@dataclass(frozen=True)
class Documented:
    """What the comment of a reason says; `details` is what the status carries besides `ErrorInfo`, "" for nothing."""

    reason: str
    code: str
    details: str
    cause: str
    remedy: str
    again: str
    metadata: str
    sample: dict[str, str]

    @property
    def has_no_effect(self) -> bool:
        """Whether a call that failed so has done nothing for certain."""
        return "No effect" in self.cause


def documented() -> dict[str, Documented]:
    """Read the comments of all reasons. Raises ValueError for one that has another form."""
    found = {}
    for comment, reason in _REASON.findall(PROTO.read_text("utf-8")):
        text = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        match = _COMMENT.fullmatch(" ".join(text.split()))
        if match is None:
            raise ValueError(f"the comment of {reason} has another form")
        sample = json.loads(match["sample"])
        if sample.keys() != {"reason", "metadata"} or sample["reason"] != reason:
            raise ValueError(f"the sample of {reason} is another's")
        found[reason] = Documented(
            reason,
            match["code"],
            match["details"] or "",
            match["cause"],
            match["remedy"],
            match["again"],
            match["metadata"] or "",
            sample["metadata"],
        )
    return found

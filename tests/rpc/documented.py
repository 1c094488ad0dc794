"""What `error_reason.proto` says of each reason."""

from __future__ import annotations

import json
import re
from pathlib import Path

PROTO = Path(__file__).resolve().parents[2] / "proto/creditgate/v1/error_reason.proto"


def comments() -> dict[str, str]:
    """Read each reason's comment, by reason."""
    found = re.findall(r"((?:  //.*\n)+)  ERROR_REASON_(\w+) = [1-9]", PROTO.read_text("utf-8"))
    return {reason: comment for comment, reason in found}


def sample(reason: str) -> dict[str, str]:
    """Read the metadata of a reason's sample."""
    lines = re.sub(r"^  //", "", comments()[reason], flags=re.MULTILINE)
    shown = json.loads(lines.partition("Sample:")[2])
    assert shown.pop("reason") == reason
    metadata: dict[str, str] = shown.pop("metadata")
    assert shown == {}
    return metadata

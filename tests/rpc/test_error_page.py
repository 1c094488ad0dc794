"""docs/errors.md: what of it is written by hand is true. The rest is generated, which scripts/check holds."""

from __future__ import annotations

import re
from pathlib import Path

from creditgate.errors import _DENIED_BY_REASON
from creditgate.v1.decision_pb2 import DenialReason

PAGE = (Path(__file__).resolve().parents[2] / "docs/errors.md").read_text("utf-8")


def test_every_denial_is_named_with_its_exception() -> None:
    table = PAGE.partition("| reason | what stopped it | what helps | in Python |\n")[2].partition("\n\n")[0]
    named = re.findall(r"^\| (\w+) \|.*\| `(\w+)` \|$", table, re.MULTILINE)

    reasons = [name.removeprefix("DENIAL_REASON_") for name, number in DenialReason.items() if number]

    assert dict(named) == {reason.name: kind.__name__ for reason, kind in _DENIED_BY_REASON.items()}
    assert [reason for reason, _ in named] == reasons


def test_every_link_within_the_page_leads_somewhere() -> None:
    titles = re.findall(r"^##+ (.*)$", PAGE, re.MULTILINE)
    places = {title.lower().replace(" ", "-") for title in titles}

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= places

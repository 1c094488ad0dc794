"""`rates`: cards from YAML, and the line that is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command

CARD = """\
id: {card_id}
rules:
  - name: sms
    channel: SMS
    regions: [US, CA]
    unit: SEGMENT
    credits_per_unit: 2
    maximum_segments: 3
"""


@pytest.fixture
def file(tmp_path: Path, organisation: str) -> Path:
    """A rate card in a file; its id is the organisation's, for no two tests share one."""
    path = tmp_path / "card.yaml"
    path.write_text(CARD.format(card_id=organisation), encoding="utf-8")
    return path


def test_puts_a_card_and_shows_it(ask: Command, file: Path, organisation: str) -> None:
    first, again = (ask("rates", "put", str(file)) for _ in range(2))

    assert first.out == f"{organisation} version 1 stored\n"
    assert "has these rules already" in again.out
    card = ask("rates", "show", organisation, "--json").document["rate_card"]
    assert (card["version"], card["rules"][0]["regions"], card["rules"][0]["maximum_segments"]) == (1, ["US", "CA"], 3)
    assert "US CA" in ask("rates", "show", organisation).out
    assert organisation in ask("rates").out
    listed = ask("rates", "list", "--json").document["rate_cards"]
    assert [each["rule_count"] for each in listed if each["rate_card_id"] == organisation] == [1]


def test_shows_an_older_version(ask: Command, file: Path, organisation: str) -> None:
    ask("rates", "put", str(file))
    file.write_text(CARD.format(card_id=organisation).replace(": 2", ": 5"), encoding="utf-8")
    ask("rates", "put", str(file))

    shown = ask("rates", "show", organisation, "--card-version", "1", "--json").document["rate_card"]
    missing = ask("rates", "show", organisation, "--card-version", "9")

    assert shown["rules"][0]["credits_per_unit"] == 2
    assert missing.status == 4
    assert "`creditgate rates`" in missing.err


def test_checks_a_card_without_a_server(run: Command, file: Path, organisation: str) -> None:
    ran = run("rates", "check", str(file), "--json")

    assert ran.status == 0
    assert ran.document["rate_card"]["rate_card_id"] == organisation


@pytest.mark.parametrize("action", ["check", "put"])
def test_names_the_line_that_is_wrong(run: Command, file: Path, action: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace("SEGMENT", "SEGMNT"), encoding="utf-8")

    ran = run("rates", action, str(file))

    assert ran.status == 2
    assert ran.err.startswith(f"creditgate: {file}:6: rules[0].unit: ")
    assert len(ran.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"id: acme\nrules: \xff\n", ":2: is not UTF-8", id="bytes"),
        pytest.param(b"id: [\n", "is not valid YAML", id="no YAML"),
        pytest.param(b"", "is empty", id="empty"),
    ],
)
def test_a_file_that_is_no_card_is_a_usage_error(run: Command, file: Path, content: bytes, expected: str) -> None:
    file.write_bytes(content)

    ran = run("rates", "check", str(file))

    assert ran.status == 2
    assert expected in ran.err


def test_a_file_that_is_not_there_is_named(run: Command, tmp_path: Path) -> None:
    ran = run("rates", "check", str(tmp_path / "none.yaml"))

    assert ran.status == 2
    assert "none.yaml: No such file" in ran.err

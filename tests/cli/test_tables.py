"""How answers look: whole on every width, and never able to command the terminal."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from creditgate_server.cli import tables
from creditgate_server.cli.views import Facts, Sentence, Table, Text, Tone, View

GRANTS = Table(
    ("Grant", "Kind", "Remaining", "Note"),
    [("invoice-2026-11-0001", "purchased", 1_000_000, "a long remark on these credits"), ("b", "plan", -7, "")],
)


def drawn(*views: View, width: int = 200, is_terminal: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=is_terminal, highlight=False, markup=False)
    tables.draw(console, views)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [200, 80, 60, 40, 20])
def test_nothing_is_cut_on_any_width(width: int) -> None:
    lines = drawn(GRANTS, width=width).splitlines()

    assert all(len(line) <= width for line in lines)
    shown = "".join("".join(lines).split())
    for word in ("1,000,000", "-7", "plan", "remark", "invoice-", "2026-11-", "0001"):
        assert word in shown


@pytest.mark.parametrize("width", range(40, 130, 3))
def test_no_table_is_ragged(width: int) -> None:
    ids = ["acme", "acme/venue-in-the-north-of-the-city/second-floor", "0192f3c1-7a7b-7cc3-98c4-dc0c0c07398f"]
    table = Table(("Account", "Kind", "Limit left", "Note"), [(each, "plan", 1_000_000, "a remark") for each in ids])

    text = re.sub(r"\x1b\[[0-9;]*m", "", drawn(table, width=width, is_terminal=True))

    widths = {len(line) for line in text.splitlines()}
    assert max(widths) <= width
    is_table = "─" in text
    assert is_table or width < 60
    assert len(widths) == 1 or not is_table


def test_a_long_id_is_broken_behind_a_separator() -> None:
    text = drawn(Table(("Account", "Credits"), [("acme/venue-in-the-north-of-the-city", 7)] * 2), width=32)

    assert [line.split()[0] for line in text.splitlines()[2:4]] == ["acme/venue-in-the-", "north-of-the-city"]


def test_only_columns_that_can_be_read_broken_are_narrowed() -> None:
    rows = [("0192f3c1-7a7b-7cc3-98c4-dc0c0c07398f", 1_000_000_000, "some words that can be broken anywhere")]

    text = drawn(Table(("Reservation", "Credits", "Note"), rows), width=55)

    assert "1,000,000,000" in text
    assert text.count("Reservation") == 1


def test_what_fills_a_line_is_no_part_of_a_file() -> None:
    lines = tables.drawn([GRANTS, Facts([("a", "b"), ("longer", "c")])]).splitlines()

    assert [line for line in lines if line.endswith(" ")] == []


def test_a_terminal_too_narrow_for_a_row_shows_it_as_lines() -> None:
    wide, narrow = (drawn(GRANTS, width=width) for width in (80, 40))

    assert wide.count("Remaining") == 1
    assert narrow.count("Remaining") == 2


def test_numbers_stand_below_each_other() -> None:
    rows = [line for line in drawn(GRANTS, width=80).splitlines() if "1,000,000" in line or "-7" in line]

    assert rows[0].index("1,000,000") + len("1,000,000") == rows[1].index("-7") + len("-7")


def test_columns_and_facts_without_values_are_left_out() -> None:
    table = drawn(Table(("Account", "Debt"), [("acme", None), ("b", "")]))

    assert "Debt" not in table
    assert "debt" not in drawn(Facts([("account", "acme"), ("debt", None)]))


def test_an_empty_table_says_so() -> None:
    assert drawn(Table(("Account",), [], empty="no accounts")).strip() == "no accounts"


def test_other_peoples_words_cannot_command_the_terminal() -> None:
    evil = "\x1b[2J[red]x[/red]\r\nnext"

    text = drawn(Sentence(Text(evil)), Table(("Name",), [(evil,)]), Facts([("name", evil)]))

    assert "\x1b" not in text
    assert "\r" not in text
    assert text.count(r"\x1b[2J[red]x[/red]\r\nnext") == 3


def test_colours_are_for_terminals() -> None:
    sentence = Sentence(Text("denied", Tone.BAD))

    assert drawn(sentence) == "denied\n"
    assert drawn(sentence, is_terminal=True) != "denied\n"


def test_a_pipe_is_never_too_narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    note = "word " * 100

    assert note.strip() in tables.drawn([Table(("Note", "Number"), [(note.strip(), 1)])])

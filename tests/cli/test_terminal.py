"""What people see on a terminal: answers that fit it, colours where they are wanted, and bars for what takes long."""

from __future__ import annotations

import os
import pty
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment_of
from tests.cli.terminal import Terminal, without_control_sequences

from creditgate_server.cli import tables

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer

COLOURS = re.compile(r"\x1b\[(?:\d+;)*3[0-9]m")

PLAN = "what-was-agreed-upon-with-the-whole-chain-of-restaurants"

ROLL_OVER = "--roll-over 1000 --roll-over-for 90d --roll-over-priority -7"

HOLD = "0192f3c1-7a7b-7cc3-98c4-dc0c0c07398f"


def shown(target: str, *words: str, width: int = 80, **variables: str) -> str:
    """Run a command on a terminal; give all that it shows there."""
    environment = {**environment_of({"TARGET": target}), **variables}
    with Terminal([sys.executable, "-m", "creditgate_server", *words], environment, width) as terminal:
        return terminal.read_all()


@pytest.fixture
def venue(ask: Command) -> str:
    """An account whose ids are longer than any terminal likes them, with something of everything."""
    root = f"org-{secrets.token_hex(6)}-which-is-a-chain-of-restaurants"
    account_id = f"{root}/venue-in-the-north-of-the-city/second-floor"
    for words in (
        f"accounts create {root} {root}/venue-in-the-north-of-the-city {account_id} --name The-second-floor",
        f"grant {root} 1000000 --id invoice-2026-11-00000000000000000001 --actor ann@example.com --reference PO-4711",
        f"grant {root} 50 --id promotion --kind promotional --channel voice --region AU --region NZ --expires 90d",
        f"grant {account_id} 400 --kind allotment",
        f"plan set {account_id} 2000 --every week --name {PLAN} --channel sms {ROLL_OVER} --time-zone Europe/Berlin",
        f"plan set {account_id} 3000 --every year --at-period-end --id {HOLD}",
        f"reserve {account_id} --segments 3 --ttl 2h --id {HOLD}",
    ):
        assert ask(*words.split()).status == 0
    return account_id


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_every_answer_fits(ask: Command, venue: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    root = venue.partition("/")[0]

    for words in (
        ["accounts", "list", "--account", root],
        ["accounts", "show", venue],
        ["grants", root, "--below"],
        ["grants", root, "promotion"],
        ["holds", root, "--below"],
        ["holds", venue, HOLD],
        ["balance", venue],
        ["plan", venue],
        ["plan", "set", venue, "3000", "--every", "year", "--at-period-end", "--id", HOLD],
        ["quote", venue, "--segments", "2"],
        ["explain", venue, HOLD],
        ["rates", "show", "default"],
    ):
        lines = ask(*words).out.splitlines()
        assert lines, words
        assert [line for line in lines if len(line) > width] == [], words


def test_a_terminal_says_how_wide_it_is(server: RunningServer, venue: str) -> None:
    wide, narrow = (without_control_sequences(shown(server.target, "holds", venue, width=width)) for width in (200, 60))

    assert venue in wide
    assert venue not in narrow
    assert all(len(line) <= 60 for line in narrow.splitlines())


def test_a_command_that_helps_is_one_line_that_can_be_copied(
    ask: Command, venue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert f"\n  creditgate grant {venue} 103 --kind allotment\n" in ask("explain", venue, "--segments", "500").out


def test_colours_are_for_terminals_and_for_those_who_want_them(server: RunningServer, ask: Command, venue: str) -> None:
    words = ("explain", venue, "--segments", "500")

    assert COLOURS.search(shown(server.target, *words))
    assert not COLOURS.search(shown(server.target, *words, NO_COLOR="1"))
    assert "\x1b" not in ask(*words).out


Watched = Callable[[], str]
"""Gives what was shown on the terminal of standard error since it was asked last."""


@contextmanager
def errors_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    controller, terminal = pty.openpty()
    os.set_blocking(controller, False)

    def watched() -> str:
        try:
            return os.read(controller, 65_536).decode()
        except BlockingIOError:
            return ""

    with os.fdopen(terminal, "w", encoding="utf-8") as stream, monkeypatch.context() as patch:
        patch.setenv("TERM", "xterm")
        patch.setattr(sys, "stderr", stream)
        yield watched
    os.close(controller)


def test_what_takes_long_shows_how_far_it_is(
    ask: Command, organisation: str, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "PROGRESS_DELAY_S", 0.0)

    for words, description in (
        (("accounts", "create", organisation, f"{organisation}/a", f"{organisation}/b"), "creating accounts"),
        (("accounts", "list", organisation), "reading accounts"),
        (("holds", "--account", organisation), "reading accounts"),
        (("grants", organisation, "--below"), "reading accounts"),
        (("verify", "--data-dir", str(server.data_dir)), "verifying"),
    ):
        with errors_on_a_terminal(monkeypatch) as watched:
            ran = ask(*words)
            assert description in watched(), words
        assert ran.status == 0
        assert description not in ran.out


def test_what_is_quick_shows_no_bar(ask: Command, organisation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PROGRESS_DELAY_S", 3600.0)

    with errors_on_a_terminal(monkeypatch) as watched:
        ask("accounts", "create", organisation)
        assert watched() == ""


def test_a_bar_is_for_terminals(ask: Command, organisation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PROGRESS_DELAY_S", 0.0)

    assert ask("accounts", "create", organisation).err == ""

"""`accounts` and `balance`: what is created, shown and changed."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment_of
from tests.cli.terminal import Terminal

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer

COMMAND = (sys.executable, "-m", "creditgate_server")


def test_creates_accounts_in_order(ask: Command, organisation: str) -> None:
    ran = ask("accounts", "create", organisation, f"{organisation}/field", "--json")

    assert ran.status == 0
    created = [(each["account"]["account_id"], each["replayed"]) for each in ran.document["accounts"]]
    assert created == [(organisation, False), (f"{organisation}/field", False)]


def test_creating_again_changes_nothing_and_succeeds(ask: Command, funded: str) -> None:
    ran = ask("accounts", "create", funded)

    assert (ran.status, ran.out) == (0, f"{funded} existed already\n")


def test_creates_an_account_with_the_settings_that_are_said(ask: Command, organisation: str) -> None:
    settings = ("--name", "Acme", "--overdraft-limit", "5", "--inbound-overdraft-limit", "7", "--floor", "-3")
    terms = ("--enforcement", "monitor", "--late-commit", "reject", "--overage", "cap", "--limit-counts-inbound")

    created = ask("accounts", "create", organisation, *settings, *terms, "--json").document["accounts"][0]["account"]

    expected = {
        "account_id": organisation,
        "display_name": "Acme",
        "status": "ACTIVE",
        "funding": "OWN",
        "enforcement": "MONITOR",
        "overdraft_limit": 5,
        "inbound_overdraft_limit": 7,
        "floor": -3,
        "late_commit": "REJECT",
        "overage": "CAP",
        "rate_card_id": "",
        "limit_counts_inbound": True,
    }
    assert {name: created[name] for name in expected} == expected


def test_says_which_account_to_create_first(ask: Command, organisation: str) -> None:
    ran = ask("accounts", "create", f"{organisation}/field")

    assert ran.status == 4
    assert f"`creditgate accounts create {organisation}`" in ran.err


def test_accounts_without_an_action_lists_them(ask: Command, funded: str) -> None:
    ask("accounts", "create", f"{funded}/field", "--name", "Field team")

    plain, listed, below = (
        ask("accounts", *words, "--json").document["accounts"] for words in ((), ("list",), ("list", funded))
    )

    ours = [each for each in plain if each["account"]["account_id"].startswith(funded)]
    assert [each["balance"]["available"] for each in ours] == [100, 100]
    assert all(each in listed for each in ours)
    assert [each["account"]["account_id"] for each in below] == [f"{funded}/field"]
    table = ask("accounts").out
    assert "Field team" in table
    assert "Limit left" not in table or "100" in table


def test_an_update_changes_what_is_said_and_nothing_else(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--floor", "10", "--name", "Acme")

    changed = ask("accounts", "update", funded, "--floor", "none", "--status", "suspended", "--json")

    shown = ask("accounts", "show", funded, "--json").document["account"]
    assert changed.document["account"] == shown
    assert (shown["floor"], shown["status"], shown["display_name"]) == (None, "SUSPENDED", "Acme")
    assert "suspended" in ask("accounts", "show", funded).out


def test_an_update_of_nothing_is_refused(ask: Command, funded: str) -> None:
    ran = ask("accounts", "update", funded)

    assert ran.status == 2
    assert "say what to change" in ran.err


def test_closes_an_account_for_good(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "60", "--direction", "inbound")

    closed, again = (ask("accounts", "close", funded) for _ in range(2))

    assert (closed.status, again.status) == (0, 0)
    assert f"{funded} is closed for good" in closed.out
    assert "40 credits" in closed.out
    assert "was closed before" in again.out
    assert ask("accounts", "show", funded, "--json").document["account"]["status"] == "CLOSED"
    refused = ask("grant", funded, "1", "--json")
    assert (refused.status, refused.document["error"]["reason"]) == (4, "ACCOUNT_CLOSED")


def test_debt_is_written_off_at_the_end(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "130", "--direction", "inbound")

    assert "30 credits of debt" in ask("accounts", "close", funded).out


def test_an_account_that_is_not_empty_says_where_to_look(ask: Command, funded: str) -> None:
    ask("accounts", "create", f"{funded}/field")

    ran = ask("accounts", "close", funded)

    assert ran.status == 4
    assert f"`creditgate holds {funded}` and `creditgate accounts list {funded}`" in ran.err


def test_balance_has_what_scripts_rely_on(ask: Command, funded: str) -> None:
    ask("reserve", funded, "--segments", "30")
    ask("charge", funded, "--segments", "90", "--direction", "inbound")

    document = ask("balance", funded, "--json").document

    known = {name: document[name] for name in ("account_id", "available", "reserved", "debt")}
    assert known == {"account_id": funded, "available": -20, "reserved": 30, "debt": 20}
    assert [grant["grant_id"] for grant in document["grants"]] == ["first"]


def test_balance_shows_every_level_to_people(ask: Command, funded: str) -> None:
    field = f"{funded}/field"
    ask("accounts", "create", field)
    ask("grant", field, "40", "--kind", "allotment", "--id", "cap")

    ran = ask("balance", field)

    assert ran.status == 0
    lines = {line.split()[0]: line for line in ran.out.splitlines() if line.strip()}
    assert "40" in lines["cap"]
    assert "allotment" in lines["cap"]
    assert "(pays)" in lines[funded]
    assert "40" in lines["limit"]


def test_balance_says_that_an_account_is_suspended(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--status", "suspended")

    assert any(line.split() == ["status", "suspended"] for line in ask("balance", funded).out.splitlines())


def test_an_unknown_account_is_said_to_be_unknown(ask: Command, organisation: str) -> None:
    ran = ask("balance", organisation, "--json")

    assert ran.status == 4
    assert ran.document["error"]["reason"] == "ACCOUNT_NOT_FOUND"
    assert f"`creditgate accounts create {organisation}`" in ran.err


@pytest.mark.parametrize("account_id", ["Acme", "acme/", "", "a/b/c/d/e"])
def test_an_id_that_no_account_can_have_is_a_usage_error(ask: Command, account_id: str) -> None:
    ran = ask("balance", account_id)

    assert ran.status == 2
    assert ran.err.startswith("creditgate: ACCOUNT ")
    assert len(ran.err.splitlines()) == 1


def test_an_account_is_closed_in_one_way_only(ask: Command, funded: str) -> None:
    ran = ask("accounts", "update", funded, "--status", "closed")

    assert ran.status == 2
    assert ran.err.endswith("argument --status: write one of active, suspended, not 'closed'\n")


def test_what_was_created_before_a_failure_is_said(ask: Command, organisation: str) -> None:
    ran = ask("accounts", "create", organisation, f"{organisation}/a/b", f"{organisation}/c")

    assert ran.status == 4
    assert ran.out == f"{organisation} created\n"
    assert f"`creditgate accounts create {organisation}/a`" in ran.err


def test_accounts_with_nothing_left_stand_out(server: RunningServer, ask: Command, funded: str) -> None:
    ask("accounts", "create", f"{funded}/empty", "--funding", "own")

    with Terminal([*COMMAND, "accounts", "list", funded], environment_of({"TARGET": server.target})) as terminal:
        shown = terminal.read_all()

    assert re.search(r"\x1b\[31m *0\x1b", shown)

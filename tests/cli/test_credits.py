"""`grant` and `grants`: credits given, and who gave them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


def test_a_grant_shows_the_id_that_makes_it_repeatable(ask: Command, funded: str) -> None:
    given = ask("grant", funded, "50", "--json").document
    shown = ask("grant", funded, "50", "--id", given["grant"]["grant_id"])

    assert given["balance"]["available"] == 150
    assert given["grant"]["grant_id"] in shown.out
    assert "by an earlier call" in shown.out
    assert ask("balance", funded, "--json").document["available"] == 150


def test_a_grant_carries_all_that_is_said_of_it(ask: Command, funded: str) -> None:
    terms = ("--kind", "promotional", "--priority", "-5", "--channel", "sms", "--channel", "mms", "--region", "us")
    remarks = ("--actor", "ops", "--reference", "inv-7", "--note", "sorry for [bold]March")

    grant = ask(
        "grant", funded, "50", *terms, *remarks, "--effective", "2020-01-01", "--expires", "2099-12-31", "--json"
    ).document["grant"]

    expected = {
        "kind": "PROMOTIONAL",
        "priority": -5,
        "scope": {"channels": ["SMS", "MMS"], "regions": ["US"]},
        "expire_time": "2099-12-31T00:00:00Z",
        "actor": "ops",
        "reference": "inv-7",
        "note": "sorry for [bold]March",
    }
    assert {name: grant[name] for name in expected} == expected
    listed = ask("grants", funded).out
    assert "sorry for [bold]March" in listed
    assert "2099-12-31 00:00:00Z" in listed
    assert "sms, mms, US" in listed


def test_an_expiry_may_be_said_from_now(ask: Command, funded: str) -> None:
    before = datetime.now(UTC)

    expire_time = ask("grant", funded, "50", "--expires", "90d", "--json").document["grant"]["expire_time"]

    left = datetime.fromisoformat(expire_time) - before
    assert timedelta(days=90, seconds=-2) < left < timedelta(days=90, minutes=1)


def test_a_grant_says_what_it_repaid(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "130", "--direction", "inbound")

    ran = ask("grant", funded, "50")

    assert "repaid debt" in ran.out
    assert ask("balance", funded, "--json").document["available"] == 20


def test_ended_grants_are_listed_when_asked_for(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "100", "--direction", "inbound")

    live, all_ = (ask("grants", funded, *words, "--json").document["grants"] for words in ((), ("--ended",)))

    assert live == []
    assert [(each["grant_id"], each["state"], each["captured"]) for each in all_] == [("first", "EXHAUSTED", 100)]
    assert "--ended lists those that have ended" in ask("grants", funded).out


@pytest.mark.parametrize("amount", ["0", "-5", "1000000000001", "99999999999999999999"])
def test_an_amount_out_of_bounds_has_no_effect(ask: Command, funded: str, amount: str) -> None:
    ran = ask("grant", funded, amount)

    assert ran.status == 2
    assert ran.err.startswith("creditgate: credits ")
    assert ask("balance", funded, "--json").document["available"] == 100


def test_an_id_that_was_used_for_something_else_is_refused(ask: Command, funded: str) -> None:
    ran = ask("grant", funded, "101", "--id", "first", "--json")

    assert ran.status == 4
    assert ran.document["error"]["reason"] == "ID_REUSED"

"""`grant`, `grants`, `revoke`, `transfer` and `refund`: credits given, taken back and moved, and by whom."""

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


def test_credits_that_nobody_would_spend_are_said_to_be(ask: Command, funded: str) -> None:
    team = f"{funded}/team"
    ask("accounts", "create", team)

    assert f"{funded} pays for {team}" in " ".join(ask("grant", team, "50").out.split())
    assert "pays for" not in ask("grant", team, "50", "--kind", "allotment").out
    assert "pays for" not in ask("grant", funded, "50").out


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


def test_revokes_what_remains_of_a_grant(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "30", "--direction", "inbound")

    first, again = (ask("revoke", funded, "first", "--actor", "ann", "--note", "a mistake") for _ in range(2))

    assert (first.status, again.status) == (0, 0)
    assert "70 credits of first revoked\n" in first.out
    assert any(line.split() == ["spent", "for", "good", "30"] for line in first.out.splitlines())
    assert "by an earlier call" in again.out
    (grant,) = ask("grants", funded, "--ended", "--json").document["grants"]
    assert (grant["state"], grant["revoked"], grant["captured"]) == ("REVOKED", 70, 30)


def test_claws_back_what_was_spent(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "30", "--direction", "inbound")
    ask("grant", funded, "50", "--id", "second")

    answer = ask("revoke", funded, "first", "--claw-back", "--json").document

    assert (answer["revoked"], answer["clawed_back"], answer["balance"]["available"]) == (70, 30, 20)


def test_a_grant_that_is_not_there_says_where_to_look(ask: Command, funded: str) -> None:
    ran = ask("revoke", funded, "nothing")

    assert ran.status == 4
    assert f"`creditgate grants {funded} --ended`" in ran.err


def test_moves_credits_to_another_account(ask: Command, funded: str) -> None:
    venue = f"{funded}/venue"
    ask("accounts", "create", venue, "--funding", "own")

    moved, again = (ask("transfer", funded, venue, "40", "--id", "t-1", "--reference", "Q3") for _ in range(2))

    assert (moved.status, again.status) == (0, 0)
    assert f"40 credits moved from {funded} to {venue}" in moved.out
    assert "by an earlier call" in again.out
    assert [ask("balance", each, "--json").document["available"] for each in (funded, venue)] == [60, 40]
    made = ask("transfer", funded, venue, "1", "--json").document
    assert len(made["transfer_id"]) == 16


@pytest.mark.parametrize(
    ("funding", "amount", "remedy"),
    [
        pytest.param("own", "101", "see `creditgate balance {}`", id="too many"),
        pytest.param("parent", "1", "see `creditgate accounts show {}/venue`", id="paid for"),
    ],
)
def test_a_transfer_that_cannot_be_says_why(ask: Command, funded: str, funding: str, amount: str, remedy: str) -> None:
    ask("accounts", "create", f"{funded}/venue", "--funding", funding)

    ran = ask("transfer", funded, f"{funded}/venue", amount)

    assert ran.status == 4
    assert remedy.format(funded) in ran.err


def test_refunds_a_reservation_in_parts(ask: Command, funded: str) -> None:
    ask("reserve", funded, "--segments", "30", "--id", "msg-1")
    ask("commit", funded, "msg-1")

    part = ask("refund", funded, "msg-1", "--credits", "10", "--id", "ticket-7")
    too_much = ask("refund", funded, "msg-1", "--credits", "21")
    rest = ask("refund", funded, "msg-1", "--json").document
    nothing = ask("refund", funded, "msg-1")

    assert "10 credits refunded" in part.out
    assert "ticket-7" in part.out
    assert too_much.status == 4
    assert "without --credits" in too_much.err
    assert (rest["credits"], rest["restored"], len(rest["refund_id"])) == (20, 20, 16)
    assert "nothing was left to refund" in nothing.out
    assert ask("balance", funded, "--json").document["available"] == 100


def test_refunds_a_charge(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "130", "--direction", "inbound", "--id", "in-1")

    ran = ask("refund", funded, "--charge", "in-1")

    assert ran.status == 0
    assert "130 credits refunded" in ran.out
    assert any(line.split() == ["repaid", "debt", "30"] for line in ran.out.splitlines())


def test_what_nobody_had_paid_is_said(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--enforcement", "monitor")
    ask("charge", funded, "--segments", "110", "--direction", "outbound", "--id", "out-1")

    assert "10 credits, let through where nobody enforces" in ask("refund", funded, "--charge", "out-1").out


@pytest.mark.parametrize("words", [(), ("msg-1", "--charge", "in-1")], ids=["none", "both"])
def test_a_refund_has_one_target(ask: Command, funded: str, words: tuple[str, ...]) -> None:
    ran = ask("refund", funded, *words)

    assert ran.status == 2
    assert "--charge" in ran.err


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

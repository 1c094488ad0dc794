"""`explain`: sentences that say what is decided and why, then tables of the grants and limits that it rests on."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from creditgate import answers, terms
from creditgate_server.cli import tables
from creditgate_server.cli.explanation_views import explained

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def teams(ask: Command, funded: str) -> str:
    """An organisation with 100 credits, of which its team `field` may spend 40, and some that cannot be spent on it."""
    ask("accounts", "create", f"{funded}/field")
    ask("grant", f"{funded}/field", "40", "--kind", "allotment", "--id", "cap")
    ask("grant", f"{funded}/field", "7", "--id", "own")
    ask("grant", funded, "50", "--id", "promo", "--kind", "promotional", "--channel", "mms", "--priority", "-1")
    ask("grant", funded, "60", "--id", "oceania", "--region", "AU", "--region", "NZ", "--priority", "-1")
    ask("grant", funded, "500", "--id", "new-year", "--effective", "2099-01-01")
    ask("grant", funded, "9", "--id", "spare", "--priority", "5")
    return funded


def told(ask: Command, *words: str) -> list[str]:
    ran = ask("explain", *words)
    assert (ran.status, ran.err) == (0, "")
    return ran.out.splitlines()


def cells(lines: list[str], title: str) -> list[list[str]]:
    """The rows of the table below a title, cell by cell."""
    start = lines.index(title) + 3
    rows = iter([*lines[start:], ""])
    return [re.split(r"  +", line.strip()) for line in itertools.takewhile(bool, rows)]


GRANTS = "Grants, in the order in which they burn"


def test_what_can_be_paid_is_said_with_its_price(ask: Command, teams: str) -> None:
    lines = told(ask, f"{teams}/field", "--body", "hello", "--to", "+14155550100")

    wallet = "a wallet with 219 credits available, 109 of which may be spent on this"
    assert lines[:5] == [
        f"{teams}/field can pay 1 credit.",
        "It costs 1 credit, by rule sms of rate card default, version 1.",
        f"{teams} pays for {teams}/field, out of {wallet}.",
        "The next credits begin on 2099-01-01 00:00:00Z: 500 credits.",
        "",
    ]


def test_every_grant_says_what_it_does(ask: Command, teams: str) -> None:
    grants = cells(told(ask, f"{teams}/field", "--body", "hello", "--to", "+14155550100"), GRANTS)

    assert sorted(grants[:5]) == [
        ["first", teams, "purchased", "100", "1"],
        ["new-year", teams, "purchased", "500", "begins on 2099-01-01 00:00:00Z"],
        ["oceania", teams, "purchased", "60", "only for AU, NZ"],
        ["promo", teams, "promotional", "50", "only for mms"],
        ["spare", teams, "purchased", "9", "not needed"],
    ]
    assert grants[5:] == [["own", f"{teams}/field", "purchased", "7", f"{teams}/field does not pay here"]]


def test_every_limit_says_what_it_leaves(ask: Command, teams: str) -> None:
    usage = ("--body", "hello")

    assert cells(told(ask, f"{teams}/field", *usage), "Limits") == [[f"{teams}/field", "40", "enough"]]
    assert cells(told(ask, f"{teams}/field", *usage, "--direction", "inbound"), "Limits") == [
        [f"{teams}/field", "40", "does not count this"]
    ]


def test_a_limit_that_is_reached_says_what_is_left_and_what_helps(ask: Command, teams: str) -> None:
    lines = told(ask, f"{teams}/field", "--segments", "45")

    assert lines[0] == f"{teams}/field cannot pay 45 credits: its limit has 40 left, 5 too few."
    helps = lines.index(f"This raises the limit of {teams}/field by as many:")
    assert lines[helps + 1] == f"  creditgate grant {teams}/field 5 --kind allotment"
    assert cells(lines, "Limits") == [[f"{teams}/field", "40", "5", "too little"]]


def test_a_limit_above_is_named(ask: Command, teams: str) -> None:
    ask("accounts", "create", f"{teams}/field/east")

    lines = told(ask, f"{teams}/field/east", "--segments", "45")

    assert lines[0] == f"{teams}/field/east cannot pay 45 credits: the limit of {teams}/field has 40 left, 5 too few."


def test_a_wallet_that_is_too_small_says_what_there_is(ask: Command, teams: str) -> None:
    ask("accounts", "create", f"{teams}/sales")

    team, root = (told(ask, level, "--segments", "300") for level in (f"{teams}/sales", teams))

    missing = "has 109 to spend on this, 191 too few."
    assert team[0] == f"{teams}/sales cannot pay 300 credits: the wallet of {teams} {missing}"
    assert root[0] == f"{teams} cannot pay 300 credits: its wallet {missing}"
    assert f"  creditgate grant {teams} 191" in root


def test_an_overdraft_counts_as_what_there_is(ask: Command, teams: str) -> None:
    ask("accounts", "update", teams, "--overdraft-limit", "50")

    assert told(ask, teams, "--segments", "300")[0].endswith(
        "its wallet has 109 to spend on this and may go 50 below zero, 141 too few."
    )


def test_a_limit_says_when_it_grows(ask: Command, teams: str) -> None:
    ask("grant", f"{teams}/field", "40", "--kind", "allotment", "--effective", "2098-06-01")

    assert f"The limit of {teams}/field grows on 2098-06-01 00:00:00Z." in told(
        ask, f"{teams}/field", "--segments", "45"
    )


def test_monitoring_and_switching_off_are_said(ask: Command, teams: str) -> None:
    ask("accounts", "update", f"{teams}/field", "--enforcement", "monitor")
    ask("accounts", "update", teams, "--enforcement", "off")

    lines = told(ask, f"{teams}/field", "--segments", "45")

    level = f"{teams}/field"
    assert lines[0] == f"{level} may send this, though its limit has 40 left, 5 too few: {level} only monitors."
    assert ["first", teams, "purchased", "100", f"{teams} enforces nothing"] in cells(lines, GRANTS)
    assert cells(lines, "Limits") == [[level, "40", "5", "only monitored"]]
    assert not any("creditgate grant" in line for line in lines)


def test_what_is_out_of_use_is_said(ask: Command, teams: str) -> None:
    for level in (teams, f"{teams}/field"):
        ask("accounts", "update", level, "--status", "suspended")

    lines = told(ask, f"{teams}/field", "--segments", "1")

    assert lines[0] == f"{teams}/field may not send this: {teams}/field is suspended."
    assert f"{teams} is suspended." in lines
    assert f"  creditgate accounts update {teams}/field --status active" in lines


def test_what_no_credits_would_help_says_what_does(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--floor", "100")

    lines = told(ask, funded, "--segments", "1", "--priority", "bulk")

    assert lines[0].startswith(f"{funded} cannot pay 1 credit: the floor of {funded} keeps credits from BULK usage")
    assert "What helps: transactional usage may go below the floor." in lines


def test_an_empty_wallet_has_no_grants(ask: Command, organisation: str) -> None:
    ask("accounts", "create", organisation)

    lines = told(ask, organisation, "--segments", "1")

    assert (
        f"{organisation} pays for itself, out of a wallet with 0 credits available; there are no grants in it." in lines
    )


def test_a_reservation_says_how_it_was_paid(ask: Command, teams: str) -> None:
    ask("accounts", "update", teams, "--overdraft-limit", "50")
    ask("accounts", "update", f"{teams}/field", "--enforcement", "monitor")
    ask("reserve", f"{teams}/field", "--segments", "120", "--id", "msg-1", "--ttl", "1h")

    held = told(ask, f"{teams}/field", "msg-1")
    ask("commit", f"{teams}/field", "msg-1", "--credits", "105")
    ask("refund", f"{teams}/field", "msg-1", "--credits", "2")
    committed = told(ask, f"{teams}/field", "msg-1")

    assert held[0].startswith(f"msg-1 of {teams}/field holds 120 credits until ")
    assert held[1] == (
        "It was granted 120 credits for 1 recipient, at 120 credits a recipient (sms, of card default version 1)."
    )
    assert held[2] == f"{teams} pays for {teams}/field."
    assert cells(held, "Held") == [
        [teams, "wallet", "first", "100"],
        [teams, "wallet", "spare", "9"],
        [teams, "wallet", "no grant: overdraft", "11"],
        [f"{teams}/field", "limit", "cap", "40"],
        [f"{teams}/field", "limit", "no grant: not enforced", "80"],
    ]
    assert committed[0] == f"msg-1 of {teams}/field is committed; 105 credits captured, 2 of them refunded."
    assert [teams, "wallet", "first", "100"] in cells(committed, "Captured")


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        pytest.param((), "say what to explain", id="nothing"),
        pytest.param(("msg-1", "--segments", "1"), "a reservation has its usage", id="both"),
    ],
)
def test_what_is_explained_is_one_thing(ask: Command, funded: str, words: tuple[str, ...], advice: str) -> None:
    ran = ask("explain", funded, *words)

    assert ran.status == 2
    assert advice in ran.err


def test_a_document_has_it_all(ask: Command, teams: str) -> None:
    document = ask("explain", f"{teams}/field", "--segments", "45", "--json").document

    assert (document["decision"], document["payer_id"], document["credits_short"]) == ("DENIED", teams, 5)
    verdicts = {each["grant"]["grant_id"]: each["verdict"] for each in document["grants"]}
    assert verdicts["promo"] == "OTHER_CHANNEL"
    assert document["limits"][0]["shortfall"] == 5
    assert (document["next_credit_time"], document["next_credits"]) == ("2099-01-01T00:00:00Z", 500)


def test_a_verdict_of_a_newer_server_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    balance = answers.Balance(
        account_id="acme",
        payer_id="acme",
        available=5,
        usable=3,
        reserved=2,
        debt=1,
        limit_left=None,
        units_left=None,
    )
    grant = answers.GrantBalance(
        grant_id="g1",
        account_id="acme",
        kind=terms.GrantKind.PLAN,
        remaining=5,
        held=0,
        priority=0,
        scope=answers.Scope(),
        effective_time=None,
        expire_time=None,
    )
    explanation = answers.Explanation(
        cost=None,
        decision=terms.Decision.ALLOWED,
        denial=None,
        balance=balance,
        payer_id="acme",
        levels=(),
        grants=(answers.GrantExplanation(grant=grant, verdict=terms.GrantVerdict(42), credits=0),),
        limits=(),
        rate=None,
        credits_short=0,
        next_credit_time=None,
        next_credits=0,
        reservation=None,
    )

    shown = tables.drawn(explained(explanation))

    assert "5 credits available, 3 of which may be spent on this, 2 reserved, a debt of 1." in shown
    assert shown.splitlines()[-1].split() == ["g1", "acme", "plan", "5", "unrecognized", "42"]

"""`explain`: sentences that say who pays, with which grants, why not with others, and what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate import answers, terms
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


def test_every_grant_says_what_it_does(ask: Command, teams: str) -> None:
    lines = told(ask, f"{teams}/field", "--body", "hello", "--to", "+14155550100")

    assert lines[:2] == [
        f"{teams}/field may send this.",
        "It costs 1 credit, by rule sms of rate card default, version 1.",
    ]
    assert lines[2].startswith(f"{teams} pays for {teams}/field, out of a wallet with 219 credits available")
    assert sorted(lines[3:8]) == [
        "  first (purchased) would pay 1 of its 100 credits.",
        "  new-year (purchased) cannot pay yet: its 500 credits begin on 2099-01-01 00:00:00Z.",
        "  oceania (purchased) cannot pay: its 60 credits are for AU, NZ only.",
        "  promo (promotional) cannot pay: its 50 credits are for mms only.",
        "  spare (purchased) is not needed: its 9 credits stay.",
    ]
    assert lines[8:] == [
        f"{teams}/field has credits of its own, which do not pay here:",
        "  own (purchased) has 7 credits.",
        f"The limit of {teams}/field leaves 40 credits, which is enough.",
        "The next credits begin on 2099-01-01 00:00:00Z: 500 credits.",
    ]


def test_a_denial_says_how_many_are_short_and_what_helps(ask: Command, teams: str) -> None:
    lines = told(ask, f"{teams}/field", "--segments", "45")

    assert lines[0] == f"{teams}/field may not send: the limit of {teams}/field is 5 credits short."
    assert f"The limit of {teams}/field leaves 40 credits, 5 too few." in lines
    assert lines[-1].startswith(f"What helps: `creditgate grant {teams}/field 5 --kind allotment`")


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
    assert lines[0] == f"{level} may send this, though the limit of {level} is 5 credits short: {level} only monitors."
    assert f"  first (purchased) is not touched: {teams} enforces nothing; its 100 credits stay." in lines
    assert f"The limit of {level} leaves 40 credits, 5 too few, but is only monitored." in lines
    assert not any("What helps" in line for line in lines)


def test_what_is_out_of_use_is_said(ask: Command, teams: str) -> None:
    for level in (teams, f"{teams}/field"):
        ask("accounts", "update", level, "--status", "suspended")

    lines = told(ask, f"{teams}/field", "--segments", "1")

    assert lines[0] == f"{teams}/field may not send: {teams}/field is suspended."
    assert f"{teams} is suspended." in lines


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
    assert held[2:] == [
        f"{teams} pays for {teams}/field.",
        f"Of the wallet of {teams}:",
        "  first holds 100 credits.",
        "  spare holds 9 credits.",
        "  No grant covers 11 credits: overdraft.",
        f"Of the limit of {teams}/field:",
        "  cap holds 40 credits.",
        "  80 credits let through: it was not enforced.",
    ]
    assert committed[0] == f"msg-1 of {teams}/field is committed; 105 credits captured, 2 of them refunded."
    assert "  first paid 100 credits." in committed


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


def test_a_verdict_of_a_newer_server_is_shown_as_it_is() -> None:
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

    wallet, shown = [text.words for text in explained(explanation)][1:]
    assert wallet.endswith("5 credits available, 3 of which may be spent on this, 2 reserved, a debt of 1:")
    assert shown == "  g1 (plan) unrecognized 42."

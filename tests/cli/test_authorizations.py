"""`quote`, `reserve`, `commit`, `release`, `extend`, `charge` and `holds`: answers, exit status, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def held(ask: Command, funded: str) -> str:
    """An account with an open hold `msg-1` of 3 credits."""
    assert ask("reserve", funded, "--segments", "3", "--id", "msg-1").status == 0
    return funded


def test_what_is_allowed_exits_0(ask: Command, funded: str) -> None:
    ran = ask("reserve", funded, "--body", "hello", "--json")

    assert ran.status == 0
    answer = ran.document
    assert (answer["decision"], answer["state"], answer["credits"]) == ("ALLOWED", "PENDING", 1)
    assert (answer["cost"]["encoding"], answer["cost"]["notes"]) == ("GSM_7", None)
    assert answer["balance"]["available"] == 99
    assert answer["reservation_id"]


def test_a_denial_exits_1_and_says_why_and_what_to_do(ask: Command, funded: str) -> None:
    ran = ask("reserve", funded, "--segments", "120")

    assert ran.status == 1
    assert "denied" in ran.out
    assert "20 credits short" in ran.err
    assert f"`creditgate grant {funded} 20`" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_a_denial_is_a_document_too(ask: Command, funded: str) -> None:
    ran = ask("reserve", funded, "--segments", "120", "--json")

    assert ran.status == 1
    assert ran.document["denial"] == {
        "reason": "INSUFFICIENT_CREDITS",
        "account_id": funded,
        "shortfall": 20,
        "next_credit_time": None,
    }


def test_a_denial_says_when_the_next_credits_come(ask: Command, funded: str) -> None:
    ask("grant", funded, "50", "--effective", "2099-12-31")

    ran = ask("reserve", funded, "--segments", "120")

    assert "20 credits short; the next credits come on 2099-12-31 00:00:00Z; `creditgate grant" in ran.err


@pytest.mark.parametrize(
    ("settings", "usage", "remedy"),
    [
        pytest.param(("--status", "suspended"), ("--body", "x"), "accounts update {} --status active", id="suspended"),
        pytest.param(("--floor", "100"), ("--body", "x", "--priority", "bulk"), "transactional", id="floor"),
        pytest.param(
            ("--inbound-overdraft-limit", "5"),
            ("--segments", "110", "--direction", "inbound"),
            "grant {} 5`",
            id="inbound limit",
        ),
    ],
)
def test_every_denial_says_what_to_do(
    ask: Command, funded: str, settings: tuple[str, ...], usage: tuple[str, ...], remedy: str
) -> None:
    ask("accounts", "update", funded, *settings)

    ran = ask("charge", funded, "--direction", "outbound", *usage)

    assert ran.status == 1
    assert remedy.format(funded) in ran.err


def test_a_used_up_limit_is_raised_by_an_allotment(ask: Command, funded: str) -> None:
    ask("grant", funded, "2", "--kind", "allotment")

    ran = ask("reserve", funded, "--segments", "5")

    assert ran.status == 1
    assert f"`creditgate grant {funded} 3 --kind allotment`" in ran.err


def test_what_only_monitoring_lets_through_says_so(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--enforcement", "monitor")

    ran = ask("reserve", funded, "--segments", "120")

    assert ran.status == 0
    assert "would deny" in ran.out


def test_a_quote_prices_without_effect(ask: Command, funded: str) -> None:
    allowed = ask("quote", funded, "--body", "“hello” " * 10)
    denied = ask("quote", funded, "--body", "hello", "--recipients", "101")

    assert (allowed.status, denied.status) == (0, 1)
    assert "would be allowed" in allowed.out
    assert "U+201C" in allowed.out
    assert "cheaper" in allowed.out
    assert "1 credit short" in denied.err
    assert ask("balance", funded, "--json").document["available"] == 100


def test_a_usage_is_sent_as_it_was_said(ask: Command, funded: str) -> None:
    traffic = ("--channel", "voice", "--seconds", "61", "--to", "+14155550100", "--from", "12345", "--region", "us")
    said = ("--priority", "bulk", "--label", "campaign=7", "--label", "team=a=b", "--ttl", "2h", "--id", "call-1")

    assert ask("reserve", funded, *traffic, *said, "--expiry-action", "commit").status == 0

    hold = ask("holds", funded, "call-1", "--json").document["reservation"]
    assert (hold["credits"], hold["price"]["rule"], hold["expiry_action"]) == (2, "voice", "COMMIT")
    assert hold["labels"] == {"campaign": "7", "team": "a=b"}
    assert hold["draws"][0]["grants"] == [{"grant_id": "first", "credits": 2}]


def test_as_many_recipients_as_can_be_paid(ask: Command, funded: str) -> None:
    ran = ask("reserve", funded, "--segments", "30", "--recipients", "5", "--partial")

    assert ran.status == 0
    assert "90 credits held" in ran.out
    assert any(line.split() == ["recipients", "3"] for line in ran.out.splitlines())


@pytest.mark.parametrize(
    ("actual", "captured", "restored"),
    [
        pytest.param((), 3, 0, id="all that is held"),
        pytest.param(("--segments", "1"), 1, 2, id="another size"),
        pytest.param(("--credits", "2"), 2, 1, id="credits"),
        pytest.param(("--recipients", "1"), 3, 0, id="size as held"),
    ],
)
def test_commits_what_was_used(ask: Command, held: str, actual: tuple[str, ...], captured: int, restored: int) -> None:
    answer = ask("commit", held, "msg-1", *actual, "--label", "sent=yes", "--json").document

    assert (answer["state"], answer["credits"], answer["restored"]) == ("COMMITTED", captured, restored)


def test_a_message_that_was_paid_is_not_allowed_again(ask: Command, held: str) -> None:
    ask("commit", held, "msg-1")

    ran = ask("reserve", held, "--segments", "3", "--id", "msg-1")

    assert ran.status == 1
    assert "already committed: do not send it again" in ran.out
    assert "its message was sent" in ran.err


def test_a_message_whose_hold_was_given_back_takes_a_new_id(ask: Command, held: str) -> None:
    ask("release", held, "msg-1")

    ran = ask("reserve", held, "--segments", "3", "--id", "msg-1")

    assert ran.status == 1
    assert "take a new id" in ran.out
    assert "nothing was sent under this id" in ran.err


@pytest.mark.parametrize("size", [("--segments", "2"), ("--recipients", "1")])
def test_a_commit_takes_either_credits_or_a_usage(ask: Command, held: str, size: tuple[str, ...]) -> None:
    ran = ask("commit", held, "msg-1", "--credits", "2", *size)

    assert ran.status == 2
    assert "--credits" in ran.err
    assert ask("holds", held, "msg-1", "--json").document["reservation"]["state"] == "PENDING"


def test_a_part_is_captured_and_the_rest_stays_held(ask: Command, held: str) -> None:
    first, again = (
        ask("commit", held, "msg-1", "--credits", "1", "--keep-open", "--commit-id", "part-1") for _ in range(2)
    )
    made = ask("commit", held, "msg-1", "--credits", "1", "--keep-open", "--json").document

    assert "1 credit captured; the rest stays held" in first.out
    assert "by an earlier call" in again.out
    assert (made["state"], made["credits"], len(made["commit_id"])) == ("PENDING", 1, 16)
    hold = ask("holds", held, "msg-1", "--json").document["reservation"]
    assert (hold["credits"], hold["held"], hold["captured"]) == (3, 1, 2)
    columns = ask("holds", held).out.splitlines()[-1].split()
    assert columns[2:4] == ["1", "2"]


def test_a_commit_id_is_for_holds_that_are_kept_open(ask: Command, held: str) -> None:
    ran = ask("commit", held, "msg-1", "--commit-id", "part-1")

    assert ran.status == 2
    assert "--keep-open" in ran.err
    assert ask("holds", held, "msg-1", "--json").document["reservation"]["state"] == "PENDING"


def test_what_a_cap_leaves_out_is_said(ask: Command, funded: str) -> None:
    ask("accounts", "update", funded, "--overage", "cap")
    ask("reserve", funded, "--segments", "98", "--id", "long")

    ran = ask("commit", funded, "long", "--segments", "105")

    assert ran.status == 0
    assert "100 credits captured" in ran.out
    assert "5 credits used that could not be taken" in ran.out


def test_an_overage_that_is_rejected_leaves_the_hold(ask: Command, held: str) -> None:
    ask("accounts", "update", held, "--overage", "reject")

    ran = ask("commit", held, "msg-1", "--segments", "4")

    assert ran.status == 4
    assert f"`creditgate holds {held} msg-1`" in ran.err
    assert ask("holds", held, "msg-1", "--json").document["reservation"]["state"] == "PENDING"


def test_extends_a_hold(ask: Command, held: str) -> None:
    ran = ask("extend", held, "msg-1", "--ttl", "2h")

    assert ran.status == 0
    expire_time = ask("holds", held, "msg-1", "--json").document["reservation"]["expire_time"]
    until = datetime.fromisoformat(expire_time)
    assert timedelta(hours=2, minutes=-1) < until - datetime.now(UTC) <= timedelta(hours=2)
    assert f"msg-1 is held until {until:%Y-%m-%d %H:%M:%SZ}" in ran.out


def test_releases_a_hold(ask: Command, held: str) -> None:
    first, again = (ask("release", held, "msg-1", "--reason", "provider down") for _ in range(2))

    assert (first.status, again.status) == (0, 0)
    assert "by an earlier call" in again.out
    assert ask("balance", held, "--json").document["available"] == 100


def test_a_hold_that_was_released_cannot_be_committed(ask: Command, held: str) -> None:
    ask("release", held, "msg-1")

    ran = ask("commit", held, "msg-1", "--json")

    assert ran.status == 4
    assert ran.document["error"]["reason"] == "HOLD_ALREADY_RELEASED"


def test_lists_open_holds(ask: Command, held: str) -> None:
    ask("accounts", "create", f"{held}/field")
    ask("reserve", f"{held}/field", "--segments", "1", "--id", "msg-2", "--ttl", "5s")

    own, all_ = (ask("holds", held, *words, "--json").document["reservations"] for words in ((), ("--below",)))

    assert [hold["reservation_id"] for hold in own] == ["msg-1"]
    assert [hold["reservation_id"] for hold in all_] == ["msg-2", "msg-1"]
    assert "msg-1" in ask("holds", held).out
    assert "first" in ask("holds", held, "msg-1").out


def test_inbound_goes_below_zero(ask: Command, funded: str) -> None:
    ran = ask("charge", funded, "--segments", "130", "--direction", "inbound", "--id", "in-1")

    assert ran.status == 0
    assert "130 credits taken" in ran.out
    assert ask("balance", funded, "--json").document["debt"] == 30


def test_a_charge_may_say_when_it_happened(ask: Command, funded: str) -> None:
    said = ("charge", funded, "--segments", "1", "--direction", "inbound")

    old, recent = (ask(*said, "--event-time", when) for when in ("3d", "2h"))

    assert (old.status, recent.status) == (4, 0)
    assert "charge it without --event-time" in old.err


def test_a_charge_must_say_its_direction(ask: Command, funded: str) -> None:
    ran = ask("charge", funded, "--body", "hello")

    assert ran.status == 2
    assert "--direction" in ran.err


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param(("--body", "x", "--ttl", "8d"), "--ttl", id="ttl too long"),
        pytest.param(("--segments", "0"), "--segments", id="no segments"),
        pytest.param(("--seconds", "5"), "--channel", id="no channel"),
        pytest.param(("--body", "x", "--to", "+0151"), "--to", id="no E.164 number"),
        pytest.param(("--body", "x", "--region", "XX"), "--region", id="no country"),
        pytest.param(("--body", "x", "--recipients", "-1"), "--recipients", id="negative recipients"),
        pytest.param(("--body", "x", "--recipients", "0"), "--recipients must be 1 to 1,000,000", id="no recipients"),
        pytest.param(("--body", "é" * 9000), "--body", id="body over 16 KiB"),
        pytest.param(("--body", "\udcff"), "--body", id="no Unicode"),
        pytest.param(("--body", "x", "--id", "ü"), "the id", id="id that is not ASCII"),
        pytest.param(("--body", "x", "--label", "=y"), "--label", id="label without a key"),
        pytest.param(("--body", "x", "--channel", "fax"), "--channel", id="unknown channel"),
        pytest.param(("--body", "x", "--segments", "1"), "--segments", id="two sizes"),
        pytest.param((), "--body", id="no size"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_names_the_option(
    ask: Command, funded: str, words: tuple[str, ...], named: str
) -> None:
    ran = ask("reserve", funded, *words)

    assert ran.status == 2
    assert named in ran.err.splitlines()[-1]
    assert ask("holds", funded, "--json").document == {"reservations": []}


@pytest.mark.parametrize(
    ("words", "named"),
    [
        pytest.param(("commit", "{}", "nope"), "reservation nope of {}: ", id="commit"),
        pytest.param(("release", "{}", "nope"), "reservation nope of {}: ", id="release"),
        pytest.param(("extend", "{}", "nope", "--ttl", "1h"), "reservation nope of {}: ", id="extend"),
        pytest.param(("holds", "{}", "nope"), "reservation nope of {}: ", id="holds"),
        pytest.param(("refund", "{}", "nope"), "reservation nope of {}: ", id="refund of a reservation"),
        pytest.param(("refund", "{}", "--charge", "nope"), "charge nope of {}: ", id="refund of a charge"),
        pytest.param(("revoke", "{}", "nope"), "grant nope of {}: ", id="revoke"),
        pytest.param(("grant", "{}", "5", "--id", "first"), "id first of {}: ", id="an id of something else"),
        pytest.param(("rates", "show", "nope"), "no rate card nope", id="rate card"),
    ],
)
def test_an_id_that_is_wrong_is_named(ask: Command, funded: str, words: tuple[str, ...], named: str) -> None:
    ran = ask(*(word.format(funded) for word in words))

    assert ran.status == 4
    assert named.format(funded) in ran.err
    assert len(ran.err.splitlines()) == 1


def test_options_that_contradict_each_other_are_both_named(ask: Command, funded: str) -> None:
    ran = ask("reserve", funded, "--body", "x", "--to", "+14155550100", "--recipients", "5")

    assert ran.status == 2
    assert ran.err == "creditgate: --to must be left out when --recipients is above 1\n"

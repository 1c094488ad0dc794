"""`plan`: what an account is given each period is shown, set and cancelled."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def account(ask: Command, organisation: str) -> str:
    """An account of an organisation of the test's own, without credits."""
    assert ask("accounts", "create", organisation).status == 0
    return organisation


@pytest.fixture
def basic(ask: Command, account: str) -> str:
    """An account with a plan."""
    assert ask("plan", "set", account, "100", "--every", "month", "--name", "basic", "--id", "change-1").status == 0
    return account


def facts(out: str) -> dict[str, str]:
    """The facts of an answer for people, by name; of those that come twice, the first."""
    rows = [line.strip().partition("  ") for line in out.splitlines() if line.startswith("  ")]
    return {name: value.strip() for name, _, value in reversed(rows)}


def test_an_account_without_a_plan_says_how_it_gets_one(ask: Command, account: str) -> None:
    ran = ask("plan", account)

    assert ran.status == 0
    assert ran.out == f"{account} has no plan; `creditgate plan set {account} CREDITS --every month` gives it one\n"
    assert ask("plan", account, "--json").document == {"current_plan": None}


def test_a_plan_gives_its_credits_at_once(ask: Command, account: str) -> None:
    ran = ask("plan", "set", account, "1000", "--every", "week", "--id", "change-1")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.startswith(f"{account} is given 1,000 credits every week\n")
    shown = facts(ran.out)
    assert (shown["change"], shown["gives"], shown["available"]) == ("change-1", "1,000 credits every week", "1,000")
    assert ask("balance", account, "--json").document["available"] == 1000
    (grant,) = ask("grants", account, "--json").document["grants"]
    assert (grant["kind"], grant["reference"]) == ("PLAN", "weekly")


def test_a_plan_carries_all_that_is_said_of_it(ask: Command, account: str) -> None:
    terms = ("--name", "pro", "--priority", "-5", "--channel", "sms", "--channel", "mms", "--region", "us")
    roll_over = ("--roll-over", "200", "--roll-over-for", "30d", "--roll-over-priority", "7")
    cycle = ("--anchor", "2026-01-31", "--time-zone", "America/New_York")

    answer = ask("plan", "set", account, "1000", "--every", "month", *terms, *roll_over, *cycle, "--json").document

    assert len(answer["change_id"]) == 16
    assert (answer["debt_repaid"], answer["replayed"], answer["balance"]["account_id"]) == (0, False, account)
    assert answer["current_plan"]["plan"] == {
        "plan_id": "pro",
        "credits": 1000,
        "interval": "MONTH",
        "anchor_time": "2026-01-31T05:00:00Z",
        "time_zone": "America/New_York",
        "priority": -5,
        "scope": {"channels": ["SMS", "MMS"], "regions": ["US"]},
        "roll_over": "CAPPED",
        "roll_over_cap": 200,
        "roll_over_ttl": "2592000s",
        "roll_over_priority": 7,
    }
    assert ask("plan", account, "--json").document == {"current_plan": answer["current_plan"]}
    shown = facts(ask("plan", "show", account).out)
    assert shown["rolls over"] == "at most 200 credits, for 30d, with priority 7"
    assert (shown["anchor"], shown["time zone"]) == ("2026-01-31 05:00:00Z", "America/New_York")
    assert shown["only for"] == "sms, mms, US"


@pytest.mark.parametrize(
    ("said", "anchor"),
    [
        pytest.param(("2026-07-01",), "2026-07-01T00:00:00Z", id="a date in UTC"),
        pytest.param(("2026-07-01", "--time-zone", "Europe/Berlin"), "2026-06-30T22:00:00Z", id="a date there"),
        pytest.param(("2026-07-01T09:00", "--time-zone", "Europe/Berlin"), "2026-07-01T07:00:00Z", id="a time there"),
        pytest.param(("2026-07-01T09:00Z", "--time-zone", "Europe/Berlin"), "2026-07-01T09:00:00Z", id="a time in UTC"),
    ],
)
def test_an_anchor_is_by_the_clock_of_the_account(
    ask: Command, account: str, said: tuple[str, ...], anchor: str
) -> None:
    answer = ask("plan", "set", account, "5", "--every", "month", "--anchor", *said, "--json").document

    assert answer["current_plan"]["plan"]["anchor_time"] == anchor


def test_an_anchor_may_be_said_from_now(ask: Command, account: str) -> None:
    current = ask("plan", "set", account, "5", "--every", "month", "--anchor", "3d", "--json").document["current_plan"]

    begin, end = (datetime.fromisoformat(current[f"period_{which}_time"]) for which in ("begin", "end"))
    assert timedelta(days=3, minutes=-1) < end - begin <= timedelta(days=3)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((), "nothing"),
        (("--roll-over", "none"), "nothing"),
        (("--roll-over", "all"), "all, for good"),
        (("--roll-over", "ALL", "--roll-over-for", "90m"), "all, for 90m"),
        (("--roll-over", "1"), "at most 1 credit, for good"),
        (("--roll-over", "all", "--priority", "3"), "all, for good"),
    ],
)
def test_what_rolls_over_is_said(ask: Command, account: str, said: tuple[str, ...], words: str) -> None:
    ask("plan", "set", account, "5", "--every", "day", *said)

    assert facts(ask("plan", account).out)["rolls over"] == words


def test_shows_when_the_next_credits_come(ask: Command, basic: str) -> None:
    current = ask("plan", basic, "--json").document["current_plan"]

    end = f"{datetime.fromisoformat(current['period_end_time']):%Y-%m-%d %H:%M:%SZ}"
    shown = facts(ask("plan", basic).out)
    assert (shown["period ends"], shown["next credits"]) == (end, f"100 on {end}")
    assert shown["its grant"] == current["grant_id"]


def test_a_new_plan_takes_the_place_of_the_present_one(ask: Command, basic: str) -> None:
    ran = ask("plan", "set", basic, "300", "--every", "year", "--name", "pro", "--json")

    current = ran.document["current_plan"]
    assert (current["plan"]["plan_id"], current["next_plan"], current["cancelled"]) == ("pro", None, False)
    assert ran.document["balance"]["available"] == 300


def test_a_new_plan_may_wait_for_the_end_of_the_period(ask: Command, basic: str) -> None:
    change = ("plan", "set", basic, "300", "--every", "year", "--name", "pro", "--at-period-end", "--id", "change-2")
    ran, again = (ask(*change) for _ in range(2))

    current = ask("plan", basic, "--json").document["current_plan"]
    assert (current["plan"]["plan_id"], current["next_plan"]["plan_id"]) == ("basic", "pro")
    end = f"{datetime.fromisoformat(current['period_end_time']):%Y-%m-%d %H:%M:%SZ}"
    sentence = f"{basic} is given 300 credits every year, from {end} on"
    assert ran.out.startswith(f"{sentence}\n")
    assert again.out.startswith(f"{sentence} (by an earlier call with this id)\n")
    assert facts(ran.out)["available"] == "100"
    shown = ask("plan", basic).out
    assert facts(shown)["next credits"] == f"300 on {end}, of pro"
    assert facts(shown.partition("\npro\n")[2])["begins"] == end


def test_where_there_is_no_period_the_plan_does_not_wait(ask: Command, account: str) -> None:
    ran = ask("plan", "set", account, "5", "--every", "day", "--at-period-end")

    assert ran.out.startswith(f"{account} is given 5 credits every day\n")
    assert ask("balance", account, "--json").document["available"] == 5


def test_a_plan_is_cancelled_with_its_period(ask: Command, basic: str) -> None:
    ran = ask("plan", "cancel", basic)

    current = ask("plan", basic, "--json").document["current_plan"]
    end = f"{datetime.fromisoformat(current['period_end_time']):%Y-%m-%d %H:%M:%SZ}"
    assert (ran.status, ran.out.splitlines()[0]) == (0, f"the plan of {basic} ends on {end}")
    assert (current["cancelled"], current["next_plan"]) == (True, None)
    shown = facts(ask("plan", basic).out)
    assert shown["next credits"] == "none, the plan is cancelled"
    assert ask("balance", basic, "--json").document["available"] == 100


def test_a_plan_is_cancelled_at_once_when_that_is_said(ask: Command, basic: str) -> None:
    ran = ask("plan", "cancel", basic, "--now")

    assert (ran.status, ran.out.splitlines()[0]) == (0, f"{basic} has no plan now")
    assert ask("plan", basic, "--json").document == {"current_plan": None}
    assert ask("balance", basic, "--json").document["available"] == 0


def test_a_change_is_made_once_and_what_became_of_it_is_told(ask: Command, basic: str) -> None:
    earlier = "(by an earlier call with this id)"
    change = ("plan", "set", basic, "100", "--every", "month", "--name", "basic", "--id", "change-1")
    cancel = ("plan", "cancel", basic, "--id", "change-2", "--now")

    assert ask(*change).out.startswith(f"{basic} is given 100 credits every month {earlier}\n")
    assert ask(*cancel, "--json").document["replayed"] is False
    assert ask(*cancel).out.startswith(f"{basic} has no plan now {earlier}\n")
    assert ask(*change).out.startswith(
        f"{basic} was given 100 credits every month {earlier}, and has no plan any more\n"
    )
    ask("plan", "set", basic, "5", "--every", "day")
    assert ask(*cancel).out.startswith(f"the plan of {basic} was cancelled {earlier}, and set again since\n")
    assert ask("balance", basic, "--json").document["available"] == 5


def test_a_plan_says_what_it_repaid(ask: Command, account: str) -> None:
    ask("charge", account, "--segments", "30", "--direction", "inbound")

    ran = ask("plan", "set", account, "50", "--every", "month")

    assert facts(ran.out)["repaid debt"] == "30"
    assert ask("balance", account, "--json").document["available"] == 20


def test_an_id_that_was_used_for_something_else_is_refused(ask: Command, basic: str) -> None:
    ran = ask("plan", "set", basic, "101", "--every", "month", "--id", "change-1", "--json")

    assert (ran.status, ran.document["error"]["reason"]) == (4, "ID_REUSED")
    assert ran.err.startswith(f"creditgate: id change-1 of {basic}: ")


@pytest.mark.parametrize(
    ("said", "beginning"),
    [
        pytest.param(("--name", "A plan"), "--name must be 1 to 63", id="name"),
        pytest.param(("--name", ""), "--name is required", id="no name"),
        pytest.param(("--priority", "1001"), "--priority must be -1,000 to 1,000", id="priority"),
        pytest.param(("--region", "xyz"), "--region must be", id="region"),
        pytest.param(("--time-zone", "Mars"), "--time-zone must be an IANA time zone", id="time zone"),
        pytest.param(("--anchor", "1950-01-01"), "--anchor must be in the years 1970 to 9997", id="anchor"),
        pytest.param(
            ("--anchor", "2026-01-01", "--time-zone", "Mars"), "--time-zone 'Mars' is not known here", id="whose date"
        ),
        pytest.param(
            ("--anchor", "0001-01-01", "--time-zone", "Asia/Tokyo"),
            "--anchor must be in the years 1970",
            id="too early",
        ),
        pytest.param(("--roll-over", "0"), "--roll-over must be 1 to 1,000,000,000", id="cap"),
        pytest.param(("--roll-over", "all", "--roll-over-for", "51d"), "--roll-over-for must be 1 hour to", id="life"),
        pytest.param(("--roll-over-for", "30d"), "--roll-over-for must be left out where nothing", id="life of none"),
        pytest.param(("--roll-over-priority", "1"), "--roll-over-priority must be left out", id="place of none"),
        pytest.param(("--id", "x" * 200), "the id must be", id="id"),
    ],
)
def test_what_is_out_of_bounds_is_named_by_its_flag_and_has_no_effect(
    ask: Command, account: str, said: tuple[str, ...], beginning: str
) -> None:
    ran = ask("plan", "set", account, "5", "--every", "day", *said)

    assert (ran.status, ran.out, len(ran.err.splitlines())) == (2, "", 1)
    assert ran.err.startswith(f"creditgate: {beginning}")
    assert ask("plan", account, "--json").document == {"current_plan": None}


@pytest.mark.parametrize("amount", ["0", "-5", "1000000001", "99999999999999999999"])
def test_an_amount_out_of_bounds_is_refused(ask: Command, account: str, amount: str) -> None:
    ran = ask("plan", "set", account, amount, "--every", "day")

    assert ran.status == 2
    assert ran.err.startswith("creditgate: credits ")


@pytest.mark.parametrize(
    ("said", "end"),
    [
        pytest.param((), "required: --every", id="no interval"),
        pytest.param(
            ("--every", "fortnight"),
            "argument --every: write one of day, week, month, year, not 'fortnight'",
            id="unknown interval",
        ),
    ],
)
def test_an_interval_must_be_said(ask: Command, account: str, said: tuple[str, ...], end: str) -> None:
    ran = ask("plan", "set", account, "5", *said)

    assert ran.status == 2
    assert ran.err.endswith(f"{end}\n")


@pytest.mark.parametrize("words", [("show",), ("set", "5", "--every", "day"), ("cancel",), ()])
def test_an_unknown_account_is_said_to_be_unknown(ask: Command, organisation: str, words: tuple[str, ...]) -> None:
    ran = ask("plan", *words[:1], organisation, *words[1:], "--json")

    assert (ran.status, ran.document["error"]["reason"]) == (4, "ACCOUNT_NOT_FOUND")
    assert f"`creditgate accounts create {organisation}`" in ran.err


def test_a_closed_account_gets_no_plan(ask: Command, basic: str) -> None:
    ask("accounts", "close", basic)

    ran = ask("plan", "set", basic, "5", "--every", "day", "--json")

    assert (ran.status, ran.document["error"]["reason"]) == (4, "ACCOUNT_CLOSED")
    assert ask("plan", basic, "--json").document == {"current_plan": None}


def test_an_account_that_is_called_like_an_action_is_shown_with_it(ask: Command) -> None:
    ask("accounts", "create", "cancel")

    assert ask("plan", "show", "cancel", "--json").document == {"current_plan": None}

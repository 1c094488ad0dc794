"""Lists: whose things they show, how many, in which order, and how one of them is shown whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Command


@pytest.fixture
def teams(ask: Command, funded: str) -> str:
    """An organisation with two teams; each of the three has a hold and a grant of its own."""
    ask("accounts", "create", f"{funded}/field", f"{funded}/sales")
    for number, account_id in enumerate((funded, f"{funded}/field", f"{funded}/sales"), 1):
        ask("grant", account_id, str(10 * number), "--id", f"grant-{number}")
        ask("reserve", account_id, "--segments", "1", "--id", f"hold-{number}", "--ttl", f"{4 - number}h")
    return funded


def ids(documents: list[dict[str, Any]], field: str) -> list[str]:
    return [each[field] for each in documents]


def test_holds_of_accounts_that_are_named(ask: Command, teams: str) -> None:
    def listed(*words: str) -> list[str]:
        return ids(ask("holds", *words, "--json").document["reservations"], "reservation_id")

    assert listed(teams) == ["hold-1"]
    assert listed(teams, "--below") == ["hold-3", "hold-2", "hold-1"]
    assert listed("--account", f"{teams}/field", "--account", teams) == ["hold-2", "hold-1"]
    assert listed("--account", f"{teams}/field", "--account", teams, "--below") == ["hold-3", "hold-2", "hold-1"]
    assert listed("--account", teams, "--account", teams) == ["hold-1"]


def test_holds_of_all_accounts(ask: Command, teams: str) -> None:
    found = ask("holds", "--json").document["reservations"]

    ours = [each["reservation_id"] for each in found if each["account_id"].startswith(teams)]
    assert ours == ["hold-3", "hold-2", "hold-1"]
    expiries = [each["expire_time"] for each in found]
    assert expiries == sorted(expiries)


def test_grants_of_accounts_that_are_named(ask: Command, teams: str) -> None:
    def listed(*words: str) -> list[str]:
        return ids(ask("grants", *words, "--json").document["grants"], "grant_id")

    assert listed(f"{teams}/field") == ["grant-2"]
    assert listed(teams, "--below") == ["grant-3", "grant-2", "grant-1", "first"]
    assert listed("--account", f"{teams}/field", "--account", f"{teams}/sales") == ["grant-3", "grant-2"]


def test_grants_of_all_accounts(ask: Command, teams: str) -> None:
    found = ask("grants", "--json").document["grants"]

    ours = [each["grant_id"] for each in found if each["account_id"].startswith(teams)]
    assert ours == ["grant-3", "grant-2", "grant-1", "first"]
    assert f"{teams}/sales" in ask("grants").out


def test_a_limit_ends_a_list_and_says_so(ask: Command, teams: str) -> None:
    for words, field in (
        (("holds", teams, "--below"), "reservations"),
        (("grants", teams, "--below"), "grants"),
        (("accounts", "list", "--account", teams), "accounts"),
    ):
        all_, first, enough = (
            ask(*words, *limit, "--json").document[field] for limit in ((), ("--limit", "2"), ("--limit", "99"))
        )

        assert first == all_[:2]
        assert len(all_) > 2
        assert enough == all_
        assert "There are more: these are the first 2." in ask(*words, "--limit", "2").out
        assert "There are more" not in ask(*words, "--limit", str(len(all_))).out


def test_a_list_of_rate_cards_has_a_limit_too(ask: Command) -> None:
    assert len(ask("rates", "list", "--limit", "1", "--json").document["rate_cards"]) == 1


@pytest.mark.parametrize("limit", ["0", "-1", "many"])
def test_a_limit_is_at_least_one(ask: Command, limit: str) -> None:
    ran = ask("holds", "--limit", limit)

    assert ran.status == 2
    assert "--limit" in ran.err


@pytest.mark.parametrize("noun", ["holds", "grants"])
def test_an_account_is_named_in_one_way(ask: Command, noun: str) -> None:
    ran = ask(noun, "acme", "--account", "other")

    assert ran.status == 2
    assert "--account" in ran.err


def test_accounts_that_run_short_are_found(ask: Command, teams: str) -> None:
    ask("grant", f"{teams}/field", "5", "--kind", "allotment")
    ask("accounts", "create", f"{teams}/closed", "--funding", "own")
    ask("accounts", "close", f"{teams}/closed")

    def short_of(credits_: int, *words: str) -> list[str]:
        found = ask("accounts", "list", "--account", teams, "--short-of", str(credits_), *words, "--json").document
        return [each["account"]["account_id"] for each in found["accounts"]]

    assert short_of(5) == []
    assert short_of(6) == [f"{teams}/field"]
    assert short_of(1_000) == [teams, f"{teams}/field", f"{teams}/sales"]
    assert short_of(1_000, "--limit", "1") == [teams]
    assert short_of(6, "--status", "closed") == [f"{teams}/closed"]


def test_accounts_of_a_status_are_found(ask: Command, teams: str) -> None:
    ask("accounts", "update", f"{teams}/sales", "--status", "suspended")

    found = ask("accounts", "list", teams, "--status", "suspended", "--json").document["accounts"]

    assert [each["account"]["account_id"] for each in found] == [f"{teams}/sales"]


def test_an_account_is_listed_with_those_below_it_but_once(ask: Command, teams: str) -> None:
    words = ("accounts", "list", "--account", f"{teams}/field", "--account", teams, "--json")

    found = [each["account"]["account_id"] for each in ask(*words).document["accounts"]]

    assert found == [teams, f"{teams}/field", f"{teams}/sales"]


def test_an_account_that_is_not_there_says_how_to_create_it(ask: Command, organisation: str) -> None:
    for words in (("holds",), ("grants",), ("accounts", "list")):
        ran = ask(*words, "--account", organisation)

        assert ran.status == 4
        assert f"`creditgate accounts create {organisation}`" in ran.err


def test_a_grant_is_shown_with_what_became_of_it(ask: Command, funded: str) -> None:
    ask("charge", funded, "--segments", "30", "--direction", "inbound")
    ask("revoke", funded, "first", "--note", "by mistake")

    ran = ask("grants", funded, "first")

    facts = {line.split()[0]: line.split()[-1] for line in ran.out.splitlines()[1:]}
    assert (facts["state"], facts["captured"], facts["revoked"]) == ("revoked", "30", "70")
    document = ask("grants", funded, "first", "--json").document
    assert (document["grant"]["grant_id"], document["grant"]["revoked"]) == ("first", 70)


def test_a_grant_that_is_not_there_says_where_to_look(ask: Command, funded: str) -> None:
    ran = ask("grants", funded, "nothing")

    assert ran.status == 4
    assert ran.err == (
        f"creditgate: grant nothing: {funded} has no such grant; `creditgate grants {funded} --ended` lists those that"
        " there are\n"
    )


def test_no_holds_says_where_else_to_look(ask: Command, funded: str) -> None:
    assert "--below asks accounts below too" in ask("holds", funded).out
    assert ask("holds", funded, "--below").out.strip() == "no open holds"

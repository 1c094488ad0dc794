"""CloseAccount: an account ends for good. What remains of its credits is revoked, its debt is written off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Direction
from creditgate_server.credit.operations import AccountSettings, CreateAccount
from creditgate_server.credit.outcomes import Denial
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    Funding,
    GrantState,
    ReservationState,
)
from creditgate_server.engine.errors import AccountClosed, AccountNotEmpty, AccountNotFound

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation


# What becomes of its credits


async def test_what_remains_is_revoked_and_debt_is_written_off(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(5, "field", grant_id="g")
    await org.owe(9, "field")
    await org.open("sales", funding=Funding.OWN)
    await org.grant(7, "sales", grant_id="left")
    in_debt, with_credits = await org.close("field"), await org.close("sales")
    assert (in_debt.revoked, in_debt.written_off, in_debt.replayed) == (0, 4, False)
    assert (with_credits.revoked, with_credits.written_off) == (7, 0)
    assert with_credits.account.settings.status is AccountStatus.CLOSED
    assert (with_credits.account.balance.available, in_debt.account.balance.debt) == (0, 0)
    assert (await org.figures("field"), await org.figures("sales")) == ((0, 0, 0), (0, 0, 0))
    assert (await org.grants("sales"))["left"].state is GrantState.REVOKED
    assert (await org.audit("field"))["written_off"] == 4


async def test_grants_that_have_not_begun_and_allotments_are_revoked_too(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(5, "field", effective_ms=await org.now_ms() + 60_000)
    await org.allot(3, "field")
    closed = await org.close("field")
    assert closed.revoked == 5
    assert closed.account.balance.limit_left == 0
    assert {grant.state for grant in (await org.grants("field")).values()} == {GrantState.REVOKED}
    await org.pass_time(60_000)
    assert await org.figures("field") == (0, 0, 0)
    await org.ledger.sweep(org.root_id, 30)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots


async def test_grants_that_ended_before_keep_their_end(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(2, "field", grant_id="used")
    await org.charge(org.sms(2), "field")
    await org.grant(3, "field", grant_id="expired", expire_ms=await org.now_ms() + 1_000)
    await org.pass_time(1_000)
    await org.close("field")
    states = {grant_id: grant.state for grant_id, grant in (await org.grants("field")).items()}
    assert states == {"used": GrantState.EXHAUSTED, "expired": GrantState.EXPIRED}


async def test_an_organisation_can_be_closed_from_its_leaves_up(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east")
    await org.grant(5)
    for below in ("field/east", "field", ""):
        await org.close(below)
    assert await org.figures() == (0, 0, 0)


# When it may not


async def test_an_account_with_accounts_below_it_cannot_be_closed(org: Organisation) -> None:
    for below in ("field", "field/east", "field/west"):
        await org.open(below)
    await org.close("field/east")
    with pytest.raises(AccountNotEmpty) as caught:
        await org.close("field")
    metadata = caught.value.metadata
    assert (metadata["children"], metadata["open_reservations"]) == ("1", "0")
    await org.close("field/west")
    assert (await org.close("field")).account.settings.status is AccountStatus.CLOSED


async def test_an_account_with_open_holds_cannot_be_closed(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    for id_ in ("m1", "m2"):
        await org.reserve(org.sms(1), "field", id=id_)
    await org.capture("m1", "all", below="field")
    with pytest.raises(AccountNotEmpty) as caught:
        await org.close("field")
    metadata = caught.value.metadata
    assert (metadata["children"], metadata["open_reservations"]) == ("0", "2")
    for id_ in ("m1", "m2"):
        await org.commit(id_, "field")
    await org.close("field")
    assert await org.figures() == (8, 0, 0)


async def test_holds_whose_time_is_over_do_not_keep_an_account_open(org: Organisation) -> None:
    await org.open("field")
    await org.grant(40)
    await asyncio.gather(*(org.reserve(org.sms(1), "field", ttl_ms=5_000) for _ in range(40)))
    await org.pass_time(6_000)
    await org.close("field")
    assert await org.figures() == (40, 0, 0)


async def test_an_unknown_account_cannot_be_closed(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.close("nobody")


# For good


async def test_a_second_close_replays_the_first_amounts(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7, "field")
    await org.close("field")
    again = await org.close("field")
    assert (again.replayed, again.revoked, again.written_off) == (True, 7, 0)
    assert again.account.settings.status is AccountStatus.CLOSED


async def test_a_closed_account_is_denied_whatever_it_asks(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.close("field")
    for answer in (
        await org.quote(org.sms(1), "field"),
        await org.reserve(org.sms(1), "field"),
        await org.charge(org.sms(1), "field"),
        await org.charge(org.sms(1, direction=Direction.INBOUND), "field"),
    ):
        assert answer.decision is Decision.DENIED
        assert answer.denial == Denial(DenialReason.ACCOUNT_CLOSED, org.path("field"), 0)


async def test_closed_is_said_before_suspended_and_of_the_nearest_level(org: Organisation) -> None:
    await org.open("field", status=AccountStatus.SUSPENDED)
    await org.open("field/east", enforcement=Enforcement.OFF)
    for below in ("field/east", "field"):
        await org.close(below)
    await org.change(status=AccountStatus.SUSPENDED)
    for below in ("field/east", "field"):
        denied = await org.reserve(org.sms(1), below)
        assert denied.denial == Denial(DenialReason.ACCOUNT_CLOSED, org.path(below), 0)


async def test_nothing_is_granted_to_changed_at_or_opened_below_a_closed_account(org: Organisation) -> None:
    await org.open("field")
    await org.close("field")
    with pytest.raises(AccountClosed):
        await org.grant(5, "field")
    with pytest.raises(AccountClosed):
        await org.allot(5, "field")
    with pytest.raises(AccountClosed):
        await org.change("field", display_name="anew")
    with pytest.raises(AccountClosed):
        await org.change("field", status=AccountStatus.ACTIVE)
    with pytest.raises(AccountClosed):
        await org.open("field/east")


async def test_the_id_of_a_closed_account_is_never_used_again(org: Organisation) -> None:
    await org.open("field")
    await org.close("field")
    same, other = AccountSettings(funding=Funding.PARENT), AccountSettings(display_name="another")
    for settings in (same, other):
        with pytest.raises(AccountClosed):
            await org.engine.create_account(CreateAccount(org.path("field"), settings))


async def test_a_grant_given_before_replays_after_the_close(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5, "field", grant_id="g")
    await org.close("field")
    again = await org.grant(5, "field", grant_id="g")
    assert (again.replayed, again.grant.state) == (True, GrantState.REVOKED)


async def test_a_late_commit_to_a_closed_account_is_refused_and_a_replay_answered(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    for id_ in ("early", "late", "part"):
        await org.reserve(org.sms(2), "field", id=id_)
    await org.commit("early", "field")
    await org.pass_time(60_000)
    await org.capture("part", "a", 1, "field")
    await org.close("field")
    with pytest.raises(AccountClosed):
        await org.commit("late", "field")
    with pytest.raises(AccountClosed):
        await org.capture("part", "b", 1, "field")
    assert (await org.commit("early", "field")).replayed
    assert (await org.capture("part", "a", 1, "field")).replayed
    assert (await org.release("late", "field")).state is ReservationState.EXPIRED
    assert await org.figures() == (7, 0, 0)


async def test_a_closed_account_can_still_be_read(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5, "field", grant_id="g")
    await org.close("field")
    account = await org.engine.get_account(org.path("field"))
    assert account.settings.status is AccountStatus.CLOSED
    assert (await org.engine.get_standing(org.path("field"))).grants == ()
    assert list(await org.grants("field")) == ["g"]
    listed = await org.engine.list_accounts(org.root_id, 10, "")
    assert [item.account_id for item in listed.items] == [org.path("field")]


async def test_what_a_closed_account_has_drawn_on_above_it_stays_as_it_was(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(8)
    await org.reserve(org.sms(3), "field", id="m1")
    await org.commit("m1", "field")
    await org.close("field")
    assert await org.figures() == (7, 0, 0)
    assert (await org.balance()).limit_left == 5

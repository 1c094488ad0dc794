"""RevokeGrant: what remains of a grant is taken back; what is held or spent of it stays, unless it is clawed back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import Decision, Funding, GrantKind, GrantState
from creditgate_server.engine.errors import (
    AccountClosed,
    AccountNotFound,
    GrantAlreadyRevoked,
    GrantNotFound,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation


async def remaining(org: Organisation) -> dict[str, int]:
    return {grant_id: grant.remaining for grant_id, grant in (await org.grants()).items()}


async def test_what_remains_of_a_grant_is_revoked(org: Organisation) -> None:
    await org.grant(10, grant_id="g")
    await org.grant(5)
    answer = await org.revoke("g")
    assert (answer.revoked, answer.clawed_back, answer.replayed) == (10, 0, False)
    assert (answer.grant.state, answer.grant.remaining, answer.grant.revoked) == (GrantState.REVOKED, 0, 10)
    assert (answer.balance.available, answer.balance.units_left) == (5, None)
    assert await org.figures() == (5, 0, 0)


async def test_what_is_held_or_spent_stays(org: Organisation) -> None:
    await org.grant(10, grant_id="g")
    await org.reserve(org.sms(3), id="m1")
    await org.charge(org.sms(2))
    answer = await org.revoke("g")
    assert (answer.revoked, answer.grant.held, answer.grant.captured) == (5, 3, 2)
    assert (await org.commit("m1")).captured == 3
    grant = (await org.grants())["g"]
    assert (grant.state, grant.captured, grant.held) == (GrantState.REVOKED, 5, 0)
    assert await org.figures() == (0, 0, 0)


async def test_a_revoked_grant_pays_no_more(org: Organisation) -> None:
    await org.grant(10, grant_id="g")
    await org.revoke("g")
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED


async def test_a_grant_that_has_not_begun_never_begins(org: Organisation) -> None:
    start_ms = await org.now_ms() + 60_000
    await org.grant(10, grant_id="g", effective_ms=start_ms)
    assert (await org.revoke("g")).revoked == 10
    denied = await org.reserve(org.sms(1))
    assert denied.denial is not None
    assert denied.denial.next_credit_ms == 0
    await org.pass_time(60_000)
    assert await org.figures() == (0, 0, 0)
    assert (await org.grants())["g"].state is GrantState.REVOKED


async def test_a_revoked_grant_does_not_expire_any_more(org: Organisation) -> None:
    await org.grant(10, grant_id="g", expire_ms=await org.now_ms() + 60_000)
    await org.revoke("g")
    await org.pass_time(60_000)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.expired, grant.revoked) == (GrantState.REVOKED, 0, 10)
    await org.ledger.sweep(org.root_id, 30)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots


async def test_a_grant_that_has_ended_otherwise_can_still_be_revoked(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(3, grant_id="used")
    await org.charge(org.sms(3))
    await org.grant(3, grant_id="expired", expire_ms=await org.now_ms() + 1_000)
    await org.pass_time(1_000)
    await org.grant(3, grant_id="moved")
    await org.transfer(3, "", "field")
    for grant_id in ("used", "expired", "moved"):
        answer = await org.revoke(grant_id)
        assert (answer.revoked, answer.grant.state) == (0, GrantState.REVOKED)
    grants = await org.grants()
    assert (grants["used"].captured, grants["expired"].expired, grants["moved"].moved) == (3, 3, 3)
    assert await org.figures("field") == (3, 0, 0)


async def test_what_comes_back_to_a_used_up_grant_that_was_revoked_is_revoked(org: Organisation) -> None:
    await org.grant(3, grant_id="used")
    await org.charge(org.sms(3), id="c1")
    await org.revoke("used")
    refunded = await org.refund(charge_id="c1")
    assert (refunded.restored, refunded.expired) == (0, 3)
    assert (await org.grants())["used"].revoked == 3


async def test_debt_that_a_revoked_grant_has_repaid_stays_repaid(org: Organisation) -> None:
    await org.owe(3)
    await org.grant(5, grant_id="g")
    assert (await org.revoke("g")).revoked == 2
    assert await org.figures() == (0, 0, 0)


async def test_a_revoked_allotment_lowers_its_limit_and_the_limit_stays(org: Organisation) -> None:
    await org.open("field")
    await org.grant(20)
    await org.allot(5, "field", grant_id="a")
    await org.allot(3, "field", grant_id="b")
    answer = await org.revoke("a", "field")
    assert (answer.revoked, answer.balance.limit_left) == (5, 3)
    await org.revoke("b", "field")
    assert (await org.balance("field")).limit_left == 0
    assert (await org.reserve(org.sms(1), "field")).decision is Decision.DENIED
    assert (await org.audit("field"))["limit_revoked"] == 8


async def test_a_grant_that_the_ledger_made_can_be_revoked(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(5)
    await org.transfer(3, "", "field")
    assert (await org.revoke("cg:2", "field")).revoked == 3
    assert await org.figures("field") == (0, 0, 0)


# Claw back


async def test_what_was_spent_is_clawed_back_from_other_grants_of_its_kind_in_burn_order(org: Organisation) -> None:
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(5))
    await org.grant(3, grant_id="second", priority=2)
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="plan", kind=GrantKind.PLAN)
    answer = await org.revoke("g", claw_back=True)
    assert (answer.revoked, answer.clawed_back) == (1, 5)
    assert await remaining(org) == {"g": 0, "first": 0, "second": 0, "plan": 9}
    grants = await org.grants()
    assert (grants["first"].revoked, grants["second"].revoked) == (2, 3)
    assert await org.figures() == (9, 0, 0)


async def test_claw_back_leaves_what_it_does_not_need(org: Organisation) -> None:
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(5))
    await org.grant(20, grant_id="other")
    assert (await org.revoke("g", claw_back=True)).clawed_back == 5
    other = (await org.grants())["other"]
    assert (other.state, other.remaining, other.revoked) == (GrantState.LIVE, 15, 5)
    assert (await org.reserve(org.sms(15))).decision is Decision.ALLOWED


async def test_claw_back_goes_no_further_than_what_there_is_and_makes_no_debt(org: Organisation) -> None:
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(5))
    await org.grant(2)
    assert (await org.revoke("g", claw_back=True)).clawed_back == 2
    assert await org.figures() == (0, 0, 0)


async def test_claw_back_counts_debt_repaid_and_not_what_was_refunded(org: Organisation) -> None:
    await org.owe(2)
    await org.grant(9, grant_id="g", priority=-1)
    await org.charge(org.sms(4), id="c1")
    await org.refund(charge_id="c1", credits_=3)
    await org.grant(50)
    answer = await org.revoke("g", claw_back=True)
    assert (answer.revoked, answer.clawed_back) == (6, 2 + 4 - 3)


async def test_claw_back_does_not_reach_held_moved_or_pending_credits(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(6))
    await org.grant(5, grant_id="held")
    await org.reserve(org.sms(4))
    await org.grant(9, grant_id="pending", effective_ms=await org.now_ms() + 60_000)
    await org.grant(9, "field")
    assert (await org.revoke("g", claw_back=True)).clawed_back == 1
    assert await remaining(org) == {"g": 0, "held": 0, "pending": 9}
    assert await org.figures("field") == (9, 0, 0)


async def test_claw_back_takes_from_grants_of_any_scope(org: Organisation) -> None:
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(6))
    await org.grant(9, scope=Scope(channels=(Channel.TEXTBOT,)))
    assert (await org.revoke("g", claw_back=True)).clawed_back == 6
    quoted = (await org.quote(org.sms(1, channel=Channel.TEXTBOT))).balance
    assert quoted is not None
    assert quoted.usable == 3


async def test_an_allotment_is_clawed_back_from_others_of_the_same_limit(org: Organisation) -> None:
    await org.open("field")
    await org.grant(20)
    await org.allot(4, "field", grant_id="a", priority=-1)
    await org.charge(org.sms(4), "field")
    await org.allot(9, "field")
    answer = await org.revoke("a", "field", claw_back=True)
    assert (answer.clawed_back, answer.balance.limit_left) == (4, 5)
    assert await org.figures() == (16, 0, 0)


# Once


async def test_the_same_revocation_again_replays_its_first_amounts(org: Organisation) -> None:
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(5))
    await org.grant(20)
    await org.revoke("g", claw_back=True)
    again = await org.revoke("g", claw_back=True)
    assert (again.replayed, again.revoked, again.clawed_back, again.balance.available) == (True, 1, 5, 15)
    assert await org.figures() == (15, 0, 0)


@pytest.mark.parametrize("first", [True, False])
async def test_the_other_choice_of_claw_back_is_refused_afterwards(org: Organisation, first: bool) -> None:  # noqa: FBT001
    await org.grant(6, grant_id="g", priority=-1)
    await org.charge(org.sms(5))
    await org.grant(20)
    await org.revoke("g", claw_back=first)
    before = await org.figures()
    with pytest.raises(GrantAlreadyRevoked):
        await org.revoke("g", claw_back=not first)
    assert await org.figures() == before


async def test_an_unknown_grant_or_one_of_another_account_is_not_found(org: Organisation) -> None:
    await org.open("field")
    await org.grant(6, grant_id="g")
    for grant_id, below in (("never", ""), ("g", "field")):
        with pytest.raises(GrantNotFound):
            await org.revoke(grant_id, below)
    with pytest.raises(AccountNotFound):
        await org.revoke("g", "nobody")
    assert await org.figures() == (6, 0, 0)


async def test_a_grant_id_stays_taken_and_replays_after_its_revocation(org: Organisation) -> None:
    await org.grant(6, grant_id="g")
    await org.revoke("g")
    again = await org.grant(6, grant_id="g")
    assert (again.replayed, again.grant.state) == (True, GrantState.REVOKED)
    assert await org.figures() == (0, 0, 0)


async def test_grants_of_a_closed_account_are_revoked_already(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(6, "field", grant_id="open")
    await org.grant(6, "field", grant_id="revoked")
    await org.revoke("revoked", "field")
    await org.close("field")
    with pytest.raises(AccountClosed):
        await org.revoke("open", "field")
    with pytest.raises(GrantNotFound):
        await org.revoke("never", "field")
    assert (await org.revoke("revoked", "field")).replayed


async def test_a_revoked_grant_makes_room_for_another(org: Organisation) -> None:
    for number in range(100):
        await org.grant(1, grant_id=f"g{number}")
    await org.revoke("g50")
    await org.grant(1)
    assert await org.figures() == (100, 0, 0)

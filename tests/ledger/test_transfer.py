"""Transfer: credits that are free go from one wallet of an organisation to another, on the terms of their grants."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    AccountStatus,
    Decision,
    Funding,
    GrantKind,
    GrantState,
)
from creditgate_server.engine.errors import (
    AccountClosed,
    AccountNotFound,
    AccountNotSelfFunded,
    IdReused,
    InsufficientCredits,
    TooManyGrants,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Grant

REGIONS = ("AR", "AU", "BR", "CA", "CL", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NZ", "SE", "US")


@pytest.fixture
async def field(org: Organisation) -> str:
    """The name of an account below the root that pays for itself."""
    await org.open("field", funding=Funding.OWN)
    return "field"


async def received(org: Organisation, below: str) -> list[Grant]:
    return [grant for grant in (await org.grants(below)).values() if grant.grant_id.startswith("cg:")]


# What moves


async def test_credits_leave_one_wallet_and_enter_the_other(org: Organisation, field: str) -> None:
    await org.grant(10)
    moved = await org.transfer(4, "", field)
    assert (moved.credits, moved.debt_repaid, moved.replayed) == (4, 0, False)
    assert (moved.source.account_id, moved.source.available) == (org.root_id, 6)
    assert (moved.target.account_id, moved.target.available) == (org.path(field), 4)
    assert (await org.figures(), await org.figures(field)) == ((6, 0, 0), (4, 0, 0))
    assert (await org.audit())["moved"] == (await org.audit(field))["moved_in"] == 4


async def test_credits_may_go_up_down_and_across(org: Organisation, field: str) -> None:
    await org.open("sales", funding=Funding.OWN)
    await org.open("field/east", funding=Funding.OWN)
    await org.grant(10, "field/east")
    for source, target in (("field/east", "sales"), ("sales", field), (field, ""), ("", "field/east")):
        await org.transfer(10, source, target)
    assert await org.figures("field/east") == (10, 0, 0)


async def test_grants_give_in_burn_order_each_to_a_likeness_of_its_own(org: Organisation, field: str) -> None:
    now_ms = await org.now_ms()
    scope = Scope((Channel.SMS,), ("US",))
    await org.grant(3, grant_id="last", priority=5, kind=GrantKind.PROMOTIONAL, actor="ann", note="hello")
    await org.grant(2, grant_id="first", priority=-5, kind=GrantKind.PLAN, expire_ms=now_ms + 60_000, scope=scope)
    await org.transfer(4, "", field)
    grants = await org.grants()
    assert {id_: (grant.remaining, grant.moved, grant.state) for id_, grant in grants.items()} == {
        "first": (0, 2, GrantState.MOVED),
        "last": (1, 2, GrantState.LIVE),
    }
    second, first = await received(org, field)
    assert (first.amount, first.kind, first.priority, first.expire_ms, first.scope) == (
        2, GrantKind.PLAN, -5, now_ms + 60_000, scope,
    )  # fmt: skip
    assert (second.amount, second.kind, second.priority, second.expire_ms, second.scope) == (
        2, GrantKind.PROMOTIONAL, 5, 0, Scope(),
    )  # fmt: skip
    assert [grant.grant_id for grant in (first, second)] == ["cg:3", "cg:4"]
    assert (second.actor, second.note) == ("", "")


async def test_moved_credits_pay_and_expire_as_they_did(org: Organisation, field: str) -> None:
    await org.grant(10, expire_ms=await org.now_ms() + 60_000, scope=Scope(regions=("US",)))
    await org.transfer(6, "", field)
    assert (await org.reserve(org.sms(1, region="DE"), field)).decision is Decision.DENIED
    assert (await org.charge(org.sms(2, region="US"), field)).decision is Decision.ALLOWED
    await org.pass_time(60_000)
    assert await org.figures(field) == (0, 0, 0)
    (heir,) = await received(org, field)
    assert (heir.captured, heir.expired, heir.state) == (2, 4, GrantState.EXPIRED)


async def test_credits_of_the_same_terms_meet_in_one_grant(org: Organisation, field: str) -> None:
    await org.grant(10, priority=1)
    await org.grant(10, priority=1)
    await org.transfer(14, "", field)
    await org.transfer(1, "", field)
    (heir,) = await received(org, field)
    assert (heir.amount, heir.remaining) == (15, 15)


async def test_credits_of_other_terms_do_not(org: Organisation, field: str) -> None:
    now_ms = await org.now_ms()
    await org.grant(1, field, grant_id="their own")
    await org.grant(1)
    await org.grant(1, priority=1)
    await org.grant(1, kind=GrantKind.PLAN)
    await org.grant(1, expire_ms=now_ms + 60_000)
    await org.grant(1, expire_ms=now_ms + 60_001)
    await org.grant(1, scope=Scope(regions=("US",)))
    await org.transfer(6, "", field)
    assert [grant.amount for grant in await received(org, field)] == [1] * 6
    assert (await org.grants(field))["their own"].amount == 1


async def test_a_used_up_likeness_is_not_taken_up_again(org: Organisation, field: str) -> None:
    await org.grant(10)
    await org.transfer(4, "", field)
    await org.charge(org.sms(4), field)
    await org.transfer(4, "", field)
    assert {grant.state for grant in await received(org, field)} == {GrantState.EXHAUSTED, GrantState.LIVE}


async def test_a_likeness_that_only_holds_is_taken_up_again(org: Organisation, field: str) -> None:
    await org.grant(10)
    await org.transfer(4, "", field)
    await org.reserve(org.sms(4), field)
    await org.transfer(4, "", field)
    (heir,) = await received(org, field)
    assert (heir.amount, heir.held, heir.remaining) == (8, 4, 4)


async def test_moved_credits_repay_the_targets_debt_first(org: Organisation, field: str) -> None:
    await org.owe(3, field)
    await org.grant(10)
    moved = await org.transfer(5, "", field)
    assert (moved.debt_repaid, moved.target.available, moved.target.debt) == (3, 2, 0)
    (heir,) = await received(org, field)
    assert (heir.debt_repaid, heir.remaining) == (3, 2)


async def test_moved_credits_that_only_repay_debt_leave_it_at_that(org: Organisation, field: str) -> None:
    await org.owe(9, field)
    await org.grant(10)
    assert (await org.transfer(5, "", field)).debt_repaid == 5
    assert await org.figures(field) == (-4, 0, 4)
    (heir,) = await received(org, field)
    assert (heir.state, heir.debt_repaid) == (GrantState.EXHAUSTED, 5)


async def test_a_grant_whose_credits_are_held_or_spent_moves_with_what_remains(org: Organisation, field: str) -> None:
    await org.grant(10, grant_id="g")
    await org.reserve(org.sms(3), id="m1")
    await org.charge(org.sms(2))
    await org.transfer(5, "", field)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.held, grant.captured, grant.moved) == (GrantState.MOVED, 3, 2, 5)
    assert (await org.commit("m1")).captured == 3
    grant = (await org.grants())["g"]
    assert (grant.state, grant.held, grant.captured, grant.moved) == (GrantState.MOVED, 0, 5, 5)


# How much


async def test_no_more_moves_than_is_available(org: Organisation, field: str) -> None:
    await org.grant(10)
    await org.reserve(org.sms(3))
    with pytest.raises(InsufficientCredits) as caught:
        await org.transfer(8, "", field)
    assert caught.value.metadata["available"] == "7"
    assert (await org.transfer(7, "", field)).source.available == 0


async def test_debt_and_overdraft_lower_what_may_move(org: Organisation, field: str) -> None:
    await org.change(overdraft_limit=50)
    await org.grant(10, scope=Scope(channels=(Channel.VOICE,)))
    await org.owe(3)
    await org.reserve(org.sms(2))
    with pytest.raises(InsufficientCredits) as caught:
        await org.transfer(6, "", field)
    assert caught.value.metadata["available"] == "5"
    await org.transfer(5, "", field)
    assert await org.figures() == (0, 2, 3)


async def test_an_overdraft_limit_is_nothing_to_move(org: Organisation, field: str) -> None:
    await org.change(overdraft_limit=50)
    with pytest.raises(InsufficientCredits):
        await org.transfer(1, "", field)


async def test_credits_of_all_scopes_may_move_but_none_that_have_not_begun(org: Organisation, field: str) -> None:
    await org.grant(2, scope=Scope(regions=("US",)))
    await org.grant(2, scope=Scope(regions=("DE",)))
    await org.grant(9, effective_ms=await org.now_ms() + 60_000)
    await org.allot(9)
    with pytest.raises(InsufficientCredits):
        await org.transfer(5, "", field)
    await org.transfer(4, "", field)
    assert len(await received(org, field)) == 2


async def test_a_refusal_for_want_of_credits_waits_for_all_that_is_due(org: Organisation, field: str) -> None:
    await org.grant(40)
    await asyncio.gather(*(org.reserve(ttl_ms=5_000) for _ in range(40)))
    await org.pass_time(6_000)
    assert (await org.transfer(40, "", field)).source.available == 0


# Between whom


async def test_both_must_pay_for_themselves(org: Organisation, field: str) -> None:
    await org.open("sales")
    await org.grant(10)
    await org.grant(10, "sales")
    for source, target in (("", "sales"), ("sales", field)):
        with pytest.raises(AccountNotSelfFunded) as caught:
            await org.transfer(1, source, target)
        assert caught.value.metadata["account_id"] == org.path("sales")


async def test_both_must_exist(org: Organisation, field: str) -> None:
    await org.grant(10)
    for source, target in (("", "nobody"), ("nobody", field)):
        with pytest.raises(AccountNotFound) as caught:
            await org.transfer(1, source, target)
        assert caught.value.metadata["account_id"] == org.path("nobody")


async def test_neither_may_be_closed(org: Organisation, field: str) -> None:
    await org.open("gone", funding=Funding.OWN)
    await org.close("gone")
    await org.grant(10)
    for source, target in (("", "gone"), ("gone", field)):
        with pytest.raises(AccountClosed) as caught:
            await org.transfer(1, source, target)
        assert caught.value.metadata["account_id"] == org.path("gone")


async def test_suspension_does_not_stop_a_transfer(org: Organisation, field: str) -> None:
    await org.grant(10)
    await org.change(status=AccountStatus.SUSPENDED)
    await org.change(field, status=AccountStatus.SUSPENDED)
    assert (await org.transfer(1, "", field)).credits == 1


async def test_a_target_with_too_many_grants_receives_nothing(org: Organisation, field: str) -> None:
    for _ in range(GRANTS_PER_ACCOUNT_MAX - 1):
        await org.grant(1, field)
    await org.grant(5)
    await org.grant(5, priority=1)
    with pytest.raises(TooManyGrants):
        await org.transfer(6, "", field)
    assert (await org.figures(), await org.figures(field)) == ((10, 0, 0), (GRANTS_PER_ACCOUNT_MAX - 1, 0, 0))
    await org.transfer(4, "", field)
    await org.transfer(1, "", field)
    with pytest.raises(TooManyGrants):
        await org.transfer(1, "", field)


async def test_a_target_with_too_many_scopes_receives_nothing(org: Organisation, field: str) -> None:
    *some, one_more, another = REGIONS
    for region in some[: SCOPES_PER_ACCOUNT_MAX - 1]:
        await org.grant(1, field, scope=Scope(regions=(region,)))
    await org.grant(5, scope=Scope(regions=(one_more,)))
    await org.grant(5, priority=1, scope=Scope(regions=(another,)))
    await org.grant(5, priority=2, scope=Scope(regions=(some[0],)))
    with pytest.raises(TooManyGrants):
        await org.transfer(6, "", field)
    assert (await org.figures(), await org.figures(field)) == ((15, 0, 0), (SCOPES_PER_ACCOUNT_MAX - 1, 0, 0))
    await org.transfer(5, "", field)
    assert (await org.reserve(org.sms(5, region=one_more), field)).decision is Decision.ALLOWED


async def test_scopes_that_only_repaid_debt_do_not_take_the_place_of_others(org: Organisation, field: str) -> None:
    for region in REGIONS[: SCOPES_PER_ACCOUNT_MAX - 2]:
        await org.grant(1, field, scope=Scope(regions=(region,)))
    first, second = REGIONS[SCOPES_PER_ACCOUNT_MAX - 2 : SCOPES_PER_ACCOUNT_MAX]
    await org.owe(5, field)
    await org.grant(5, scope=Scope(regions=(first,)))
    await org.grant(5, priority=1, scope=Scope(regions=(second,)))
    await org.transfer(10, "", field)
    quoted = (await org.quote(org.sms(1, region=second), field)).balance
    assert quoted is not None
    assert quoted.usable == 5


# Ids


async def test_a_transfer_happens_once_for_its_id_for_good(org: Organisation, field: str) -> None:
    await org.owe(1, field)
    await org.grant(10)
    await org.transfer(4, "", field, id="t1")
    await org.pass_time(100 * 86_400_000)
    again = await org.transfer(4, "", field, id="t1")
    assert (again.replayed, again.credits, again.debt_repaid) == (True, 4, 1)
    assert (again.source.available, again.target.available) == (6, 3)
    assert await org.figures() == (6, 0, 0)


async def test_a_transfer_id_is_refused_for_other_content(org: Organisation, field: str) -> None:
    await org.open("sales", funding=Funding.OWN)
    await org.grant(10)
    await org.transfer(4, "", field, id="t1")
    for credits_, source, target in ((3, "", field), (4, "", "sales"), (4, field, "")):
        with pytest.raises(IdReused):
            await org.transfer(credits_, source, target, id="t1")
    assert await org.figures() == (6, 0, 0)


async def test_a_transfer_replays_although_an_account_of_it_is_closed_by_now(org: Organisation, field: str) -> None:
    await org.grant(10)
    await org.transfer(4, "", field, id="t1")
    await org.close(field)
    assert (await org.transfer(4, "", field, id="t1")).replayed


async def test_a_refused_transfer_leaves_its_id_free(org: Organisation, field: str) -> None:
    with pytest.raises(InsufficientCredits):
        await org.transfer(4, "", field, id="t1")
    await org.grant(10)
    assert not (await org.transfer(4, "", field, id="t1")).replayed


async def test_ids_of_transfers_and_of_grants_are_apart(org: Organisation, field: str) -> None:
    await org.grant(10, grant_id="same")
    assert not (await org.transfer(4, "", field, id="same")).replayed


async def test_transfers_race_and_move_what_there_was_and_no_more(org: Organisation, field: str) -> None:
    await org.grant(10)

    async def transfer(number: int) -> int:
        try:
            moved = await org.transfer(3, "", field, id=f"t{number % 8}")
        except InsufficientCredits:
            return 0
        return 0 if moved.replayed else moved.credits

    answers = await asyncio.gather(*(transfer(number) for number in range(32)))
    assert sum(answers) == 9
    assert (await org.figures(), await org.figures(field)) == ((1, 0, 0), (9, 0, 0))

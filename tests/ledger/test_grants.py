"""Grants: in which order they burn, what they may pay for, when they begin and end, and debt they repay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    Decision,
    DenialReason,
    GrantKind,
    GrantState,
)
from creditgate_server.engine.errors import AccountNotFound, IdReused, InvalidField, TooManyGrants

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

REGIONS = ("AR", "AU", "BR", "CA", "CL", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NZ", "SE", "US")


async def burnt(org: Organisation) -> list[str]:
    """Return ids of the grants that a hold of all there is draws on, in order."""
    await org.reserve(org.sms((await org.balance()).available), id="all")
    return [grant_id for grant_id, _ in (await org.hold("all")).draws[0].grants]


async def test_lower_priorities_burn_first(org: Organisation) -> None:
    for grant_id, priority in (("c", 7), ("a", -1000), ("d", 1000), ("b", 0)):
        await org.grant(1, grant_id=grant_id, priority=priority)
    assert await burnt(org) == ["a", "b", "c", "d"]


async def test_among_equal_priorities_the_soonest_expiry_burns_first_and_never_last(org: Organisation) -> None:
    now_ms = await org.now_ms()
    for grant_id, expire_ms in (("never", 0), ("late", now_ms + 90_000), ("soon", now_ms + 60_000)):
        await org.grant(1, grant_id=grant_id, expire_ms=expire_ms)
    await org.grant(1, grant_id="last", priority=1, expire_ms=now_ms + 30_000)
    assert await burnt(org) == ["soon", "late", "never", "last"]


async def test_among_equal_expiries_the_oldest_burns_first(org: Organisation) -> None:
    for grant_id in ("z", "m", "a"):
        await org.grant(1, grant_id=grant_id)
        await org.pass_time(1)
    assert await burnt(org) == ["z", "m", "a"]


async def test_kinds_do_not_change_the_order(org: Organisation) -> None:
    for kind in (GrantKind.PURCHASED, GrantKind.PLAN, GrantKind.PROMOTIONAL, GrantKind.ROLLOVER, GrantKind.ADJUSTMENT):
        await org.grant(1, grant_id=kind.name, kind=kind)
        await org.pass_time(1)
    assert await burnt(org) == ["PURCHASED", "PLAN", "PROMOTIONAL", "ROLLOVER", "ADJUSTMENT"]


async def test_a_grant_that_begins_later_burns_by_its_terms_and_not_by_its_beginning(org: Organisation) -> None:
    await org.grant(1, grant_id="pending", priority=-1, effective_ms=await org.now_ms() + 5_000)
    await org.grant(1, grant_id="live")
    await org.pass_time(6_000)
    assert await burnt(org) == ["pending", "live"]


async def test_a_grant_is_drawn_until_the_moment_it_ends(org: Organisation) -> None:
    expire_ms = await org.now_ms() + 3_600_000
    await org.grant(5, grant_id="g", expire_ms=expire_ms)
    await org.pass_time(3_590_000)
    assert (await org.reserve(org.sms(2))).decision is Decision.ALLOWED
    await org.pass_time(10_000)
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED
    grant = (await org.grants())["g"]
    assert (grant.state, grant.remaining, grant.held, grant.expired) == (GrantState.EXPIRED, 0, 2, 3)


async def test_what_is_left_at_the_end_is_gone_from_the_balance(org: Organisation) -> None:
    await org.grant(5, expire_ms=await org.now_ms() + 1_000)
    await org.grant(2)
    await org.pass_time(1_000)
    assert await org.figures() == (2, 0, 0)


async def test_an_expired_grant_does_not_end_the_debt_and_holds_survive_it(org: Organisation) -> None:
    await org.grant(5, grant_id="g", expire_ms=await org.now_ms() + 1_000)
    await org.reserve(org.sms(5), id="m1")
    await org.owe(3)
    await org.pass_time(2_000)
    assert await org.figures() == (-3, 5, 3)
    await org.commit("m1")
    grant = (await org.grants())["g"]
    assert (grant.captured, grant.expired, grant.state) == (5, 0, GrantState.EXPIRED)


async def test_a_grant_that_is_not_effective_yet_pays_for_nothing(org: Organisation) -> None:
    granted = await org.grant(5, grant_id="g", effective_ms=await org.now_ms() + 60_000)
    assert (granted.grant.state, granted.balance.available) == (GrantState.PENDING, 0)
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED
    await org.pass_time(60_000)
    assert (await org.reserve(org.sms(1))).decision is Decision.ALLOWED
    assert (await org.grants())["g"].state is GrantState.LIVE


async def test_a_grant_repays_debt_when_it_becomes_effective_and_not_before(org: Organisation) -> None:
    await org.owe(4)
    granted = await org.grant(10, grant_id="g", effective_ms=await org.now_ms() + 60_000)
    assert (granted.debt_repaid, granted.balance.debt) == (0, 4)
    await org.pass_time(60_000)
    assert await org.figures() == (6, 0, 0)
    grant = (await org.grants())["g"]
    assert (grant.remaining, grant.debt_repaid) == (6, 4)


async def test_a_grant_repays_debt_first_and_says_how_much(org: Organisation) -> None:
    await org.owe(7)
    first = await org.grant(3, grant_id="a")
    assert (first.debt_repaid, first.grant.remaining, first.grant.state) == (3, 0, GrantState.EXHAUSTED)
    assert (first.balance.debt, first.balance.available) == (4, -4)
    second = await org.grant(10, grant_id="b")
    assert (second.debt_repaid, second.grant.remaining, second.balance.available) == (4, 6, 6)
    assert {grant.debt_repaid for grant in (await org.grants()).values()} == {3, 4}


async def test_credits_repay_debt_whatever_they_may_pay_for(org: Organisation) -> None:
    await org.owe(3)
    granted = await org.grant(5, scope=Scope(channels=(Channel.VOICE,)))
    assert granted.debt_repaid == 3
    assert await org.figures() == (2, 0, 0)


async def test_an_allotment_repays_nothing(org: Organisation) -> None:
    await org.owe(3)
    granted = await org.allot(5)
    assert (granted.debt_repaid, granted.balance.debt, granted.balance.limit_left) == (0, 3, 5)


async def test_debt_is_not_repaid_by_credits_that_lay_there_before(org: Organisation) -> None:
    await org.grant(5, grant_id="voice", scope=Scope(channels=(Channel.VOICE,)))
    await org.owe(3)
    balance = await org.balance()
    assert (balance.available, balance.debt) == (2, 3)
    assert (await org.grants())["voice"].remaining == 5


async def test_scopes_admit_usage_by_channel_and_by_region(org: Organisation) -> None:
    await org.grant(1, grant_id="voice", scope=Scope(channels=(Channel.VOICE,)))
    await org.grant(2, grant_id="us", scope=Scope(regions=("CA", "US")))
    await org.grant(4, grant_id="us-sms", scope=Scope(channels=(Channel.SMS,), regions=("US",)))
    await org.grant(8, grant_id="any")
    usable = {
        (channel, region): (await org.quote(org.sms(1, channel=channel, region=region))).balance
        for channel in (Channel.SMS, Channel.TEXTBOT)
        for region in ("US", "CA", "DE", "")
    }
    assert {key: balance.usable for key, balance in usable.items() if balance} == {
        (Channel.SMS, "US"): 14,
        (Channel.SMS, "CA"): 10,
        (Channel.SMS, "DE"): 8,
        (Channel.SMS, ""): 8,
        (Channel.TEXTBOT, "US"): 10,
        (Channel.TEXTBOT, "CA"): 10,
        (Channel.TEXTBOT, "DE"): 8,
        (Channel.TEXTBOT, ""): 8,
    }
    assert {balance.available for balance in usable.values() if balance} == {15}


async def test_usable_credits_decide_and_not_available_ones(org: Organisation) -> None:
    await org.grant(10, scope=Scope(regions=("US",)))
    await org.grant(2)
    denied = await org.reserve(org.sms(3, region="DE"))
    assert denied.denial is not None
    assert (denied.denial.reason, denied.denial.shortfall) == (DenialReason.INSUFFICIENT_CREDITS, 1)
    assert (await org.reserve(org.sms(12, region="US"))).decision is Decision.ALLOWED


async def test_debt_has_no_scope_and_counts_against_every_usage(org: Organisation) -> None:
    await org.grant(10, scope=Scope(regions=("US",)))
    await org.owe(4)
    assert (await org.reserve(org.sms(7, region="US"))).decision is Decision.DENIED
    assert (await org.reserve(org.sms(6, region="US"))).decision is Decision.ALLOWED


async def test_draws_pass_over_grants_that_may_not_pay(org: Organisation) -> None:
    for number, region in enumerate(("US", "", "DE", "", "US")):
        scope = Scope(regions=(region,)) if region else Scope()
        await org.grant(2, grant_id=f"g{number}", priority=number, scope=scope)
    await org.reserve(org.sms(5, region="DE"), id="m1")
    assert (await org.hold("m1")).draws[0].grants == (("g1", 2), ("g2", 2), ("g3", 1))
    await org.reserve(org.sms(5, region="US"), id="m2")
    assert (await org.hold("m2")).draws[0].grants == (("g0", 2), ("g3", 1), ("g4", 2))


async def test_a_scoped_allotment_limits_its_usage_and_leaves_none_for_the_rest(org: Organisation) -> None:
    await org.open("field")
    await org.grant(100)
    await org.allot(3, "field", scope=Scope(regions=("US",)))
    assert (await org.reserve(org.sms(3, region="US"), "field")).decision is Decision.ALLOWED
    denied = await org.reserve(org.sms(1, region="DE"), "field")
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.LIMIT_REACHED


async def test_allotments_cap_and_never_pay(org: Organisation) -> None:
    await org.allot(100)
    denied = await org.reserve(org.sms(1))
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.INSUFFICIENT_CREDITS


async def test_a_limit_whose_allotments_have_ended_stays_at_zero(org: Organisation) -> None:
    await org.grant(100)
    await org.allot(5, expire_ms=await org.now_ms() + 1_000)
    await org.pass_time(1_000)
    assert (await org.balance()).limit_left == 0
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED
    await org.allot(1)
    assert (await org.reserve(org.sms(1))).decision is Decision.ALLOWED


async def test_a_grant_is_given_once_for_its_id_and_answers_the_first_repayment(org: Organisation) -> None:
    await org.owe(4)
    expire_ms = await org.now_ms() + 60_000
    await org.grant(10, grant_id="g", expire_ms=expire_ms)
    again = await org.grant(10, grant_id="g", expire_ms=expire_ms)
    assert (again.replayed, again.debt_repaid, again.grant.remaining) == (True, 4, 6)
    assert await org.figures() == (6, 0, 0)


async def test_a_grant_replays_for_good_even_when_it_has_ended(org: Organisation) -> None:
    expire_ms = await org.now_ms() + 1_000
    await org.grant(3, grant_id="brief", expire_ms=expire_ms)
    await org.grant(2, grant_id="used")
    await org.charge(org.sms(2))
    await org.pass_time(30 * 86_400_000)
    expired = await org.grant(3, grant_id="brief", expire_ms=expire_ms)
    assert (expired.replayed, expired.grant.state, expired.grant.expired) == (True, GrantState.EXPIRED, 1)
    used = await org.grant(2, grant_id="used")
    assert (used.replayed, used.grant.remaining) == (True, 2)
    await org.charge(org.sms(2))
    assert (await org.grant(2, grant_id="used")).grant.state is GrantState.EXHAUSTED
    assert await org.figures() == (0, 0, 0)


async def test_a_grant_id_is_refused_for_other_content(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10, grant_id="g", note="first")
    assert (await org.grant(10, grant_id="g", note="another remark", actor="somebody")).replayed
    for credits_, below, terms in (
        (11, "", {}),
        (10, "field", {}),
        (10, "", {"kind": GrantKind.PLAN}),
        (10, "", {"priority": 1}),
        (10, "", {"scope": Scope(regions=("US",))}),
        (10, "", {"expire_ms": await org.now_ms() + 60_000}),
    ):
        with pytest.raises(IdReused):
            await org.grant(credits_, below, grant_id="g", **terms)
    assert await org.figures() == (10, 0, 0)


async def test_an_end_that_is_past_or_before_the_beginning_is_refused(org: Organisation) -> None:
    now_ms = await org.now_ms()
    for begins_ms, ends_ms in ((0, now_ms - 1), (now_ms + 5_000, now_ms + 5_000), (now_ms + 6_000, now_ms + 5_000)):
        with pytest.raises(InvalidField) as caught:
            await org.grant(1, effective_ms=begins_ms, expire_ms=ends_ms)
        assert caught.value.field == "expire_time"
    assert await org.grants() == {}


async def test_a_beginning_in_the_past_is_now(org: Organisation) -> None:
    granted = await org.grant(5, effective_ms=1)
    assert granted.grant.effective_ms == granted.grant.create_ms
    assert granted.balance.available == 5


async def test_an_unknown_account_is_given_nothing(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.grant(5, "nobody")


async def test_active_grants_are_bounded_before_any_money_moves(org: Organisation) -> None:
    for number in range(GRANTS_PER_ACCOUNT_MAX):
        await org.grant(1, grant_id=f"g{number}")
    with pytest.raises(TooManyGrants):
        await org.grant(1, grant_id="one-more")
    assert (await org.grant(1, grant_id="g7")).replayed
    assert await org.figures() == (GRANTS_PER_ACCOUNT_MAX, 0, 0)
    await org.charge(org.sms(1))
    assert not (await org.grant(1, grant_id="one-more")).replayed


async def test_a_hundred_grants_are_drawn_and_given_back_in_one_hold(org: Organisation) -> None:
    now_ms = await org.now_ms()
    for number in range(GRANTS_PER_ACCOUNT_MAX):
        await org.grant(2, grant_id=f"g{number:03}", priority=-number, expire_ms=now_ms + 600_000 + number % 7)
    await org.reserve(org.sms(199), id="m1")
    drawn = [grant_id for grant_id, _ in (await org.hold("m1")).draws[0].grants]
    assert drawn == [f"g{number:03}" for number in reversed(range(GRANTS_PER_ACCOUNT_MAX))]
    await org.commit("m1", credits_=3)
    assert await org.figures() == (197, 0, 0)
    await org.pass_time(700_000)
    assert await org.figures() == (0, 0, 0)


async def test_grants_that_hold_credits_stay_active_until_these_are_settled(org: Organisation) -> None:
    for number in range(GRANTS_PER_ACCOUNT_MAX):
        await org.grant(1, grant_id=f"g{number}")
    await org.reserve(org.sms(GRANTS_PER_ACCOUNT_MAX), id="m1")
    with pytest.raises(TooManyGrants):
        await org.grant(1)
    await org.commit("m1")
    await org.grant(1)


async def test_distinct_scopes_are_bounded_before_any_money_moves(org: Organisation) -> None:
    for region in REGIONS[:SCOPES_PER_ACCOUNT_MAX]:
        await org.grant(1, scope=Scope(regions=(region,)))
    with pytest.raises(TooManyGrants):
        await org.grant(1, scope=Scope(regions=(REGIONS[SCOPES_PER_ACCOUNT_MAX],)))
    await org.grant(1, scope=Scope(regions=(REGIONS[0],)))
    await org.grant(1)
    assert await org.figures() == (SCOPES_PER_ACCOUNT_MAX + 2, 0, 0)
    assert (await org.reserve(org.sms(3, region=REGIONS[0]))).decision is Decision.ALLOWED


async def test_a_scope_that_no_grant_in_use_has_makes_room_for_another(org: Organisation) -> None:
    for region in REGIONS[:SCOPES_PER_ACCOUNT_MAX]:
        await org.grant(1, grant_id=region, scope=Scope(regions=(region,)))
    await org.charge(org.sms(1, region=REGIONS[0]))
    new = REGIONS[SCOPES_PER_ACCOUNT_MAX]
    await org.grant(1, scope=Scope(regions=(new,)))
    assert (await org.reserve(org.sms(1, region=REGIONS[0]))).decision is Decision.DENIED
    assert (await org.reserve(org.sms(1, region=new))).decision is Decision.ALLOWED
    assert (await org.grants())[REGIONS[0]].scope == Scope(regions=(REGIONS[0],))


async def test_ended_grants_are_listed_only_when_asked_for(org: Organisation) -> None:
    await org.grant(1, grant_id="used")
    await org.charge(org.sms(1))
    await org.grant(2, grant_id="brief", expire_ms=await org.now_ms() + 1_000)
    await org.grant(3, grant_id="live")
    await org.grant(4, grant_id="pending", effective_ms=await org.now_ms() + 60_000)
    await org.pass_time(1_000)
    active = await org.engine.list_grants(org.root_id, 50, "", include_ended=False)
    assert {grant.grant_id for grant in active.items} == {"live", "pending"}
    states = {grant_id: grant.state for grant_id, grant in (await org.grants()).items()}
    assert states == {
        "used": GrantState.EXHAUSTED,
        "brief": GrantState.EXPIRED,
        "live": GrantState.LIVE,
        "pending": GrantState.PENDING,
    }


async def test_a_grant_tells_all_its_terms(org: Organisation) -> None:
    now_ms = await org.now_ms()
    scope = Scope((Channel.SMS, Channel.MMS), ("DE", "US"))
    said = {"actor": "ann", "reference": "i-7", "note": "Grüße ✓"}
    await org.grant(5, grant_id="g", kind=GrantKind.PLAN, expire_ms=now_ms + 60_000, priority=-3, scope=scope, **said)
    grant = (await org.grants())["g"]
    assert (grant.account_id, grant.kind, grant.amount, grant.expire_ms) == (
        org.root_id,
        GrantKind.PLAN,
        5,
        now_ms + 60_000,
    )
    assert (grant.priority, grant.scope, grant.actor, grant.reference, grant.note) == (
        -3,
        scope,
        "ann",
        "i-7",
        "Grüße ✓",
    )
    assert grant.create_ms == grant.effective_ms >= now_ms


async def test_what_is_due_happens_in_the_order_of_time_however_late_it_is_noticed(org: Organisation) -> None:
    await org.owe(10)
    now_ms = await org.now_ms()
    await org.grant(10, grant_id="lasting", effective_ms=now_ms + 10_000)
    await org.grant(10, grant_id="brief", effective_ms=now_ms + 5_000, expire_ms=now_ms + 8_000)
    await org.pass_time(20_000)
    assert await org.figures() == (10, 0, 0)
    assert (await org.grants())["brief"].debt_repaid == 10

"""Give back: one rule for release, partial commit, expiry and refund. What became of a grant says where credits go."""

from __future__ import annotations

from itertools import product
from string import ascii_uppercase
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.regions import is_region
from creditgate.pricing.usage import Channel
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    Decision,
    Funding,
    GrantKind,
    GrantState,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Grant

REGIONS = ("AR", "AU", "BR", "CA", "CL", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NZ", "SE", "US")
"""One more than an account may have scopes of."""

HOLD_MS = 600_000
PLACES_MAX = 256
"""Places of scopes that a grant's record can name."""

HOPS_MAX = 16
"""Grants that one return follows from heir to heir: `returns.HOPS_MAX` of `returns.lua`."""


@pytest.fixture(params=["release", "commit", "expiry", "refund"])
def way(request: pytest.FixtureRequest) -> str:
    """Each way in which credits of the hold m1 come back."""
    return str(request.param)


async def take(org: Organisation, credits_: int, way: str, below: str = "") -> None:
    """Take credits that are going to come back."""
    assert (await org.reserve(org.sms(credits_), below, id="m1", ttl_ms=HOLD_MS)).decision is Decision.ALLOWED
    if way == "refund":
        await org.commit("m1", below)


async def give_back(org: Organisation, way: str, below: str = "") -> tuple[int, int, int]:
    """Return what was restored, what was swallowed by grants that have ended, and how much debt the former repaid."""
    if way == "refund":
        refunded = await org.refund("m1", below=below)
        return refunded.restored, refunded.expired, refunded.debt_repaid
    if way == "expiry":
        await org.pass_time(HOLD_MS)
    settled = await (org.commit("m1", below, 0) if way == "commit" else org.release("m1", below))
    return settled.restored, settled.expired, settled.debt_repaid


async def made_by_ledger(org: Organisation, below: str = "") -> list[Grant]:
    return [grant for grant in (await org.grants(below)).values() if grant.grant_id.startswith("cg:")]


async def test_credits_go_back_to_the_very_grants_that_they_came_from(org: Organisation, way: str) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await take(org, 5, way)
    assert await give_back(org, way) == (5, 0, 0)
    assert {id_: grant.remaining for id_, grant in (await org.grants()).items()} == {"first": 2, "second": 9}
    assert await org.figures() == (11, 0, 0)


async def test_credits_that_come_back_repay_debt_first(org: Organisation, way: str) -> None:
    await org.grant(5, grant_id="g")
    await take(org, 5, way)
    await org.owe(3)
    assert await give_back(org, way) == (5, 0, 3)
    grant = (await org.grants())["g"]
    assert (grant.remaining, grant.debt_repaid) == (2, 3)
    assert await org.figures() == (2, 0, 0)


async def test_credits_of_an_expired_grant_are_expired_and_repay_nothing(org: Organisation, way: str) -> None:
    await org.grant(7, grant_id="g", expire_ms=await org.now_ms() + 10_000)
    await take(org, 5, way)
    await org.pass_time(10_000)
    await org.owe(3)
    assert await give_back(org, way) == (0, 5, 0)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.expired, grant.held) == (GrantState.EXPIRED, 7, 0)
    assert await org.figures() == (-3, 0, 3)


async def test_credits_of_a_revoked_grant_are_revoked_and_repay_nothing(org: Organisation, way: str) -> None:
    await org.grant(7, grant_id="g")
    await take(org, 5, way)
    await org.revoke("g")
    await org.owe(3)
    assert await give_back(org, way) == (0, 5, 0)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.revoked, grant.held) == (GrantState.REVOKED, 7, 0)
    assert await org.figures() == (-3, 0, 3)


async def test_credits_of_a_moved_grant_follow_it(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7, grant_id="g")
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    assert await give_back(org, way) == (5, 0, 0)
    grant, (heir,) = (await org.grants())["g"], await made_by_ledger(org, "field")
    assert (grant.state, grant.moved, grant.remaining) == (GrantState.MOVED, 7, 0)
    assert (heir.amount, heir.remaining) == (7, 7)
    assert (await org.figures(), await org.figures("field")) == ((0, 0, 0), (7, 0, 0))


async def test_credits_that_follow_a_moved_grant_repay_the_debt_of_where_it_went(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.owe(5, "field")
    await org.owe(4)
    assert await give_back(org, way) == (5, 0, 3)
    assert (await org.figures(), await org.figures("field")) == ((-4, 0, 4), (2, 0, 0))


async def test_credits_of_a_grant_moved_twice_follow_it_to_the_end(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.open("field/east", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.transfer(2, "field", "field/east")
    assert await give_back(org, way) == (5, 0, 0)
    assert [await org.figures(below) for below in ("", "field", "field/east")] == [(0, 0, 0), (0, 0, 0), (7, 0, 0)]


async def test_credits_of_a_grant_moved_into_a_closed_account_are_revoked_there(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.close("field")
    assert await give_back(org, way) == (0, 5, 0)
    (heir,) = await made_by_ledger(org, "field")
    assert (heir.amount, heir.revoked) == (7, 7)
    assert (await org.figures(), await org.figures("field")) == ((0, 0, 0), (0, 0, 0))


async def test_credits_of_a_grant_used_up_where_it_went_do_not_wake_a_closed_account(
    org: Organisation, way: str
) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.charge(org.sms(2), "field")
    await org.close("field")
    assert await give_back(org, way) == (0, 5, 0)
    (heir,) = await made_by_ledger(org, "field")
    assert (heir.amount, heir.captured, heir.revoked) == (7, 2, 5)
    assert await org.figures("field") == (0, 0, 0)


async def test_credits_of_a_moved_grant_end_where_it_was_revoked(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    (heir,) = await made_by_ledger(org, "field")
    await org.revoke(heir.grant_id, "field")
    assert await give_back(org, way) == (0, 5, 0)
    (heir,) = await made_by_ledger(org, "field")
    assert (heir.state, heir.revoked) == (GrantState.REVOKED, 7)


async def test_credits_of_a_moved_grant_expire_where_it_expired(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7, expire_ms=await org.now_ms() + 10_000)
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.pass_time(10_000)
    assert await give_back(org, way) == (0, 5, 0)
    (heir,) = await made_by_ledger(org, "field")
    assert (heir.state, heir.expired) == (GrantState.EXPIRED, 7)


async def test_credits_of_a_grant_that_was_moved_and_then_revoked_follow_it_no_more(
    org: Organisation, way: str
) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7, grant_id="g")
    await take(org, 5, way)
    await org.transfer(2, "", "field")
    await org.revoke("g")
    assert await give_back(org, way) == (0, 5, 0)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.moved, grant.revoked) == (GrantState.REVOKED, 2, 5)
    assert await org.figures("field") == (2, 0, 0)


async def test_credits_of_a_grant_that_was_moved_in_part_stay_with_it(org: Organisation, way: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7, grant_id="g")
    await take(org, 5, way)
    await org.transfer(1, "", "field")
    assert await give_back(org, way) == (5, 0, 0)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.remaining, grant.moved) == (GrantState.LIVE, 6, 1)
    assert await org.figures("field") == (1, 0, 0)


async def test_limits_get_back_what_they_gave_whatever_becomes_of_the_wallets_part(org: Organisation, way: str) -> None:
    await org.open("field")
    await org.grant(5, grant_id="g")
    await org.allot(6, "field", grant_id="room")
    await take(org, 5, way, "field")
    await org.revoke("g")
    assert await give_back(org, way, "field") == (0, 5, 0)
    room = (await org.grants("field"))["room"]
    assert (room.remaining, room.held, (await org.balance("field")).limit_left) == (6, 0, 6)


async def test_credits_of_an_allotment_that_has_ended_end_with_it(org: Organisation, way: str) -> None:
    await org.open("field")
    await org.grant(5)
    await org.allot(6, "field", grant_id="brief", expire_ms=await org.now_ms() + 10_000)
    await org.allot(6, "", grant_id="revoked")
    await take(org, 5, way, "field")
    await org.pass_time(10_000)
    await org.revoke("revoked")
    assert await give_back(org, way, "field") == (5, 0, 0)
    assert (await org.grants("field"))["brief"].expired == 6
    assert (await org.grants())["revoked"].revoked == 6
    assert (await org.balance("field")).limit_left == 0


async def test_a_grant_that_was_used_up_pays_again_with_what_comes_back_in_its_old_place(org: Organisation) -> None:
    await org.grant(4, grant_id="used", priority=1)
    await org.grant(4, grant_id="next", priority=2)
    await org.charge(org.sms(4), id="c1")
    assert (await org.grants())["used"].state is GrantState.EXHAUSTED
    await org.refund(charge_id="c1", credits_=3)
    used = (await org.grants())["used"]
    assert (used.state, used.remaining, used.captured, used.refunded) == (GrantState.LIVE, 3, 4, 3)
    await org.reserve(org.sms(5), id="m1")
    assert (await org.hold("m1")).draws[0].grants == (("used", 3), ("next", 2))


async def test_a_grant_that_is_used_again_still_ends_when_its_time_is_over(org: Organisation) -> None:
    await org.grant(4, grant_id="used", expire_ms=await org.now_ms() + 60_000)
    await org.charge(org.sms(4), id="c1")
    await org.pass_time(30_000)
    await org.refund(charge_id="c1")
    assert await org.figures() == (4, 0, 0)
    await org.pass_time(30_000)
    assert await org.figures() == (0, 0, 0)
    used = (await org.grants())["used"]
    assert (used.state, used.expired) == (GrantState.EXPIRED, 4)


async def test_a_grant_that_was_used_up_and_whose_time_is_over_has_ended(org: Organisation) -> None:
    await org.grant(4, grant_id="used", expire_ms=await org.now_ms() + 60_000)
    await org.charge(org.sms(4), id="c1")
    await org.pass_time(60_000)
    assert (await org.grants())["used"].state is GrantState.EXHAUSTED
    refunded = await org.refund(charge_id="c1", credits_=3)
    assert (refunded.restored, refunded.expired) == (0, 3)
    used = (await org.grants())["used"]
    assert (used.state, used.remaining, used.expired) == (GrantState.EXPIRED, 0, 3)


async def test_a_grant_that_debt_has_used_up_takes_back_no_debt_payment_but_what_was_captured(
    org: Organisation,
) -> None:
    await org.owe(3)
    await org.grant(5, grant_id="g")
    await org.charge(org.sms(2), id="c1")
    await org.refund(charge_id="c1")
    grant = (await org.grants())["g"]
    assert (grant.state, grant.remaining, grant.debt_repaid) == (GrantState.LIVE, 2, 3)


async def test_a_grant_in_use_again_pays_for_the_usage_of_its_own_scope_only(org: Organisation) -> None:
    first, *_, new = REGIONS
    for region in REGIONS[:SCOPES_PER_ACCOUNT_MAX]:
        await org.grant(1, grant_id=region, scope=Scope(regions=(region,)))
    await org.charge(org.sms(1, region=first), id="c1")
    await org.grant(1, grant_id=new, scope=Scope(regions=(new,)))
    await org.refund(charge_id="c1")
    assert (await org.reserve(org.sms(2, region=new))).decision is Decision.DENIED
    assert (await org.reserve(org.sms(1, region=new))).decision is Decision.ALLOWED
    assert await org.figures() == (SCOPES_PER_ACCOUNT_MAX, 1, 0)


async def test_places_of_scopes_that_came_back_are_used_again(org: Organisation) -> None:
    regions = [first + second for first, second in product(ascii_uppercase, repeat=2) if is_region(first + second)]
    *lasting, last = regions[:SCOPES_PER_ACCOUNT_MAX]
    for region in lasting:
        await org.grant(1, scope=Scope(regions=(region,)))
    passing = [
        Scope(channels, (region,)) for region in regions[SCOPES_PER_ACCOUNT_MAX:] for channels in ((), (Channel.SMS,))
    ][:PLACES_MAX]
    for number, scope in enumerate(passing):
        await org.grant(1, scope=scope)
        await org.charge(org.sms(1, region=scope.regions[0]), id=f"c{number}")
    await org.grant(1, scope=Scope(regions=(last,)))
    for number, scope in enumerate(passing):
        await org.refund(charge_id=f"c{number}")
        assert (await org.charge(org.sms(1, region=scope.regions[0]))).decision is Decision.ALLOWED, number
    assert await org.figures() == (SCOPES_PER_ACCOUNT_MAX, 0, 0)


async def test_a_used_up_grant_goes_on_as_an_adjustment_where_as_many_are_in_use_as_may_be(org: Organisation) -> None:
    await org.grant(3, grant_id="used")
    await org.charge(org.sms(3), id="c1")
    for _ in range(GRANTS_PER_ACCOUNT_MAX):
        await org.grant(1)
    refunded = await org.refund(charge_id="c1")
    assert (refunded.restored, refunded.expired) == (3, 0)
    assert (await org.grants())["used"].moved == 3
    (adjustment,) = await made_by_ledger(org)
    assert (adjustment.kind, adjustment.remaining) == (GrantKind.ADJUSTMENT, 3)
    assert await org.figures() == (GRANTS_PER_ACCOUNT_MAX + 3, 0, 0)


async def test_the_room_of_a_used_up_allotment_is_gone_where_as_many_grants_are_in_use_as_may_be(
    org: Organisation,
) -> None:
    await org.grant(3)
    await org.allot(3)
    await org.charge(org.sms(3), id="c1")
    for _ in range(GRANTS_PER_ACCOUNT_MAX):
        await org.grant(1)
    await org.refund(charge_id="c1", credits_=2)
    assert (await org.balance()).limit_left == 0


@pytest.mark.parametrize("way", ["release", "commit", "expiry"])
async def test_an_overdraft_that_is_not_used_leaves_nothing_behind(org: Organisation, way: str) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(3)
    await take(org, 8, way)
    assert await give_back(org, way) == (3, 0, 0)
    assert await org.figures() == (3, 0, 0)


async def test_what_comes_back_before_its_grant_ends_is_there_until_then(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(10, expire_ms=await org.now_ms() + 30_000)
    await org.reserve(org.sms(4), ttl_ms=20_000)
    await org.reserve(org.sms(5), ttl_ms=40_000)
    await org.transfer(1, "", "field")
    await org.owe(7, "field")
    await org.pass_time(50_000)
    assert await org.figures("field") == (-2, 0, 2)
    (heir,) = await made_by_ledger(org, "field")
    assert (heir.debt_repaid, heir.expired, heir.captured) == (4, 5, 1)


async def test_a_grant_used_again_by_a_hold_that_expired_ends_before_a_later_one_comes_back(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    now_ms = await org.now_ms()
    await org.grant(10, expire_ms=now_ms + 30_000)
    await org.grant(1, "field", expire_ms=now_ms + 10_000)
    await org.reserve(org.sms(4), id="before", ttl_ms=20_000)
    await org.reserve(org.sms(5), id="after", ttl_ms=40_000)
    await org.transfer(1, "", "field")
    await org.owe(2, "field")
    await org.pass_time(50_000)
    before, after = await org.release("before"), await org.release("after")
    assert (before.restored, before.expired) == (4, 0)
    assert (after.restored, after.expired) == (0, 5)
    assert await org.figures("field") == (0, 0, 0)


@pytest.mark.parametrize("moves", [HOPS_MAX, HOPS_MAX + 1, HOPS_MAX + 4])
async def test_credits_follow_a_bounded_number_of_moves_and_none_is_lost(org: Organisation, moves: int) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(7)
    await take(org, 5, "release")
    places = ["", "field"]
    for move in range(moves):
        await org.transfer(2, places[move % 2], places[(move + 1) % 2])
    assert await give_back(org, "release") == (5, 0, 0)
    adjusted = [
        below
        for below in places
        if any(grant.kind is GrantKind.ADJUSTMENT for grant in await made_by_ledger(org, below))
    ]
    assert adjusted == ([places[HOPS_MAX % 2]] if moves > HOPS_MAX else [])
    assert (await org.figures())[0] + (await org.figures("field"))[0] == 7

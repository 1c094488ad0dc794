"""Overage: what a commit takes beyond what its hold holds, and what it falls short of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel, Priority
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import Enforcement, Funding, Overage, ReservationState
from creditgate_server.engine.errors import HoldAlreadyCommitted, OverageRejected

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation


async def test_overage_is_allowed_unless_somebody_says_otherwise(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5)
    await org.reserve(org.sms(2), "field", id="m1")
    settled = await org.commit("m1", "field", 9)
    assert (settled.captured, settled.overage, settled.shortfall) == (9, 7, 0)
    assert await org.figures() == (-4, 0, 4)


async def test_allow_goes_into_debt_whatever_the_overdraft_limit(org: Organisation) -> None:
    await org.change(overage=Overage.ALLOW, overdraft_limit=1)
    await org.grant(2)
    await org.reserve(org.sms(2), id="m1")
    assert (await org.commit("m1", credits_=9)).overage == 7
    assert await org.figures() == (-7, 0, 7)


async def test_cap_takes_what_is_left_and_records_the_rest_as_shortfall(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=9)
    assert (settled.captured, settled.overage, settled.shortfall) == (5, 3, 4)
    assert settled.state is ReservationState.COMMITTED
    assert (await org.hold("m1")).captured == 5
    assert await org.figures() == (0, 0, 0)


async def test_cap_takes_all_where_there_is_enough(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(20)
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=9)
    assert (settled.captured, settled.overage, settled.shortfall) == (9, 7, 0)


async def test_a_shortfall_is_journalled_and_replayed(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    await org.commit("m1", credits_=9)
    await org.grant(100)
    again = await org.commit("m1", credits_=9)
    assert (again.replayed, again.captured, again.overage, again.shortfall) == (True, 5, 3, 4)
    with pytest.raises(HoldAlreadyCommitted):
        await org.commit("m1", credits_=5)
    assert await org.figures() == (100, 0, 0)
    entries = [entry async for entry in org.ledger.journal(org.partition)]
    (committed,) = [entry for entry in entries if entry.kind == "committed" and entry.account_id == org.root_id]
    moved = committed.detail[0]
    assert (moved[0], moved[1], moved[5]) == (9, 5, 4)


async def test_cap_goes_as_far_as_the_overdraft_limit(org: Organisation) -> None:
    await org.change(overage=Overage.CAP, overdraft_limit=3)
    await org.grant(4)
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=20)
    assert (settled.captured, settled.overage, settled.shortfall) == (7, 5, 13)
    assert await org.figures() == (-3, 0, 3)


async def test_cap_stops_bulk_at_the_floor_and_nothing_else(org: Organisation) -> None:
    await org.change(overage=Overage.CAP, floor=3, overdraft_limit=2)
    await org.grant(10)
    await org.reserve(org.sms(2, priority=Priority.BULK), id="bulk")
    settled = await org.commit("bulk", credits_=20)
    assert (settled.captured, settled.shortfall) == (7, 13)
    assert await org.figures() == (3, 0, 0)
    await org.reserve(org.sms(1), id="alert")
    settled = await org.commit("alert", credits_=20)
    assert (settled.captured, settled.shortfall) == (5, 15)
    assert await org.figures() == (-2, 0, 2)


async def test_cap_takes_the_least_that_wallet_and_limits_have(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east", overage=Overage.CAP)
    await org.grant(20)
    await org.allot(6, "field")
    await org.allot(9, "field/east")
    await org.reserve(org.sms(2), "field/east", id="m1")
    settled = await org.commit("m1", "field/east", 15)
    assert (settled.captured, settled.overage, settled.shortfall) == (6, 4, 9)
    assert await org.figures() == (14, 0, 0)
    assert [(await org.balance(below)).limit_left for below in ("field", "field/east")] == [0, 0]
    assert (await org.audit("field"))["limit_overrun"] == (await org.audit("field/east"))["limit_overrun"] == 0


async def test_cap_counts_only_credits_that_may_pay_for_the_usage(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5, scope=Scope(channels=(Channel.SMS,)))
    await org.grant(50, scope=Scope(channels=(Channel.VOICE,)))
    await org.reserve(org.sms(2), id="m1")
    assert (await org.commit("m1", credits_=9)).captured == 5
    assert await org.figures() == (50, 0, 0)


async def test_cap_counts_credits_only_after_what_the_hold_holds_was_captured(org: Organisation) -> None:
    await org.change(overage=Overage.CAP, overdraft_limit=4)
    await org.grant(3)
    await org.reserve(org.sms(7), id="m1")
    await org.grant(2)
    settled = await org.commit("m1", credits_=20)
    assert (settled.captured, settled.overage, settled.shortfall) == (9, 2, 11)
    assert await org.figures() == (-4, 0, 4)


async def test_cap_with_less_than_nothing_left_takes_what_was_held(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5)
    await org.reserve(org.sms(5), id="m1")
    await org.owe(3)
    settled = await org.commit("m1", credits_=9)
    assert (settled.captured, settled.overage, settled.shortfall) == (5, 0, 4)
    assert await org.figures() == (-3, 0, 3)


async def test_what_other_holds_hold_is_not_there_for_cap(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    await org.reserve(org.sms(5), id="other")
    assert (await org.commit("m1", credits_=9)).captured == 5
    assert await org.figures() == (0, 5, 0)


@pytest.mark.parametrize("policy", [Overage.ALLOW, Overage.CAP], ids=lambda policy: policy.name)
async def test_overage_waits_for_all_that_is_due(org: Organisation, policy: Overage) -> None:
    await org.change(overage=policy)
    await org.grant(42)
    await org.reserve(org.sms(2), id="m1", ttl_ms=600_000)
    await asyncio.gather(*(org.reserve(ttl_ms=5_000) for _ in range(40)))
    await org.pass_time(6_000)
    settled = await org.commit("m1", credits_=42)
    assert (settled.captured, settled.overage, settled.shortfall) == (42, 40, 0)
    assert (await org.audit())["debt_incurred"] == 0
    assert await org.figures() == (0, 0, 0)


async def test_cap_is_bounded_by_enforcing_levels_only(org: Organisation) -> None:
    await org.open("field", enforcement=Enforcement.MONITOR, overage=Overage.CAP)
    await org.grant(10)
    await org.allot(3, "field")
    await org.reserve(org.sms(2), "field", id="m1")
    settled = await org.commit("m1", "field", 15)
    assert (settled.captured, settled.shortfall) == (10, 5)
    assert (await org.audit("field"))["limit_overrun"] == 7
    assert await org.figures() == (0, 0, 0)


@pytest.mark.parametrize("mode", [Enforcement.MONITOR, Enforcement.OFF], ids=lambda mode: mode.name)
async def test_cap_takes_all_where_nothing_enforces(org: Organisation, mode: Enforcement) -> None:
    await org.change(overage=Overage.CAP, enforcement=mode)
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=15)
    assert (settled.captured, settled.overage, settled.shortfall) == (15, 13, 0)
    assert (await org.audit())["debt_incurred"] == 0


async def test_the_mode_that_the_hold_was_drawn_in_bounds_its_cap(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    await org.change(enforcement=Enforcement.MONITOR)
    assert (await org.commit("m1", credits_=9)).captured == 5


async def test_reject_leaves_the_hold_as_it_was(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1")
    with pytest.raises(OverageRejected) as caught:
        await org.commit("m1", credits_=5)
    assert caught.value.metadata["held"] == "4"
    hold = await org.hold("m1")
    assert (hold.state, hold.held, hold.captured) == (ReservationState.PENDING, 4, 0)
    assert await org.figures() == (6, 4, 0)
    assert (await org.commit("m1", credits_=4)).captured == 4


async def test_reject_counts_what_is_still_held(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1")
    await org.capture("m1", "a", 3)
    with pytest.raises(OverageRejected) as caught:
        await org.commit("m1", credits_=2)
    assert caught.value.metadata["held"] == "1"
    assert (await org.commit("m1")).captured == 1


async def test_a_commit_within_what_is_held_asks_no_policy(org: Organisation) -> None:
    for policy in Overage:
        await org.change(overage=policy)
        await org.grant(4)
        await org.reserve(org.sms(4), id=policy.name)
        settled = await org.commit(policy.name, credits_=3)
        assert (settled.captured, settled.overage, settled.shortfall, settled.restored) == (3, 0, 0, 1)


async def test_the_policy_is_that_of_the_nearest_level_that_states_one(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.open("field")
    await org.open("field/east", overage=Overage.CAP)
    await org.open("field/east/night")
    await org.grant(10)
    await org.reserve(org.sms(1), "field", id="rejected")
    with pytest.raises(OverageRejected):
        await org.commit("rejected", "field", 2)
    await org.reserve(org.sms(1), "field/east/night", id="capped")
    assert (await org.commit("capped", "field/east/night", 100)).shortfall == 91


async def test_the_policy_is_inherited_past_an_account_that_pays_itself(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.open("field", funding=Funding.OWN)
    await org.grant(10, "field")
    await org.reserve(org.sms(1), "field", id="m1")
    with pytest.raises(OverageRejected):
        await org.commit("m1", "field", 2)


async def test_the_policy_is_that_of_the_moment_of_the_commit_and_may_be_unset_again(org: Organisation) -> None:
    await org.open("field", overage=Overage.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(1), "field", id="m1")
    account = await org.change("field", overage=None)
    assert account.settings.overage is None
    assert (await org.commit("m1", "field", 3)).overage == 2


async def test_overage_is_counted_where_it_was_paid(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.reserve(org.sms(2), "field", id="m1")
    await org.commit("m1", "field", 7)
    root, field = await org.audit(), await org.audit("field")
    assert (root["overage"], root["used"], root["usage"]) == (5, 7, 0)
    assert (field["overage"], field["used"], field["usage"]) == (0, 0, 7)

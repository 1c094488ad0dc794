"""Reserve: who pays, what is checked, what a denial leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.terms import Decision, DenialReason, Enforcement, Funding, ReservationState
from creditgate_server.engine.errors import AccountNotFound, IdReused

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.operations import Traffic
    from creditgate_server.engine.engine import Engine


async def test_a_reserve_holds_the_credits_of_the_nearest_account_that_funds_itself(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    held = await org.reserve(org.sms(3), "field")
    assert held.decision is Decision.ALLOWED
    assert held.state is ReservationState.PENDING
    assert held.balance is not None
    assert (held.balance.payer_id, held.balance.available, held.balance.reserved) == (org.root_id, 7, 3)


async def test_an_account_that_funds_itself_pays_from_its_own_wallet_only(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(10)
    denied = await org.reserve(org.sms(1), "field")
    assert denied.denial is not None
    assert (denied.denial.reason, denied.denial.account_id) == (DenialReason.INSUFFICIENT_CREDITS, org.path("field"))


async def test_every_limit_from_the_leaf_to_the_root_is_checked_and_drawn(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east")
    await org.grant(100)
    await org.allot(10, "field")
    await org.allot(4, "field/east")
    first = await org.reserve(org.sms(3), "field/east")
    assert first.balance is not None
    assert first.balance.limit_left == 1
    denied = await org.reserve(org.sms(3), "field/east")
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.LIMIT_REACHED
    assert (denied.denial.account_id, denied.denial.shortfall) == (org.path("field/east"), 2)
    assert (await org.balance("field")).limit_left == 7


async def test_a_used_up_limit_stays_at_zero_and_denies(org: Organisation) -> None:
    await org.open("field")
    await org.grant(100)
    await org.allot(2, "field")
    await org.reserve(org.sms(2), "field", id="a")
    await org.commit("a", "field")
    denied = await org.reserve(org.sms(1), "field")
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.LIMIT_REACHED


async def test_a_denial_leaves_nothing_and_the_same_id_may_be_granted_later(org: Organisation) -> None:
    denied = await org.reserve(org.sms(2), id="m1")
    assert denied.decision is Decision.DENIED
    assert denied.denial is not None
    assert denied.denial.shortfall == 2
    await org.grant(2)
    assert (await org.reserve(org.sms(2), id="m1")).decision is Decision.ALLOWED


async def test_overdraft_is_unfunded_while_held_and_debt_once_committed(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(3)
    held = await org.reserve(org.sms(8), id="m1")
    assert held.balance is not None
    assert (held.balance.available, held.balance.debt, held.balance.reserved) == (-5, 0, 8)
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED
    settled = await org.commit("m1")
    assert (settled.balance.available, settled.balance.debt) == (-5, 5)


async def test_bulk_stops_at_the_floor_while_transactional_goes_on(org: Organisation) -> None:
    await org.change(floor=5)
    await org.grant(8)
    assert (await org.reserve(org.sms(3, priority=Priority.BULK))).decision is Decision.ALLOWED
    denied = await org.reserve(org.sms(1, priority=Priority.BULK))
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.FLOOR
    assert (await org.reserve(org.sms(5))).decision is Decision.ALLOWED


async def test_partial_grants_whole_recipients_the_least_over_the_levels(org: Organisation) -> None:
    await org.open("field")
    await org.grant(9)
    await org.allot(5, "field")
    partial = await org.reserve(org.sms(2, recipients=10), "field", allow_partial=True)
    assert partial.decision is Decision.ALLOWED_PARTIAL
    assert (partial.recipients_granted, partial.credits) == (2, 4)
    assert (await org.reserve(org.sms(2, recipients=3), "field", allow_partial=True)).decision is Decision.DENIED


async def test_a_replay_answers_the_first_money_and_the_current_state(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    await org.commit("m1")
    again = await org.reserve(org.sms(2), id="m1")
    assert (again.replayed, again.credits, again.state) == (True, 2, ReservationState.COMMITTED)
    assert (await org.balance()).available == 8


async def test_the_same_id_with_other_content_is_refused(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    with pytest.raises(IdReused):
        await org.reserve(org.sms(3), id="m1")
    with pytest.raises(IdReused):
        await org.reserve(org.sms(2), "field", id="m1")
    assert (await org.balance()).reserved == 2


async def test_an_unknown_account_is_named(org: Organisation) -> None:
    with pytest.raises(AccountNotFound) as caught:
        await org.reserve(org.sms(), "nobody")
    assert caught.value.metadata["account_id"] == org.path("nobody")


async def test_a_reserve_of_inbound_usage_obeys_the_rules_of_reserve(org: Organisation) -> None:
    await org.change(inbound_overdraft_limit=100)
    await org.grant(2)
    denied = await org.reserve(org.sms(3, direction=Direction.INBOUND))
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.INSUFFICIENT_CREDITS
    assert (await org.reserve(org.sms(2, direction=Direction.INBOUND))).decision is Decision.ALLOWED


async def test_a_balance_says_how_many_more_recipients_fit(org: Organisation) -> None:
    await org.open("field")
    await org.change(overdraft_limit=3, floor=1)
    await org.grant(10)
    await org.allot(8, "field")

    async def fit(traffic: Traffic, below: str = "") -> int | None:
        balance = (await org.quote(traffic, below)).balance
        assert balance is not None
        return balance.units_left

    assert await fit(org.sms(3)) == 4
    assert await fit(org.sms(3, priority=Priority.BULK)) == 3
    assert await fit(org.sms(3), "field") == 2
    assert await fit(org.sms(14)) == 0
    await org.change(enforcement=Enforcement.MONITOR)
    assert await fit(org.sms(3)) is None
    assert await fit(org.sms(3), "field") == 2


async def test_64_racers_through_two_sidecars_on_1000_credits_get_exactly_1000(
    org: Organisation, second_engine: Engine
) -> None:
    await org.grant(1_000)
    sidecars = org, type(org)(second_engine, org.store, org.root_id)

    async def race(number: int) -> int:
        ids = (f"{number}-{turn}" for turn in range(20))
        answers = [await sidecars[number % 2].reserve(id=id_) for id_ in ids]
        return sum(answer.decision is Decision.ALLOWED for answer in answers)

    allowed = await asyncio.gather(*(race(number) for number in range(64)))
    assert sum(allowed) == 1_000
    assert (await org.balance()).available == 0

"""Refund: what a settled hold or a charge captured goes back, last captured first, and never more in sum."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel, Direction
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    ReservationState,
)
from creditgate_server.engine.errors import (
    AccountClosed,
    AccountNotFound,
    ChargeNotFound,
    HoldStillOpen,
    IdReused,
    RefundExceedsCaptured,
    ReservationNotFound,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Grant, Refunded


def moved(refunded: Refunded) -> tuple[int, int, int, int]:
    """Return what was refunded, and of this what came back, what ended grants swallowed, and what lowered debt."""
    return refunded.credits, refunded.restored, refunded.expired, refunded.debt_repaid


async def adjustments(org: Organisation, below: str = "") -> list[Grant]:
    grants = (await org.grants(below)).values()
    return sorted((grant for grant in grants if grant.kind is GrantKind.ADJUSTMENT), key=lambda grant: grant.create_ms)


# What goes back, and where to


async def test_all_of_a_committed_hold_goes_back(org: Organisation) -> None:
    await org.grant(10, grant_id="g")
    await org.reserve(org.sms(6), id="m1")
    await org.commit("m1", credits_=4)
    refunded = await org.refund("m1")
    assert (moved(refunded), refunded.replayed) == ((4, 4, 0, 0), False)
    assert (refunded.balance.available, refunded.balance.units_left) == (10, None)
    grant = (await org.grants())["g"]
    assert (grant.remaining, grant.captured, grant.refunded) == (10, 4, 4)
    hold = await org.hold("m1")
    assert (hold.state, hold.captured, hold.refunded, hold.restored) == (ReservationState.COMMITTED, 4, 4, 2)


async def test_all_of_a_charge_goes_back(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(4), id="c1")
    assert moved(await org.refund(charge_id="c1")) == (4, 4, 0, 0)
    assert await org.figures() == (10, 0, 0)


async def test_refunds_do_not_lower_what_was_used(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(4), id="c1")
    await org.refund(charge_id="c1", credits_=3)
    audit = await org.audit()
    assert (audit["used"], audit["usage"], audit["captured"], audit["refunded"]) == (4, 4, 4, 3)


async def test_what_was_captured_last_goes_back_first(org: Organisation) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.charge(org.sms(6), id="c1")

    async def back() -> tuple[int, int]:
        grants = await org.grants()
        return grants["first"].refunded, grants["second"].refunded

    await org.refund(charge_id="c1", credits_=3)
    assert await back() == (0, 3)
    await org.refund(charge_id="c1", credits_=2)
    assert await back() == (1, 4)
    await org.refund(charge_id="c1")
    assert await back() == (2, 4)


async def test_overage_was_captured_last(org: Organisation) -> None:
    await org.grant(4, grant_id="held", priority=1)
    await org.grant(3, grant_id="overage", priority=2)
    await org.reserve(org.sms(4), id="m1")
    await org.commit("m1", credits_=9)
    assert moved(await org.refund("m1", 2)) == (2, 2, 0, 2)
    assert moved(await org.refund("m1", 1)) == (1, 1, 0, 0)
    grants = await org.grants()
    assert (grants["held"].refunded, grants["overage"].refunded) == (0, 1)
    assert await org.figures() == (1, 0, 0)


async def test_limits_get_back_what_they_gave(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east")
    await org.grant(20)
    await org.allot(9, "field")
    await org.allot(6, "field/east")
    await org.reserve(org.sms(4), "field/east", id="m1")
    await org.commit("m1", "field/east")
    await org.refund("m1", 3, "field/east")
    assert [(await org.balance(below)).limit_left for below in ("field", "field/east")] == [8, 5]
    audit = await org.audit("field/east")
    assert (audit["limit_captured"], audit["limit_refunded"]) == (4, 3)


async def test_what_a_limit_let_through_does_not_come_back_to_it(org: Organisation) -> None:
    await org.open("field")
    await org.grant(20)
    await org.allot(3, "field", grant_id="room")
    await org.reserve(org.sms(2), "field", id="m1")
    await org.commit("m1", "field", 8)
    assert moved(await org.refund("m1", 6, "field")) == (6, 6, 0, 0)
    assert (await org.grants("field"))["room"].refunded == 1
    assert (await org.balance("field")).limit_left == 1


async def test_what_was_let_through_was_paid_by_nobody(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(3)
    await org.reserve(org.sms(5), id="m1")
    await org.commit("m1")
    assert moved(await org.refund("m1", 2)) == (2, 0, 0, 0)
    assert moved(await org.refund("m1")) == (3, 3, 0, 0)
    assert (await org.audit())["overrun"] == 2
    assert await org.figures() == (3, 0, 0)


async def test_a_charge_that_touched_no_wallet_refunds_nothing(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.OFF)
    await org.grant(3)
    await org.charge(org.sms(5), id="c1")
    assert moved(await org.refund(charge_id="c1")) == (5, 0, 0, 0)
    assert await org.figures() == (3, 0, 0)


# What had been debt


async def test_a_part_that_was_debt_lowers_debt(org: Organisation) -> None:
    await org.grant(2)
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    assert moved(await org.refund(charge_id="c1", credits_=2)) == (2, 2, 0, 2)
    assert await org.figures() == (-1, 0, 1)
    assert moved(await org.refund(charge_id="c1")) == (3, 3, 0, 1)
    assert await org.figures() == (2, 0, 0)
    audit = await org.audit()
    assert (audit["forgiven"], audit["debt_incurred"], audit["debt_paid"]) == (3, 3, 0)
    assert await adjustments(org) == []


async def test_a_part_that_was_debt_and_is_repaid_becomes_an_adjustment(org: Organisation) -> None:
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    await org.grant(3, grant_id="paid")
    assert moved(await org.refund(charge_id="c1")) == (5, 5, 0, 2)
    (adjustment,) = await adjustments(org)
    assert (adjustment.grant_id, adjustment.amount, adjustment.remaining) == ("cg:2", 3, 3)
    assert (adjustment.state, adjustment.priority, adjustment.expire_ms) == (GrantState.LIVE, 0, 0)
    assert (adjustment.scope, adjustment.account_id) == (Scope(), org.root_id)
    assert await org.figures() == (3, 0, 0)


async def test_debt_has_no_origin_so_a_refund_lowers_what_debt_there_is(org: Organisation) -> None:
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    await org.grant(5)
    await org.owe(4)
    assert moved(await org.refund(charge_id="c1")) == (5, 5, 0, 4)
    assert await org.figures() == (1, 0, 0)


async def test_an_overdraft_that_was_committed_is_refunded_as_debt(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(3)
    await org.reserve(org.sms(8), id="m1")
    await org.commit("m1")
    assert moved(await org.refund("m1", 6)) == (6, 6, 0, 5)
    assert await org.figures() == (1, 0, 0)


async def test_adjustments_of_an_account_are_one_grant_that_grows(org: Organisation) -> None:
    for number in range(3):
        await org.charge(org.sms(5, direction=Direction.INBOUND), id=f"c{number}")
        await org.grant(5)
    for number in range(3):
        await org.refund(charge_id=f"c{number}")
    (adjustment,) = await adjustments(org)
    assert (adjustment.amount, adjustment.remaining) == (15, 15)


async def test_a_used_up_adjustment_is_taken_up_again(org: Organisation) -> None:
    for number in range(2):
        await org.charge(org.sms(5, direction=Direction.INBOUND), id=f"c{number}")
        await org.grant(5)
    await org.refund(charge_id="c0")
    await org.charge(org.sms(5))
    assert (await adjustments(org))[0].state is GrantState.EXHAUSTED
    await org.refund(charge_id="c1")
    (adjustment,) = await adjustments(org)
    assert (adjustment.state, adjustment.amount, adjustment.captured, adjustment.remaining) == (
        GrantState.LIVE, 10, 5, 5,
    )  # fmt: skip


async def test_an_adjustment_that_was_revoked_or_moved_is_made_anew(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    for number in range(3):
        await org.charge(org.sms(5, direction=Direction.INBOUND), id=f"c{number}")
        await org.grant(5)
    await org.refund(charge_id="c0")
    (first,) = await adjustments(org)
    await org.revoke(first.grant_id)
    await org.refund(charge_id="c1")
    await org.transfer(5, "", "field")
    await org.refund(charge_id="c2")
    states = {grant.state: grant.remaining for grant in await adjustments(org)}
    assert states == {GrantState.REVOKED: 0, GrantState.MOVED: 0, GrantState.LIVE: 5}
    assert (await org.figures(), await org.figures("field")) == ((5, 0, 0), (5, 0, 0))


async def test_a_manual_adjustment_is_not_the_one_that_refunds_go_to(org: Organisation) -> None:
    await org.grant(1, grant_id="manual", kind=GrantKind.ADJUSTMENT)
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    await org.grant(4)
    await org.refund(charge_id="c1", credits_=4)
    assert {grant.grant_id: grant.amount for grant in await adjustments(org)} == {"manual": 1, "cg:3": 4}


async def test_an_adjustment_pays_for_whatever_comes_although_the_usage_had_a_scope(org: Organisation) -> None:
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    await org.grant(5, scope=Scope(channels=(Channel.SMS,)))
    await org.refund(charge_id="c1")
    quoted = (await org.quote(org.sms(1, channel=Channel.TEXTBOT))).balance
    assert quoted is not None
    assert quoted.usable == 5


async def test_a_refund_of_a_funded_childs_usage_goes_to_its_payer(org: Organisation) -> None:
    await org.open("field")
    await org.grant(2)
    await org.charge(org.sms(5, direction=Direction.INBOUND), "field", id="c1")
    refunded = await org.refund(charge_id="c1", below="field")
    assert (moved(refunded), refunded.balance.payer_id) == ((5, 5, 0, 3), org.root_id)
    assert await org.figures() == (2, 0, 0)


async def test_a_refund_goes_to_whoever_paid_although_another_pays_by_now(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(5, "field")
    await org.charge(org.sms(4), "field", id="c1")
    await org.change("field", funding=Funding.PARENT)
    await org.refund(charge_id="c1", below="field")
    await org.change("field", funding=Funding.OWN)
    assert (await org.figures(), await org.figures("field")) == ((0, 0, 0), (5, 0, 0))


# How much


async def test_refunds_in_parts_never_come_to_more_than_was_captured(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.commit("m1", credits_=4)
    await org.refund("m1", 3)
    with pytest.raises(RefundExceedsCaptured) as caught:
        await org.refund("m1", 2)
    assert caught.value.metadata["refundable"] == "1"
    assert moved(await org.refund("m1")) == (1, 1, 0, 0)
    assert (await org.hold("m1")).refunded == 4
    assert await org.figures() == (10, 0, 0)


async def test_all_of_nothing_left_is_nothing(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(4), id="c1")
    await org.refund(charge_id="c1")
    assert moved(await org.refund(charge_id="c1")) == (0, 0, 0, 0)
    await org.reserve(org.sms(4), id="m1")
    await org.release("m1")
    assert moved(await org.refund("m1")) == (0, 0, 0, 0)
    with pytest.raises(RefundExceedsCaptured):
        await org.refund("m1", 1)


async def test_what_was_given_back_already_cannot_be_refunded(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.commit("m1", credits_=2)
    with pytest.raises(RefundExceedsCaptured):
        await org.refund("m1", 3)


async def test_a_shortfall_was_captured_by_nobody(org: Organisation) -> None:
    await org.grant(4)
    await org.reserve(org.sms(4), id="m1", expiry_action=ExpiryAction.COMMIT)
    await org.pass_time(60_000)
    assert (await org.commit("m1", credits_=9)).shortfall == 5
    assert moved(await org.refund("m1")) == (4, 4, 0, 0)


async def test_parts_captured_of_a_released_hold_can_be_refunded(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    await org.release("m1")
    assert moved(await org.refund("m1")) == (2, 2, 0, 0)
    assert await org.figures() == (10, 0, 0)


async def test_what_expiry_has_charged_can_be_refunded(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", expiry_action=ExpiryAction.COMMIT)
    await org.pass_time(60_000)
    assert moved(await org.refund("m1", 5)) == (5, 5, 0, 0)
    assert await org.figures() == (9, 0, 0)


async def test_late_parts_can_be_refunded_before_and_after_the_final_one(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.pass_time(60_000)
    await org.capture("m1", "a", 2)
    assert moved(await org.refund("m1")) == (2, 2, 0, 0)
    await org.commit("m1")
    assert moved(await org.refund("m1")) == (4, 4, 0, 0)
    assert await org.figures() == (10, 0, 0)


# What cannot be refunded


async def test_an_open_hold_cannot_be_refunded_although_parts_of_it_are_captured(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    with pytest.raises(HoldStillOpen):
        await org.refund("m1", 1)
    assert await org.figures() == (4, 4, 0)


async def test_what_is_not_known_or_of_another_account_is_not_found(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    await org.commit("m1")
    await org.charge(org.sms(2), id="c1")
    for id_, below in (("never", ""), ("c1", ""), ("m1", "field")):
        with pytest.raises(ReservationNotFound):
            await org.refund(id_, below=below)
    for id_, below in (("never", ""), ("m1", ""), ("c1", "field")):
        with pytest.raises(ChargeNotFound):
            await org.refund(charge_id=id_, below=below)
    with pytest.raises(AccountNotFound):
        await org.refund("m1", below="nobody")


async def test_a_denied_charge_has_nothing_to_refund(org: Organisation) -> None:
    await org.charge(org.sms(2), id="c1")
    with pytest.raises(ChargeNotFound):
        await org.refund(charge_id="c1")


async def test_a_closed_account_gets_nothing_back(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(5, "field")
    await org.charge(org.sms(4), "field", id="c1")
    await org.refund(charge_id="c1", credits_=1, below="field", id="r1")
    await org.close("field")
    with pytest.raises(AccountClosed):
        await org.refund(charge_id="c1", below="field")
    with pytest.raises(AccountClosed):
        await org.refund(charge_id="never", below="field")
    again = await org.refund(charge_id="c1", credits_=1, below="field", id="r1")
    assert (again.replayed, moved(again)) == (True, (1, 1, 0, 0))


async def test_suspension_does_not_stop_a_refund(org: Organisation) -> None:
    await org.grant(5)
    await org.charge(org.sms(4), id="c1")
    await org.change(status=AccountStatus.SUSPENDED)
    assert moved(await org.refund(charge_id="c1")) == (4, 4, 0, 0)


# Ids


async def test_a_refund_happens_once_for_its_id(org: Organisation) -> None:
    await org.grant(5)
    await org.charge(org.sms(5, direction=Direction.INBOUND), id="c1")
    await org.owe(1)
    await org.refund(charge_id="c1", credits_=2, id="r1")
    await org.grant(10)
    again = await org.refund(charge_id="c1", credits_=2, id="r1")
    assert (again.replayed, moved(again)) == (True, (2, 2, 0, 1))
    assert again.balance.available == 11
    assert await org.figures() == (11, 0, 0)


async def test_a_refund_of_all_replays_what_all_was(org: Organisation) -> None:
    await org.grant(5)
    await org.charge(org.sms(4), id="c1")
    await org.refund(charge_id="c1", id="r1")
    again = await org.refund(charge_id="c1", id="r1")
    assert (again.replayed, moved(again)) == (True, (4, 4, 0, 0))


async def test_a_refund_id_is_refused_for_other_content_anywhere_in_the_organisation(org: Organisation) -> None:
    await org.open("field")
    await org.grant(20)
    for id_ in ("c1", "c2"):
        await org.charge(org.sms(4), id=id_)
    await org.charge(org.sms(4), "field", id="c3")
    await org.reserve(org.sms(4), id="c1")
    await org.commit("c1")
    await org.refund(charge_id="c1", credits_=4, id="r1")
    with pytest.raises(IdReused):
        await org.refund(charge_id="c1", credits_=3, id="r1")
    with pytest.raises(IdReused):
        await org.refund(charge_id="c1", id="r1")
    with pytest.raises(IdReused):
        await org.refund(charge_id="c2", credits_=4, id="r1")
    with pytest.raises(IdReused):
        await org.refund("c1", 4, id="r1")
    with pytest.raises(IdReused):
        await org.refund(charge_id="c3", credits_=4, below="field", id="r1")
    assert await org.figures() == (8, 0, 0)


async def test_a_refused_refund_leaves_its_id_free(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(4), id="m1")
    with pytest.raises(HoldStillOpen):
        await org.refund("m1", id="r1")
    await org.commit("m1")
    assert not (await org.refund("m1", id="r1")).replayed


async def test_refunds_race_and_give_back_what_there_was_and_no_more(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(10), id="c1")

    async def refund(number: int) -> int:
        try:
            return (await org.refund(charge_id="c1", credits_=3, id=f"r{number % 8}")).credits
        except RefundExceedsCaptured:
            return 0

    answers = await asyncio.gather(*(refund(number) for number in range(32)))
    assert sum(answers) == 4 * 3 * 3
    assert await org.figures() == (9, 0, 0)

"""Windows: how long an id is remembered by the ledger's own clock, and that afterwards it counts as never seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Direction
from creditgate_server.credit.terms import Decision, ExpiryAction, ReservationState
from creditgate_server.engine.errors import (
    ChargeNotFound,
    IdReused,
    IdTooOld,
    ReservationNotFound,
)
from creditgate_server.store.ledger import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

SETTLED_MS = HOUR_MS
EXPIRED_MS = 24 * HOUR_MS
CHARGE_MS = 48 * HOUR_MS
DENIAL_MS = 10 * MINUTE_MS
MARGIN_MS = 20_000
"""Longer than any test takes from one step to the next: the store's own clock goes on while they run."""


async def pass_to(org: Organisation, ms: int) -> None:
    """Let it be a time, or as little later as can be."""
    await org.pass_time(ms - await org.now_ms())


async def assert_forgotten(org: Organisation, id_: str, at_ms: int) -> None:
    """Hold that a reservation is known shortly before a time, and a new one at it."""
    await pass_to(org, at_ms - MARGIN_MS)
    assert (await org.reserve(org.sms(2), id=id_)).replayed
    await pass_to(org, at_ms)
    with pytest.raises(ReservationNotFound):
        await org.hold(id_)
    with pytest.raises(ReservationNotFound):
        await org.refund(id_)
    anew = await org.reserve(org.sms(2), id=id_)
    assert (anew.replayed, anew.state, anew.decision) == (False, ReservationState.PENDING, Decision.ALLOWED)


# Reservations


@pytest.mark.parametrize("end", ["commit", "release"])
async def test_a_settled_reservation_is_forgotten_an_hour_after_its_end(org: Organisation, end: str) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=3 * HOUR_MS)
    await org.pass_time(2 * HOUR_MS)
    await (org.commit("m1", credits_=0) if end == "commit" else org.release("m1"))
    hold = await org.hold("m1")
    await assert_forgotten(org, "m1", hold.settle_ms + SETTLED_MS)
    assert await org.figures() == (8, 2, 0)


async def test_a_settled_reservation_replays_as_long_as_it_is_remembered(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    await org.commit("m1")
    await org.pass_time(SETTLED_MS - MARGIN_MS)
    assert (await org.commit("m1")).replayed
    with pytest.raises(IdReused):
        await org.reserve(org.sms(3), id="m1")
    await org.pass_time(MARGIN_MS)
    assert (await org.reserve(org.sms(3), id="m1")).decision is Decision.ALLOWED


async def test_an_open_reservation_is_never_forgotten(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=7 * 24 * HOUR_MS)
    await org.pass_time(6 * 24 * HOUR_MS)
    assert (await org.reserve(org.sms(2), id="m1", ttl_ms=7 * 24 * HOUR_MS)).replayed


@pytest.mark.parametrize("action", list(ExpiryAction), ids=lambda action: action.name)
async def test_an_expired_reservation_is_forgotten_a_day_after_its_time_was_over(
    org: Organisation, action: ExpiryAction
) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(2), id="m1", expiry_action=action)
    await pass_to(org, held.expire_ms + EXPIRED_MS - MARGIN_MS)
    assert (await org.hold("m1")).state is ReservationState.EXPIRED
    await pass_to(org, held.expire_ms + EXPIRED_MS)
    with pytest.raises(ReservationNotFound):
        await org.commit("m1")
    assert (await org.audit())["open_holds"] == 0


async def test_when_the_expiry_was_noticed_does_not_matter(org: Organisation) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(2), id="noticed late")
    await pass_to(org, held.expire_ms + 20 * HOUR_MS)
    await org.ledger.sweep(org.root_id, 30)
    await assert_forgotten(org, "noticed late", held.expire_ms + EXPIRED_MS)
    unnoticed = await org.reserve(org.sms(1), id="unnoticed")
    await pass_to(org, unnoticed.expire_ms + EXPIRED_MS)
    with pytest.raises(ReservationNotFound):
        await org.commit("unnoticed")


@pytest.mark.parametrize("action", list(ExpiryAction), ids=lambda action: action.name)
async def test_a_late_commit_keeps_a_reservation_for_another_day(org: Organisation, action: ExpiryAction) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(2), id="m1", expiry_action=action)
    await pass_to(org, held.expire_ms + 20 * HOUR_MS)
    await org.commit("m1")
    hold = await org.hold("m1")
    await pass_to(org, hold.settle_ms + EXPIRED_MS - MARGIN_MS)
    assert (await org.commit("m1")).replayed
    await pass_to(org, hold.settle_ms + EXPIRED_MS)
    with pytest.raises(ReservationNotFound):
        await org.commit("m1")
    assert await org.figures() == (8, 0, 0)


async def test_a_late_part_keeps_a_reservation_no_longer(org: Organisation) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(2), id="m1")
    await pass_to(org, held.expire_ms + 20 * HOUR_MS)
    await org.capture("m1", "a", 1)
    await pass_to(org, held.expire_ms + EXPIRED_MS)
    with pytest.raises(ReservationNotFound):
        await org.commit("m1")


async def test_a_refund_keeps_a_reservation_no_longer(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    await org.commit("m1")
    hold = await org.hold("m1")
    await pass_to(org, hold.settle_ms + SETTLED_MS - MARGIN_MS)
    await org.refund("m1", 1)
    await pass_to(org, hold.settle_ms + SETTLED_MS)
    with pytest.raises(ReservationNotFound):
        await org.refund("m1", 1)


# Parts


async def test_a_part_is_forgotten_after_two_days(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", ttl_ms=4 * 24 * HOUR_MS)
    before_ms = await org.now_ms()
    await org.capture("m1", "a", 2)
    after_ms = await org.now_ms()
    await pass_to(org, before_ms + CHARGE_MS - MARGIN_MS)
    assert (await org.capture("m1", "a", 2)).replayed
    await pass_to(org, after_ms + CHARGE_MS)
    anew = await org.capture("m1", "a", 3)
    assert (anew.replayed, anew.captured) == (False, 3)
    assert (await org.hold("m1")).captured == 5


async def test_a_part_answers_nothing_once_its_reservation_is_forgotten(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    await org.release("m1")
    await org.pass_time(SETTLED_MS)
    with pytest.raises(ReservationNotFound):
        await org.capture("m1", "a", 2)


async def test_a_part_of_a_forgotten_reservation_is_not_that_of_a_new_one_of_its_id(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    await org.release("m1")
    await org.pass_time(SETTLED_MS)
    await org.reserve(org.sms(6), id="m1")
    anew = await org.capture("m1", "a", 3)
    assert (anew.replayed, anew.captured) == (False, 3)
    assert (await org.capture("m1", "a", 3)).replayed
    assert await org.figures() == (2, 3, 0)


# Charges and refunds


async def test_a_charge_is_forgotten_after_two_days(org: Organisation) -> None:
    await org.grant(10)
    before_ms = await org.now_ms()
    await org.charge(org.sms(2), id="c1")
    after_ms = await org.now_ms()
    await pass_to(org, before_ms + CHARGE_MS - MARGIN_MS)
    assert (await org.charge(org.sms(2), id="c1")).replayed
    await pass_to(org, after_ms + CHARGE_MS)
    with pytest.raises(ChargeNotFound):
        await org.refund(charge_id="c1")
    assert not (await org.charge(org.sms(3), id="c1")).replayed
    assert await org.figures() == (5, 0, 0)


async def test_a_refund_of_a_charge_does_not_keep_it_longer(org: Organisation) -> None:
    await org.grant(10)
    before_ms = await org.now_ms()
    await org.charge(org.sms(4), id="c1")
    after_ms = await org.now_ms()
    await pass_to(org, before_ms + CHARGE_MS - MARGIN_MS)
    assert (await org.refund(charge_id="c1", credits_=1)).credits == 1
    await pass_to(org, after_ms + CHARGE_MS)
    with pytest.raises(ChargeNotFound):
        await org.refund(charge_id="c1", credits_=1)


async def test_a_refund_is_forgotten_after_two_days(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(2), id="c1")
    before_ms = await org.now_ms()
    await org.refund(charge_id="c1", id="r1")
    after_ms = await org.now_ms()
    await pass_to(org, before_ms + CHARGE_MS - MARGIN_MS)
    assert (await org.refund(charge_id="c1", id="r1")).replayed
    await org.charge(org.sms(2), id="c2")
    with pytest.raises(IdReused):
        await org.refund(charge_id="c2", id="r1")
    await pass_to(org, after_ms + CHARGE_MS)
    assert not (await org.refund(charge_id="c2", id="r1")).replayed
    assert await org.figures() == (10, 0, 0)


# Denials


async def test_a_denied_outbound_charge_stays_denied_for_ten_minutes(org: Organisation) -> None:
    before_ms = await org.now_ms()
    denied = await org.charge(org.sms(2), id="c1")
    after_ms = await org.now_ms()
    await org.grant(10)
    await pass_to(org, before_ms + DENIAL_MS - MARGIN_MS)
    again = await org.charge(org.sms(2), id="c1")
    assert (again.decision, again.replayed, again.denial) == (Decision.DENIED, True, denied.denial)
    assert again.balance is not None
    assert again.balance.available == 10
    with pytest.raises(IdReused):
        await org.charge(org.sms(1), id="c1")
    await pass_to(org, after_ms + DENIAL_MS)
    allowed = await org.charge(org.sms(2), id="c1")
    assert (allowed.decision, allowed.replayed) == (Decision.ALLOWED, False)
    assert await org.figures() == (8, 0, 0)


async def test_a_denial_that_was_repeated_is_remembered_from_the_first(org: Organisation) -> None:
    await org.charge(org.sms(2), id="c1")
    after_ms = await org.now_ms()
    await org.grant(10)
    await pass_to(org, after_ms + DENIAL_MS - MARGIN_MS)
    assert (await org.charge(org.sms(2), id="c1")).decision is Decision.DENIED
    await pass_to(org, after_ms + DENIAL_MS)
    assert (await org.charge(org.sms(2), id="c1")).decision is Decision.ALLOWED


async def test_other_denials_are_not_remembered(org: Organisation) -> None:
    await org.change(inbound_overdraft_limit=0)
    inbound = org.sms(2, direction=Direction.INBOUND)
    assert (await org.charge(inbound, id="c1")).decision is Decision.DENIED
    assert (await org.reserve(org.sms(2), id="m1")).decision is Decision.DENIED
    assert (await org.quote(org.sms(2))).decision is Decision.DENIED
    await org.grant(10)
    assert (await org.charge(inbound, id="c1")).decision is Decision.ALLOWED
    assert (await org.reserve(org.sms(2), id="m1")).decision is Decision.ALLOWED


# When it happened


@pytest.mark.parametrize("direction", list(Direction), ids=lambda direction: direction.name)
async def test_an_event_older_than_charges_are_remembered_is_never_charged(
    org: Organisation, direction: Direction
) -> None:
    await org.grant(10)
    traffic = org.sms(2, direction=direction)
    with pytest.raises(IdTooOld):
        await org.charge(traffic, id="c1", event_ms=await org.now_ms() - CHARGE_MS)
    with pytest.raises(IdTooOld):
        await org.charge(traffic, id="c1", event_ms=1)
    assert await org.figures() == (10, 0, 0)


async def test_an_event_that_is_not_yet_so_old_is_charged_and_so_is_one_of_the_future(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(2), id="old", event_ms=await org.now_ms() - CHARGE_MS + MARGIN_MS)
    await org.charge(org.sms(2), id="future", event_ms=await org.now_ms() + HOUR_MS)
    assert await org.figures() == (6, 0, 0)


async def test_a_repetition_is_answered_as_long_as_it_is_known_and_refused_from_then_on(org: Organisation) -> None:
    await org.grant(10)
    event_ms = await org.now_ms() - HOUR_MS
    await org.charge(org.sms(2), id="c1", event_ms=event_ms)
    after_ms = await org.now_ms()
    await pass_to(org, after_ms + CHARGE_MS - MARGIN_MS)
    again = await org.charge(org.sms(2), id="c1", event_ms=event_ms)
    assert (again.replayed, again.credits) == (True, 2)
    await pass_to(org, after_ms + CHARGE_MS)
    with pytest.raises(IdTooOld):
        await org.charge(org.sms(2), id="c1", event_ms=event_ms)
    assert await org.figures() == (8, 0, 0)


async def test_the_time_of_an_event_is_no_content(org: Organisation) -> None:
    await org.grant(10)
    now_ms = await org.now_ms()
    await org.charge(org.sms(2), id="c1", event_ms=now_ms)
    assert (await org.charge(org.sms(2), id="c1", event_ms=now_ms - 1)).replayed
    assert (await org.charge(org.sms(2), id="c1")).replayed


# While the store's clock is not what the sidecar expects


@pytest.mark.parametrize("ahead_ms", [-100 * HOUR_MS, 100 * HOUR_MS])
async def test_what_happened_while_the_clocks_disagreed_is_remembered_as_long_as_ever(
    org: Organisation, ahead_ms: int
) -> None:
    leapt = type(org)(org.engine, org.store, f"{org.root_id}-leapt")
    await org.pass_time(min(ahead_ms, 0))
    await leapt.open()
    await leapt.grant(20)
    await org.pass_time(max(-ahead_ms, 0))
    await org.expect_time(ahead_ms)
    await leapt.reserve(org.sms(2), id="m1")
    await leapt.capture("m1", "a", 1)
    await leapt.commit("m1", credits_=1)
    await leapt.charge(org.sms(2), id="c1")
    await leapt.refund(charge_id="c1", credits_=1, id="r1")
    await leapt.charge(org.sms(99), id="denied")
    for expected_ms in (ahead_ms, 0, -ahead_ms):
        await org.expect_time(expected_ms)
        assert (await leapt.reserve(org.sms(2), id="m1")).replayed
        assert (await leapt.capture("m1", "a", 1)).replayed
        assert (await leapt.commit("m1", credits_=1)).replayed
        assert (await leapt.charge(org.sms(2), id="c1")).replayed
        assert (await leapt.refund(charge_id="c1", credits_=1, id="r1")).replayed
        assert (await leapt.charge(org.sms(99), id="denied")).replayed
    await org.expect_time(0)
    assert await leapt.figures() == (17, 0, 0)

"""Two sidecars that disagree about the time: whoever is wrong, nothing ends and nothing is forgotten too soon."""

from __future__ import annotations

import pytest
from tests.ledger.conftest import Organisation

from creditgate.pricing.usage import Direction
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import Decision, Funding, ReservationState
from creditgate_server.engine.engine import Engine
from creditgate_server.engine.errors import IdTooOld
from creditgate_server.store.clock import StoreClock, own_ms
from creditgate_server.store.ledger import HOUR_MS

LONG_MS = 24 * HOUR_MS
WITHIN_TOLERANCE_MS = 1_900


async def other_sidecar(org: Organisation, engine: Engine, ahead_ms: int) -> Organisation:
    """Return the organisation as a sidecar sees it whose idea of the time is so far ahead of the store's clock."""
    (time,) = await org.store.execute([("TIME",)])
    assert isinstance(time, list)
    clock, at_ms = StoreClock(), own_ms()
    clock.observe(int(time[0]) * 1000 + int(time[1]) / 1000 + ahead_ms, at_ms, at_ms)
    engine.ledger.clock = clock
    return Organisation(engine, org.store, org.root_id)


@pytest.fixture
async def ahead(org: Organisation, second_engine: Engine) -> Organisation:
    """A sidecar that began while the store's clock was an hour ahead, which has been mended since."""
    return await other_sidecar(org, second_engine, HOUR_MS)


@pytest.fixture
async def behind(org: Organisation, second_engine: Engine) -> Organisation:
    """A sidecar that is an hour behind: the store's clock has leapt, and it alone was there before."""
    return await other_sidecar(org, second_engine, -HOUR_MS)


# What is due


async def test_a_sidecar_that_is_ahead_ends_nobodys_holds_and_grants(org: Organisation, ahead: Organisation) -> None:
    await org.grant(100, expire_ms=await org.now_ms() + HOUR_MS // 2)
    await org.reserve(org.sms(5), id="m1", ttl_ms=600_000)
    assert await ahead.ledger.sweep(org.root_id, 100) == (0, False)
    assert org.root_id not in (await ahead.ledger.due(org.partition, 500)).roots
    assert await ahead.figures() == await org.figures() == (95, 5, 0)
    assert (await ahead.hold("m1")).state is ReservationState.PENDING
    settled = await ahead.commit("m1")
    assert (settled.captured, settled.late) == (5, False)


async def test_a_hold_of_a_sidecar_that_is_behind_lives_as_long_as_it_was_told_to(
    org: Organisation, behind: Organisation
) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(10, "field")
    await org.pass_time(2 * HOUR_MS)
    before_ms = await org.now_ms()
    held = await behind.reserve(org.sms(5), "field", id="m1", ttl_ms=30_000)
    assert held.expire_ms >= before_ms + 30_000
    assert await org.ledger.sweep(org.root_id, 100) == (0, False)
    assert (await org.hold("m1", "field")).state is ReservationState.PENDING
    before_ms = await org.now_ms()
    assert await behind.extend("m1", 50_000, "field") >= before_ms + 50_000


async def test_a_hold_that_was_extended_is_not_ended_by_a_later_operation_of_the_same_call(org: Organisation) -> None:
    await org.open("field")
    await org.open("shop", funding=Funding.OWN)
    await org.grant(10)
    await org.pass_time(WITHIN_TOLERANCE_MS)
    await org.charge(below="shop")
    await org.pass_time(-WITHIN_TOLERANCE_MS)
    await org.reserve(org.sms(5), "field", id="m1", ttl_ms=1_000)
    await org.batch(
        [
            ask.Extend(org.path("field"), "m1", LONG_MS),
            ask.Charge(org.path("shop"), "c1", org.sms(1, direction=Direction.INBOUND)),
        ]
    )
    assert (await org.hold("m1", "field")).state is ReservationState.PENDING
    await org.pass_time(WITHIN_TOLERANCE_MS)


async def test_an_index_that_names_too_early_a_time_ends_no_hold_and_is_put_right(org: Organisation) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(5), id="m1", ttl_ms=600_000)
    index, member = f"cg:{{{org.partition}}}:d:{org.root_id}", f"h{org.root_id}|m1"
    await org.store.execute([("ZADD", index, 1, member)])
    await org.ledger.sweep(org.root_id, 100)
    assert (await org.hold("m1")).state is ReservationState.PENDING
    assert await org.store.execute([("ZSCORE", index, member)]) == [str(held.expire_ms).encode()]


# What is remembered


async def test_a_sidecar_that_is_ahead_still_knows_what_others_have_settled(
    org: Organisation, ahead: Organisation
) -> None:
    await org.grant(100)
    await org.reserve(org.sms(5), id="m1")
    await org.commit("m1")
    again = await ahead.reserve(org.sms(5), id="m1")
    assert (again.replayed, again.state) == (True, ReservationState.COMMITTED)
    assert (await ahead.commit("m1")).replayed
    assert await org.figures() == (95, 0, 0)


async def test_a_sidecar_that_is_ahead_still_knows_what_was_denied(org: Organisation, ahead: Organisation) -> None:
    assert (await org.charge(org.sms(5), id="c1")).decision is Decision.DENIED
    await org.grant(100)
    again = await ahead.charge(org.sms(5), id="c1")
    assert (again.decision, again.replayed) == (Decision.DENIED, True)
    assert await org.figures() == (100, 0, 0)


async def test_what_a_sidecar_that_is_ahead_writes_is_kept_by_the_store_no_shorter(
    org: Organisation, ahead: Organisation
) -> None:
    await org.grant(100)
    await org.charge(org.sms(5), id="c1")
    key = f"cg:{{{org.partition}}}:x:{org.root_id}|c1"
    (before_ms,) = await org.store.execute([("PTTL", key)])
    await ahead.refund(charge_id="c1", credits_=1)
    (after_ms,) = await org.store.execute([("PTTL", key)])
    assert isinstance(before_ms, int)
    assert isinstance(after_ms, int)
    assert after_ms > before_ms - HOUR_MS // 2


async def settle_all_ways(org: Organisation) -> list[tuple[bool, int]]:
    """Settle, deny, refund and charge; return of each answer whether it is a replay, and what it moved."""
    reserved = await org.reserve(org.sms(5), id="m1", ttl_ms=60_000)
    committed = await org.commit("m1")
    open_ = await org.reserve(org.sms(5), id="m2", ttl_ms=24 * HOUR_MS)
    part = await org.capture("m2", "part", 2)
    denied = await org.charge(org.sms(999, direction=Direction.OUTBOUND), id="c1")
    charged = await org.charge(org.sms(5), id="c2")
    refunded = await org.refund(charge_id="c2", credits_=3, id="r1")
    return [
        (reserved.replayed, reserved.credits), (committed.replayed, committed.captured),
        (open_.replayed, open_.credits), (part.replayed, part.captured), (denied.replayed, denied.credits),
        (charged.replayed, charged.credits), (refunded.replayed, refunded.credits),
    ]  # fmt: skip


async def test_what_a_sidecar_that_is_behind_has_settled_is_not_forgotten_at_once(
    org: Organisation, behind: Organisation
) -> None:
    await org.grant(100)
    await org.pass_time(2 * HOUR_MS)
    first = await settle_all_ways(behind)
    figures = await org.figures()
    again = await settle_all_ways(org)
    assert again == [(True, moved) for _, moved in first]
    assert await org.figures() == figures


async def test_parts_and_refunds_of_a_sidecar_that_is_behind_are_known_for_as_long_as_others_are(
    org: Organisation, behind: Organisation
) -> None:
    await org.grant(100)
    await org.charge(org.sms(5), id="c1")
    await org.reserve(org.sms(5), id="m1", ttl_ms=3 * LONG_MS)
    await org.pass_time(2 * HOUR_MS)
    now_ms = await org.now_ms()
    await behind.capture("m1", "part", 2)
    await behind.refund(charge_id="c1", credits_=3, id="r1")
    figures = await org.figures()
    await org.pass_time(now_ms + 48 * HOUR_MS - 60_000 - await org.now_ms())
    assert (await org.capture("m1", "part", 2)).replayed
    assert (await org.refund(charge_id="c1", credits_=3, id="r1")).replayed
    assert await org.figures() == figures


async def test_a_late_commit_by_a_sidecar_that_is_behind_is_not_forgotten_sooner(
    org: Organisation, behind: Organisation
) -> None:
    await org.grant(100)
    await org.reserve(id="m1", ttl_ms=5_000)
    await org.pass_time(2 * HOUR_MS)
    now_ms = await org.now_ms()
    assert (await behind.commit("m1")).late
    await org.pass_time(now_ms + 24 * HOUR_MS - 60_000 - await org.now_ms())
    assert (await org.commit("m1")).replayed


async def test_a_sidecar_that_is_behind_takes_no_charge_that_may_be_forgotten(
    org: Organisation, behind: Organisation
) -> None:
    await org.grant(100)
    event_ms = await org.now_ms()
    await org.pass_time(48 * HOUR_MS + HOUR_MS // 2)
    with pytest.raises(IdTooOld):
        await behind.charge(org.sms(5), id="c1", event_ms=event_ms)


async def test_the_idea_of_a_sidecar_that_is_ahead_does_not_outlive_its_operation(
    org: Organisation, ahead: Organisation
) -> None:
    await org.grant(100)
    await ahead.charge(org.sms(1), id="c1")
    now_ms = await org.now_ms()
    granted = await org.grant(5, expire_ms=now_ms + HOUR_MS // 2)
    held = await org.reserve(org.sms(5), ttl_ms=60_000)
    assert granted.grant.create_ms < now_ms + HOUR_MS // 2
    assert held.expire_ms < now_ms + HOUR_MS // 2

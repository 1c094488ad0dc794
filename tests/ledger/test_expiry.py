"""The end of a hold's time: noticed by anybody's touch or by the sweeper, once, and what may still come after it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Segments
from creditgate_server.credit.operations import ActualUsage
from creditgate_server.credit.terms import (
    Decision,
    Enforcement,
    ExpiryAction,
    GrantState,
    LateCommit,
    ReservationState,
    SettledBy,
)
from creditgate_server.engine.errors import HoldAlreadyCommitted, HoldExpired, ReservationNotFound
from creditgate_server.store.clock import TOLERANCE_MS
from creditgate_server.store.ledger import HOUR_MS
from creditgate_server.verification import verify

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

DUE_IN_ONE_CALL = 16
"""Due members of a tree that one call ends on its way: `holds.TURN_MAX` of `holds.lua`."""


async def hold_many(org: Organisation, count: int) -> None:
    await asyncio.gather(*(org.reserve(id=f"due-{number:04}", ttl_ms=5_000) for number in range(count)))


async def test_a_hold_holds_until_its_time_is_over(org: Organisation) -> None:
    await org.grant(5)
    held = await org.reserve(org.sms(2), id="m1", ttl_ms=600_000)
    await org.pass_time(held.expire_ms - await org.now_ms() - 30_000)
    assert await org.figures() == (3, 2, 0)
    await org.pass_time(30_000)
    assert await org.figures() == (5, 0, 0)
    hold = await org.hold("m1")
    assert (hold.state, hold.settled_by, hold.restored) == (ReservationState.EXPIRED, SettledBy.EXPIRY, 2)
    assert hold.settle_ms >= hold.expire_ms == held.expire_ms


@pytest.mark.parametrize("toucher", ["", "field", "field/east", "sales"])
async def test_anybody_who_touches_the_organisation_ends_what_is_due_of_it(org: Organisation, toucher: str) -> None:
    for below in ("field", "field/east", "sales"):
        await org.open(below)
    await org.grant(5)
    await org.allot(5, "field")
    await org.reserve(org.sms(5), "field/east", ttl_ms=1_000)
    await org.pass_time(1_000)
    await org.charge(org.sms(1), toucher)
    audit = await org.audit("field/east")
    assert audit["open_holds"] == 0
    assert (await org.audit())["reserved"] == (await org.audit("field"))["limit_reserved"] == 0


async def test_reading_shows_what_is_due_as_ended_and_writes_nothing(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(5), ttl_ms=1_000)
    await org.pass_time(1_000)
    before = await org.audit()
    assert await org.figures() == (5, 0, 0)
    listed = await org.engine.list_reservations(org.root_id, 10, "", include_descendants=True)
    assert listed.items == ()
    assert await org.audit() == before


async def test_the_sweeper_ends_what_nobody_touches(org: Organisation) -> None:
    await org.grant(50)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    due = await org.ledger.due(org.partition, 500)
    assert org.root_id in due.roots
    assert due.lag_ms >= 1_000
    assert await org.ledger.sweep(org.root_id, 30) == (30, True)
    assert await org.ledger.sweep(org.root_id, 30) == (10, False)
    assert await org.ledger.sweep(org.root_id, 30) == (0, False)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots
    assert (await org.audit())["open_holds"] == 0


async def test_nothing_is_due_before_its_time(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(ttl_ms=60_000)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots
    assert await org.ledger.sweep(org.root_id, 30) == (0, False)
    assert await org.ledger.sweep("nobody-at-all", 30) == (0, False)


async def test_open_holds_are_counted_while_they_are_open(org: Organisation) -> None:
    async def counted() -> int:
        return (await org.ledger.due(org.partition, 1)).open_holds

    before = await counted()
    await org.grant(10)
    for id_ in ("sent", "failed", "forgotten"):
        await org.reserve(id=id_, ttl_ms=5_000)
    await org.reserve(org.sms(100), id="denied")
    assert await counted() == before + 3
    await org.commit("sent")
    await org.release("failed")
    await org.release("failed")
    assert await counted() == before + 1
    await org.pass_time(6_000)
    await org.commit("forgotten")
    assert await counted() == before


async def test_the_sweeper_ends_and_begins_grants(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.grant(5, expire_ms=now_ms + 60_000)
    await org.grant(7, effective_ms=now_ms + 60_000)
    await org.pass_time(60_000)
    assert org.root_id in (await org.ledger.due(org.partition, 500)).roots
    await org.ledger.sweep(org.root_id, 30)
    audit = await org.audit()
    assert (audit["expired"], audit["granted"], audit["grants"]) == (5, 12, 1)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots


async def test_a_due_time_that_a_settled_hold_leaves_behind_is_cleared(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(id="m1", ttl_ms=5_000)
    await org.commit("m1")
    await org.pass_time(5_000)
    await org.ledger.sweep(org.root_id, 30)
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots


async def test_a_call_ends_a_bounded_number_of_holds(org: Organisation) -> None:
    await org.grant(100)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    await org.grant(1)
    assert (await org.audit())["open_holds"] == 40 - DUE_IN_ONE_CALL


async def test_a_denial_waits_for_all_that_is_due(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    assert (await org.reserve(org.sms(40))).decision is Decision.ALLOWED


async def test_a_denied_charge_and_what_monitor_would_deny_wait_too(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    assert (await org.charge(org.sms(40))).decision is Decision.ALLOWED
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(20)
    await asyncio.gather(*(org.reserve(id=f"more-{number}", ttl_ms=5_000) for number in range(20)))
    await org.pass_time(6_000)
    assert (await org.reserve(org.sms(20))).decision is Decision.ALLOWED


async def test_a_partial_grant_waits_for_all_that_is_due(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    held = await org.reserve(org.sms(1, recipients=40), allow_partial=True)
    assert (held.decision, held.recipients_granted) == (Decision.ALLOWED, 40)


async def test_a_quote_says_what_a_reserve_would_however_much_is_due(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    assert (await org.quote(org.sms(40))).decision is Decision.ALLOWED


async def test_a_replay_beyond_what_one_call_ends_answers_the_current_state(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    again = await org.reserve(id="due-0039", ttl_ms=5_000)
    assert (again.replayed, again.state) == (True, ReservationState.EXPIRED)


async def test_a_settlement_beyond_what_one_call_ends_finds_the_hold_expired(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    assert (await org.commit("due-0039")).late
    assert (await org.release("due-0038")).state is ReservationState.EXPIRED
    while (await org.ledger.sweep(org.root_id, 30))[1]:
        pass
    assert await org.figures() == (39, 0, 0)


async def test_an_expired_hold_is_charged_by_a_late_commit_at_the_frozen_price(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2, recipients=2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    settled = await org.commit("m1", usage=ActualUsage(Segments(3)))
    assert (settled.state, settled.captured, settled.late, settled.replayed) == (
        ReservationState.COMMITTED,
        6,
        True,
        False,
    )
    assert (settled.restored, settled.expired, settled.overage) == (0, 0, 2)
    assert await org.figures() == (4, 0, 0)
    totals = await org.audit()
    assert (totals["late"], totals["overage"]) == (4, 2)


async def test_a_late_commit_without_an_amount_charges_what_was_held(org: Organisation) -> None:
    await org.grant(2)
    await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    await org.charge(org.sms(1))
    assert (await org.commit("m1")).captured == 2
    assert await org.figures() == (-1, 0, 1)


async def test_a_late_commit_happens_once(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    await org.commit("m1", credits_=3)
    again = await org.commit("m1", credits_=3)
    assert (again.replayed, again.late, again.captured) == (True, True, 3)
    with pytest.raises(HoldAlreadyCommitted):
        await org.commit("m1")
    with pytest.raises(HoldAlreadyCommitted):
        await org.release("m1")
    assert await org.figures() == (7, 0, 0)


async def test_a_late_commit_draws_on_the_limits_that_the_hold_drew_on(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(3, "field")
    await org.reserve(org.sms(2), "field", id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    await org.reserve(org.sms(2), "field")
    settled = await org.commit("m1", "field")
    assert (settled.balance.limit_left, settled.balance.available) == (0, 6)
    assert (await org.audit("field"))["limit_overrun"] == 1


async def test_late_commits_are_refused_where_the_policy_says_so(org: Organisation) -> None:
    await org.change(late_commit=LateCommit.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    with pytest.raises(HoldExpired):
        await org.commit("m1")
    assert await org.figures() == (10, 0, 0)


async def test_the_late_commit_policy_is_that_of_the_nearest_level_that_states_one(org: Organisation) -> None:
    await org.change(late_commit=LateCommit.REJECT)
    await org.open("field")
    await org.open("field/east", late_commit=LateCommit.ACCEPT)
    await org.grant(10)
    for below in ("field", "field/east"):
        await org.reserve(org.sms(1), below, id=below, ttl_ms=1_000)
    await org.pass_time(1_000)
    with pytest.raises(HoldExpired):
        await org.commit("field", "field")
    assert (await org.commit("field/east", "field/east")).late


async def test_release_after_expiry_answers_what_the_expiry_gave_back(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    released = await org.release("m1")
    assert (released.state, released.restored, released.replayed) == (ReservationState.EXPIRED, 2, True)
    assert (await org.commit("m1")).late


async def test_a_reserve_repeated_after_expiry_tells_it(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    await org.pass_time(1_000)
    again = await org.reserve(org.sms(2), id="m1", ttl_ms=1_000)
    assert (again.replayed, again.state, again.credits) == (True, ReservationState.EXPIRED, 2)
    assert await org.figures() == (10, 0, 0)


async def test_expiry_captures_where_the_hold_was_told_to(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1", ttl_ms=1_000, expiry_action=ExpiryAction.COMMIT)
    await org.pass_time(1_000)
    assert await org.figures() == (6, 0, 0)
    hold = await org.hold("m1")
    assert (hold.state, hold.settled_by, hold.captured) == (ReservationState.EXPIRED, SettledBy.EXPIRY, 4)
    with pytest.raises(HoldExpired):
        await org.release("m1")
    report = await org.commit("m1", credits_=4)
    assert (report.replayed, report.state, report.late) == (False, ReservationState.COMMITTED, True)
    assert (report.captured, report.restored) == (0, 0)
    assert await org.figures() == (6, 0, 0)


async def test_an_overdraft_captured_by_expiry_is_debt(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.reserve(org.sms(4), ttl_ms=1_000, expiry_action=ExpiryAction.COMMIT)
    await org.pass_time(1_000)
    assert await org.figures() == (-4, 0, 4)


async def test_expiry_gives_back_into_debt_first(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(5), id="m1", ttl_ms=1_000)
    await org.owe(3)
    await org.pass_time(1_000)
    assert await org.figures() == (2, 0, 0)
    assert (await org.release("m1")).debt_repaid == 3


async def test_a_hold_that_ended_before_its_grant_did_repays_debt_however_late_it_is_noticed(org: Organisation) -> None:
    await org.grant(10, grant_id="g", expire_ms=await org.now_ms() + 8_000)
    await org.reserve(org.sms(10), ttl_ms=5_000)
    await org.owe(4)
    await org.pass_time(10_000)
    assert await org.figures() == (0, 0, 0)
    grant = (await org.grants())["g"]
    assert (grant.debt_repaid, grant.expired, grant.state) == (4, 6, GrantState.EXPIRED)


async def test_a_hold_that_outlives_its_grant_gives_back_nothing(org: Organisation) -> None:
    await org.grant(10, grant_id="g", expire_ms=await org.now_ms() + 5_000)
    await org.reserve(org.sms(10), ttl_ms=8_000)
    await org.owe(4)
    await org.pass_time(10_000)
    assert await org.figures() == (-4, 0, 4)
    assert (await org.grants())["g"].expired == 10


async def test_more_grants_begin_and_end_at_once_than_one_call_works_off(org: Organisation) -> None:
    at_ms = await org.now_ms() + 60_000
    for number in range(40):
        await org.grant(1, expire_ms=at_ms)
        await org.grant(1, effective_ms=at_ms, expire_ms=at_ms + 60_000, priority=number)
    await org.pass_time(60_000)
    assert await org.figures() == (40, 0, 0)
    assert (await org.reserve(org.sms(41))).decision is Decision.DENIED
    assert (await org.reserve(org.sms(40), id="m1", ttl_ms=60_000)).decision is Decision.ALLOWED
    await org.pass_time(60_000)
    assert await org.figures() == (0, 0, 0)
    await org.ledger.sweep(org.root_id, 500)
    audit = await org.audit()
    assert (audit["expired"], audit["grants"], audit["reserved"]) == (80, 0, 0)


async def test_commits_race_the_sweeper_and_the_credits_move_once(org: Organisation) -> None:
    await org.grant(40)
    await hold_many(org, 40)
    await org.pass_time(6_000)
    settled = await asyncio.gather(
        *(org.commit(f"due-{number:04}") for number in range(40)),
        *(org.ledger.sweep(org.root_id, 7) for _ in range(10)),
    )
    assert len(settled) == 50
    assert await org.figures() == (0, 0, 0)
    assert (await org.audit())["late"] == 40


async def test_a_clock_that_steps_back_ends_nothing_early_and_revives_nothing(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(1), id="ended", ttl_ms=5_000)
    await org.pass_time(6_000)
    await org.charge(org.sms(1))
    await org.pass_time(-3_600_000)
    try:
        assert (await org.hold("ended")).state is ReservationState.EXPIRED
        held = await org.reserve(org.sms(2), id="held", ttl_ms=5_000)
        ended = await org.hold("ended")
        assert held.expire_ms >= ended.expire_ms
        assert await org.figures() == (7, 2, 0)
    finally:
        await org.pass_time(3_600_000)
    await org.pass_time(10_000)
    assert await org.figures() == (9, 0, 0)


async def test_a_store_whose_clock_has_leapt_ahead_ends_nothing_before_its_time(org: Organisation) -> None:
    leapt = type(org)(org.engine, org.store, f"{org.root_id}-leapt")
    await org.pass_time(-HOUR_MS)
    try:
        await leapt.open()
        await leapt.grant(10, expire_ms=await org.now_ms() + HOUR_MS // 2)
        await leapt.reserve(org.sms(4), id="before", ttl_ms=600_000)
        await leapt.reserve(org.sms(3), id="released", ttl_ms=600_000)
    finally:
        await org.pass_time(HOUR_MS)
    await org.expect_time(-HOUR_MS)
    assert await leapt.figures() == (3, 7, 0)
    assert await org.ledger.sweep(leapt.root_id, 30) == (0, False)
    assert (await leapt.release("released")).restored == 3
    during = await leapt.reserve(org.sms(6), id="during", ttl_ms=600_000)
    assert during.expire_ms >= await org.now_ms() + 600_000 - TOLERANCE_MS
    await org.expect_time(0)
    states = [(await leapt.hold(id_)).state for id_ in ("before", "during")]
    assert states == [ReservationState.EXPIRED, ReservationState.PENDING]
    await org.pass_time(600_000)
    assert await leapt.figures() == (0, 0, 0)
    assert (await verify(org.ledger, partitions=[leapt.partition])).breaches == []


async def test_a_store_whose_clock_was_set_back_ends_nothing_either_and_decides_all_the_same(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(4), id="before", ttl_ms=600_000)
    await org.expect_time(HOUR_MS)
    assert await org.figures() == (6, 4, 0)
    during = await org.reserve(org.sms(6), id="during", ttl_ms=600_000)
    assert during.decision is Decision.ALLOWED
    assert during.expire_ms >= await org.now_ms() + HOUR_MS + 600_000 - TOLERANCE_MS
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED
    await org.expect_time(0)
    await org.pass_time(600_000)
    assert await org.figures() == (4, 6, 0)
    await org.pass_time(HOUR_MS)
    assert await org.figures() == (10, 0, 0)


async def test_a_store_whose_clock_is_little_off_is_believed(org: Organisation) -> None:
    await org.grant(10)
    await org.expect_time(TOLERANCE_MS - 500)
    before_ms = await org.now_ms()
    held = await org.reserve(org.sms(4), ttl_ms=600_000)
    assert before_ms <= held.expire_ms - 600_000 <= await org.now_ms()


async def ttl_ms(org: Organisation, key: str) -> int:
    (left_ms,) = await org.store.execute([("PTTL", f"cg:{{{org.partition}}}:{key}")])
    assert isinstance(left_ms, int)
    return left_ms


async def test_only_settled_records_have_a_time_to_live(org: Organisation) -> None:
    await org.grant(10)
    for id_ in ("open", "committed", "released", "expired", "late"):
        await org.reserve(id=id_, ttl_ms=600_000 if id_ == "open" else 60_000)
    await org.commit("committed")
    await org.release("released")
    await org.charge(org.sms(1), id="charged")
    await org.pass_time(60_000)
    await org.commit("late")
    key = f"h:{org.root_id}|"
    assert await ttl_ms(org, key + "open") == -1
    for id_, window_ms in (
        ("committed", HOUR_MS),
        ("released", HOUR_MS),
        ("expired", 24 * HOUR_MS),
        ("late", 24 * HOUR_MS),
    ):
        assert window_ms - 60_000 < await ttl_ms(org, key + id_) <= window_ms
    assert 47 * HOUR_MS < await ttl_ms(org, f"x:{org.root_id}|charged") <= 48 * HOUR_MS
    for kept in (f"a:{org.root_id}", f"i:{org.root_id}", f"d:{org.root_id}", "accounts", "due", "j"):
        assert await ttl_ms(org, kept) == -1


async def test_a_settled_record_that_is_gone_frees_nothing(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(3), id="m1")
    await org.commit("m1", credits_=2)
    await org.store.execute([("DEL", f"cg:{{{org.partition}}}:h:{org.root_id}|m1")])
    assert await org.figures() == (8, 0, 0)
    with pytest.raises(ReservationNotFound):
        await org.commit("m1", credits_=2)
    report = await verify(org.ledger, partitions=[org.partition])
    assert report.breaches == []

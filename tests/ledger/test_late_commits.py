"""Commits after a hold's time is over: of one that was given back, and of one whose expiry has charged all it held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel, Segments
from creditgate_server.credit.operations import ActualUsage, Scope
from creditgate_server.credit.terms import (
    AccountStatus,
    ExpiryAction,
    GrantState,
    LateCommit,
    Overage,
    ReservationState,
    SettledBy,
)
from creditgate_server.engine.errors import (
    HoldAlreadyCommitted,
    HoldExpired,
    IdReused,
    OverageRejected,
    RefundExceedsCaptured,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Settlement

TTL_MS = 60_000


async def expire(
    org: Organisation, credits_: int, below: str = "", *, action: ExpiryAction = ExpiryAction.RELEASE
) -> None:
    """Let a hold m1 of so many credits expire."""
    await org.reserve(org.sms(credits_), below, id="m1", ttl_ms=TTL_MS, expiry_action=action)
    await org.pass_time(TTL_MS)


def moved(settled: Settlement) -> tuple[int, int, int, int]:
    return settled.captured, settled.restored, settled.overage, settled.shortfall


# Of a hold that was given back


async def test_a_late_commit_is_a_charge_of_its_own_and_settles_the_hold(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    late = await org.commit("m1", credits_=3)
    assert (late.state, late.late, late.replayed) == (ReservationState.COMMITTED, True, False)
    assert moved(late) == (3, 0, 0, 0)
    hold = await org.hold("m1")
    assert (hold.state, hold.settled_by, hold.captured, hold.held) == (
        ReservationState.COMMITTED, SettledBy.CALLER, 3, 0,
    )  # fmt: skip
    assert hold.draws[0].grants == (("grant-1", 3),)
    assert await org.figures() == (7, 0, 0)
    audit = await org.audit()
    assert (audit["late"], audit["overage"], audit["used"], audit["usage"]) == (3, 0, 3, 3)


async def test_a_late_commit_takes_grants_present_now_and_then_makes_debt(org: Organisation) -> None:
    await org.grant(4, grant_id="early")
    await expire(org, 4)
    await org.charge(org.sms(4))
    await org.grant(1, grant_id="later")
    assert (await org.commit("m1")).captured == 4
    assert await org.figures() == (-3, 0, 3)
    assert (await org.grants())["later"].captured == 1


async def test_a_late_commit_takes_only_grants_that_may_pay_for_the_usage(org: Organisation) -> None:
    await org.grant(4, scope=Scope(channels=(Channel.SMS,)))
    await org.grant(9, scope=Scope(channels=(Channel.VOICE,)))
    await expire(org, 4)
    await org.charge(org.sms(3))
    await org.commit("m1")
    assert await org.figures() == (6, 0, 3)


async def test_a_late_commit_obeys_neither_suspension_nor_limits(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(4, "field")
    await expire(org, 4, "field")
    await org.charge(org.sms(3), "field")
    await org.change(status=AccountStatus.SUSPENDED)
    assert (await org.commit("m1", "field")).captured == 4
    assert (await org.balance("field")).limit_left == 0
    assert (await org.audit("field"))["limit_overrun"] == 3
    assert await org.figures() == (3, 0, 0)


async def test_what_a_late_commit_wants_beyond_what_was_held_is_overage(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    late = await org.commit("m1", credits_=6)
    assert moved(late) == (6, 0, 2, 0)
    audit = await org.audit()
    assert (audit["late"], audit["overage"], audit["used"]) == (4, 2, 6)


async def test_a_late_overage_is_capped_after_what_was_held_was_taken(org: Organisation) -> None:
    await org.change(overage=Overage.CAP)
    await org.grant(5)
    await expire(org, 4)
    await org.charge(org.sms(3))
    late = await org.commit("m1", credits_=6)
    assert moved(late) == (4, 0, 0, 2)
    assert await org.figures() == (-2, 0, 2)
    again = await org.commit("m1", credits_=6)
    assert (again.replayed, moved(again)) == (True, (4, 0, 0, 2))


async def test_a_late_overage_is_rejected_where_the_policy_says_so(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.grant(10)
    await expire(org, 4)
    with pytest.raises(OverageRejected):
        await org.commit("m1", credits_=5)
    assert await org.figures() == (10, 0, 0)
    assert (await org.commit("m1", credits_=4)).late


async def test_a_late_commit_policy_of_reject_is_asked_before_overage(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT, late_commit=LateCommit.REJECT)
    await org.grant(10)
    await expire(org, 4)
    for credits_ in (None, 0, 5):
        with pytest.raises(HoldExpired):
            await org.commit("m1", credits_=credits_)
    with pytest.raises(HoldExpired):
        await org.capture("m1", "a", 1)
    assert await org.figures() == (10, 0, 0)


async def test_a_late_commit_replays_by_what_it_wanted(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    await org.commit("m1")
    for credits_ in (None, 4):
        again = await org.commit("m1", credits_=credits_)
        assert (again.replayed, again.late, again.captured) == (True, True, 4)
    with pytest.raises(HoldAlreadyCommitted):
        await org.commit("m1", credits_=3)
    assert await org.figures() == (6, 0, 0)


async def test_a_late_commit_of_nothing_settles_the_hold(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    late = await org.commit("m1", credits_=0)
    assert (late.state, late.late, moved(late)) == (ReservationState.COMMITTED, True, (0, 0, 0, 0))
    assert await org.figures() == (10, 0, 0)


async def test_a_late_commit_of_a_size_is_priced_by_the_hold(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    assert (await org.commit("m1", usage=ActualUsage(Segments(2)))).captured == 2


async def test_late_parts_take_from_what_was_held_and_leave_the_hold_expired(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    part = await org.capture("m1", "a", 3)
    assert (part.state, part.late, moved(part)) == (ReservationState.EXPIRED, True, (3, 0, 0, 0))
    part = await org.capture("m1", "b", 3)
    assert moved(part) == (3, 0, 2, 0)
    audit = await org.audit()
    assert (audit["late"], audit["overage"]) == (4, 2)
    hold = await org.hold("m1")
    assert (hold.state, hold.captured) == (ReservationState.EXPIRED, 6)
    assert await org.figures() == (4, 0, 0)


async def test_a_late_part_happens_once(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    await org.capture("m1", "a", 3)
    again = await org.capture("m1", "a", 3)
    assert (again.replayed, again.late, again.captured) == (True, True, 3)
    with pytest.raises(IdReused):
        await org.capture("m1", "a", 1)
    assert await org.figures() == (7, 0, 0)


async def test_a_final_commit_after_late_parts_takes_what_they_have_left(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    await org.capture("m1", "a", 3)
    final = await org.commit("m1")
    assert (final.state, moved(final)) == (ReservationState.COMMITTED, (1, 0, 0, 0))
    assert (await org.commit("m1")).replayed
    assert (await org.hold("m1")).captured == 4
    assert await org.figures() == (6, 0, 0)


async def test_parts_from_before_and_after_the_expiry_add_up(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", ttl_ms=TTL_MS)
    await org.capture("m1", "early", 2)
    await org.pass_time(TTL_MS)
    assert moved(await org.commit("m1")) == (4, 0, 0, 0)
    hold = await org.hold("m1")
    assert (hold.captured, hold.restored) == (6, 4)
    assert await org.figures() == (4, 0, 0)


async def test_a_release_between_expiry_and_a_late_commit_changes_nothing(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4)
    await org.capture("m1", "a", 1)
    released = await org.release("m1")
    assert (released.state, released.replayed, released.late) == (ReservationState.EXPIRED, True, False)
    assert moved(released) == (0, 4, 0, 0)
    assert (await org.commit("m1")).captured == 3


# Of a hold whose expiry has charged all it held


async def test_a_late_report_of_what_expiry_has_charged_takes_nothing(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4, action=ExpiryAction.COMMIT)
    report = await org.commit("m1")
    assert (report.state, report.late, moved(report)) == (ReservationState.COMMITTED, True, (0, 0, 0, 0))
    hold = await org.hold("m1")
    assert (hold.state, hold.settled_by, hold.captured, hold.refunded) == (
        ReservationState.COMMITTED, SettledBy.EXPIRY, 4, 0,
    )  # fmt: skip
    assert await org.figures() == (6, 0, 0)
    assert (await org.audit())["late"] == 0


async def test_a_late_final_report_gives_back_what_was_not_used(org: Organisation) -> None:
    await org.open("field")
    await org.grant(3, grant_id="first", priority=1)
    await org.grant(7, grant_id="second", priority=2)
    await org.allot(9, "field")
    await expire(org, 5, "field", action=ExpiryAction.COMMIT)
    report = await org.commit("m1", "field", 1)
    assert moved(report) == (0, 4, 0, 0)
    grants = await org.grants()
    assert (grants["first"].refunded, grants["second"].refunded) == (2, 2)
    assert (await org.balance("field")).limit_left == 8
    hold = await org.hold("m1", "field")
    assert (hold.captured, hold.refunded, hold.restored) == (5, 4, 4)
    assert await org.figures() == (9, 0, 0)


async def test_what_a_late_final_report_gives_back_repays_debt_first(org: Organisation) -> None:
    await org.grant(5)
    await expire(org, 5, action=ExpiryAction.COMMIT)
    await org.owe(3)
    report = await org.commit("m1", credits_=1)
    assert (report.restored, report.debt_repaid) == (4, 3)
    assert await org.figures() == (1, 0, 0)


async def test_what_a_late_final_report_gives_back_ends_with_its_grant(org: Organisation) -> None:
    await org.grant(5, grant_id="g", expire_ms=await org.now_ms() + TTL_MS + 1_000)
    await expire(org, 5, action=ExpiryAction.COMMIT)
    await org.pass_time(1_000)
    report = await org.commit("m1", credits_=1)
    assert (report.restored, report.expired) == (0, 4)
    grant = (await org.grants())["g"]
    assert (grant.state, grant.captured, grant.refunded, grant.expired) == (GrantState.EXPIRED, 5, 4, 4)


async def test_a_late_final_report_of_an_overdraft_lowers_the_debt_that_it_became(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(2)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    assert await org.figures() == (-4, 0, 4)
    report = await org.commit("m1", credits_=1)
    assert (report.restored, report.debt_repaid) == (5, 4)
    assert await org.figures() == (1, 0, 0)
    assert (await org.audit())["forgiven"] == 4


async def test_a_late_final_report_happens_once(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4, action=ExpiryAction.COMMIT)
    await org.commit("m1", credits_=1)
    again = await org.commit("m1", credits_=1)
    assert (again.replayed, again.late, moved(again)) == (True, True, (0, 3, 0, 0))
    for credits_ in (None, 2):
        with pytest.raises(HoldAlreadyCommitted):
            await org.commit("m1", credits_=credits_)
    with pytest.raises(HoldAlreadyCommitted):
        await org.release("m1")
    assert await org.figures() == (9, 0, 0)


async def test_a_late_report_of_more_than_expiry_has_charged_says_what_is_short(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4, action=ExpiryAction.COMMIT)
    report = await org.commit("m1", credits_=7)
    assert moved(report) == (0, 0, 0, 3)
    assert await org.figures() == (6, 0, 0)


async def test_late_parts_claim_what_expiry_has_charged_and_the_final_report_gives_back_the_rest(
    org: Organisation,
) -> None:
    await org.grant(10)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    part = await org.capture("m1", "a", 2)
    assert (part.state, part.late, moved(part)) == (ReservationState.EXPIRED, True, (0, 0, 0, 0))
    assert (await org.capture("m1", "a", 2)).replayed
    report = await org.commit("m1", credits_=1)
    assert moved(report) == (0, 3, 0, 0)
    assert await org.figures() == (7, 0, 0)


async def test_late_parts_that_claim_more_than_is_left_say_what_is_short(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    await org.capture("m1", "a", 4)
    assert moved(await org.capture("m1", "b", 5)) == (0, 0, 0, 3)
    assert moved(await org.capture("m1", "c", 1)) == (0, 0, 0, 1)
    assert moved(await org.commit("m1")) == (0, 0, 0, 0)
    assert await org.figures() == (4, 0, 0)


async def test_a_late_part_without_an_amount_claims_all_that_is_unclaimed(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    await org.capture("m1", "a", 2)
    assert moved(await org.capture("m1", "b")) == (0, 0, 0, 0)
    assert moved(await org.commit("m1", credits_=0)) == (0, 0, 0, 0)
    assert await org.figures() == (4, 0, 0)


async def test_a_late_report_asks_neither_the_late_commit_policy_nor_that_of_overage(org: Organisation) -> None:
    await org.change(late_commit=LateCommit.REJECT, overage=Overage.REJECT)
    await org.grant(10)
    await expire(org, 4, action=ExpiryAction.COMMIT)
    assert moved(await org.capture("m1", "a", 6)) == (0, 0, 0, 2)
    assert moved(await org.commit("m1", credits_=1)) == (0, 0, 0, 1)


async def test_parts_captured_before_expiry_are_not_given_back_by_the_report(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", ttl_ms=TTL_MS, expiry_action=ExpiryAction.COMMIT)
    await org.capture("m1", "early", 2)
    await org.pass_time(TTL_MS)
    assert moved(await org.commit("m1", credits_=0)) == (0, 4, 0, 0)
    hold = await org.hold("m1")
    assert (hold.captured, hold.refunded) == (6, 4)
    assert await org.figures() == (8, 0, 0)


async def test_a_report_gives_back_no_more_than_a_refund_before_it_has_left(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    await org.refund("m1", 4)
    assert moved(await org.commit("m1", credits_=1)) == (0, 2, 0, 0)
    assert await org.figures() == (10, 0, 0)
    with pytest.raises(RefundExceedsCaptured):
        await org.refund("m1", 1)


async def test_a_refund_after_the_report_gives_back_what_it_claimed(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 6, action=ExpiryAction.COMMIT)
    await org.commit("m1", credits_=4)
    assert (await org.refund("m1")).credits == 4
    assert await org.figures() == (10, 0, 0)


async def test_what_expiry_has_charged_cannot_be_released(org: Organisation) -> None:
    await org.grant(10)
    await expire(org, 4, action=ExpiryAction.COMMIT)
    with pytest.raises(HoldExpired):
        await org.release("m1")
    await org.capture("m1", "a", 1)
    with pytest.raises(HoldExpired):
        await org.release("m1")
    assert await org.figures() == (6, 0, 0)

"""Commits that keep their hold open: each captures a part of it once, by its own id, and the rest stays held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Segments
from creditgate_server.credit.operations import ActualUsage
from creditgate_server.credit.terms import Enforcement, ExpiryAction, Overage, Pot, ReservationState, SettledBy
from creditgate_server.engine.errors import (
    AccountNotFound,
    HoldAlreadyCommitted,
    HoldAlreadyReleased,
    IdReused,
    OverageRejected,
    ReservationNotFound,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation


async def test_a_part_is_captured_and_the_rest_stays_held(org: Organisation) -> None:
    await org.grant(10)
    held = await org.reserve(org.sms(6), id="m1")
    part = await org.capture("m1", "a", 2)
    assert (part.state, part.captured, part.restored, part.overage) == (ReservationState.PENDING, 2, 0, 0)
    assert (part.replayed, part.late) == (False, False)
    hold = await org.hold("m1")
    assert (hold.state, hold.credits, hold.held, hold.captured) == (ReservationState.PENDING, 6, 4, 2)
    assert hold.expire_ms == held.expire_ms
    assert await org.figures() == (4, 4, 0)


async def test_parts_add_up(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    for number in range(3):
        assert (await org.capture("m1", f"part-{number}", 1)).captured == 1
    assert await org.figures() == (4, 3, 0)
    assert (await org.audit())["used"] == 3


async def test_a_part_is_captured_of_every_level_that_the_hold_drew_on(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(8, "field")
    await org.reserve(org.sms(6), "field", id="m1")
    await org.capture("m1", "a", 2, "field")
    wallet, limit = await org.audit(), await org.audit("field")
    assert (wallet["captured"], wallet["reserved"]) == (2, 4)
    assert (limit["limit_captured"], limit["limit_reserved"], limit["usage"]) == (2, 4, 2)


async def test_an_open_hold_shows_the_draws_that_it_still_holds(org: Organisation) -> None:
    await org.open("field")
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.allot(8, "field", grant_id="room")
    await org.reserve(org.sms(6), "field", id="m1")
    await org.capture("m1", "a", 3, "field")
    wallet, limit = (await org.hold("m1", "field")).draws
    assert (wallet.pot, wallet.grants) == (Pot.WALLET, (("second", 3),))
    assert (limit.pot, limit.grants) == (Pot.LIMIT, (("room", 3),))


async def test_a_settled_hold_shows_the_draws_that_all_its_parts_captured(org: Organisation) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 3)
    await org.commit("m1", credits_=1)
    hold = await org.hold("m1")
    assert (hold.held, hold.captured, hold.restored) == (0, 4, 2)
    assert hold.draws[0].grants == (("first", 2), ("second", 2))


async def test_a_part_without_an_amount_is_all_that_is_held_and_the_hold_stays_open(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    part = await org.capture("m1", "a")
    assert (part.captured, part.state) == (6, ReservationState.PENDING)
    assert (await org.hold("m1")).held == 0
    assert (await org.capture("m1", "b")).captured == 0
    final = await org.commit("m1")
    assert (final.captured, final.restored, final.state) == (0, 0, ReservationState.COMMITTED)
    assert await org.figures() == (4, 0, 0)


async def test_a_part_may_be_a_size_that_the_hold_prices(org: Organisation) -> None:
    await org.grant(20)
    await org.reserve(org.sms(3, recipients=4), id="m1")
    assert (await org.capture("m1", "a", usage=ActualUsage(Segments(3), recipient_count=2))).captured == 6
    assert await org.figures() == (8, 6, 0)


async def test_a_part_may_be_nothing(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    assert (await org.capture("m1", "a", 0)).captured == 0
    assert (await org.capture("m1", "a", 0)).replayed
    assert await org.figures() == (4, 6, 0)


async def test_the_same_part_again_replays_its_money_with_the_current_balance(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    await org.capture("m1", "b", 1)
    again = await org.capture("m1", "a", 2)
    assert (again.replayed, again.captured, again.state) == (True, 2, ReservationState.PENDING)
    assert (again.balance.available, again.balance.reserved) == (4, 3)
    assert await org.figures() == (4, 3, 0)


async def test_a_part_id_is_refused_for_another_amount(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "number", 6)
    await org.capture("m1", "rest")
    for commit_id, credits_ in (("number", 5), ("number", None), ("rest", 0)):
        with pytest.raises(IdReused):
            await org.capture("m1", commit_id, credits_)
    assert await org.figures() == (4, 0, 0)


async def test_a_part_id_is_of_one_hold_alone(org: Organisation) -> None:
    await org.grant(10)
    for id_ in ("m1", "m1|a", "m"):
        await org.reserve(org.sms(3), id=id_)
    captures = (("m1", "a|b", 1), ("m1|a", "b", 2), ("m", "a|b", 3))
    for replayed in (False, True):
        assert [(await org.capture(*each)).replayed for each in captures] == [replayed] * 3


@pytest.mark.parametrize("end", ["committed", "released", "expired"])
async def test_a_part_replays_after_its_hold_was_settled_and_tells_its_state(org: Organisation, end: str) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", ttl_ms=60_000)
    await org.capture("m1", "a", 2)
    if end == "committed":
        await org.commit("m1", credits_=1)
    elif end == "released":
        await org.release("m1")
    else:
        await org.pass_time(60_000)
    again = await org.capture("m1", "a", 2)
    assert (again.replayed, again.captured, again.late) == (True, 2, False)
    assert again.state is ReservationState[end.upper()]
    with pytest.raises(IdReused):
        await org.capture("m1", "a", 3)


async def test_a_new_part_of_a_settled_hold_is_refused(org: Organisation) -> None:
    await org.grant(10)
    for id_ in ("sent", "failed"):
        await org.reserve(org.sms(3), id=id_)
        await org.capture(id_, "a", 1)
    await org.commit("sent", credits_=1)
    await org.release("failed")
    with pytest.raises(HoldAlreadyCommitted):
        await org.capture("sent", "b", 1)
    with pytest.raises(HoldAlreadyReleased):
        await org.capture("failed", "b", 1)
    assert await org.figures() == (7, 0, 0)


async def test_a_part_of_an_unknown_hold_or_of_another_account_is_not_found(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.reserve(org.sms(3), id="m1")
    with pytest.raises(ReservationNotFound):
        await org.capture("never", "a", 1)
    with pytest.raises(ReservationNotFound):
        await org.capture("m1", "a", 1, "field")
    with pytest.raises(AccountNotFound):
        await org.capture("m1", "a", 1, "nobody")


async def test_the_final_commit_answers_its_own_credits_and_gives_the_rest_back(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    final = await org.commit("m1", credits_=1)
    assert (final.captured, final.restored, final.state) == (1, 3, ReservationState.COMMITTED)
    hold = await org.hold("m1")
    assert (hold.captured, hold.restored, hold.settled_by) == (3, 3, SettledBy.CALLER)
    assert await org.figures() == (7, 0, 0)


async def test_the_final_commit_without_an_amount_takes_what_no_part_has(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    final = await org.commit("m1")
    assert (final.captured, final.restored) == (4, 0)
    for credits_ in (None, 4):
        again = await org.commit("m1", credits_=credits_)
        assert (again.replayed, again.captured) == (True, 4)
    with pytest.raises(HoldAlreadyCommitted):
        await org.commit("m1", credits_=6)
    assert await org.figures() == (4, 0, 0)


async def test_a_release_gives_back_what_no_part_has_and_the_parts_stay(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a", 2)
    released = await org.release("m1")
    assert (released.state, released.captured, released.restored) == (ReservationState.RELEASED, 0, 4)
    assert (await org.hold("m1")).captured == 2
    again = await org.release("m1")
    assert (again.replayed, again.captured, again.restored) == (True, 0, 4)
    assert await org.figures() == (8, 0, 0)


@pytest.mark.parametrize(
    ("action", "captured", "restored"), [(ExpiryAction.RELEASE, 2, 4), (ExpiryAction.COMMIT, 6, 0)]
)
async def test_expiry_ends_what_no_part_has_captured(
    org: Organisation, action: ExpiryAction, captured: int, restored: int
) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", expiry_action=action)
    await org.capture("m1", "a", 2)
    await org.pass_time(60_000)
    hold = await org.hold("m1")
    assert (hold.state, hold.captured, hold.restored) == (ReservationState.EXPIRED, captured, restored)
    assert await org.figures() == (10 - captured, 0, 0)


async def test_a_hold_that_its_parts_have_emptied_still_expires(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1")
    await org.capture("m1", "a")
    await org.pass_time(60_000)
    hold = await org.hold("m1")
    assert (hold.state, hold.captured, hold.restored) == (ReservationState.EXPIRED, 6, 0)
    assert await org.figures() == (4, 0, 0)


async def test_a_part_does_not_prolong_its_hold_and_an_extension_does(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(6), id="m1", ttl_ms=60_000)
    await org.pass_time(30_000)
    await org.capture("m1", "a", 2)
    await org.extend("m1", 60_000)
    await org.pass_time(30_000)
    assert await org.figures() == (4, 4, 0)
    await org.pass_time(30_000)
    assert await org.figures() == (8, 0, 0)


async def test_a_part_beyond_what_is_held_drains_the_hold_and_takes_the_rest_as_overage(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1")
    part = await org.capture("m1", "a", 7)
    assert (part.captured, part.overage, part.shortfall, part.state) == (7, 3, 0, ReservationState.PENDING)
    assert (await org.hold("m1")).held == 0
    assert (await org.capture("m1", "b", 5)).overage == 5
    final = await org.commit("m1")
    assert (final.captured, final.overage, final.restored) == (0, 0, 0)
    assert await org.figures() == (-2, 0, 2)
    assert (await org.hold("m1")).captured == 12
    assert (await org.audit())["overage"] == 8


async def test_a_part_beyond_what_is_held_obeys_the_overage_policy(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1")
    await org.change(overage=Overage.REJECT)
    with pytest.raises(OverageRejected):
        await org.capture("m1", "a", 5)
    await org.change(overage=Overage.CAP)
    for replayed in (False, True):
        part = await org.capture("m1", "a", 13)
        assert (part.captured, part.overage, part.shortfall, part.replayed) == (10, 6, 3, replayed)
    assert await org.figures() == (0, 0, 0)


async def test_a_part_that_was_refused_leaves_its_id_free(org: Organisation) -> None:
    await org.change(overage=Overage.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(4), id="m1")
    with pytest.raises(OverageRejected):
        await org.capture("m1", "a", 5)
    part = await org.capture("m1", "a", 4)
    assert (part.captured, part.replayed) == (4, False)


async def test_parts_take_the_covered_credits_first_and_overdraft_last(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(3)
    await org.reserve(org.sms(8), id="m1")
    await org.capture("m1", "a", 4)
    assert (await org.hold("m1")).draws[0].unfunded == 4
    assert await org.figures() == (-5, 4, 1)
    await org.capture("m1", "b", 1)
    assert await org.figures() == (-5, 3, 2)
    await org.release("m1")
    assert await org.figures() == (-2, 0, 2)


async def test_parts_of_what_was_let_through_are_overrun(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(3)
    await org.reserve(org.sms(8), id="m1")
    await org.capture("m1", "a", 5)
    assert (await org.audit())["overrun"] == 2
    await org.commit("m1", credits_=0)
    audit = await org.audit()
    assert (audit["used"], audit["captured"], audit["overrun"]) == (5, 3, 2)


async def test_the_same_part_raced_is_captured_once(org: Organisation) -> None:
    await org.grant(100)
    await org.reserve(org.sms(50), id="m1")
    answers = await asyncio.gather(*(org.capture("m1", "a", 3) for _ in range(32)))
    assert sum(not answer.replayed for answer in answers) == 1
    assert {answer.captured for answer in answers} == {3}
    assert await org.figures() == (50, 47, 0)


async def test_parts_raced_by_the_final_commit_never_take_more_than_they_say(org: Organisation) -> None:
    await org.grant(100)
    await org.reserve(org.sms(10), id="m1")

    async def capture(number: int) -> int:
        try:
            return (await org.capture("m1", f"part-{number}", 1)).captured
        except HoldAlreadyCommitted:
            return 0

    async def commit() -> int:
        return (await org.commit("m1", credits_=2)).captured

    captured = sum(await asyncio.gather(commit(), *(capture(number) for number in range(10))))
    assert (await org.hold("m1")).captured == captured
    assert await org.figures() == (100 - captured, 0, 0)

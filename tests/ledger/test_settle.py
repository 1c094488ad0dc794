"""Commit and Release: what is captured, what goes back and where to, and that each happens once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Segments
from creditgate_server.credit.operations import ActualUsage, Scope
from creditgate_server.credit.terms import Enforcement, Funding, GrantState, Pot, ReservationState
from creditgate_server.engine.errors import (
    AccountNotFound,
    HoldAlreadyCommitted,
    HoldAlreadyReleased,
    InvalidField,
    OperationError,
    ReservationNotFound,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Settlement


async def test_a_commit_without_an_amount_captures_all_that_is_held(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(3), id="m1")
    settled = await org.commit("m1")
    assert settled.state is ReservationState.COMMITTED
    assert (settled.captured, settled.restored, settled.overage, settled.replayed, settled.late) == (
        3,
        0,
        0,
        False,
        False,
    )
    assert await org.figures() == (7, 0, 0)


async def test_a_commit_of_less_gives_the_rest_back_to_wallet_and_limits(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(6, "field")
    await org.reserve(org.sms(5), "field", id="m1")
    settled = await org.commit("m1", "field", 2)
    assert (settled.captured, settled.restored) == (2, 3)
    assert (settled.balance.available, settled.balance.reserved, settled.balance.limit_left) == (8, 0, 4)


async def test_a_commit_of_nothing_gives_all_back_and_is_still_committed(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="m1")
    settled = await org.commit("m1", credits_=0)
    assert (settled.state, settled.captured, settled.restored) == (ReservationState.COMMITTED, 0, 5)
    assert await org.figures() == (10, 0, 0)


async def test_overage_is_drawn_from_grants_first_and_only_the_rest_becomes_debt(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=9)
    assert (settled.captured, settled.overage) == (9, 7)
    assert await org.figures() == (-4, 0, 4)


async def test_overage_that_a_limit_does_not_cover_overruns_it_and_leaves_it_at_zero(org: Organisation) -> None:
    await org.open("field")
    await org.grant(100)
    await org.allot(3, "field")
    await org.reserve(org.sms(2), "field", id="m1")
    settled = await org.commit("m1", "field", 8)
    assert (settled.balance.available, settled.balance.debt, settled.balance.limit_left) == (92, 0, 0)
    await org.allot(1, "field")
    assert (await org.balance("field")).limit_left == 1


async def test_overage_takes_only_grants_that_may_pay_for_the_usage(org: Organisation) -> None:
    await org.grant(5, grant_id="sms", scope=Scope(channels=(Channel.SMS,)))
    await org.grant(5, grant_id="voice", scope=Scope(channels=(Channel.VOICE,)))
    await org.reserve(org.sms(2), id="m1")
    settled = await org.commit("m1", credits_=8)
    assert (settled.balance.available, settled.balance.usable, settled.balance.debt) == (2, -3, 3)
    assert (await org.grants())["voice"].remaining == 5


async def test_what_was_held_without_cover_is_drawn_from_grants_present_at_commit(org: Organisation) -> None:
    await org.change(overdraft_limit=10)
    await org.grant(3)
    await org.reserve(org.sms(8), id="m1")
    await org.grant(4, grant_id="later")
    settled = await org.commit("m1")
    assert settled.captured == 8
    assert await org.figures() == (-1, 0, 1)
    assert (await org.grants())["later"].captured == 4


async def test_a_commit_within_the_covered_part_drops_what_was_unfunded(org: Organisation) -> None:
    await org.change(overdraft_limit=10)
    await org.grant(3, grant_id="g")
    await org.reserve(org.sms(8), id="m1")
    await org.commit("m1", credits_=2)
    assert await org.figures() == (1, 0, 0)
    assert (await org.grants())["g"].captured == 2


async def test_a_release_of_an_overdraft_leaves_no_debt(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.reserve(org.sms(5), id="m1")
    assert await org.figures() == (-5, 5, 0)
    released = await org.release("m1")
    assert released.state is ReservationState.RELEASED
    assert await org.figures() == (0, 0, 0)


async def test_restored_counts_only_credits_that_went_back_to_grants(org: Organisation) -> None:
    await org.change(overdraft_limit=5)
    await org.grant(3)
    await org.reserve(org.sms(8), id="m1")
    assert (await org.release("m1")).restored == 3
    assert (await org.hold("m1")).restored == 3


async def test_a_release_gives_back_to_the_very_grants_it_drew_on(org: Organisation) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.reserve(org.sms(5), id="m1")
    held = {grant_id: grant.held for grant_id, grant in (await org.grants()).items()}
    assert held == {"first": 2, "second": 3}
    released = await org.release("m1")
    assert (released.captured, released.restored, released.replayed) == (0, 5, False)
    remaining = {grant_id: grant.remaining for grant_id, grant in (await org.grants()).items()}
    assert remaining == {"first": 2, "second": 9}


async def test_a_grant_that_gets_credits_back_burns_in_its_old_place(org: Organisation) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.reserve(org.sms(2), id="m1")
    await org.release("m1")
    await org.reserve(org.sms(1), id="m2")
    draw = (await org.hold("m2")).draws[0]
    assert draw.grants == (("first", 1),)


async def test_a_commit_captures_in_burn_order_and_gives_the_last_back(org: Organisation) -> None:
    await org.grant(2, grant_id="first", priority=1)
    await org.grant(9, grant_id="second", priority=2)
    await org.reserve(org.sms(6), id="m1")
    await org.commit("m1", credits_=3)
    grants = await org.grants()
    assert (grants["first"].captured, grants["second"].captured, grants["second"].remaining) == (2, 1, 8)
    wallet = (await org.hold("m1")).draws[0]
    assert (wallet.pot, wallet.grants) == (Pot.WALLET, (("first", 2), ("second", 1)))


async def test_a_settled_hold_tells_what_was_captured_of_whom(org: Organisation) -> None:
    await org.open("field", enforcement=Enforcement.MONITOR)
    await org.grant(5, grant_id="credits")
    await org.allot(3, "field", grant_id="room")
    await org.reserve(org.sms(4), "field", id="m1")
    await org.commit("m1", "field", 7)
    wallet, limit = (await org.hold("m1", "field")).draws
    assert (wallet.grants, wallet.unfunded, wallet.unenforced) == ((("credits", 5),), 2, 0)
    assert (limit.grants, limit.unfunded, limit.unenforced) == ((("room", 3),), 0, 4)


async def test_what_goes_back_to_a_grant_that_has_ended_is_expired(org: Organisation) -> None:
    await org.grant(5, grant_id="brief", expire_ms=await org.now_ms() + 10_000)
    await org.grant(5, grant_id="lasting")
    await org.reserve(org.sms(8), id="m1", ttl_ms=600_000)
    await org.pass_time(11_000)
    settled = await org.commit("m1", credits_=2)
    assert (settled.captured, settled.restored, settled.expired) == (2, 3, 3)
    brief = (await org.grants())["brief"]
    assert (brief.state, brief.captured, brief.expired, brief.held) == (GrantState.EXPIRED, 2, 3, 0)
    assert await org.figures() == (5, 0, 0)


async def test_credits_given_back_repay_debt_first(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(10), id="m1")
    await org.owe(4)
    settled = await org.commit("m1", credits_=3)
    assert (settled.restored, settled.debt_repaid) == (7, 4)
    assert await org.figures() == (3, 0, 0)
    assert (await org.grants())["grant-1"].debt_repaid == 4


async def test_a_release_that_only_repays_debt_leaves_the_rest_of_it(org: Organisation) -> None:
    await org.grant(3)
    await org.reserve(org.sms(3), id="m1")
    await org.owe(9)
    released = await org.release("m1")
    assert (released.restored, released.debt_repaid, released.balance.debt) == (3, 3, 6)


async def test_the_same_commit_again_replays_and_moves_nothing(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="m1")
    first = await org.commit("m1", credits_=3)
    again = await org.commit("m1", credits_=3)
    assert (first.replayed, again.replayed) == (False, True)
    assert (again.captured, again.restored, again.state) == (3, 2, ReservationState.COMMITTED)
    assert await org.figures() == (7, 0, 0)


async def test_a_commit_of_all_and_one_that_names_the_same_amount_are_the_same(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="m1")
    await org.commit("m1")
    assert (await org.commit("m1", credits_=5)).replayed
    assert (await org.commit("m1")).replayed


async def test_a_second_commit_of_another_amount_is_refused(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="m1")
    await org.commit("m1", credits_=3)
    for credits_ in (None, 0, 4, 6):
        with pytest.raises(HoldAlreadyCommitted):
            await org.commit("m1", credits_=credits_)
    assert await org.figures() == (7, 0, 0)


async def test_a_committed_hold_cannot_be_released_and_a_released_one_not_committed(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="sent")
    await org.commit("sent")
    with pytest.raises(HoldAlreadyCommitted):
        await org.release("sent")
    await org.reserve(org.sms(5), id="failed")
    await org.release("failed")
    with pytest.raises(HoldAlreadyReleased):
        await org.commit("failed")
    assert await org.figures() == (5, 0, 0)


async def test_a_second_release_replays(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(5), id="m1")
    await org.release("m1")
    again = await org.release("m1")
    assert (again.replayed, again.restored, again.state) == (True, 5, ReservationState.RELEASED)
    assert await org.figures() == (10, 0, 0)


async def test_a_hold_that_was_never_granted_is_not_found(org: Organisation) -> None:
    with pytest.raises(ReservationNotFound):
        await org.commit("never")
    with pytest.raises(ReservationNotFound):
        await org.release("never")
    with pytest.raises(ReservationNotFound):
        await org.hold("never")


async def test_a_denied_reserve_leaves_no_hold_to_settle(org: Organisation) -> None:
    await org.reserve(org.sms(1), id="m1")
    with pytest.raises(ReservationNotFound):
        await org.commit("m1")


async def test_a_hold_belongs_to_its_account_alone(org: Organisation) -> None:
    await org.open("field")
    await org.open("sales")
    await org.grant(10)
    await org.reserve(org.sms(2), "field", id="m1")
    for other in ("", "sales"):
        with pytest.raises(ReservationNotFound):
            await org.commit("m1", other)
        with pytest.raises(ReservationNotFound):
            await org.release("m1", other)
        with pytest.raises(ReservationNotFound):
            await org.hold("m1", other)
    with pytest.raises(AccountNotFound):
        await org.commit("m1", "nobody")
    assert await org.figures() == (8, 2, 0)


async def test_another_size_is_priced_by_the_version_that_the_hold_has_frozen(org: Organisation) -> None:
    card_id = f"card-{org.root_id}"
    await org.engine.put_rate_card(card_id, [Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=2)])
    await org.change(rate_card_id=card_id)
    await org.grant(100)
    held = await org.reserve(org.sms(2, recipients=3), id="m1")
    assert held.credits == 12
    await org.engine.put_rate_card(card_id, [Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=7)])
    settled = await org.commit("m1", usage=ActualUsage(Segments(1), recipient_count=2))
    assert (settled.captured, settled.restored) == (4, 8)
    hold = await org.hold("m1")
    assert (hold.rate_card_id, hold.rate_card_version, hold.credits_per_recipient) == (card_id, 1, 4)


async def test_more_segments_than_the_rule_allows_were_sent_all_the_same_and_are_priced(org: Organisation) -> None:
    card_id = f"card-{org.root_id}"
    rule = Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=1, maximum_segments=3)
    await org.engine.put_rate_card(card_id, [rule])
    await org.change(rate_card_id=card_id)
    await org.grant(100)
    await org.reserve(org.sms(2), id="m1")
    assert (await org.commit("m1", usage=ActualUsage(Segments(5)))).captured == 5


async def test_a_commit_may_change_the_size_only(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    changed = [
        ActualUsage(Segments(1), channel=Channel.VOICE),
        ActualUsage(Segments(1), direction=Direction.INBOUND),
        ActualUsage(Segments(1), region="US"),
    ]
    for usage in changed:
        with pytest.raises(InvalidField):
            await org.commit("m1", usage=usage)
    assert await org.figures() == (8, 2, 0)


async def test_a_hold_of_no_credits_can_be_committed_with_some(org: Organisation) -> None:
    card_id = f"free-{org.root_id}"
    await org.engine.put_rate_card(card_id, [Rule(name="free", unit=Unit.MESSAGE, credits_per_unit=0)])
    await org.change(rate_card_id=card_id)
    await org.grant(3)
    held = await org.reserve(id="m1")
    assert (held.credits, held.recipients_granted, held.state) == (0, 1, ReservationState.PENDING)
    assert (await org.commit("m1", credits_=2)).overage == 2
    await org.reserve(id="m2")
    assert (await org.commit("m2")).captured == 0
    await org.reserve(id="m3")
    assert (await org.release("m3")).restored == 0
    assert await org.figures() == (1, 0, 0)


async def test_a_hold_settles_with_the_payer_it_drew_on_although_another_pays_by_now(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(10)
    await org.grant(10, "field")
    await org.reserve(org.sms(4), "field", id="m1")
    await org.change("field", funding=Funding.PARENT)
    settled = await org.commit("m1", "field", 6)
    assert settled.balance.payer_id == org.root_id
    assert await org.figures() == (10, 0, 0)
    await org.change("field", funding=Funding.OWN)
    assert await org.figures("field") == (4, 0, 0)


async def test_commits_and_releases_race_and_one_wins(org: Organisation) -> None:
    await org.grant(100)
    await org.reserve(org.sms(10), id="m1")

    async def settle(turn: int) -> Settlement | OperationError:
        try:
            return await (org.release("m1") if turn % 2 else org.commit("m1", credits_=turn % 8))
        except OperationError as error:
            return error

    answers = await asyncio.gather(*(settle(turn) for turn in range(32)))
    fresh = [answer for answer in answers if not isinstance(answer, OperationError) and not answer.replayed]
    assert len(fresh) == 1
    assert await org.figures() == (100 - fresh[0].captured, 0, 0)


async def test_settled_at_every_one_of_four_levels(org: Organisation) -> None:
    for below in ("a", "a/b", "a/b/c"):
        await org.open(below)
        await org.allot(10, below)
    await org.allot(10)
    await org.grant(10)
    await org.reserve(org.sms(6), "a/b/c", id="m1")
    draws = (await org.hold("m1", "a/b/c")).draws
    assert [(draw.account_id, draw.pot) for draw in draws] == [
        (org.root_id, Pot.WALLET),
        (org.path("a/b/c"), Pot.LIMIT),
        (org.path("a/b"), Pot.LIMIT),
        (org.path("a"), Pot.LIMIT),
        (org.root_id, Pot.LIMIT),
    ]
    await org.commit("m1", "a/b/c", 4)
    for below in ("", "a", "a/b", "a/b/c"):
        assert (await org.balance(below)).limit_left == 6
    assert await org.figures() == (6, 0, 0)


async def test_what_goes_back_to_an_allotment_that_has_ended_is_expired_there(org: Organisation) -> None:
    await org.grant(10)
    await org.allot(5, grant_id="room", expire_ms=await org.now_ms() + 10_000)
    await org.reserve(org.sms(4), id="m1", ttl_ms=600_000)
    await org.pass_time(11_000)
    released = await org.release("m1")
    assert (released.restored, released.expired, released.balance.limit_left) == (4, 0, 0)
    assert (await org.grants())["room"].expired == 5

"""Rate cards: versions that never change, and the one that prices an account, whichever sidecar put it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import InvalidRateCard
from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Priority, Segments
from creditgate_server.credit.operations import ActualUsage, Reserve
from creditgate_server.credit.terms import Decision, DenialReason, ReservationState
from creditgate_server.engine.errors import InvalidField, RateCardNotFound

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.engine.engine import Engine


def flat(credits_: int) -> list[Rule]:
    """A card on which everything costs the same."""
    return [Rule(name="flat", unit=Unit.MESSAGE, credits_per_unit=credits_)]


@pytest.fixture
def card_id(organisation: str) -> str:
    return f"card-{organisation}"


async def test_an_account_without_a_card_is_priced_by_the_default_one(org: Organisation) -> None:
    stored = await org.engine.get_rate_card("default", 1)
    assert stored.card == DEFAULT_RATE_CARD
    quoted = await org.quote(org.sms(3))
    assert quoted.price is not None
    assert (quoted.price.credits, quoted.price.rate_card_id, quoted.price.rule) == (3, "default", "sms")


async def test_versions_count_up_and_never_change(org: Organisation, card_id: str) -> None:
    first, _ = await org.engine.put_rate_card(card_id, flat(1))
    second, _ = await org.engine.put_rate_card(card_id, flat(2))
    assert (first.card.version, second.card.version) == (1, 2)
    assert await org.engine.get_rate_card(card_id, 1) == first
    assert await org.engine.get_rate_card(card_id, 2) == second
    assert await org.engine.get_rate_card(card_id, 0) == second


async def test_the_same_rules_as_the_newest_are_no_new_version(org: Organisation, card_id: str) -> None:
    await org.engine.put_rate_card(card_id, flat(1))
    again, replayed = await org.engine.put_rate_card(card_id, flat(1))
    assert (again.card.version, replayed) == (1, True)
    await org.engine.put_rate_card(card_id, flat(2))
    back, replayed = await org.engine.put_rate_card(card_id, flat(1))
    assert (back.card.version, replayed) == (3, False)


async def test_every_part_of_a_rule_comes_back_as_it_was_put(org: Organisation, card_id: str) -> None:
    rules = [
        Rule(
            name="bulk to us",
            unit=Unit.SEGMENT,
            credits_per_unit=3,
            channel=Channel.SMS,
            regions=("CA", "US"),
            priority=Priority.BULK,
            minimum_credits=5,
            maximum_segments=3,
        ),
        Rule(name="text", unit=Unit.BLOCK, credits_per_unit=2, channel=Channel.MMS, block_size=1600),
        Rule(name="rest", unit=Unit.MINUTE, credits_per_unit=0),
    ]
    await org.engine.put_rate_card(card_id, rules)
    assert (await org.engine.get_rate_card(card_id, 0)).card.rules == tuple(rules)


async def test_two_sidecars_that_put_at_once_get_versions_one_after_the_other(
    org: Organisation, second_engine: Engine, card_id: str
) -> None:
    engines = [org.engine, second_engine]
    puts = [engines[turn % 2].put_rate_card(card_id, flat(turn)) for turn in range(12)]
    stored = [one for one, _ in await asyncio.gather(*puts)]
    assert sorted(one.card.version for one in stored) == list(range(1, 13))
    for one in stored:
        assert await second_engine.get_rate_card(card_id, one.card.version) == one


async def test_unknown_cards_and_versions_are_named(org: Organisation, card_id: str) -> None:
    with pytest.raises(RateCardNotFound):
        await org.engine.get_rate_card(card_id, 0)
    await org.engine.put_rate_card(card_id, flat(1))
    with pytest.raises(RateCardNotFound) as caught:
        await org.engine.get_rate_card(card_id, 2)
    assert caught.value.metadata == {"rate_card_id": card_id, "version": "2"}


async def test_a_card_that_cannot_be_used_is_refused(org: Organisation, card_id: str) -> None:
    with pytest.raises(InvalidRateCard):
        await org.engine.put_rate_card(card_id, [])
    with pytest.raises(RateCardNotFound):
        await org.engine.get_rate_card(card_id, 0)


async def test_a_card_is_inherited_and_the_nearest_one_prices(org: Organisation, card_id: str) -> None:
    await org.engine.put_rate_card(card_id, flat(5))
    await org.engine.put_rate_card(f"{card_id}-east", flat(7))
    await org.open("field")
    await org.open("field/east")
    await org.grant(100)
    costs = [(await org.quote(below=below)).credits for below in ("", "field", "field/east")]
    await org.change(rate_card_id=card_id)
    await org.change("field/east", rate_card_id=f"{card_id}-east")
    moved = [(await org.quote(below=below)).credits for below in ("", "field", "field/east")]
    await org.change(rate_card_id="")
    await org.change("field/east", rate_card_id="")
    back = [(await org.quote(below=below)).credits for below in ("", "field", "field/east")]
    assert (costs, moved, back) == ([1, 1, 1], [5, 5, 7], [1, 1, 1])


async def test_an_account_moved_to_another_card_is_priced_by_it_at_once_everywhere(
    org: Organisation, second_engine: Engine, card_id: str
) -> None:
    await org.open("field")
    await org.grant(100)
    await second_engine.decide(Reserve(org.path("field"), "before", org.sms(1), 60_000))
    await org.engine.put_rate_card(card_id, flat(5))
    await org.change(rate_card_id=card_id)
    held = await second_engine.decide(Reserve(org.path("field"), "after", org.sms(1), 60_000))
    assert (held.credits, held.price and held.price.rate_card_id) == (5, card_id)
    assert await org.figures() == (94, 6, 0)


async def test_a_hold_priced_by_one_sidecar_is_committed_by_another_that_never_saw_the_card(
    org: Organisation, second_engine: Engine, card_id: str
) -> None:
    await org.grant(100)
    await org.engine.put_rate_card(card_id, [Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=5)])
    await org.change(rate_card_id=card_id)
    await org.reserve(org.sms(2), id="m1")
    other = type(org)(second_engine, org.store, org.root_id)
    assert (await other.commit("m1", usage=ActualUsage(Segments(3)))).captured == 15


async def test_one_sidecar_names_a_card_that_another_has_just_put(
    org: Organisation, second_engine: Engine, card_id: str
) -> None:
    await org.engine.put_rate_card(card_id, flat(5))
    other = type(org)(second_engine, org.store, org.root_id)
    await other.open("field", rate_card_id=card_id)
    await other.change(rate_card_id=card_id)
    assert (await second_engine.get_rate_card(card_id, 1)).card.version == 1


async def test_a_new_version_reaches_other_sidecars_by_itself(
    org: Organisation, second_engine: Engine, card_id: str
) -> None:
    await org.grant(10)
    await org.engine.put_rate_card(card_id, flat(1))
    await org.change(rate_card_id=card_id)
    other = type(org)(second_engine, org.store, org.root_id)
    assert (await other.quote()).credits == 1
    await org.engine.put_rate_card(card_id, flat(2))
    async with asyncio.timeout(20):
        while (await other.quote()).credits == 1:
            pass


async def test_a_new_version_prices_what_comes_and_no_open_hold(org: Organisation, card_id: str) -> None:
    await org.grant(100)
    await org.engine.put_rate_card(card_id, flat(2))
    await org.change(rate_card_id=card_id)
    await org.reserve(id="old")
    await org.engine.put_rate_card(card_id, flat(9))
    assert (await org.reserve(id="new")).credits == 9
    again = await org.reserve(id="old")
    assert (again.replayed, again.credits, again.price and again.price.credits) == (True, 2, 2)
    assert (await org.commit("old")).captured == 2


async def test_a_repeated_request_learns_its_outcome_although_the_card_cannot_price_it_any_more(
    org: Organisation, card_id: str
) -> None:
    await org.grant(100)
    await org.engine.put_rate_card(card_id, [Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=2)])
    await org.change(rate_card_id=card_id)
    await org.reserve(org.sms(2), id="m1")
    await org.charge(org.sms(1), id="c1")
    await org.engine.put_rate_card(card_id, [Rule(name="text", unit=Unit.BLOCK, credits_per_unit=2, block_size=160)])
    again = await org.reserve(org.sms(2), id="m1")
    assert (again.replayed, again.credits, again.state) == (True, 4, ReservationState.PENDING)
    assert (await org.charge(org.sms(1), id="c1")).replayed
    for attempt in (org.reserve(org.sms(2), id="m2"), org.quote(org.sms(2)), org.charge(org.sms(1), id="c2")):
        with pytest.raises(InvalidField) as caught:
            await attempt
        assert caught.value.field == "usage.segments"


async def test_a_repeated_request_learns_its_outcome_although_the_card_has_no_rate_any_more(
    org: Organisation, card_id: str
) -> None:
    await org.grant(100)
    await org.engine.put_rate_card(card_id, flat(3))
    await org.change(rate_card_id=card_id)
    await org.reserve(id="m1")
    await org.engine.put_rate_card(
        card_id, [Rule(name="v", unit=Unit.MINUTE, credits_per_unit=1, channel=Channel.VOICE)]
    )
    assert (await org.reserve(id="m1")).replayed
    denied = await org.reserve(id="m2")
    assert denied.denial is not None
    assert (denied.decision, denied.denial.reason) == (Decision.DENIED, DenialReason.NO_RATE)
    assert (denied.denial.account_id, denied.denial.shortfall, denied.price) == (org.root_id, 0, None)


async def test_more_segments_than_a_rule_allows_are_denied(org: Organisation, card_id: str) -> None:
    await org.grant(100)
    rule = Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=1, maximum_segments=3)
    await org.engine.put_rate_card(card_id, [rule])
    await org.change(rate_card_id=card_id)
    denied = await org.reserve(org.sms(4))
    assert denied.denial is not None
    assert denied.denial.reason is DenialReason.TOO_MANY_SEGMENTS
    assert (await org.reserve(org.sms(3))).decision is Decision.ALLOWED

"""Rate cards: which rule applies, and which cards are refused, with the field that is wrong."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from itertools import islice, product

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate.pricing import (
    DEFAULT_RATE_CARD,
    Channel,
    Direction,
    InvalidRateCard,
    Priority,
    RateCard,
    Rule,
    Segments,
    Unit,
    Usage,
)
from creditgate.pricing.rate_cards import RULES_MAX, VERSION_MAX
from creditgate.pricing.rules import (
    BLOCK_SIZE_MAX,
    CREDITS_PER_UNIT_MAX,
    MAXIMUM_SEGMENTS_MAX,
    NAME_CHARACTERS_MAX,
)

RULE = Rule(name="any", unit=Unit.SEGMENT, credits_per_unit=1)


def card(*rules: Rule, card_id: str = "acme", version: int = 1) -> RateCard:
    return RateCard(card_id, version, rules)


def sms(
    direction: Direction = Direction.OUTBOUND, region: str = "", priority: Priority = Priority.TRANSACTIONAL
) -> Usage:
    return Usage(Channel.SMS, direction, Segments(1), region=region, priority=priority)


def test_the_first_rule_that_matches_applies() -> None:
    rules = (
        replace(RULE, name="bulk", channel=Channel.SMS, priority=Priority.BULK),
        replace(RULE, name="antipodes", channel=Channel.SMS, regions=("NZ", "AU")),
        replace(RULE, name="inbound", direction=Direction.INBOUND),
        replace(RULE, name="any"),
    )
    acme = card(*rules)

    assert acme.rule_for(sms(priority=Priority.BULK, region="NZ")) is rules[0]
    assert acme.rule_for(sms(region="NZ")) is rules[1]
    assert acme.rule_for(sms(region="AU", direction=Direction.INBOUND)) is rules[1]
    assert acme.rule_for(sms(region="US", direction=Direction.INBOUND)) is rules[2]
    assert acme.rule_for(sms(region="US")) is rules[3]
    assert acme.rule_for(Usage(Channel.VOICE, Direction.OUTBOUND, Segments(1), region="NZ")) is rules[3]


def test_a_rule_for_regions_does_not_match_an_unknown_region() -> None:
    assert card(replace(RULE, regions=("US",))).rule_for(sms(region="")) is None


def test_no_rule_matches_a_channel_that_the_card_does_not_know() -> None:
    assert card(replace(RULE, channel=Channel.MMS)).rule_for(sms()) is None


REGIONS = ["US", "CA", "NZ"]
RULES = st.builds(
    Rule,
    name=st.just("any"),
    unit=st.just(Unit.SEGMENT),
    credits_per_unit=st.just(1),
    channel=st.sampled_from([None, Channel.SMS, Channel.MMS]),
    direction=st.sampled_from([None, *Direction]),
    priority=st.sampled_from([None, *Priority]),
    regions=st.lists(st.sampled_from(REGIONS), unique=True).map(tuple),
)
USAGES = [
    Usage(channel, direction, Segments(1), region=region, priority=priority)
    for channel in (Channel.SMS, Channel.MMS, Channel.VOICE)
    for direction in Direction
    for region in ("", *REGIONS, "DE")
    for priority in Priority
]


def matches(candidate: Rule, usage: Usage) -> bool:
    return (
        candidate.channel in (None, usage.channel)
        and candidate.direction in (None, usage.direction)
        and candidate.priority in (None, usage.priority)
        and (not candidate.regions or usage.region in candidate.regions)
    )


@settings(deadline=None)
@given(st.lists(RULES, min_size=1, max_size=6))
def test_the_rule_found_is_that_of_reading_the_rules_in_order(rules: list[Rule]) -> None:
    named = [replace(each, name=f"rule {position}") for position, each in enumerate(rules)]
    first_matches = [next((each for each in named if matches(each, usage)), None) for usage in USAGES]
    never_applied = [position for position, each in enumerate(named) if each not in first_matches]

    if never_applied:
        with pytest.raises(InvalidRateCard, match="never applies") as refused:
            card(*named)
        assert refused.value.field == f"rules[{never_applied[0]}]"
    else:
        acme = card(*named)
        assert [acme.rule_for(usage) for usage in USAGES] == first_matches


@pytest.mark.parametrize(
    ("field", "rules"),
    [
        ("rules[1]", [replace(RULE, name="any"), replace(RULE, name="bulk", priority=Priority.BULK)]),
        (
            "rules[1]",
            [
                replace(RULE, name="us", regions=("US", "CA")),
                replace(RULE, name="ca", channel=Channel.SMS, regions=("CA",)),
            ],
        ),
        (
            "rules[2]",
            [
                replace(RULE, name="in", direction=Direction.INBOUND),
                replace(RULE, name="out", direction=Direction.OUTBOUND),
                replace(RULE, name="both"),
            ],
        ),
    ],
)
def test_a_rule_that_never_applies_is_refused(field: str, rules: list[Rule]) -> None:
    with pytest.raises(InvalidRateCard, match="never applies") as refused:
        card(*rules)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("name", replace(RULE, name="")),
        ("name", replace(RULE, name=" padded")),
        ("name", replace(RULE, name="née")),
        ("name", replace(RULE, name="line\n")),
        ("name", replace(RULE, name="n" * (NAME_CHARACTERS_MAX + 1))),
        ("credits_per_unit", replace(RULE, credits_per_unit=-1)),
        ("credits_per_unit", replace(RULE, credits_per_unit=CREDITS_PER_UNIT_MAX + 1)),
        ("minimum_credits", replace(RULE, minimum_credits=-1)),
        ("minimum_credits", replace(RULE, minimum_credits=CREDITS_PER_UNIT_MAX + 1)),
        ("block_size", replace(RULE, unit=Unit.BLOCK)),
        ("block_size", replace(RULE, unit=Unit.BLOCK, block_size=-1)),
        ("block_size", replace(RULE, unit=Unit.BLOCK, block_size=BLOCK_SIZE_MAX + 1)),
        ("block_size", replace(RULE, unit=Unit.SEGMENT, block_size=160)),
        ("maximum_segments", replace(RULE, maximum_segments=0)),
        ("maximum_segments", replace(RULE, maximum_segments=MAXIMUM_SEGMENTS_MAX + 1)),
        ("maximum_segments", replace(RULE, unit=Unit.MINUTE, maximum_segments=3)),
        ("maximum_segments", replace(RULE, unit=Unit.DROP, maximum_segments=3)),
        ("regions[1]", replace(RULE, regions=("US", "UK"))),
        ("regions[2]", replace(RULE, regions=("US", "CA", "US"))),
    ],
)
def test_a_rule_outside_its_bounds_is_refused_and_its_field_named(field: str, wrong: Rule) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        card(replace(RULE, name="fine", channel=Channel.VOICE), wrong)
    assert refused.value.field == f"rules[1].{field}"
    assert str(refused.value) == f"{refused.value.field}: {refused.value.message}"


@pytest.mark.parametrize("card_id", ["", "Acme", "-acme", "a b", "acme\n", "a" * 64])
def test_a_card_id_outside_its_bounds_is_refused(card_id: str) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        card(RULE, card_id=card_id)
    assert refused.value.field == "id"


@pytest.mark.parametrize("version", [0, -1, VERSION_MAX + 1])
def test_a_version_outside_its_bounds_is_refused(version: int) -> None:
    with pytest.raises(InvalidRateCard) as refused:
        card(RULE, version=version)
    assert refused.value.field == "version"


def test_a_card_has_1_to_500_rules() -> None:
    kinds = product(Channel, sorted(phonenumbers.SUPPORTED_REGIONS))
    rules = [
        replace(RULE, name=f"{channel.name} {region}", channel=channel, regions=(region,))
        for channel, region in islice(kinds, RULES_MAX + 1)
    ]

    assert len(card(*rules[:RULES_MAX]).rules) == RULES_MAX
    for refused_rules in ([], rules):
        with pytest.raises(InvalidRateCard) as refused:
            card(*refused_rules)
        assert refused.value.field == "rules"


def test_two_rules_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRateCard, match=r"already the name of rules\[0\]") as refused:
        card(replace(RULE, name="sms", channel=Channel.SMS), replace(RULE, name="sms", channel=Channel.MMS))
    assert refused.value.field == "rules[1].name"


def test_cards_are_values() -> None:
    again = RateCard(DEFAULT_RATE_CARD.id, DEFAULT_RATE_CARD.version, DEFAULT_RATE_CARD.rules)

    assert again == DEFAULT_RATE_CARD
    assert hash(again) == hash(DEFAULT_RATE_CARD)
    assert pickle.loads(pickle.dumps(again)) == copy.deepcopy(again) == again
    assert replace(again, version=2).rule_for(sms()) == again.rule_for(sms())
    with pytest.raises(FrozenInstanceError):
        again.version = 2  # type: ignore[misc]


def test_the_default_card_prices_every_channel_in_both_directions() -> None:
    for channel in Channel:
        for direction in Direction:
            found = DEFAULT_RATE_CARD.rule_for(Usage(channel, direction, Segments(1)))
            assert found is not None
            assert found.channel is channel

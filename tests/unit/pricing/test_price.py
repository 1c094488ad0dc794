"""Prices: each unit, what it can price, recipients, minimums, caps, notes; and the published rules of products."""

# ruff: noqa: RUF001 - characters that look like others are what it is about

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate.pricing import (
    DEFAULT_RATE_CARD,
    Body,
    Channel,
    Characters,
    CheaperSpelling,
    Credits,
    Denied,
    Direction,
    Encoding,
    InvalidUsage,
    Notes,
    Price,
    Priority,
    RateCard,
    RateDenial,
    Rule,
    Seconds,
    Segments,
    Size,
    SizeMismatch,
    Unit,
    Units,
    Usage,
    count_segments,
    price,
)


def card(
    unit: Unit = Unit.SEGMENT,
    credits_per_unit: int = 1,
    *,
    block_size: int = 0,
    minimum_credits: int = 0,
    maximum_segments: int | None = None,
) -> RateCard:
    rule = Rule(
        name="rule",
        unit=unit,
        credits_per_unit=credits_per_unit,
        block_size=block_size,
        minimum_credits=minimum_credits,
        maximum_segments=maximum_segments,
    )
    return RateCard("acme", 7, (rule,))


def outbound(
    size: Size,
    recipient_count: int = 1,
    *,
    channel: Channel = Channel.SMS,
    region: str = "",
    priority: Priority = Priority.TRANSACTIONAL,
) -> Usage:
    return Usage(channel, Direction.OUTBOUND, size, recipient_count, region, priority)


def priced(rate_card: RateCard, usage: Usage) -> Price:
    answer = price(rate_card, usage)
    assert isinstance(answer, Price)
    return answer


def test_a_price_tells_how_it_came_about() -> None:
    assert price(card(credits_per_unit=3), outbound(Body("a" * 161), recipient_count=10)) == Price(
        credits=60,
        credits_per_recipient=6,
        rule="rule",
        rate_card_id="acme",
        rate_card_version=7,
        encoding=Encoding.GSM_7,
        segments=2,
        characters=161,
        characters_left_in_segment=145,
    )


@pytest.mark.parametrize(
    ("unit", "size", "units"),
    [
        (Unit.SEGMENT, Body(""), 1),
        (Unit.SEGMENT, Body("a" * 160), 1),
        (Unit.SEGMENT, Body("a" * 161), 2),
        (Unit.SEGMENT, Body("я" * 71), 2),
        (Unit.SEGMENT, Segments(5), 5),
        (Unit.SEGMENT, Units(5), 5),
        (Unit.MESSAGE, Body("a" * 1000), 1),
        (Unit.MESSAGE, Segments(5), 1),
        (Unit.MESSAGE, Characters(1000), 1),
        (Unit.MESSAGE, Seconds(90), 1),
        (Unit.MESSAGE, Seconds(0), 0),
        (Unit.MESSAGE, Units(5), 5),
        (Unit.BLOCK, Body(""), 1),
        (Unit.BLOCK, Body("я" * 160), 1),
        (Unit.BLOCK, Body("😀" * 161), 2),
        (Unit.BLOCK, Characters(0), 1),
        (Unit.BLOCK, Characters(320), 2),
        (Unit.BLOCK, Characters(321), 3),
        (Unit.BLOCK, Units(5), 5),
        (Unit.MINUTE, Seconds(0), 0),
        (Unit.MINUTE, Seconds(1), 1),
        (Unit.MINUTE, Seconds(60), 1),
        (Unit.MINUTE, Seconds(61), 2),
        (Unit.MINUTE, Units(5), 5),
        (Unit.DROP, Units(0), 0),
        (Unit.DROP, Units(5), 5),
        (Unit.DROP, Seconds(45), 1),
    ],
)
def test_a_size_is_charged_by_the_units_it_has_of_the_rule(unit: Unit, size: Size, units: int) -> None:
    block_size = 160 if unit is Unit.BLOCK else 0

    assert priced(card(unit, 10, block_size=block_size), outbound(size)).credits == 10 * units


@pytest.mark.parametrize(
    ("unit", "size", "field"),
    [
        (Unit.SEGMENT, Seconds(60), "seconds"),
        (Unit.SEGMENT, Characters(60), "characters"),
        (Unit.BLOCK, Segments(2), "segments"),
        (Unit.BLOCK, Seconds(60), "seconds"),
        (Unit.MINUTE, Body("hello"), "body"),
        (Unit.MINUTE, Segments(2), "segments"),
        (Unit.MINUTE, Characters(60), "characters"),
    ],
)
def test_a_size_that_the_rule_cannot_price_is_refused_and_named(unit: Unit, size: Size, field: str) -> None:
    block_size = 160 if unit is Unit.BLOCK else 0

    with pytest.raises(SizeMismatch, match=unit.name) as refused:
        price(card(unit, block_size=block_size), outbound(size))
    assert refused.value.field == field


@pytest.mark.parametrize("size", [Characters(10), Units(1)])
def test_a_rule_that_limits_segments_refuses_a_size_that_does_not_tell_them(size: Size) -> None:
    with pytest.raises(SizeMismatch, match="body or segments"):
        price(card(Unit.BLOCK, block_size=160, maximum_segments=3), outbound(size))


def test_what_a_size_does_not_tell_is_none() -> None:
    assert priced(card(), outbound(Segments(2))) == Price(2, 2, "rule", "acme", 7, segments=2)
    assert priced(card(Unit.BLOCK, block_size=10), outbound(Characters(15))) == Price(
        2, 2, "rule", "acme", 7, characters=15
    )
    assert priced(card(Unit.MINUTE), outbound(Seconds(15))) == Price(1, 1, "rule", "acme", 7)


def test_stated_credits_are_the_price_of_each_recipient() -> None:
    limited = card(credits_per_unit=5, minimum_credits=9, maximum_segments=1)

    assert priced(limited, outbound(Credits(4), recipient_count=3)) == Price(12, 4, "rule", "acme", 7)
    assert priced(limited, outbound(Credits(0))).credits == 0


@pytest.mark.parametrize("size", [Body("hello"), Credits(5)])
def test_a_usage_that_no_rule_matches_is_denied(size: Size) -> None:
    mms_only = RateCard("acme", 1, (Rule(name="mms", channel=Channel.MMS, unit=Unit.MESSAGE, credits_per_unit=2),))

    assert price(mms_only, outbound(size)) == Denied(RateDenial.NO_RATE)


def test_a_minimum_applies_to_each_recipient_of_something() -> None:
    minimum = card(Unit.MINUTE, 2, minimum_credits=5)

    assert priced(minimum, outbound(Seconds(1), recipient_count=2)).credits == 10
    assert priced(minimum, outbound(Seconds(179))).credits == 6
    assert priced(minimum, outbound(Seconds(0))).credits == 0


def test_a_price_may_be_zero() -> None:
    assert priced(card(credits_per_unit=0), outbound(Body("hello"))).credits == 0


@pytest.mark.parametrize("size", [Body("a" * 460), Segments(4), Units(4)])
def test_a_message_over_the_rules_segments_is_denied_with_what_it_would_have_cost(size: Size) -> None:
    denied = price(card(maximum_segments=3), outbound(size, recipient_count=2))

    assert isinstance(denied, Denied)
    assert denied.reason is RateDenial.TOO_MANY_SEGMENTS
    assert denied.maximum_segments == 3
    assert denied.price is not None
    assert (denied.price.segments, denied.price.credits) == (4, 8)


def test_a_message_of_exactly_the_rules_segments_is_priced() -> None:
    assert priced(card(maximum_segments=3), outbound(Body("a" * 459))).credits == 3


def test_a_cost_beyond_the_bound_of_an_operation_is_refused() -> None:
    dear = card(Unit.MESSAGE, 10**9)

    assert priced(dear, outbound(Units(1000))).credits == 10**12
    for usage in (outbound(Units(1001)), outbound(Units(1), recipient_count=1001)):
        with pytest.raises(InvalidUsage, match="more than 1000000000000") as refused:
            price(dear, usage)
        assert refused.value.field == "units"


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        price(card(), outbound(Body("\ud83d")))


def test_an_mms_is_not_divided_unless_the_rule_asks_for_segments() -> None:
    text = Body("я" * 200)

    undivided = priced(card(Unit.BLOCK, block_size=1600), outbound(text, channel=Channel.MMS))
    divided = priced(card(Unit.SEGMENT), outbound(text, channel=Channel.MMS))

    assert (undivided.segments, undivided.encoding, undivided.characters) == (None, None, 200)
    assert (divided.segments, divided.encoding, divided.characters) == (3, Encoding.UCS_2, 200)


def test_notes_name_what_forced_ucs_2_and_a_cheaper_spelling_for_all_recipients() -> None:
    body = "It’s “on” – see you there… " + "x" * 60

    notes = priced(card(credits_per_unit=3), outbound(Body(body), recipient_count=100)).notes

    assert notes.forced_ucs2 == ("’", "“", "”", "–", "…")
    assert notes.cheaper_spelling == CheaperSpelling('It\'s "on" - see you there... ' + "x" * 60, 1, 300)


@pytest.mark.parametrize(
    ("rate_card", "body"),
    [
        (card(), "It’s short"),
        (card(), "It’s 😀 " + "x" * 80),
        (card(Unit.BLOCK, block_size=160), "It’s " + "x" * 80),
        (card(Unit.MESSAGE), "It’s " + "x" * 80),
        (card(minimum_credits=2), "It’s " + "x" * 80),
        (card(credits_per_unit=0), "It’s " + "x" * 80),
    ],
)
def test_no_spelling_is_offered_that_does_not_cost_less(rate_card: RateCard, body: str) -> None:
    notes = priced(rate_card, outbound(Body(body))).notes

    assert notes.forced_ucs2[0] == "’"
    assert notes.cheaper_spelling is None


def test_a_gsm_7_body_has_no_notes() -> None:
    assert priced(card(), outbound(Body("hello"))).notes == Notes()


def test_a_message_over_the_rules_segments_is_denied_with_the_spelling_that_would_fit() -> None:
    denied = price(card(maximum_segments=1), outbound(Body("It’s " + "x" * 80)))

    assert isinstance(denied, Denied)
    assert denied.price is not None
    assert denied.price.notes.cheaper_spelling == CheaperSpelling("It's " + "x" * 80, 1, 1)


def test_a_price_does_not_show_the_body_when_printed() -> None:
    assert "secret" not in repr(price(card(), outbound(Body("It’s a secret " + "x" * 80))))


@settings(deadline=None)
@given(
    body=st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    credits_per_unit=st.integers(0, 1000),
    minimum_credits=st.integers(0, 1000),
    recipient_count=st.integers(1, 1000),
)
def test_a_body_costs_what_its_counted_segments_cost(
    body: str, credits_per_unit: int, minimum_credits: int, recipient_count: int
) -> None:
    rate_card = card(credits_per_unit=credits_per_unit, minimum_credits=minimum_credits)
    counted = count_segments(body)

    of_body = priced(rate_card, outbound(Body(body), recipient_count=recipient_count))
    of_segments = priced(rate_card, outbound(Segments(counted.segments), recipient_count=recipient_count))

    assert of_body.credits == of_segments.credits == of_body.credits_per_recipient * recipient_count
    assert of_body.credits_per_recipient == max(counted.segments * credits_per_unit, minimum_credits)
    spelling = of_body.notes.cheaper_spelling
    if spelling is not None:
        assert (
            spelling.credits
            == priced(rate_card, outbound(Body(spelling.text), recipient_count=recipient_count)).credits
        )
        assert spelling.credits < of_body.credits


def test_salesmsg_charges_one_credit_a_segment_in_and_out() -> None:
    for direction in Direction:
        assert priced(DEFAULT_RATE_CARD, Usage(Channel.SMS, direction, Body("a" * 161))).credits == 2
        assert priced(DEFAULT_RATE_CARD, Usage(Channel.SMS, direction, Body("ê" * 71))).credits == 2


CALL_LOOP = RateCard(
    "call-loop",
    1,
    (
        Rule(name="sms", channel=Channel.SMS, unit=Unit.BLOCK, block_size=160, credits_per_unit=1),
        Rule(name="mms", channel=Channel.MMS, unit=Unit.BLOCK, block_size=1600, credits_per_unit=2),
        Rule(name="voice", channel=Channel.VOICE, unit=Unit.MINUTE, credits_per_unit=1),
        Rule(name="rvm", channel=Channel.RINGLESS_VOICEMAIL, unit=Unit.DROP, credits_per_unit=2),
    ),
)


@pytest.mark.parametrize(
    ("channel", "size", "recipient_count", "cost"),
    [
        (Channel.SMS, Body("a" * 200), 100, 200),
        (Channel.SMS, Body("a" * 320), 1, 2),
        (Channel.MMS, Body("a" * 1600), 1, 2),
        (Channel.MMS, Body("a" * 1601), 1, 4),
        (Channel.VOICE, Seconds(61), 1, 2),
        (Channel.RINGLESS_VOICEMAIL, Units(1), 50, 100),
        (Channel.RINGLESS_VOICEMAIL, Units(0), 1, 0),
    ],
)
def test_call_loop_charges_by_characters_minutes_and_drops(
    channel: Channel, size: Size, recipient_count: int, cost: int
) -> None:
    usage = outbound(size, channel=channel, recipient_count=recipient_count)

    assert priced(CALL_LOOP, usage).credits == cost


def test_connect_limits_a_campaign_message_to_three_segments_and_charges_by_160_characters() -> None:
    connect = RateCard(
        "connect",
        1,
        (
            Rule(
                name="campaign",
                channel=Channel.SMS,
                priority=Priority.BULK,
                unit=Unit.BLOCK,
                block_size=160,
                credits_per_unit=1,
                maximum_segments=3,
            ),
            Rule(name="sms", channel=Channel.SMS, unit=Unit.BLOCK, block_size=160, credits_per_unit=1),
        ),
    )

    assert priced(connect, outbound(Body("a" * 459), priority=Priority.BULK, recipient_count=1000)).credits == 3000
    assert isinstance(price(connect, outbound(Body("a" * 460), priority=Priority.BULK)), Denied)
    assert priced(connect, outbound(Body("a" * 640))).credits == 4


def test_cloutly_prices_by_the_recipients_region() -> None:
    cloutly = RateCard(
        "cloutly",
        1,
        tuple(
            Rule(name=f"sms {region}", channel=Channel.SMS, unit=Unit.SEGMENT, credits_per_unit=cost, regions=(region,))
            for region, cost in {"AU": 6, "US": 1, "GB": 6, "NZ": 12}.items()
        ),
    )

    assert priced(cloutly, outbound(Body("hello"), region="NZ")).credits == 12
    assert priced(cloutly, outbound(Body("hello"), region="US")).credits == 1
    assert price(cloutly, outbound(Body("hello"), region="DE")) == Denied(RateDenial.NO_RATE)
    assert price(cloutly, outbound(Body("hello"))) == Denied(RateDenial.NO_RATE)

"""Requests of `RateCardService`: what they may hold, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate.v1 import rate_cards_pb2 as pb
from creditgate.v1.usage_pb2 import CHANNEL_SMS, DIRECTION_INBOUND, PRIORITY_BULK
from creditgate_server.rpc.parse import rate_cards as parse

Violations = Callable[[Callable[[Any], object], Message], dict[str, str]]


def rule(**fields: object) -> pb.RateRule:
    return pb.RateRule(**{"name": "sms", "unit": pb.RATE_UNIT_SEGMENT, "credits_per_unit": 1} | fields)  # type: ignore[arg-type]


def put(*rules: pb.RateRule, rate_card_id: str = "standard") -> pb.PutRateCardRequest:
    return pb.PutRateCardRequest(rate_card_id=rate_card_id, rules=rules)


def test_all_of_a_rule_is_read() -> None:
    request = rule(
        channel=CHANNEL_SMS,
        direction=DIRECTION_INBOUND,
        regions=["US", "AU"],
        priority=PRIORITY_BULK,
        unit=pb.RATE_UNIT_BLOCK,
        block_size=160,
        credits_per_unit=3,
        minimum_credits=4,
        maximum_segments=5,
    )

    card = parse.parse_put_rate_card(put(request))

    assert card.id == "standard"
    assert card.rules == (
        Rule(
            name="sms",
            unit=Unit.BLOCK,
            credits_per_unit=3,
            channel=Channel.SMS,
            direction=Direction.INBOUND,
            regions=("US", "AU"),
            priority=Priority.BULK,
            block_size=160,
            minimum_credits=4,
            maximum_segments=5,
        ),
    )


def test_what_a_rule_leaves_out_matches_everything() -> None:
    (read,) = parse.parse_put_rate_card(put(rule())).rules

    assert (read.channel, read.direction, read.priority, read.regions) == (None, None, None, ())
    assert read.maximum_segments is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": ""}, "name"),
        ({"unit": 0}, "unit"),
        ({"unit": 6}, "unit"),
        ({"channel": 8}, "channel"),
        ({"direction": 3}, "direction"),
        ({"priority": 3}, "priority"),
        ({"regions": ["XX"]}, "regions"),
        ({"credits_per_unit": -1}, "credits_per_unit"),
        ({"credits_per_unit": 10**9 + 1}, "credits_per_unit"),
        ({"minimum_credits": -1}, "minimum_credits"),
        ({"maximum_segments": -1}, "maximum_segments"),
        ({"block_size": 160}, "block_size"),
    ],
)
def test_a_rule_outside_its_bounds_is_named(fields: dict[str, object], field: str, violations: Violations) -> None:
    assert list(violations(parse.parse_put_rate_card, put(rule(**fields)))) == [f"rules[0].{field}"]


def test_every_rule_that_is_wrong_is_named(violations: Violations) -> None:
    request = put(
        rule(credits_per_unit=-1), rule(name="second"), rule(name="third", block_size=160, minimum_credits=-1)
    )

    wrong = violations(parse.parse_put_rate_card, request)

    assert list(wrong) == ["rules[0].credits_per_unit", "rules[2].minimum_credits"]


@pytest.mark.parametrize("rate_card_id", ["", "UPPER", "a b", "x" * 64])
def test_a_card_has_an_id(rate_card_id: str, violations: Violations) -> None:
    assert list(violations(parse.parse_put_rate_card, put(rule(), rate_card_id=rate_card_id))) == ["rate_card_id"]


def test_a_card_has_rules(violations: Violations) -> None:
    assert list(violations(parse.parse_put_rate_card, put())) == ["rules"]


def test_a_rule_that_never_applies_is_named(violations: Violations) -> None:
    assert list(violations(parse.parse_put_rate_card, put(rule(), rule(name="late")))) == ["rules[1]"]


def test_a_violation_does_not_quote_a_region_of_any_length(violations: Violations) -> None:
    wrong = violations(parse.parse_put_rate_card, put(rule(regions=["US" * 10_000])))

    assert len(str(wrong)) < 1000


def test_a_version_is_not_negative(violations: Violations) -> None:
    request = pb.GetRateCardRequest(rate_card_id="standard", version=-1)

    assert list(violations(parse.parse_get_rate_card, request)) == ["version"]

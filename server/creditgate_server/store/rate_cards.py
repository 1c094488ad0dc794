"""How a version of a rate card stands in the store."""

from __future__ import annotations

from dataclasses import dataclass

from creditgate.pricing.rate_cards import RateCard
from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.store.records import Fields, pack, unpack


@dataclass(frozen=True, slots=True)
class StoredRateCard:
    """A version of a rate card and when it was put, in milliseconds since 1970."""

    card: RateCard
    create_ms: int


def pack_rate_card(stored: StoredRateCard) -> bytes:
    """Encode a version."""
    card = stored.card
    return pack(card.id, card.version, stored.create_ms, [_rule_fields(rule) for rule in card.rules])


def _rule_fields(rule: Rule) -> Fields:
    return [
        rule.name,
        int(rule.unit),
        rule.credits_per_unit,
        int(rule.channel or 0),
        int(rule.direction or 0),
        list(rule.regions),
        int(rule.priority or 0),
        rule.block_size,
        rule.minimum_credits,
        rule.maximum_segments,
    ]


def unpack_rate_card(packed: bytes) -> StoredRateCard:
    """Decode a version."""
    card_id, version, create_ms, rules = unpack(packed)
    return StoredRateCard(RateCard(card_id, version, tuple(_read_rule(fields) for fields in rules)), create_ms)


def _read_rule(fields: Fields) -> Rule:
    (
        name,
        unit,
        credits_per_unit,
        channel,
        direction,
        regions,
        priority,
        block_size,
        minimum,
        maximum_segments,
    ) = fields
    return Rule(
        name=name,
        unit=Unit(unit),
        credits_per_unit=credits_per_unit,
        channel=Channel(channel) if channel else None,
        direction=Direction(direction) if direction else None,
        regions=tuple(regions),
        priority=Priority(priority) if priority else None,
        block_size=block_size,
        minimum_credits=minimum,
        maximum_segments=maximum_segments,
    )

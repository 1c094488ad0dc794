"""Rate cards: immutable versions of a price list, and the price of a usage by one of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from creditgate.pricing.prices import (
    NO_NOTES,
    CheaperSpelling,
    Denied,
    Notes,
    Price,
    RateDenial,
    SizeMismatch,
)
from creditgate.pricing.rules import InvalidRateCard, Rule, Unit, check_range, check_rule
from creditgate.pricing.segments import SegmentCount, count, suggest_gsm7
from creditgate.pricing.usage import (
    OPERATION_CREDITS_MAX,
    Body,
    Channel,
    Characters,
    Credits,
    Direction,
    InvalidUsage,
    Priority,
    Seconds,
    Segments,
    Size,
    Units,
    Usage,
)

__all__ = [
    "RULES_MAX",
    "VERSION_MAX",
    "CheaperSpelling",
    "Denied",
    "InvalidRateCard",
    "Notes",
    "Price",
    "RateCard",
    "RateDenial",
    "Rule",
    "SizeMismatch",
    "Unit",
    "price",
]

RULES_MAX: Final = 500
"""Most rules of one card: enough for a price per region and channel of the largest published price lists."""

VERSION_MAX: Final = 2**31 - 1
"""Highest version of a card."""

_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ELSEWHERE: Final = ""
_RuleIndex = dict[tuple[Channel, Direction, Priority], dict[str, Rule]]

_SECONDS_PER_MINUTE: Final = 60
_NOBODY_ANSWERED: Final = Seconds(0)
_SIZES_PRICED: Final = {
    Unit.SEGMENT: "body, segments or units",
    Unit.BLOCK: "body, characters or units",
    Unit.MINUTE: "seconds or units",
}


@dataclass(frozen=True, slots=True)
class RateCard:
    """One immutable version of a price list. The first rule that matches a usage prices it.

    `id` is 1 to 63 of a-z, 0-9, `.`, `_`, `-`; `version` counts from 1. Raises `InvalidRateCard` for the
    first field found outside its bounds, for two rules of one name, and for a rule that never applies
    because rules before it match everything it would.
    """

    id: str
    version: int
    rules: tuple[Rule, ...]
    _index: _RuleIndex = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check everything once, and index the rules: a card is read far more often than made."""
        if _ID.fullmatch(self.id) is None:
            raise InvalidRateCard(
                "id", "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
            )
        check_range("version", self.version, 1, VERSION_MAX)
        if not 1 <= len(self.rules) <= RULES_MAX:
            raise InvalidRateCard("rules", f"must be 1 to {RULES_MAX} rules, not {len(self.rules)}")
        for position, rule in enumerate(self.rules):
            check_rule(f"rules[{position}]", rule)
        _check_names_differ(self.rules)
        index = _index_rules(self.rules)
        _check_all_apply(self.rules, index)
        object.__setattr__(self, "_index", index)

    def rule_for(self, usage: Usage) -> Rule | None:
        """Return the first rule that matches `usage`, or None, in the same time for any number of rules."""
        rule_by_region = self._index[usage.channel, usage.direction, usage.priority]
        return rule_by_region.get(usage.region) or rule_by_region.get(_ELSEWHERE)


def _index_rules(rules: tuple[Rule, ...]) -> _RuleIndex:
    """Find the first match of every kind of usage: by region, and under `_ELSEWHERE` for all others."""
    index: _RuleIndex = {}
    for channel, direction, priority in product(Channel, Direction, Priority):
        rule_by_region: dict[str, Rule] = {}
        for rule in rules:
            if (
                rule.channel in (None, channel)
                and rule.direction in (None, direction)
                and rule.priority in (None, priority)
            ):
                for region in rule.regions or (_ELSEWHERE,):
                    rule_by_region.setdefault(region, rule)
                if not rule.regions:
                    break
        index[channel, direction, priority] = rule_by_region
    return index


def _check_names_differ(rules: tuple[Rule, ...]) -> None:
    position_by_name: dict[str, int] = {}
    for position, rule in enumerate(rules):
        first = position_by_name.setdefault(rule.name, position)
        if first != position:
            raise InvalidRateCard(f"rules[{position}].name", f"{rule.name!r} is already the name of rules[{first}]")


def _check_all_apply(rules: tuple[Rule, ...], index: _RuleIndex) -> None:
    applied = {rule.name for rule_by_region in index.values() for rule in rule_by_region.values()}
    for position, rule in enumerate(rules):
        if rule.name not in applied:
            raise InvalidRateCard(
                f"rules[{position}]",
                f"{rule.name!r} never applies, for the rules before it match first: move it up or remove it",
            )


def price(card: RateCard, usage: Usage) -> Price | Denied:
    """Price `usage` by the first rule of `card` that matches it.

    The size is one recipient's; the price is multiplied by `recipient_count`. What the rule charges for
    decides which sizes it can price:

    - SEGMENT: a body, segments
    - BLOCK: a body, characters
    - MINUTE: seconds
    - MESSAGE, DROP: any, as one each; 0 seconds are none
    - every unit: `Units`, a number of whatever it is; `Credits`, which cost what they say, without minimum
      or maximum

    A rule with `maximum_segments` prices only what tells its segments. A body is counted as SMS; MMS is not
    divided, so its body is counted only for a rule that asks for segments.

    Raises `SizeMismatch` for a size the rule cannot price, `InvalidUsage` for a cost beyond
    `OPERATION_CREDITS_MAX`, and `UnicodeEncodeError` for a body with a lone surrogate.
    """
    rule = card.rule_for(usage)
    if rule is None:
        return Denied(RateDenial.NO_RATE)
    size = usage.size
    counted = _counted(rule, usage)
    segments = _segments(rule, size, counted)
    credits_per_recipient = _credits_per_recipient(rule, size, segments)
    credits_in_all = credits_per_recipient * usage.recipient_count
    if credits_in_all > OPERATION_CREDITS_MAX:
        raise InvalidUsage(size.field_name, f"costs {credits_in_all} credits, more than {OPERATION_CREDITS_MAX}")
    # Not by keyword: that would take a tenth of the time of pricing a plain text.
    priced = Price(
        credits_in_all,
        credits_per_recipient,
        rule.name,
        card.id,
        card.version,
        counted.encoding if counted else None,
        segments,
        _characters(size),
        counted.characters_left_in_segment if counted else None,
        _notes(rule, usage, counted, credits_in_all) if counted and counted.forced_ucs2 else NO_NOTES,
    )
    if rule.maximum_segments is not None and segments is not None and segments > rule.maximum_segments:
        return Denied(RateDenial.TOO_MANY_SEGMENTS, priced, rule.maximum_segments)
    return priced


def _counted(rule: Rule, usage: Usage) -> SegmentCount | None:
    if isinstance(usage.size, Body) and (usage.channel is not Channel.MMS or rule.needs_segments):
        return count(usage.size.text)
    return None


def _segments(rule: Rule, size: Size, counted: SegmentCount | None) -> int | None:
    if counted is not None:
        return counted.segments
    if isinstance(size, Segments) or (isinstance(size, Units) and rule.unit is Unit.SEGMENT):
        return size.count
    return None


def _characters(size: Size) -> int | None:
    if isinstance(size, Body):
        return len(size.text)
    return size.count if isinstance(size, Characters) else None


def _credits_per_recipient(rule: Rule, size: Size, segments: int | None) -> int:
    if isinstance(size, Credits):
        return size.count
    units = _units(rule, size, segments)
    return max(units * rule.credits_per_unit, rule.minimum_credits) if units else 0


def _units(rule: Rule, size: Size, segments: int | None) -> int:
    """Return how many of the rule's units `size` is, the last one started included."""
    if segments is None and rule.maximum_segments is not None:
        raise SizeMismatch(
            size.field_name,
            f"does not tell the segments, which rule {rule.name!r} limits: give body or segments",
        )
    if isinstance(size, Units):
        return size.count
    characters = _characters(size)
    match rule.unit:
        case Unit.SEGMENT if segments is not None:
            return segments
        case Unit.BLOCK if characters is not None:
            return max(1, _rounded_up(characters, rule.block_size))
        case Unit.MINUTE if isinstance(size, Seconds):
            return _rounded_up(size.count, _SECONDS_PER_MINUTE)
        case Unit.MESSAGE | Unit.DROP:
            return 0 if size == _NOBODY_ANSWERED else 1
    raise SizeMismatch(
        size.field_name,
        f"does not suit rule {rule.name!r}: {rule.unit.name} is charged for {_SIZES_PRICED[rule.unit]}",
    )


def _rounded_up(amount: int, unit: int) -> int:
    return -(-amount // unit)


def _notes(rule: Rule, usage: Usage, counted: SegmentCount, credits_in_all: int) -> Notes:
    """Name what forced UCS-2, and offer the GSM-7 spelling only where this rule makes it cheaper."""
    suggestion = suggest_gsm7(usage.size.text, counted) if isinstance(usage.size, Body) else None
    if suggestion is not None:
        segments = suggestion.count.segments
        credits_spelt = usage.recipient_count * _credits_per_recipient(rule, Body(suggestion.text), segments)
        if credits_spelt < credits_in_all:
            return Notes(counted.forced_ucs2, CheaperSpelling(suggestion.text, segments, credits_spelt))
    return Notes(counted.forced_ucs2)

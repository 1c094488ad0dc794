"""The rules of a rate card: what one unit of some traffic costs, and the bounds of everything a rule says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from creditgate.pricing.regions import is_region
from creditgate.pricing.usage import Channel, Direction, Priority

NAME_CHARACTERS_MAX: Final = 64
"""Longest name of a rule, in printable ASCII characters."""

CREDITS_PER_UNIT_MAX: Final = 10**9
"""Dearest unit, and highest minimum, in credits."""

BLOCK_SIZE_MAX: Final = 100_000
"""Largest block, in characters."""

MAXIMUM_SEGMENTS_MAX: Final = 255
"""Highest cap on segments: 3GPP TS 23.040 numbers the parts of a message in one octet."""

_NAME: Final = re.compile(rf"[!-~](?:[ -~]{{0,{NAME_CHARACTERS_MAX - 2}}}[!-~])?")


class Unit(IntEnum):
    """What a rule charges for."""

    SEGMENT = 1
    """Each SMS segment (3GPP TS 23.040)."""
    MESSAGE = 2
    """Each message, call or other event, whatever its length."""
    BLOCK = 3
    """Each started block of `block_size` Unicode code points; an empty message is one block."""
    MINUTE = 4
    """Each started minute."""
    DROP = 5
    """Each voicemail successfully left without ringing: hold one, then commit it or release it."""


_TEXT_UNITS: Final = frozenset({Unit.SEGMENT, Unit.MESSAGE, Unit.BLOCK})


class InvalidRateCard(ValueError):
    """A rate card that cannot be used. `field` is the path of what is wrong, `message` says how.

    Paths are written as in `rules[2].block_size`, counting from 0.
    """

    def __init__(self, field: str, message: str) -> None:
        """Keep both parts: a file's reader turns the path into a line, the server into a violation."""
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One price and the traffic it is for. A criterion that is None, or empty, matches everything.

    Every recipient costs `credits_per_unit` for each `unit`, and at least `minimum_credits` unless there
    was no unit at all, as in a call that nobody answered. A message over `maximum_segments` is denied.
    `regions` are the counterparty's, ISO 3166 alpha-2. `block_size`, in code points, belongs to
    `Unit.BLOCK` and is 0 with any other. The bounds are checked when the rule becomes part of a `RateCard`.
    """

    name: str
    unit: Unit
    credits_per_unit: int
    channel: Channel | None = None
    direction: Direction | None = None
    regions: tuple[str, ...] = ()
    priority: Priority | None = None
    block_size: int = 0
    minimum_credits: int = 0
    maximum_segments: int | None = None

    @property
    def needs_segments(self) -> bool:
        """Whether only a size that tells the number of segments can be priced."""
        return self.unit is Unit.SEGMENT or self.maximum_segments is not None


def check_rule(path: str, rule: Rule) -> None:
    """Raise `InvalidRateCard` for the first field of `rule` outside its bounds; `path` is the rule's."""
    if _NAME.fullmatch(rule.name) is None:
        raise InvalidRateCard(
            f"{path}.name",
            f"must be 1 to {NAME_CHARACTERS_MAX} printable ASCII characters without spaces around them",
        )
    check_range(f"{path}.credits_per_unit", rule.credits_per_unit, 0, CREDITS_PER_UNIT_MAX)
    check_range(f"{path}.minimum_credits", rule.minimum_credits, 0, CREDITS_PER_UNIT_MAX)
    for position, region in enumerate(rule.regions):
        if not is_region(region):
            raise InvalidRateCard(
                f"{path}.regions[{position}]",
                f"{region!r} is not an ISO 3166 alpha-2 code in capitals, such as US",
            )
        if region in rule.regions[:position]:
            raise InvalidRateCard(f"{path}.regions[{position}]", f"{region} is listed twice")
    if rule.unit is Unit.BLOCK:
        check_range(f"{path}.block_size", rule.block_size, 1, BLOCK_SIZE_MAX)
    elif rule.block_size != 0:
        raise InvalidRateCard(f"{path}.block_size", f"belongs to unit BLOCK, not {rule.unit.name}: leave it out")
    if rule.maximum_segments is not None:
        if rule.unit not in _TEXT_UNITS:
            raise InvalidRateCard(f"{path}.maximum_segments", f"does not apply to unit {rule.unit.name}: leave it out")
        check_range(f"{path}.maximum_segments", rule.maximum_segments, 1, MAXIMUM_SEGMENTS_MAX)


def check_range(path: str, value: int, minimum: int, maximum: int) -> None:
    """Raise `InvalidRateCard` unless `value` lies within the bounds, both included."""
    if not minimum <= value <= maximum:
        raise InvalidRateCard(path, f"must be {minimum} to {maximum}")

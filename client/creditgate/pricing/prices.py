"""The answers of pricing: what a usage costs, or why it must not be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from creditgate.pricing.usage import Encoding, InvalidUsage


class SizeMismatch(InvalidUsage):
    """A size that the matching rule cannot price, such as seconds where segments are charged."""


@dataclass(frozen=True, slots=True)
class CheaperSpelling:
    """A GSM-7 spelling of the body: its segments, and the credits for all recipients if it is sent instead.

    `text` is content: show it to the sender, never store or log it.
    """

    text: str = field(repr=False)
    segments: int
    credits: int


@dataclass(frozen=True, slots=True)
class Notes:
    """Hints for the sender: which characters forced UCS-2 (a bounded number), and what would cost less."""

    forced_ucs2: tuple[str, ...] = ()
    cheaper_spelling: CheaperSpelling | None = None


NO_NOTES: Final = Notes()


@dataclass(frozen=True, slots=True)
class Price:
    """What a usage costs, and which rule of which card said so.

    `credits` is for all recipients, `credits_per_recipient` for one; 0 is a price. What the size did not
    tell is None: `encoding` and `characters_left_in_segment` (septets or UTF-16 code units) are known of a
    body only. `characters` are code points.
    """

    credits: int
    credits_per_recipient: int
    rule: str
    rate_card_id: str
    rate_card_version: int
    encoding: Encoding | None = None
    segments: int | None = None
    characters: int | None = None
    characters_left_in_segment: int | None = None
    notes: Notes = NO_NOTES


class RateDenial(IntEnum):
    """Why a usage has no price. The numbers are those of the ledger's denial reasons."""

    TOO_MANY_SEGMENTS = 7
    NO_RATE = 8


@dataclass(frozen=True, slots=True)
class Denied:
    """A usage that must not be sent.

    NO_RATE: no rule of the card matches. TOO_MANY_SEGMENTS: the message is over the rule's
    `maximum_segments`; `price` is then what it would have cost, with its count and notes.
    """

    reason: RateDenial
    price: Price | None = None
    maximum_segments: int | None = None

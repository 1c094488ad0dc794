"""Prices messages: segments of a text, region of a number, credits by a rate card.

Pure functions over immutable values, for client and server alike: standard library only, no clock, no I/O.
"""

from __future__ import annotations

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import (
    CheaperSpelling,
    Denied,
    InvalidRateCard,
    Notes,
    Price,
    RateCard,
    RateDenial,
    Rule,
    SizeMismatch,
    Unit,
    price,
)
from creditgate.pricing.regions import is_e164, is_region, is_short_code, region_of
from creditgate.pricing.segments import SegmentCount, Suggestion, suggest_gsm7
from creditgate.pricing.segments import count as count_segments
from creditgate.pricing.usage import (
    BODY_BYTES_MAX,
    COUNT_MAX,
    OPERATION_CREDITS_MAX,
    RECIPIENTS_MAX,
    Body,
    Channel,
    Characters,
    Credits,
    Direction,
    Encoding,
    InvalidUsage,
    Priority,
    Seconds,
    Segments,
    Size,
    Units,
    Usage,
)

__all__ = [
    "BODY_BYTES_MAX",
    "COUNT_MAX",
    "DEFAULT_RATE_CARD",
    "OPERATION_CREDITS_MAX",
    "RECIPIENTS_MAX",
    "Body",
    "Channel",
    "Characters",
    "CheaperSpelling",
    "Credits",
    "Denied",
    "Direction",
    "Encoding",
    "InvalidRateCard",
    "InvalidUsage",
    "Notes",
    "Price",
    "Priority",
    "RateCard",
    "RateDenial",
    "Rule",
    "Seconds",
    "SegmentCount",
    "Segments",
    "Size",
    "SizeMismatch",
    "Suggestion",
    "Unit",
    "Units",
    "Usage",
    "count_segments",
    "is_e164",
    "is_region",
    "is_short_code",
    "price",
    "region_of",
    "suggest_gsm7",
]

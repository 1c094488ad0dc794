"""Rate cards and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from creditgate.pricing import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCardVersion:
    """One immutable version of a rate card."""

    rate_card_id: str
    version: int
    rules: tuple[Rule, ...]
    create_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRateCard:
    """The answer to PutRateCard. `replayed`: the newest version had these rules already."""

    rate_card: RateCardVersion
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCardSummary:
    """A rate card as a list shows it: its newest version."""

    rate_card_id: str
    version: int
    rule_count: int
    create_time: datetime | None

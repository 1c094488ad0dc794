"""What a usage costs on an account: the engine's use of the pure pricing module."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate.pricing.rate_cards import Denied, Price, price
from creditgate.pricing.usage import InvalidUsage, Usage
from creditgate_server.engine.errors import InvalidField

if TYPE_CHECKING:
    from creditgate.pricing.rate_cards import RateCard
    from creditgate_server.credit.operations import ActualUsage
    from creditgate_server.credit.outcomes import Reservation


@dataclass(frozen=True, slots=True)
class Priced:
    """A usage's price on a card, and the DenialReason number where pricing itself denies it (else 0)."""

    card_id: str
    card_version: int
    price: Price | None
    denial: int

    @property
    def unit(self) -> int:
        """Credits for each recipient."""
        return self.price.credits_per_recipient if self.price else 0

    @property
    def rule(self) -> str:
        """Name of the rule that priced it."""
        return self.price.rule if self.price else ""

    @property
    def segments(self) -> int | None:
        """Segments of its body, where they were counted."""
        return self.price.segments if self.price else None


UNPRICED: Final = -1
"""The denial number of a usage that its card cannot price: the store refuses it, unless it is a replay."""


def unpriced(card: RateCard) -> Priced:
    """Stand for the price of a usage that `card` cannot price, and might have been priced by an earlier version."""
    return Priced(card.id, card.version, None, UNPRICED)


def price_usage(card: RateCard, usage: Usage) -> Priced:
    """Price a usage. Raises InvalidField for a size that the matching rule cannot price, or a cost out of bounds."""
    try:
        priced = price(card, usage)
    except InvalidUsage as error:
        raise InvalidField(f"usage.{error.field}", error.message) from error
    if isinstance(priced, Denied):
        return Priced(card.id, card.version, priced.price, int(priced.reason))
    return Priced(card.id, card.version, priced, 0)


def price_actual(card: RateCard, hold: Reservation, actual: ActualUsage) -> int:
    """Price what was really used of a hold, by the rate it has frozen.

    More segments than the rule allows were sent all the same, so they are priced, not denied. Raises InvalidField where
    `actual` names another channel, direction, region or priority than the hold's.
    """
    for name in ("channel", "direction", "region", "priority"):
        stated = getattr(actual, name)
        if stated and stated != getattr(hold, name):
            raise InvalidField(f"usage.{name}", "must be that of the reservation: a commit may change the size only")
    recipients = hold.recipients_granted if actual.recipient_count is None else actual.recipient_count
    if actual.size is None:
        return hold.credits_per_recipient * recipients
    usage = Usage(hold.channel, hold.direction, actual.size, recipients, hold.region, hold.priority)
    priced = price_usage(card, usage)
    if priced.price is None:
        raise InvalidField("usage", f"has no rate on {card.id} version {card.version}")
    return priced.price.credits

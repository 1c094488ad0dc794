"""What is priced: one message, call or event, and the terms it is described in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final

from creditgate.pricing.regions import is_region

BODY_BYTES_MAX: Final = 16 * 1024
"""Largest body, in bytes of UTF-8; none needs more than the 255 segments that TS 23.040 can number."""

COUNT_MAX: Final = 10**9
"""Most segments, characters, seconds or units of one message: above any real one, and safe to multiply."""

RECIPIENTS_MAX: Final = 1_000_000
"""Most recipients of one operation."""

OPERATION_CREDITS_MAX: Final = 10**12
"""The most credits that a single operation may cost."""


class Channel(IntEnum):
    """The kind of traffic."""

    SMS = 1
    MMS = 2
    VOICE = 3
    RINGLESS_VOICEMAIL = 4
    TEXTBOT = 5
    TRANSCRIPT = 6
    INTEGRATION = 7


class Direction(IntEnum):
    """Seen from the account: it sends OUTBOUND and receives INBOUND."""

    OUTBOUND = 1
    INBOUND = 2


class Priority(IntEnum):
    """Whether a person waits for this message, or it is one of many that can wait."""

    TRANSACTIONAL = 1
    BULK = 2


class Encoding(IntEnum):
    """The alphabet an SMS travels in (3GPP TS 23.038)."""

    GSM_7 = 1
    UCS_2 = 2


class InvalidUsage(ValueError):
    """A usage outside its bounds. `field` is the wrong field's name in the interface, `message` the bound."""

    def __init__(self, field: str, message: str) -> None:
        """Keep both parts, so that a caller can answer with either."""
        super().__init__(f"{field} {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Body:
    """The text itself, at most `BODY_BYTES_MAX`. It is counted, never shown: `repr` leaves it out."""

    field_name: ClassVar[str] = "body"
    text: str = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse a text over the bound; encoding it is needed only where its length alone does not decide."""
        code_points = len(self.text)
        if code_points * 4 > BODY_BYTES_MAX and (
            code_points > BODY_BYTES_MAX or len(self.text.encode("utf-8", "surrogatepass")) > BODY_BYTES_MAX
        ):
            raise InvalidUsage(self.field_name, f"must not exceed {BODY_BYTES_MAX} bytes of UTF-8")


@dataclass(frozen=True, slots=True)
class Segments:
    """SMS segments, counted by the caller; a message has at least one."""

    field_name: ClassVar[str] = "segments"
    count: int

    def __post_init__(self) -> None:
        """Refuse a count outside 1 … `COUNT_MAX`."""
        _check_range(self.field_name, self.count, 1, COUNT_MAX)


@dataclass(frozen=True, slots=True)
class Characters:
    """Unicode code points, counted by the caller."""

    field_name: ClassVar[str] = "characters"
    count: int

    def __post_init__(self) -> None:
        """Refuse a count outside 0 … `COUNT_MAX`."""
        _check_range(self.field_name, self.count, 0, COUNT_MAX)


@dataclass(frozen=True, slots=True)
class Seconds:
    """Duration of a call or a recording; 0 is a call that nobody answered."""

    field_name: ClassVar[str] = "seconds"
    count: int

    def __post_init__(self) -> None:
        """Refuse a duration outside 0 … `COUNT_MAX`."""
        _check_range(self.field_name, self.count, 0, COUNT_MAX)


@dataclass(frozen=True, slots=True)
class Units:
    """A number of whatever the matching rule charges for, such as drops; 0 is none that succeeded."""

    field_name: ClassVar[str] = "units"
    count: int

    def __post_init__(self) -> None:
        """Refuse a count outside 0 … `COUNT_MAX`."""
        _check_range(self.field_name, self.count, 0, COUNT_MAX)


@dataclass(frozen=True, slots=True)
class Credits:
    """Credits for each recipient, priced by the caller; the rate card only has to know the traffic."""

    field_name: ClassVar[str] = "credits"
    count: int

    def __post_init__(self) -> None:
        """Refuse an amount outside 0 … `OPERATION_CREDITS_MAX`."""
        _check_range(self.field_name, self.count, 0, OPERATION_CREDITS_MAX)


Size = Body | Segments | Characters | Seconds | Units | Credits
"""How much one recipient gets, in exactly one measure."""


@dataclass(frozen=True, slots=True)
class Usage:
    """One message, call or event as far as its price depends on it.

    `region` is the counterparty's, ISO 3166 alpha-2; empty when it is not known, and then only rules for
    every region match. Raises `InvalidUsage` for a field outside its bounds.
    """

    channel: Channel
    direction: Direction
    size: Size
    recipient_count: int = 1
    region: str = ""
    priority: Priority = Priority.TRANSACTIONAL

    def __post_init__(self) -> None:
        """Refuse a recipient count out of bounds and an unknown region."""
        _check_range("recipient_count", self.recipient_count, 1, RECIPIENTS_MAX)
        if self.region and not is_region(self.region):
            raise InvalidUsage("region", "must be an ISO 3166 alpha-2 code in capitals, such as US")


def _check_range(name: str, value: int, minimum: int, maximum: int) -> None:
    if not minimum <= value <= maximum:
        raise InvalidUsage(name, f"must be {minimum} to {maximum}")

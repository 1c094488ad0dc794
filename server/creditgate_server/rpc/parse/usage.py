"""Usage: what is to be paid for, and between whom."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from creditgate.pricing.regions import is_e164, is_region, is_short_code, region_of
from creditgate.pricing.usage import (
    RECIPIENTS_MAX,
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
from creditgate_server.credit.operations import ActualUsage, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from creditgate.v1 import usage_pb2
    from creditgate_server.rpc.parse.checks import Checks

CHANNELS: Final[Mapping[int, Channel]] = {int(term): term for term in Channel}
DIRECTIONS: Final[Mapping[int, Direction]] = {int(term): term for term in Direction}
PRIORITIES: Final[Mapping[int, Priority]] = {int(term): term for term in Priority}

_SIZES: Final[Mapping[str, Callable[[usage_pb2.Usage], Size]]] = {
    "body": lambda usage: Body(usage.body),
    "segments": lambda usage: Segments(usage.segments),
    "characters": lambda usage: Characters(usage.characters),
    "seconds": lambda usage: Seconds(usage.seconds),
    "units": lambda usage: Units(usage.units),
    "credits": lambda usage: Credits(usage.credits),
}

# What carriers take as a sender's name, as Twilio documents it; one letter at least.
_SENDER_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")

REGION_RULE: Final = "must be an ISO 3166-1 alpha-2 code in capitals, such as US"
_NUMBER_RULE: Final = (
    "must be an E.164 number with its plus sign, such as +14155550100, or a short code of 3 to 8 digits"
)
_STAND_IN: Final = Units(0)


def parse_traffic(
    usage: usage_pb2.Usage, checks: Checks, default_direction: Direction | None = Direction.OUTBOUND
) -> Traffic:
    """Read a usage; its direction must be stated where there is no default.

    The region that is not stated is the counterparty's: the recipient's outbound, the sender's inbound.
    """
    direction = checks.term("usage.direction", usage.direction, DIRECTIONS, default_direction)
    sender, recipient = usage.sender, usage.recipient
    if sender or recipient:
        _check_parties(usage, direction, checks)
    region = parse_region("usage.region", usage.region, checks)
    if not region:
        region = region_of(recipient if direction is Direction.OUTBOUND else sender) or ""
    return Traffic(
        Usage(
            channel=checks.term("usage.channel", usage.channel, CHANNELS),
            direction=direction,
            size=_parse_size(usage, checks),
            recipient_count=_parse_recipient_count(usage.recipient_count, checks) or 1,
            region=region,
            priority=checks.term("usage.priority", usage.priority, PRIORITIES, Priority.TRANSACTIONAL),
        ),
        sender,
        recipient,
        checks.labels("usage.labels", usage.labels),
    )


def parse_actual(usage: usage_pb2.Usage, checks: Checks) -> ActualUsage:
    """Read what was really used of a hold: its size, its recipients, or both; what is left out is the hold's."""
    if usage.sender or usage.recipient:
        _check_parties(usage, DIRECTIONS.get(usage.direction, Direction.OUTBOUND), checks)
    return ActualUsage(
        size=None if usage.recipient_count and usage.WhichOneof("size") is None else _parse_size(usage, checks),
        recipient_count=_parse_recipient_count(usage.recipient_count, checks),
        channel=checks.term("usage.channel", usage.channel, CHANNELS) if usage.channel else None,
        direction=checks.term("usage.direction", usage.direction, DIRECTIONS) if usage.direction else None,
        region=parse_region("usage.region", usage.region, checks),
        priority=checks.term("usage.priority", usage.priority, PRIORITIES) if usage.priority else None,
    )


def parse_region(field: str, region: str, checks: Checks) -> str:
    """Check a region that is stated; "" is none."""
    if region and not is_region(region):
        checks.refuse(field, REGION_RULE)
        return ""
    return region


def _parse_size(usage: usage_pb2.Usage, checks: Checks) -> Size:
    kind = usage.WhichOneof("size")
    if kind is None:
        checks.refuse("usage", f"must have a size: one of {', '.join(_SIZES)}")
        return _STAND_IN
    try:
        return _SIZES[kind](usage)
    except InvalidUsage as error:
        checks.refuse(f"usage.{error.field}", error.message)
        return _STAND_IN


def _parse_recipient_count(count: int, checks: Checks) -> int | None:
    """Check a number of recipients; 0 is none stated."""
    return checks.whole_number("usage.recipient_count", count, 1, RECIPIENTS_MAX) if count else None


def _check_parties(usage: usage_pb2.Usage, direction: Direction, checks: Checks) -> None:
    sender, recipient = usage.sender, usage.recipient
    if sender and not (is_e164(sender) or is_short_code(sender)):
        if direction is Direction.INBOUND:
            checks.refuse("usage.sender", _NUMBER_RULE)
        elif not _SENDER_NAME.fullmatch(sender):
            checks.refuse("usage.sender", f"{_NUMBER_RULE}, or a name of at most 11 letters, digits, spaces and +-_&")
    if recipient and not (is_e164(recipient) or is_short_code(recipient)):
        checks.refuse("usage.recipient", _NUMBER_RULE)
    if recipient and usage.recipient_count > 1:
        checks.refuse("usage.recipient", "must be left out when recipient_count is above 1")

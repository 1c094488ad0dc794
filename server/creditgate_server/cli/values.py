"""Reads the values of options: what people write, into what the client library takes.

Only form is judged here; whether an amount or an id is within its bounds is for the server to say.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final, TypeVar

from creditgate.terms import RollOver

UNITS_S: Final[Mapping[str, int]] = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
"""Units of a duration, in seconds; without one it is in seconds."""

DURATION_HELP: Final = "such as 90, 90s, 15m, 12h or 7d"

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)")
_WHOLE_NUMBER: Final = re.compile(r"-?[0-9]{1,30}")

_Term = TypeVar("_Term", bound=IntEnum)


def whole_number(text: str) -> int:
    """Read a whole number in plain digits."""
    if _WHOLE_NUMBER.fullmatch(text) is None:
        raise ArgumentTypeError(f"write a whole number in plain digits, not {text!r}")
    return int(text)


def positive_number(text: str) -> int:
    """Read a whole number from 1 on."""
    number = whole_number(text)
    if number < 1:
        raise ArgumentTypeError(f"write a number from 1 on, not {text!r}")
    return number


def whole_number_or_none(text: str) -> int | None:
    """Read a whole number, or `none`."""
    return None if text.lower() == "none" else whole_number(text)


def duration_s(text: str) -> int:
    """Read a duration, in seconds."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"write a duration {DURATION_HELP}, not {text!r}")
    return int(match[1]) * UNITS_S[match[2]]


def point_in_time(text: str) -> datetime:
    """Read a date, which begins at 00:00 UTC, a time of RFC 3339, or how long it is from now, such as 90d."""
    if not _is_duration(text):
        return _time(text, "90d")
    try:
        return _now() + timedelta(seconds=duration_s(text))
    except OverflowError:
        raise ArgumentTypeError(f"{text} from now is beyond the year 9999") from None


def time_past(text: str) -> datetime:
    """Read a date, a time of RFC 3339, or how long ago it was, such as 2h."""
    if not _is_duration(text):
        return _time(text, "2h for two hours ago")
    try:
        return _now() - timedelta(seconds=duration_s(text))
    except OverflowError:
        raise ArgumentTypeError(f"{text} ago is before the year 1") from None


def _is_duration(text: str) -> bool:
    return _DURATION.fullmatch(text) is not None and not text.isdigit()


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _time(text: str, relative: str) -> datetime:
    time = _time_as_written(text, relative)
    if time.tzinfo is not None:
        return time
    if "T" in text or " " in text:
        raise ArgumentTypeError(f"write the time's zone too, such as {text}Z for UTC")
    return time.replace(tzinfo=UTC)


def _time_as_written(text: str, relative: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
        return time if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        raise ArgumentTypeError(f"write a time in the years 1 to 9999 in UTC, not {text!r}") from None
    except ValueError:
        raise ArgumentTypeError(
            f"write a date such as 2026-12-31, a time such as 2026-12-31T18:00:00Z, or {relative}, not {text!r}"
        ) from None


def local_time(text: str) -> datetime:
    """Read a point in time likewise, but leave it to the caller by which clock a date, or a time without a zone, is."""
    if _is_duration(text):
        return point_in_time(text)
    return _time_as_written(text, "90d")


def roll_over(text: str) -> tuple[RollOver, int]:
    """Read how much rolls over: `none`, `all`, or a cap in credits, which else is 0."""
    modes = {written(mode): mode for mode in (RollOver.NONE, RollOver.ALL)}
    if (mode := modes.get(text.lower())) is not None:
        return mode, 0
    try:
        return RollOver.CAPPED, whole_number(text)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"write none, all, or the most that rolls over, such as 200, not {text!r}") from None


def label(text: str) -> tuple[str, str]:
    """Read a label, `key=value`."""
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ArgumentTypeError(f"write key=value, not {text!r}")
    return key, value


def region(text: str) -> str:
    """Read a country code, in capitals or not."""
    return text.upper()


def written(member: IntEnum) -> str:
    """Return how a member of an enumeration is written on the command line: `ringless-voicemail`."""
    return member.name.lower().replace("_", "-")


def term(kind: type[_Term], *, but: _Term | None = None) -> Callable[[str], _Term]:
    """Return a reader of the members of an enumeration, in small letters or capitals, all of them `but` one."""
    members = {written(member): member for member in kind if member is not but}

    def read(text: str) -> _Term:
        try:
            return members[text.lower().replace("_", "-")]
        except KeyError:
            raise ArgumentTypeError(f"write one of {', '.join(members)}, not {text!r}") from None

    return read


def term_or_inherited(kind: type[_Term]) -> Callable[[str], _Term | None]:
    """Return a reader of the members of an enumeration, and of `inherit`, which is None."""
    read = term(kind)
    return lambda text: None if text.lower() == "inherit" else read(text)


def choices(kind: type[IntEnum]) -> str:
    """Return the members of an enumeration as help shows them."""
    return "{" + ",".join(map(written, kind)) + "}"

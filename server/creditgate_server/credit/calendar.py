"""The boundaries of billing periods: an anchor and every whole interval from it, by the clock on the account's wall.

Where a month is too short for the anchor's day, its last day stands in; the day itself comes back in the next longer
month, as in Stripe's billing cycles (https://docs.stripe.com/billing/subscriptions/billing-cycle). A time of day that
the wall clock skips or shows twice is read as PEP 495 reads it with `fold=0`: skipped, it moves on by as much as was
skipped; shown twice, it is the first of the two.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import count
from typing import Final
from zoneinfo import ZoneInfo

from creditgate_server.credit.terms import Interval

LAST_YEAR: Final = 9997
"""Of anchors and times, in UTC: `datetime` ends with 9999, and a boundary may be a year and an offset after those."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_END_MS: Final = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - _EPOCH) // _MILLISECOND

_DAYS: Final = {Interval.DAY: 1, Interval.WEEK: 7}
_MONTHS: Final = {Interval.MONTH: 1, Interval.YEAR: 12}

_ZONE_NAME: Final = re.compile(r"(?!localtime|posix|right/)[A-Za-z0-9_+-]{1,32}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")
"""How IANA names zones. Other files beside theirs follow the host's own settings, or count leap seconds."""


class InvalidCycle(ValueError):
    """A billing cycle, or a time asked of one, is out of bounds. `field` names it; the text says what it must be."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field} {rule}")
        self.field = field
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Cycle:
    """When an account's billing periods end: at its anchor, and any number of intervals before and after.

    `anchor_ms` is in milliseconds since 1970, up to the end of LAST_YEAR; `time_zone` is an IANA name. Every boundary
    has the anchor's time of day, to the millisecond, in that zone.

    Raises:
        InvalidCycle: the anchor is out of bounds, or the time zone is not known here.
    """

    interval: Interval
    anchor_ms: int
    time_zone: str

    def __post_init__(self) -> None:
        _check_time("anchor_ms", self.anchor_ms)
        _zone(self.time_zone)

    def boundary_after(self, time_ms: int) -> int:
        """Return the first boundary later than a time, both in milliseconds since 1970.

        A day that a zone left out (Samoa's 30 December 2011) has no period of its own: a daily boundary in it is the
        next day's too, one of a longer interval moves to the next day.

        Raises:
            InvalidCycle: the time is before 1970 or after LAST_YEAR.
        """
        _check_time("time_ms", time_ms)
        anchor, wall = self._wall(self.anchor_ms), self._wall(time_ms)
        if self.interval in _MONTHS:
            passed = (_month_number(wall) - _month_number(anchor)) // _MONTHS[self.interval]
        else:
            passed = (wall - anchor) // timedelta(days=_DAYS[self.interval])
        # The one before may be yet to come, having moved on past the end of its month; the one after may be over, on a
        # wall clock that was put back. So the fourth is the last that is tried.
        boundaries = (self._boundary(anchor, index) for index in count(passed - 1))
        return next(boundary for boundary in boundaries if boundary > time_ms)

    def _boundary(self, anchor: datetime, index: int) -> int:
        if index == 0:  # an anchor may be the second of two equal times of day
            return self.anchor_ms
        if self.interval in _MONTHS:
            wall = _add_months(anchor, index * _MONTHS[self.interval])
        else:
            wall = anchor + timedelta(days=index * _DAYS[self.interval])
        return (wall.replace(tzinfo=_zone(self.time_zone), fold=0) - _EPOCH) // _MILLISECOND

    def _wall(self, time_ms: int) -> datetime:
        """Return what a clock on the account's wall shows, without a zone, so that arithmetic on it is the wall's."""
        return (_EPOCH + time_ms * _MILLISECOND).astimezone(_zone(self.time_zone)).replace(tzinfo=None)


def _check_time(field: str, time_ms: int) -> None:
    if not 0 <= time_ms < _END_MS:
        raise InvalidCycle(field, f"must be in the years 1970 to {LAST_YEAR}")


@lru_cache(maxsize=1024)  # more than there are; a file read for each renewal would be too slow
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        if _ZONE_NAME.fullmatch(name):
            return ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        pass
    raise InvalidCycle(
        "time_zone",
        "must be an IANA time zone, such as America/New_York or UTC; if it is one, install PyPI's tzdata on this host",
    )


def _month_number(wall: datetime) -> int:
    return wall.year * 12 + wall.month - 1


def _add_months(wall: datetime, months: int) -> datetime:
    year, month = divmod(_month_number(wall) + months, 12)
    return wall.replace(year=year, month=month + 1, day=min(wall.day, monthrange(year, month + 1)[1]))

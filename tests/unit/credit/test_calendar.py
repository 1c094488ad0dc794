"""Billing periods: every rule by example, and all of them against days counted off one by one on a real wall clock."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, groupby, islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from creditgate_server.credit.calendar import LAST_YEAR, Cycle, InvalidCycle
from creditgate_server.credit.terms import Interval

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS = 60 * 60 * 1000
DAY_MS = 24 * HOUR_MS
END_MS = (datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)

DAY, WEEK, MONTH, YEAR = Interval
CLOCK_CHANGES = {
    "UTC": ("2000-01-01 00:00",),  # changes nothing
    "America/New_York": ("2024-03-10 07:00", "2024-11-03 06:00"),
    "Europe/Berlin": ("2024-03-31 01:00", "2024-10-27 01:00"),
    "Africa/Cairo": ("2024-04-25 22:00", "2024-10-31 21:00"),  # to and from midnight
    "Africa/Casablanca": ("2024-03-10 02:00", "2024-04-14 02:00"),  # back for Ramadan
    "Africa/Monrovia": ("1972-01-07 00:44:30",),  # 44 minutes and 30 seconds
    "America/Caracas": ("2007-12-09 07:00", "2016-05-01 07:00"),  # half an hour, for years
    "America/Nuuk": ("1995-03-26 01:00", "2024-03-31 01:00", "2024-10-27 01:00"),  # late in the evening
    "America/Sao_Paulo": ("2017-02-19 02:00", "2017-10-15 03:00"),  # at midnight
    "Antarctica/Troll": ("2024-03-31 01:00", "2024-10-27 01:00"),  # two hours
    "Asia/Kathmandu": ("1985-12-31 18:30",),  # a quarter of an hour, at the turn of a year
    "Asia/Pyongyang": ("2015-08-14 15:00", "2018-05-04 15:00"),
    "Australia/Lord_Howe": ("2024-04-06 15:00", "2024-10-05 15:30"),  # half an hour
    "Europe/Dublin": ("2024-03-31 01:00", "2024-10-27 01:00"),  # winter is the exception there
    "Pacific/Apia": ("2011-09-24 14:00", "2011-12-30 10:00", "2012-03-31 14:00"),  # left a day out
    "Pacific/Kiritimati": ("1979-10-01 10:40", "1994-12-31 10:00"),  # left the last day of a year out
    "Pacific/Kwajalein": ("1993-08-21 12:00",),
}
"""Some of the times, in UTC, at which the clocks of a zone were put forward or back; odd zones above all."""

patient = settings(deadline=None)  # a busy machine is no failure


def ms(text: str, zone: str = "UTC") -> int:
    """Read `2024-01-31 10:00`, in a zone's time or, with an offset behind it, in that."""
    moment = datetime.fromisoformat(text)
    return (moment.replace(tzinfo=moment.tzinfo or ZoneInfo(zone)) - EPOCH) // timedelta(milliseconds=1)


def shown(time_ms: int, zone: str) -> str:
    """Return what a wall clock shows, with its offset from UTC."""
    return str((EPOCH + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(zone)))


def boundaries(cycle: Cycle, after_ms: int, length: int) -> list[int]:
    found: list[int] = []
    for _ in range(length):
        after_ms = cycle.boundary_after(after_ms)
        found.append(after_ms)
    return found


def days(interval: Interval, anchor: str, after: str, length: int, zone: str = "UTC") -> list[str]:
    cycle = Cycle(interval, ms(anchor, zone), zone)
    return [shown(boundary, zone)[:10] for boundary in boundaries(cycle, ms(after, zone), length)]


def times(interval: Interval, anchor: str, after: str, length: int, zone: str) -> list[str]:
    cycle = Cycle(interval, ms(anchor, zone), zone)
    return [shown(boundary, zone) for boundary in boundaries(cycle, ms(after, zone), length)]


@pytest.mark.parametrize(
    ("interval", "following"),
    [(DAY, "2023-03-16"), (WEEK, "2023-03-22"), (MONTH, "2023-04-15"), (YEAR, "2024-03-15")],
)
def test_a_boundary_ends_one_period_and_begins_the_next(interval: Interval, following: str) -> None:
    anchor_ms = ms("2023-03-15 10:30:15.123")
    cycle = Cycle(interval, anchor_ms, "UTC")

    assert cycle.boundary_after(anchor_ms - 1) == anchor_ms
    assert cycle.boundary_after(anchor_ms) == ms(f"{following} 10:30:15.123")


def test_there_are_boundaries_before_the_anchor() -> None:
    assert days(MONTH, "2024-03-31", "2023-11-01", 5) == [
        "2023-11-30", "2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31",
    ]  # fmt: skip
    assert days(WEEK, "2024-03-31", "2023-12-30", 2) == ["2023-12-31", "2024-01-07"]


def test_the_31st_gives_way_to_the_last_day_of_a_shorter_month_and_comes_back() -> None:
    assert days(MONTH, "2023-01-31", "2023-01-31", 5) == [
        "2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31", "2023-06-30",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("anchor", "february", "leap_february"),
    [
        ("2023-01-28", "2023-02-28", "2024-02-28"),
        ("2023-01-29", "2023-02-28", "2024-02-29"),
        ("2023-01-30", "2023-02-28", "2024-02-29"),
    ],
)
def test_february_has_a_boundary_as_late_as_it_can(anchor: str, february: str, leap_february: str) -> None:
    assert days(MONTH, anchor, "2023-02-01", 1) == [february]
    assert days(MONTH, anchor, "2024-02-01", 2) == [leap_february, anchor.replace("2023-01", "2024-03")]


def test_a_year_from_29_february_ends_on_28_february_unless_it_has_a_29th() -> None:
    assert days(YEAR, "2024-02-29", "2024-02-29", 4) == ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]
    assert days(YEAR, "2000-02-29", "2099-03-01", 1) == ["2100-02-28"]
    assert days(YEAR, "2023-02-28", "2023-02-28", 1) == ["2024-02-28"]


def test_the_time_of_day_is_kept_across_daylight_saving() -> None:
    assert times(WEEK, "2024-03-06 09:00", "2024-03-06 09:00", 2, "America/New_York") == [
        "2024-03-13 09:00:00-04:00", "2024-03-20 09:00:00-04:00",
    ]  # fmt: skip
    assert times(MONTH, "2024-03-15 00:00", "2024-10-16 00:00", 2, "Europe/Berlin") == [
        "2024-11-15 00:00:00+01:00", "2024-12-15 00:00:00+01:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("zone", "before", "moved", "after"),
    [
        ("America/New_York", "2024-03-09 02:30:00-05:00", "2024-03-10 03:30:00-04:00", "2024-03-11 02:30:00-04:00"),
        ("Europe/Berlin", "2024-03-30 02:00:00+01:00", "2024-03-31 03:00:00+02:00", "2024-04-01 02:00:00+02:00"),
        ("Australia/Lord_Howe", "2024-10-05 02:15:00+10:30", "2024-10-06 02:45:00+11:00", "2024-10-07 02:15:00+11:00"),
        ("Asia/Kathmandu", "1985-12-31 00:10:00+05:30", "1986-01-01 00:25:00+05:45", "1986-01-02 00:10:00+05:45"),
    ],
)
def test_a_time_that_the_clock_skips_moves_on_by_what_was_skipped(
    zone: str, before: str, moved: str, after: str
) -> None:
    assert times(DAY, before, before, 2, zone) == [moved, after]


@pytest.mark.parametrize(
    ("zone", "before", "twice", "after"),
    [
        ("America/New_York", "2024-11-02 01:30:00-04:00", "2024-11-03 01:30:00-04:00", "2024-11-04 01:30:00-05:00"),
        ("Europe/Berlin", "2024-10-26 02:00:00+02:00", "2024-10-27 02:00:00+02:00", "2024-10-28 02:00:00+01:00"),
        ("Australia/Lord_Howe", "2024-04-06 01:45:00+11:00", "2024-04-07 01:45:00+11:00", "2024-04-08 01:45:00+10:30"),
    ],
)
def test_a_time_that_the_clock_shows_twice_is_the_first_of_the_two(
    zone: str, before: str, twice: str, after: str
) -> None:
    assert times(DAY, before, before, 2, zone) == [twice, after]


def test_an_anchor_at_the_second_of_two_equal_times_stays_there() -> None:
    zone, anchor = "America/New_York", "2024-11-03 01:30:00-05:00"
    assert times(DAY, anchor, "2024-11-01 02:00", 3, zone) == [
        "2024-11-02 01:30:00-04:00", anchor, "2024-11-04 01:30:00-05:00",
    ]  # fmt: skip
    assert times(YEAR, anchor, anchor, 1, zone) == ["2025-11-03 01:30:00-05:00"]
    assert times(YEAR, anchor, "2029-11-04 00:00", 1, zone) == ["2030-11-03 01:30:00-04:00"]


def test_nothing_is_due_twice_while_the_clock_shows_an_hour_again() -> None:
    cycle = Cycle(DAY, ms("2024-10-01 02:30", "Europe/Berlin"), "Europe/Berlin")
    second_0215, second_0245 = ms("2024-10-27 02:15+01:00"), ms("2024-10-27 02:45+01:00")
    assert cycle.boundary_after(second_0215) == cycle.boundary_after(second_0245) == ms("2024-10-28 02:30+01:00")


def test_a_day_that_was_left_out_has_no_period() -> None:
    assert times(DAY, "2011-12-01 10:00", "2011-12-29 09:00", 3, "Pacific/Apia") == [
        "2011-12-29 10:00:00-10:00", "2011-12-31 10:00:00+14:00", "2012-01-01 10:00:00+14:00",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "anchor", "following"),
    [(WEEK, "2011-12-23 10:00", "2012-01-06"), (MONTH, "2011-11-30 10:00", "2012-01-30"),
     (YEAR, "2010-12-30 10:00", "2012-12-30")],
)  # fmt: skip
def test_a_boundary_on_a_day_that_was_left_out_moves_to_the_next(
    interval: Interval, anchor: str, following: str
) -> None:
    assert days(interval, anchor, anchor, 2, "Pacific/Apia") == ["2011-12-31", following]


def test_a_boundary_that_moved_into_the_next_month_is_not_passed_over() -> None:
    assert times(MONTH, "1994-10-31 10:00", "1995-01-01 09:59", 2, "Pacific/Kiritimati") == [
        "1995-01-01 10:00:00+14:00", "1995-01-31 10:00:00+14:00",
    ]  # fmt: skip


def test_the_account_s_zone_decides_which_month_it_is() -> None:
    anchor_ms = ms("2024-01-30 20:00")
    assert Cycle(MONTH, anchor_ms, "UTC").boundary_after(anchor_ms) == ms("2024-02-29 20:00")
    next_ms = Cycle(MONTH, anchor_ms, "Asia/Kathmandu").boundary_after(anchor_ms)
    assert (next_ms, shown(next_ms, "Asia/Kathmandu")) == (ms("2024-02-28 20:00"), "2024-02-29 01:45:00+05:45")


@pytest.mark.parametrize("zone", CLOCK_CHANGES)
@pytest.mark.parametrize("interval", Interval)
def test_the_first_and_the_last_time_have_a_boundary_after_them(interval: Interval, zone: str) -> None:
    for anchor_ms in (0, END_MS - 1):
        cycle = Cycle(interval, anchor_ms, zone)
        assert 0 < cycle.boundary_after(0) <= 366 * DAY_MS
        assert END_MS <= cycle.boundary_after(END_MS - 1) <= END_MS + 366 * DAY_MS


@pytest.mark.parametrize("bad_ms", [-1, END_MS, 2**63])
def test_what_is_outside_the_calendar_is_refused(bad_ms: int) -> None:
    with pytest.raises(InvalidCycle, match=r"^anchor_ms must be in the years 1970 to 9997") as refused:
        Cycle(MONTH, bad_ms, "UTC")
    assert refused.value.field == "anchor_ms"
    with pytest.raises(InvalidCycle, match=r"^time_ms must be in the years 1970 to 9997"):
        Cycle(MONTH, 0, "UTC").boundary_after(bad_ms)


@pytest.mark.parametrize(
    "bad",
    [
        "", " ", "Mars/Olympus", "America", "America/", "europe/Berlin ", "Europe/Berlin\n", "../zoneinfo/UTC",
        "/usr/share/zoneinfo/UTC", "zone.tab", "a\x00b", "\ud800", "x" * 5000, "x/" * 5000 + "x", "+02:00",
        "localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin",
    ],
)  # fmt: skip
def test_what_is_no_time_zone_is_refused(bad: str) -> None:
    with pytest.raises(InvalidCycle, match=r"^time_zone must be an IANA time zone, such as") as refused:
        Cycle(MONTH, 0, bad)
    assert refused.value.field == "time_zone"


def test_utc_needs_no_time_zone_files() -> None:
    script = """
import sys
sys.modules["tzdata"] = None
from creditgate_server.credit.calendar import Cycle, InvalidCycle
from creditgate_server.credit.terms import Interval
assert Cycle(Interval.MONTH, 0, "UTC").boundary_after(0) == 31 * 24 * 60 * 60 * 1000
try:
    Cycle(Interval.MONTH, 0, "Europe/Berlin")
except InvalidCycle as refusal:
    print(refusal)
"""
    environment = os.environ | {"PYTHONTZPATH": "", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.endswith("install PyPI's tzdata on this host\n")


# What follows knows of the rules but not of the arithmetic: it counts off days, and looks for a time of day by trying
# the offsets that the zone has around it. It asks `zoneinfo` what the wall shows at an instant, and never the reverse.


def wall(time_ms: int, zone: str) -> datetime:
    return (EPOCH + timedelta(milliseconds=time_ms)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def instant(sought: datetime, zone: str) -> int:
    """Return when the wall first shows a time or, where it never does, when it would have, had it been left alone."""
    as_utc_ms = (sought.replace(tzinfo=UTC) - EPOCH) // timedelta(milliseconds=1)
    around = range(as_utc_ms - 28 * HOUR_MS, as_utc_ms + 28 * HOUR_MS, 4 * HOUR_MS)
    candidates = {as_utc_ms - (wall(near, zone) - as_utc(near)) // timedelta(milliseconds=1) for near in around}
    matches = [candidate for candidate in candidates if wall(candidate, zone) == sought]
    if matches:
        return min(matches)
    last_before = max(near for near in around if wall(near, zone) < sought)
    return last_before + (sought - wall(last_before, zone)) // timedelta(milliseconds=1)


def as_utc(time_ms: int) -> datetime:
    return (EPOCH + timedelta(milliseconds=time_ms)).replace(tzinfo=None)


def is_boundary_day(day: date, anchor: date, interval: Interval) -> bool:
    if interval is DAY:
        return True
    if interval is WEEK:
        return day.weekday() == anchor.weekday()
    if interval is YEAR and day.month != anchor.month:
        return False
    is_last_of_month = (day + timedelta(days=1)).day == 1
    return day.day == anchor.day or (is_last_of_month and day.day < anchor.day)


def counted_off(cycle: Cycle, from_ms: int) -> Iterator[int]:
    """Go through the days from two before a time, and yield the instants of their boundaries."""
    anchor = wall(cycle.anchor_ms, cycle.time_zone)
    first = wall(from_ms, cycle.time_zone).date() - timedelta(days=2)
    for day in (first + timedelta(days=passed) for passed in count()):
        if day == anchor.date():
            yield cycle.anchor_ms
        elif is_boundary_day(day, anchor.date(), cycle.interval):
            yield instant(datetime.combine(day, anchor.time()), cycle.time_zone)


@st.composite
def times_of(draw: st.DrawFn, zone: str) -> int:
    """Any time, or one near a change of the clock, or at about that time of a day whose boundary may fall on it."""
    if draw(st.booleans()):
        return draw(st.integers(0, ms("2150-01-01")))
    reach_ms = draw(st.sampled_from((HOUR_MS, 30 * HOUR_MS)))
    near_ms = ms(draw(st.sampled_from(CLOCK_CHANGES[zone]))) + draw(st.integers(-reach_ms, reach_ms))
    passed = draw(st.sampled_from((0, 1, 7, 30, 31, 365, 366))) * draw(st.sampled_from((-1, 1)))
    return max(0, near_ms + passed * DAY_MS)


@st.composite
def cycles(draw: st.DrawFn) -> Cycle:
    zone = draw(st.sampled_from(sorted(CLOCK_CHANGES)))
    return Cycle(draw(st.sampled_from(Interval)), draw(times_of(zone)), zone)


@st.composite
def cycles_and_times(draw: st.DrawFn) -> tuple[Cycle, int]:
    """Draw a cycle, and a time: any, near a change of its clock, or near one of its boundaries."""
    cycle = draw(cycles())
    time_ms = draw(times_of(cycle.time_zone))
    if draw(st.booleans()):
        time_ms = max(0, cycle.boundary_after(time_ms) + draw(st.integers(-2 * HOUR_MS, 2 * HOUR_MS)))
    return cycle, time_ms


@patient
@given(cycles_and_times())
def test_the_boundary_after_a_time_is_the_one_found_by_counting_off_days(drawn: tuple[Cycle, int]) -> None:
    cycle, time_ms = drawn
    assert cycle.boundary_after(time_ms) == next(found for found in counted_off(cycle, time_ms) if found > time_ms)


@patient
@given(cycles_and_times())
def test_boundaries_increase_and_none_is_left_out(drawn: tuple[Cycle, int]) -> None:
    cycle, time_ms = drawn
    found = boundaries(cycle, time_ms, 3)
    counted = (boundary for boundary in counted_off(cycle, time_ms) if boundary > time_ms)

    assert all(earlier < later for earlier, later in pairwise([time_ms, *found]))
    assert found == [boundary for boundary, _ in groupby(islice(counted, 4))][:3]


@patient
@given(cycles_and_times(), st.floats(0, 1, exclude_max=True))
def test_the_answer_is_the_same_until_the_boundary(drawn: tuple[Cycle, int], part: float) -> None:
    cycle, time_ms = drawn
    boundary = cycle.boundary_after(time_ms)

    assert cycle.boundary_after(time_ms + int((boundary - time_ms) * part)) == boundary
    assert cycle.boundary_after(boundary - 1) == boundary


@patient
@given(cycles())
def test_the_anchor_is_a_boundary(cycle: Cycle) -> None:
    assert cycle.boundary_after(max(0, cycle.anchor_ms - 1)) == cycle.anchor_ms or cycle.anchor_ms == 0


@patient
@given(cycles_and_times())
def test_a_boundary_has_the_anchor_s_time_of_day_unless_it_was_skipped(drawn: tuple[Cycle, int]) -> None:
    cycle, time_ms = drawn
    boundary = wall(cycle.boundary_after(time_ms), cycle.time_zone)
    time_of_day = wall(cycle.anchor_ms, cycle.time_zone).time()

    assert boundary.time() == time_of_day or was_skipped(boundary, time_of_day, cycle.time_zone)


def was_skipped(boundary: datetime, time_of_day: time, zone: str) -> bool:
    """Tell whether the time of day never came on the boundary's day or, moved across midnight, on the day before."""
    sought = [datetime.combine(boundary.date() - timedelta(days=back), time_of_day) for back in (0, 1)]
    return any(wall(instant(each, zone), zone) == boundary != each for each in sought)


@patient
@given(cycles())
def test_a_cycle_is_the_same_after_being_stored(cycle: Cycle) -> None:
    assert Cycle(*astuple(cycle)) == cycle

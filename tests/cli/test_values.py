"""Values of options: what people may write, and what they are told when they write something else."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import pytest

from creditgate.pricing.usage import Channel
from creditgate.terms import LateCommit, Overage, RollOver
from creditgate_server.cli.values import (
    duration_s,
    label,
    local_time,
    point_in_time,
    roll_over,
    term,
    term_or_inherited,
    time_past,
    whole_number,
    whole_number_or_none,
)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("12h", 43_200), ("7d", 604_800), ("0s", 0)]
)
def test_reads_durations(text: str, seconds: int) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T18:00:00Z", datetime(2026, 12, 31, 18, tzinfo=UTC)),
        ("2026-12-31T18:00:00+02:00", datetime(2026, 12, 31, 18, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_reads_points_in_time(text: str, time: datetime) -> None:
    assert point_in_time(text) == time


def test_leaves_open_by_which_clock_a_time_is() -> None:
    assert local_time("2026-12-31") == datetime(2026, 12, 31)  # noqa: DTZ001 (that is what is left open)
    assert local_time("2026-12-31T18:00:00Z") == datetime(2026, 12, 31, 18, tzinfo=UTC)
    assert local_time("12h").tzinfo is UTC


def test_reads_times_from_now() -> None:
    now = datetime.now(UTC)

    assert timedelta(hours=12, seconds=-2) < point_in_time("12h") - now < timedelta(hours=12, seconds=2)


def test_reads_how_long_ago_something_was() -> None:
    now = datetime.now(UTC)

    assert timedelta(hours=2, seconds=-2) < now - time_past("2h") < timedelta(hours=2, seconds=2)
    assert time_past("2026-12-31") == datetime(2026, 12, 31, tzinfo=UTC)


def test_reads_terms_in_any_case() -> None:
    read = term(Channel)

    assert read("sms") is read("SMS") is Channel.SMS
    assert read("ringless-voicemail") is read("RINGLESS_VOICEMAIL") is Channel.RINGLESS_VOICEMAIL


def test_reads_what_may_be_left_open() -> None:
    assert whole_number_or_none("none") is None
    assert whole_number_or_none("-7") == -7
    assert term_or_inherited(LateCommit)("inherit") is None
    assert term_or_inherited(Overage)("cap") is Overage.CAP
    assert roll_over("NONE") == (RollOver.NONE, 0)
    assert roll_over("all") == (RollOver.ALL, 0)
    assert roll_over("200") == (RollOver.CAPPED, 200)
    assert label("key=a=b") == ("key", "a=b")


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (whole_number, "1,000", "plain digits"),
        (whole_number, "1e3", "plain digits"),
        (whole_number, "\N{ARABIC-INDIC DIGIT ONE}", "plain digits"),
        (duration_s, "1w", "such as 90, 90s"),
        (duration_s, "-5", "such as 90, 90s"),
        (duration_s, "", "such as 90, 90s"),
        (point_in_time, "31.12.2026", "such as 2026-12-31"),
        (point_in_time, "2026-12-31T18:00:00", "zone"),
        (point_in_time, "999999999d", "beyond the year 9999"),
        (point_in_time, "90", "such as 2026-12-31"),
        (time_past, "999999999d", "before the year 1"),
        (time_past, "yesterday", "or 2h for two hours ago"),
        (time_past, "0001-01-01T00:00:00+09:00", "years 1 to 9999"),
        (local_time, "noon", "such as 2026-12-31"),
        (roll_over, "some", "none, all, or the most"),
        (label, "key", "key=value"),
        (label, "=value", "key=value"),
        (term(Channel), "fax", "write one of sms, mms"),
    ],
)
def test_says_what_to_write(read: Callable[[str], object], text: str, expected: str) -> None:
    with pytest.raises(ArgumentTypeError, match=expected):
        read(text)

"""What a usage may hold, field by field, and what it becomes."""

from __future__ import annotations

import pytest

from creditgate.pricing.usage import (
    Body,
    Channel,
    Characters,
    Credits,
    Direction,
    Priority,
    Seconds,
    Segments,
    Size,
    Units,
)
from creditgate.v1 import usage_pb2
from creditgate_server.credit.operations import Traffic
from creditgate_server.rpc.parse.checks import Checks, InvalidRequest
from creditgate_server.rpc.parse.usage import parse_actual, parse_traffic

E164 = "+14155550100"


def usage(**fields: object) -> usage_pb2.Usage:
    return usage_pb2.Usage(**{"channel": usage_pb2.CHANNEL_SMS, "segments": 1} | fields)  # type: ignore[arg-type]


def parsed(message: usage_pb2.Usage, default_direction: Direction | None = Direction.OUTBOUND) -> Traffic:
    checks = Checks()
    traffic = parse_traffic(message, checks, default_direction)
    checks.finish()
    return traffic


def violations(message: usage_pb2.Usage, default_direction: Direction | None = Direction.OUTBOUND) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        parsed(message, default_direction)
    return dict(refused.value.violations)


def test_what_is_left_out_has_its_default() -> None:
    traffic = parsed(usage())

    assert traffic.usage.channel is Channel.SMS
    assert traffic.usage.direction is Direction.OUTBOUND
    assert traffic.usage.priority is Priority.TRANSACTIONAL
    assert traffic.usage.recipient_count == 1
    assert (traffic.usage.region, traffic.sender, traffic.recipient, traffic.labels) == ("", "", "", ())


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ({"body": "hello"}, Body("hello")),
        ({"body": ""}, Body("")),
        ({"segments": 2}, Segments(2)),
        ({"characters": 0}, Characters(0)),
        ({"seconds": 61}, Seconds(61)),
        ({"units": 3}, Units(3)),
        ({"credits": 10**12}, Credits(10**12)),
    ],
)
def test_each_size_is_read(size: dict[str, object], expected: Size) -> None:
    message = usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS, **size)  # type: ignore[arg-type]

    assert parsed(message).usage.size == expected


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"channel": 0}, "usage.channel"),
        ({"channel": 8}, "usage.channel"),
        ({"channel": -1}, "usage.channel"),
        ({"direction": 3}, "usage.direction"),
        ({"priority": 3}, "usage.priority"),
        ({"segments": 0}, "usage.segments"),
        ({"segments": -1}, "usage.segments"),
        ({"segments": 10**9 + 1}, "usage.segments"),
        ({"characters": -1}, "usage.characters"),
        ({"seconds": -1}, "usage.seconds"),
        ({"units": -1}, "usage.units"),
        ({"credits": -1}, "usage.credits"),
        ({"credits": 10**12 + 1}, "usage.credits"),
        ({"body": "x" * (16 * 1024 + 1)}, "usage.body"),
        ({"body": "é" * (8 * 1024) + "x"}, "usage.body"),
        ({"recipient_count": -1}, "usage.recipient_count"),
        ({"recipient_count": 1_000_001}, "usage.recipient_count"),
        ({"sender": "14155550100"}, "usage.sender"),
        ({"sender": "A name too long"}, "usage.sender"),
        ({"sender": "++++"}, "usage.sender"),
        ({"sender": "Acme", "direction": 2}, "usage.sender"),
        ({"recipient": "Acme"}, "usage.recipient"),
        ({"recipient": "+0155550100"}, "usage.recipient"),
        ({"recipient": "+1 415 555 0100"}, "usage.recipient"),
        ({"recipient": "+" + "1" * 16}, "usage.recipient"),
        ({"recipient": "12"}, "usage.recipient"),
        ({"recipient": E164, "recipient_count": 2}, "usage.recipient"),
        ({"region": "us"}, "usage.region"),
        ({"region": "XX"}, "usage.region"),
        ({"region": "USA"}, "usage.region"),
        ({"labels": {str(number): "" for number in range(17)}}, "usage.labels"),
        ({"labels": {"": "empty"}}, "usage.labels"),
        ({"labels": {"k" * 65: ""}}, "usage.labels"),
        ({"labels": {"é" * 33: ""}}, "usage.labels"),
        ({"labels": {"key": "v" * 257}}, "usage.labels"),
    ],
)
def test_a_field_outside_its_bounds_is_named(fields: dict[str, object], field: str) -> None:
    assert list(violations(usage(**fields))) == [field]


def test_a_usage_without_a_size_is_refused() -> None:
    assert list(violations(usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS))) == ["usage"]


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "x" * (16 * 1024)},
        {"body": "é" * (8 * 1024)},
        {"recipient_count": 1_000_000},
        {"sender": "Acme & Co"},
        {"sender": "12345"},
        {"sender": E164, "recipient": "12345678"},
        {"sender": E164, "direction": 2},
        {"labels": {f"{number:064}": "v" * 256 for number in range(16)}},
    ],
)
def test_a_field_at_its_bound_is_taken(fields: dict[str, object]) -> None:
    parsed(usage(**fields))


def test_every_violation_is_named_at_once() -> None:
    wrong = usage(channel=0, segments=-1, region="XX", recipient="me", labels={"": ""})

    assert violations(wrong).keys() == {
        "usage.channel",
        "usage.segments",
        "usage.region",
        "usage.recipient",
        "usage.labels",
    }


def test_no_violation_quotes_what_was_sent() -> None:
    secret = "correct horse battery"
    wrong = usage(
        body=secret + "x" * 20_000,
        sender=secret,
        recipient=secret,
        region=secret,
        labels={secret * 9: "", "key": secret * 30},
    )

    assert secret not in str(violations(wrong))


@pytest.mark.parametrize(
    ("fields", "region"),
    [
        ({"recipient": "+447400123456", "sender": E164}, "GB"),
        ({"recipient": "+447400123456", "sender": E164, "direction": 2}, "US"),
        ({"recipient": "+447400123456", "region": "FR"}, "FR"),
        ({"recipient": "12345"}, ""),
        ({"sender": E164}, ""),
    ],
    ids=["outbound recipient", "inbound sender", "stated", "short code", "own number only"],
)
def test_the_region_is_the_counterparty_s_unless_stated(fields: dict[str, object], region: str) -> None:
    assert parsed(usage(**fields)).usage.region == region


def test_where_no_direction_is_assumed_it_must_be_stated() -> None:
    assert list(violations(usage(), default_direction=None)) == ["usage.direction"]


def test_labels_are_put_in_order() -> None:
    assert parsed(usage(labels={"b": "2", "a": "1"})).labels == (("a", "1"), ("b", "2"))


def test_what_was_really_used_needs_a_size_only() -> None:
    checks = Checks()
    actual = parse_actual(usage_pb2.Usage(segments=2), checks)
    checks.finish()

    assert actual.size == Segments(2)
    assert (actual.channel, actual.direction, actual.recipient_count, actual.region) == (None, None, None, "")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "usage"),
        ({"segments": 1, "channel": 99}, "usage.channel"),
        ({"segments": 1, "direction": 99}, "usage.direction"),
        ({"segments": 1, "priority": 99}, "usage.priority"),
        ({"segments": 1, "region": "XX"}, "usage.region"),
        ({"segments": 1, "recipient": "me"}, "usage.recipient"),
        ({"segments": 1, "recipient_count": -1}, "usage.recipient_count"),
    ],
)
def test_what_is_repeated_of_a_hold_s_usage_is_checked(fields: dict[str, object], field: str) -> None:
    checks = Checks()
    parse_actual(usage_pb2.Usage(**fields), checks)  # type: ignore[arg-type]

    with pytest.raises(InvalidRequest) as refused:
        checks.finish()
    assert [name for name, _ in refused.value.violations] == [field]

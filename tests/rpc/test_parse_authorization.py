"""Requests of `AuthorizationService`: what they may hold, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from creditgate.pricing.usage import Segments
from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1.explain_pb2 import ExplainRequest
from creditgate.v1.refund_pb2 import RefundRequest
from creditgate.v1.usage_pb2 import CHANNEL_SMS, DIRECTION_INBOUND, Usage
from creditgate_server.credit.operations import ActualUsage, Commit, Explain, Extend, Refund
from creditgate_server.credit.terms import ExpiryAction
from creditgate_server.rpc.parse import authorization as parse
from creditgate_server.rpc.parse.checks import InvalidRequest

Violations = Callable[[Callable[[Any], object], Message], dict[str, str]]

USAGE = Usage(channel=CHANNEL_SMS, segments=1)
DAY_S = 24 * 60 * 60
LONG_ID = "r" * 129


def reserve(**fields: object) -> pb.ReserveRequest:
    return pb.ReserveRequest(**{"account_id": "acme", "usage": USAGE} | fields)  # type: ignore[arg-type]


def commit(**fields: object) -> pb.CommitRequest:
    return pb.CommitRequest(**{"account_id": "acme", "reservation_id": "r"} | fields)  # type: ignore[arg-type]


def test_a_reserve_has_defaults() -> None:
    operation = parse.parse_reserve(reserve(reservation_id="r-1"))

    assert (operation.account_id, operation.reservation_id) == ("acme", "r-1")
    assert operation.ttl_ms == 60_000
    assert operation.expiry_action is ExpiryAction.RELEASE
    assert not operation.allow_partial


def test_a_reserve_without_an_id_gets_one_of_its_own() -> None:
    made = [UUID(parse.parse_reserve(reserve()).reservation_id) for _ in range(100)]

    assert {uuid.version for uuid in made} == {7}
    assert {uuid.variant for uuid in made} == {"specified in RFC 4122"}
    assert len(set(made)) == 100
    assert [uuid.int >> 80 for uuid in made] == sorted(uuid.int >> 80 for uuid in made)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account_id": ""}, "account_id"),
        ({"account_id": "Acme"}, "account_id"),
        ({"account_id": "acme/"}, "account_id"),
        ({"account_id": "a/b/c/d/e"}, "account_id"),
        ({"account_id": "acme//field"}, "account_id"),
        ({"account_id": "a" * 64}, "account_id"),
        ({"account_id": "acme\n"}, "account_id"),
        ({"reservation_id": LONG_ID}, "reservation_id"),
        ({"reservation_id": " r"}, "reservation_id"),
        ({"reservation_id": "r\n"}, "reservation_id"),
        ({"reservation_id": "ré"}, "reservation_id"),
        ({"ttl": Duration()}, "ttl"),
        ({"ttl": Duration(nanos=999_999_999)}, "ttl"),
        ({"ttl": Duration(seconds=-1)}, "ttl"),
        ({"ttl": Duration(seconds=7 * DAY_S + 1)}, "ttl"),
        ({"ttl": Duration(seconds=2**62)}, "ttl"),
        ({"ttl": Duration(seconds=60, nanos=-1)}, "ttl"),
        ({"ttl": Duration(seconds=60, nanos=1_000_000_000)}, "ttl"),
        ({"expiry_action": 3}, "expiry_action"),
    ],
)
def test_a_reserve_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_reserve, reserve(**fields))) == [field]


@pytest.mark.parametrize(
    ("ttl", "ttl_ms"),
    [
        (Duration(seconds=1), 1000),
        (Duration(seconds=7 * DAY_S), 7 * DAY_S * 1000),
        (Duration(seconds=1, nanos=1_999_999), 1001),
    ],
)
def test_a_ttl_within_its_bounds_is_taken_in_milliseconds(ttl: Duration, ttl_ms: int) -> None:
    assert parse.parse_reserve(reserve(ttl=ttl)).ttl_ms == ttl_ms


def test_a_missing_usage_names_channel_and_size(violations: Violations) -> None:
    wrong = violations(parse.parse_quote, pb.QuoteRequest(account_id="acme"))

    assert wrong.keys() == {"usage.channel", "usage"}


def test_a_commit_of_nothing_stated_is_of_all_that_is_held() -> None:
    assert parse.parse_commit(commit()) == Commit("acme", "r")


def test_a_commit_of_no_credits_is_not_one_of_all() -> None:
    assert parse.parse_commit(commit(credits=0)) == Commit("acme", "r", credits=0)


def test_a_commit_s_usage_needs_a_size_only() -> None:
    operation = parse.parse_commit(commit(usage=Usage(segments=2)))

    assert operation == Commit("acme", "r", usage=ActualUsage(Segments(2)))


def test_a_commit_s_labels_come_before_those_of_its_usage() -> None:
    request = commit(usage=Usage(segments=1, labels={"a": "usage", "b": "usage"}), labels={"a": "commit"})

    assert parse.parse_commit(request).labels == (("a", "commit"), ("b", "usage"))


def test_a_commit_that_keeps_the_hold_open_has_an_id_of_its_own() -> None:
    operation = parse.parse_commit(commit(credits=3, keep_open=True, commit_id="c-1"))

    assert operation == Commit("acme", "r", credits=3, keep_open=True, commit_id="c-1")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"reservation_id": ""}, "reservation_id"),
        ({"credits": -1}, "credits"),
        ({"credits": 10**12 + 1}, "credits"),
        ({"usage": Usage()}, "usage"),
        ({"labels": {"": ""}}, "labels"),
        ({"keep_open": True}, "commit_id"),
        ({"keep_open": True, "commit_id": LONG_ID}, "commit_id"),
        ({"commit_id": "c-1"}, "commit_id"),
    ],
)
def test_a_commit_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_commit, commit(**fields))) == [field]


def test_a_release_s_reason_is_bounded(violations: Violations) -> None:
    request = pb.ReleaseRequest(account_id="acme", reservation_id="r", reason="x" * 129)

    assert list(violations(parse.parse_release, request)) == ["reason"]


def test_a_charge_states_its_id_and_its_direction(violations: Violations) -> None:
    wrong = violations(parse.parse_charge, pb.ChargeRequest(account_id="acme", usage=USAGE))

    assert wrong.keys() == {"charge_id", "usage.direction"}


@pytest.mark.parametrize(
    ("event_time", "event_ms"),
    [
        (None, 0),
        (Timestamp(seconds=1, nanos=2_999_999), 1002),
        (Timestamp(), 1),
        (Timestamp(seconds=-5), 1),
    ],
    ids=["not stated", "stated", "1970", "before 1970"],
)
def test_a_charge_s_time_is_known_or_not(event_time: Timestamp | None, event_ms: int) -> None:
    usage = Usage(channel=CHANNEL_SMS, direction=DIRECTION_INBOUND, segments=1)
    request = pb.ChargeRequest(account_id="acme", charge_id="c", usage=usage, event_time=event_time)

    assert parse.parse_charge(request).event_ms == event_ms


def test_a_charge_s_time_is_a_time(violations: Violations) -> None:
    usage = Usage(channel=CHANNEL_SMS, direction=DIRECTION_INBOUND, segments=1)
    request = pb.ChargeRequest(account_id="acme", charge_id="c", usage=usage, event_time=Timestamp(nanos=-1))

    assert list(violations(parse.parse_charge, request)) == ["event_time"]


def test_an_extension_says_for_how_long() -> None:
    request = pb.ExtendRequest(account_id="acme", reservation_id="r", ttl=Duration(seconds=90))

    assert parse.parse_extend(request) == Extend("acme", "r", 90_000)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account_id": ""}, "account_id"),
        ({"reservation_id": ""}, "reservation_id"),
        ({"ttl": None}, "ttl"),
        ({"ttl": Duration()}, "ttl"),
        ({"ttl": Duration(seconds=7 * DAY_S, nanos=1_000_000)}, "ttl"),
    ],
)
def test_an_extension_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    given = {"account_id": "acme", "reservation_id": "r", "ttl": Duration(seconds=60)} | fields

    assert list(violations(parse.parse_extend, pb.ExtendRequest(**given))) == [field]  # type: ignore[arg-type]


def refund(**fields: object) -> RefundRequest:
    return RefundRequest(**{"account_id": "acme", "refund_id": "f"} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "operation"),
    [
        ({"reservation_id": "r"}, Refund("acme", "f", reservation_id="r")),
        ({"charge_id": "c", "credits": 10**12}, Refund("acme", "f", charge_id="c", credits=10**12)),
    ],
)
def test_a_refund_is_of_a_reservation_or_a_charge(fields: dict[str, object], operation: Refund) -> None:
    assert parse.parse_refund(refund(**fields)) == operation


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "target"),
        ({"account_id": "", "charge_id": "c"}, "account_id"),
        ({"refund_id": "", "charge_id": "c"}, "refund_id"),
        ({"reservation_id": ""}, "reservation_id"),
        ({"charge_id": LONG_ID}, "charge_id"),
        ({"charge_id": "c", "credits": 0}, "credits"),
        ({"charge_id": "c", "credits": 10**12 + 1}, "credits"),
    ],
)
def test_a_refund_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_refund, refund(**fields))) == [field]


def test_a_usage_or_a_reservation_is_explained() -> None:
    usage = parse.parse_explain(ExplainRequest(account_id="acme", usage=USAGE))
    reservation = parse.parse_explain(ExplainRequest(account_id="acme", reservation_id="r"))

    assert usage.traffic is not None
    assert (usage.traffic.usage.size, usage.reservation_id) == (Segments(1), "")
    assert reservation == Explain("acme", reservation_id="r")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "subject"),
        ({"account_id": "", "reservation_id": "r"}, "account_id"),
        ({"reservation_id": ""}, "reservation_id"),
        ({"usage": Usage(segments=1)}, "usage.channel"),
    ],
)
def test_what_is_explained_is_within_its_bounds(fields: dict[str, object], field: str, violations: Violations) -> None:
    request = ExplainRequest(**{"account_id": "acme"} | fields)  # type: ignore[arg-type]

    assert list(violations(parse.parse_explain, request)) == [field]


@pytest.mark.parametrize(("asked", "given"), [(0, 50), (1, 1), (500, 500)])
def test_a_page_has_a_size(asked: int, given: int) -> None:
    request = pb.ListReservationsRequest(account_id="acme", page_size=asked)

    assert parse.parse_list_reservations(request).page_size == given


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"page_size": -1}, "page_size"), ({"page_size": 501}, "page_size"), ({"page_token": "x" * 1025}, "page_token")],
)
def test_a_page_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    request = pb.ListReservationsRequest(account_id="acme", **fields)  # type: ignore[arg-type]

    assert list(violations(parse.parse_list_reservations, request)) == [field]


REQUESTS: dict[type[Message], Callable[[Any], object]] = {
    pb.QuoteRequest: parse.parse_quote,
    pb.ReserveRequest: parse.parse_reserve,
    pb.CommitRequest: parse.parse_commit,
    pb.ReleaseRequest: parse.parse_release,
    pb.ChargeRequest: parse.parse_charge,
    pb.ExtendRequest: parse.parse_extend,
    RefundRequest: parse.parse_refund,
    ExplainRequest: parse.parse_explain,
    pb.GetReservationRequest: parse.parse_get_reservation,
    pb.ListReservationsRequest: parse.parse_list_reservations,
}


@given(
    kind=st.sampled_from(list(REQUESTS)),
    account_id=st.text(max_size=5),
    usage=st.builds(
        Usage,
        channel=st.integers(-1, 9),
        direction=st.integers(-1, 4),
        priority=st.integers(-1, 4),
        body=st.text(max_size=20),
        recipient_count=st.integers(-(2**31), 2**31 - 1),
        sender=st.text(max_size=5),
        recipient=st.text(max_size=5),
        region=st.text(max_size=3),
        labels=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    ),
)
def test_whatever_decodes_is_taken_or_refused(kind: type[Message], account_id: str, usage: Usage) -> None:
    request = kind(account_id=account_id)
    if "usage" in kind.DESCRIPTOR.fields_by_name:
        request.usage.CopyFrom(usage)  # type: ignore[attr-defined]

    with suppress(InvalidRequest):
        REQUESTS[kind](request)

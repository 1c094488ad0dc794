"""Request ids and traces: one call under one name, in its answer, its errors and the log, whatever way it went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.message import Message
from tests.operations.observing import events, frozen_store, metric, until
from tests.rpc.conftest import Api, ServerProcess, api_of, failed, reserve_request, running_server

from creditgate.v1 import authorization_pb2 as pb

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.observing import Connect, Start

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NAMED = (("x-request-id", "order-17"), ("traceparent", TRACE))

Line = dict[str, Any]


@pytest.fixture(scope="module")
def sidecar(short_directory: Path) -> Iterator[ServerProcess]:
    """A server whose log the tests of this module share, each looking for its organisation's lines."""
    with running_server(short_directory / "named", DURABILITY="memory") as process:
        yield process


@pytest.fixture
def named(sidecar: ServerProcess) -> Iterator[Api]:
    with api_of(sidecar.target) as services:
        yield services


def lines_about(server: ServerProcess, organisation: str, count: int = 1) -> list[Line]:
    """Wait for so many lines about an organisation, and give them."""
    found: list[Line] = []

    def is_logged() -> bool:
        found[:] = [line for line in events(server) if organisation in str(line)]
        return len(found) >= count

    until(is_logged)
    return found


def denied_in_batch(organisation: str) -> pb.Operation:
    return pb.Operation(reserve=reserve_request(organisation, "denied"))


def failed_in_batch(organisation: str) -> pb.Operation:
    return pb.Operation(release=pb.ReleaseRequest(account_id=organisation, reservation_id="unknown"))


def test_a_denial_is_logged_and_answered_under_the_name_it_was_given(
    named: Api, sidecar: ServerProcess, organisation: str
) -> None:
    named.open_account(organisation)

    _, call = named.authorization.Reserve.with_call(reserve_request(organisation, "r"), metadata=NAMED)

    (line,) = lines_about(sidecar, organisation)
    assert (line["event"], line["method"], line["reason"]) == ("denied", "Reserve", "INSUFFICIENT_CREDITS")
    assert (line["request_id"], line["traceparent"]) == ("order-17", TRACE)
    assert dict(call.trailing_metadata() or ())["x-request-id"] == "order-17"


def test_a_failure_is_logged_and_answered_under_the_name_it_was_given(
    named: Api, sidecar: ServerProcess, organisation: str
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        named.authorization.Reserve(reserve_request(organisation, "r"), metadata=NAMED)

    (line,) = lines_about(sidecar, organisation)
    assert (line["event"], line["reason"], line["level"]) == ("call_failed", "ACCOUNT_NOT_FOUND", "info")
    assert (line["request_id"], line["traceparent"]) == ("order-17", TRACE)
    assert failed(raised.value).metadata["request_id"] == "order-17"


def test_each_call_without_a_name_gets_one_of_its_own(named: Api, sidecar: ServerProcess, organisation: str) -> None:
    request: Message = reserve_request(organisation, "r")
    told = [named.refusal("AuthorizationService/Reserve", request).metadata["request_id"] for _ in range(2)]

    lines = lines_about(sidecar, organisation, 2)
    assert [line["request_id"] for line in lines] == told
    assert len(set(told)) == 2
    assert all("traceparent" not in line for line in lines)


@pytest.mark.parametrize(
    "trace",
    [
        "+14155550100",
        "00-+14155550100",
        f"ff{TRACE[2:]}",
        TRACE.upper(),
        f"{TRACE}4155550100",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ],
)
def test_what_is_no_trace_is_not_logged(trace: str, named: Api, sidecar: ServerProcess, organisation: str) -> None:
    with pytest.raises(grpc.RpcError):
        named.authorization.Reserve(reserve_request(organisation, "r"), metadata=(("traceparent", trace),))

    assert all("traceparent" not in line for line in lines_about(sidecar, organisation))


def test_of_a_later_trace_what_is_known_is_logged(named: Api, sidecar: ServerProcess, organisation: str) -> None:
    with pytest.raises(grpc.RpcError):
        named.authorization.Reserve(
            reserve_request(organisation, "r"), metadata=(("traceparent", f"01{TRACE[2:]}-later"),)
        )

    assert [line["traceparent"] for line in lines_about(sidecar, organisation)] == [f"01{TRACE[2:]}"]


def test_all_operations_of_a_batch_bear_its_name(named: Api, sidecar: ServerProcess, organisation: str) -> None:
    named.open_account(organisation)
    operations = [denied_in_batch(organisation), failed_in_batch(organisation)]

    answer, call = named.authorization.Batch.with_call(pb.BatchRequest(operations=operations), metadata=NAMED)

    lines = lines_about(sidecar, organisation, 2)
    assert [(line["event"], line["method"], line["within"]) for line in lines] == [
        ("denied", "Reserve", "Batch"),
        ("call_failed", "Release", "Batch"),
    ]
    assert {(line["request_id"], line["traceparent"]) for line in lines} == {("order-17", TRACE)}
    assert answer.results[1].error.metadata["request_id"] == "order-17"
    assert dict(call.trailing_metadata() or ())["x-request-id"] == "order-17"


def test_all_frames_of_a_stream_bear_its_name(named: Api, sidecar: ServerProcess, organisation: str) -> None:
    named.open_account(organisation)
    frames = [
        pb.StreamRequest(batch_id=number, operations=[operation])
        for number, operation in enumerate((denied_in_batch(organisation), failed_in_batch(organisation)))
    ]

    call = named.authorization.Stream(iter(frames), metadata=NAMED)
    answers = {answer.batch_id: answer.results[0] for answer in call}

    lines = lines_about(sidecar, organisation, 2)
    assert {(line["event"], line["method"], line["within"]) for line in lines} == {
        ("denied", "Reserve", "Stream"),
        ("call_failed", "Release", "Stream"),
    }
    assert {(line["request_id"], line["traceparent"]) for line in lines} == {("order-17", TRACE)}
    assert answers[1].error.metadata["request_id"] == "order-17"
    assert dict(call.trailing_metadata() or ())["x-request-id"] == "order-17"


def test_a_request_that_cannot_be_read_bears_its_name(named: Api, sidecar: ServerProcess) -> None:
    for method in ("creditgate.v1.AuthorizationService/Reserve", "grpc.health.v1.Health/Check"):
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = named.channel.unary_unary(f"/{method}")
        with pytest.raises(grpc.RpcError) as raised:
            call(b"\xff", metadata=NAMED)
        assert failed(raised.value).metadata["request_id"] == "order-17"

    lines = [line for line in events(sidecar) if line.get("reason") == "MALFORMED_REQUEST"]
    assert {(line["request_id"], line["traceparent"]) for line in lines} == {("order-17", TRACE)}


def test_a_slow_call_bears_its_name_though_it_succeeds(start: Start, connect: Connect, organisation: str) -> None:
    server = start(STORE_TIMEOUT_MS="10000", METRICS_LISTEN="127.0.0.1:0")
    api = connect(server)
    api.open_account(organisation, 5)

    with frozen_store(server):
        call = api.authorization.Reserve.future(reserve_request(organisation, "r"), metadata=NAMED)
        until(lambda: metric(server, "creditgate_calls_under_way") == 1)
        # Another call's whole patience is longer than a slow call takes.
        with pytest.raises(grpc.RpcError):
            api.authorization.Reserve(reserve_request(organisation, "s"), timeout=0.3)
    assert call.result().credits == 1

    (line,) = [line for line in lines_about(server, organisation, 2) if line["event"] == "slow_call"]
    assert (line["request_id"], line["traceparent"], line["level"]) == ("order-17", TRACE, "warning")
    assert line["elapsed_ms"] >= 100
    assert dict(call.trailing_metadata() or ())["x-request-id"] == "order-17"

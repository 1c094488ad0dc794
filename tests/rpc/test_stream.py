"""Stream, in a server of its own with a ledger that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from prometheus_client import generate_latest
from structlog.testing import capture_logs
from tests.rpc.fake_ledger import ALLOWED, DENIED, PATIENCE_S, FakeLedger, Gate, frame, reserve, serving

from creditgate.v1 import authorization_pb2 as pb
from creditgate_server.credit.operations import Batched
from creditgate_server.engine.errors import Overloaded
from creditgate_server.metrics import Metrics
from creditgate_server.rpc import method, stream
from creditgate_server.rpc.calls import Calls
from creditgate_server.rpc.stream import FRAMES_MAX, FRAMES_OPERATIONS_MAX

Call = grpc.aio.StreamStreamCall[pb.StreamRequest | bytes, pb.StreamResponse]


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Lines that were logged."""
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def calls(metrics: Metrics) -> Calls:
    return Calls(metrics)


async def answer(call: Call) -> pb.StreamResponse:
    """Read one answer, which must come."""
    async with asyncio.timeout(PATIENCE_S):
        response = await call.read()
    assert isinstance(response, pb.StreamResponse)
    return response


async def ended(call: Call) -> tuple[grpc.StatusCode, str]:
    """Wait for the end of a stream that has no more answers; gives its code and reason."""
    async with asyncio.timeout(PATIENCE_S):
        code = await call.code()
        trailing = dict(await call.trailing_metadata() or ())
    if "grpc-status-details-bin" not in trailing:
        return code, ""
    details, info = trailing["grpc-status-details-bin"], error_details_pb2.ErrorInfo()
    assert isinstance(details, bytes)
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert info.metadata["request_id"] == trailing["x-request-id"]
    return code, info.reason


async def test_each_frame_is_answered_and_the_stream_ends_when_its_caller_is_done(
    calls: Calls, logs: list[Any]
) -> None:
    async with serving(calls, FakeLedger()) as client:
        call = client.stream()
        for number in (7, -1, 0):
            await call.write(frame(number, reserve(f"r{number}", tag="a"), reserve(f"s{number}", tag="b")))
        await call.done_writing()
        answers = {response.batch_id: response async for response in call}

        assert await ended(call) == (grpc.StatusCode.OK, "")

    assert answers.keys() == {7, -1, 0}
    for number, response in answers.items():
        assert [result.tag for result in response.results] == ["a", "b"]
        assert [result.reserve.reservation_id for result in response.results] == [f"r{number}", f"s{number}"]
        assert not response.HasField("error")
    assert (calls.under_way, logs) == (0, [])


async def test_a_stream_without_frames_ends_well(calls: Calls) -> None:
    async with serving(calls, FakeLedger()) as client:
        call = client.stream()
        await call.done_writing()

        assert await ended(call) == (grpc.StatusCode.OK, "")


async def test_answers_overtake_each_other(calls: Calls) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream()
        await call.write(frame(1))
        await call.write(frame(2))
        await call.done_writing()
        await gate.until_begun(2)

        await gate.open("r-2")
        assert (await answer(call)).batch_id == 2
        await gate.open("r-1")
        assert (await answer(call)).batch_id == 1


async def test_a_bounded_number_of_frames_is_under_way(calls: Calls) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream()
        for number in range(FRAMES_MAX + 2):
            await call.write(frame(number))
        await gate.until_begun(FRAMES_MAX)
        # A frame on a stream of its own is read and answered: had the first stream read on, it would be further.
        other = client.stream()
        await gate.open("r-999")
        await other.write(frame(999))
        await answer(other)
        assert gate.begun == [*(f"r-{number}" for number in range(FRAMES_MAX)), "r-999"]

        await gate.open("r-3")
        assert (await answer(call)).batch_id == 3
        await gate.until_begun(FRAMES_MAX + 2)

        await gate.open(*(f"r-{number}" for number in range(FRAMES_MAX + 2)))
        await call.done_writing()
        assert len({(await answer(call)).batch_id for _ in range(FRAMES_MAX + 1)}) == FRAMES_MAX + 1
        assert await ended(call) == (grpc.StatusCode.OK, "")


async def test_fewer_frames_are_under_way_where_they_are_large(calls: Calls) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream()
        for number in range(3):
            await call.write(frame(number, *[reserve(f"r-{number}")] * (FRAMES_OPERATIONS_MAX // 2)))
        await gate.until_begun(2)
        other = client.stream()
        await gate.open("r-999")
        await other.write(frame(999))
        await answer(other)
        assert gate.begun == ["r-0", "r-1", "r-999"]

        await gate.open("r-0", "r-1", "r-2")
        await call.done_writing()
        assert {response.batch_id async for response in call} == {0, 1, 2}


async def test_many_frames_are_each_answered_once(calls: Calls) -> None:
    async def outcome(_: Batched) -> object:
        await asyncio.sleep(0)
        return ALLOWED

    async with serving(calls, FakeLedger(outcome)) as client:
        call = client.stream()

        async def write() -> None:
            for number in range(500):
                await call.write(frame(number))
            await call.done_writing()

        writing = asyncio.create_task(write())
        answers = [response async for response in call]
        await writing

    assert sorted(response.batch_id for response in answers) == list(range(500))
    assert {f"r-{response.batch_id}" == response.results[0].reserve.reservation_id for response in answers} == {True}


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_frame_of_the_wrong_size_is_answered_and_the_stream_goes_on(count: int, calls: Calls) -> None:
    ledger = FakeLedger()
    async with serving(calls, ledger) as client:
        call = client.stream(metadata=(("x-request-id", "mine"),))
        await call.write(pb.StreamRequest(batch_id=1, operations=[reserve("r")] * count))
        wrong = await answer(call)
        await call.write(frame(2))
        right = await answer(call)

    assert (wrong.batch_id, wrong.error.code, wrong.error.reason) == (1, code_pb2.INVALID_ARGUMENT, "INVALID_FIELD")
    assert wrong.error.metadata == {"field": "operations", "request_id": "mine"}
    assert not wrong.results
    assert right.results[0].reserve.reservation_id == "r-2"
    assert len(ledger.asked) == 1


async def test_what_is_wrong_with_an_operation_stops_no_other(calls: Calls) -> None:
    async with serving(calls, FakeLedger()) as client:
        call = client.stream()
        await call.write(frame(1, reserve("r", segments=0), reserve("s")))
        first, second = (await answer(call)).results

    assert first.error.metadata["field"] == "operations[0].reserve.usage.segments"
    assert second.reserve.reservation_id == "s"


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x12\x03\x0a\x01\xff"])
async def test_bytes_that_are_no_frame_end_the_stream_after_what_was_begun(data: bytes, calls: Calls) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream()
        await call.write(frame(1))
        await call.write(data)
        await call.write(frame(2))
        await gate.until_begun(1)
        await gate.open("r-1", "r-2")

        assert (await answer(call)).batch_id == 1
        assert await ended(call) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")

    assert gate.begun == ["r-1"]


async def test_a_frame_that_fails_does_not_take_the_stream_along(calls: Calls, logs: list[Any]) -> None:
    failures = iter((Overloaded("too many"), ZeroDivisionError("a secret")))

    async def do_batch(*_: object, **__: object) -> list[object]:
        raise next(failures)

    async with serving(calls, do_batch) as client:
        call = client.stream()
        await call.write(frame(1))
        overloaded = (await answer(call)).error
        await call.write(frame(2))
        defect = (await answer(call)).error

    assert (overloaded.code, overloaded.retry_delay.ToMilliseconds()) == (code_pb2.RESOURCE_EXHAUSTED, 100)
    assert (defect.code, defect.reason) == (code_pb2.INTERNAL, "INTERNAL")
    assert "secret" not in defect.message
    assert [line["reason"] for line in logs] == ["OVERLOADED", "INTERNAL"]


async def test_when_the_server_drains_what_was_begun_is_answered_and_no_more(calls: Calls) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        idle, busy = client.stream(), client.stream()
        await idle.write(frame(0))
        await busy.write(frame(1))
        await busy.write(frame(2))
        await gate.open("r-0")
        await answer(idle)
        await gate.until_begun(3)

        closing = asyncio.create_task(calls.close())
        assert await ended(idle) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await busy.write(frame(3))
        await gate.open("r-1", "r-2", "r-3")

        assert {(await answer(busy)).batch_id, (await answer(busy)).batch_id} == {1, 2}
        assert await ended(busy) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        assert await ended(client.stream()) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        await closing

    assert sorted(gate.begun) == ["r-0", "r-1", "r-2"]
    assert calls.under_way == 0


async def test_a_stream_s_deadline_answers_its_frames_and_ends_it(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy the machine is: what it says must arrive before its caller's own clock ends the call.
    monkeypatch.setattr(method, "REPLY_S", 0.6)
    monkeypatch.setattr(stream, "STREAM_REPLY_S", 0.5)
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream(timeout_s=1.2)
        await call.write(frame(1))

        late = await answer(call)
        assert (late.batch_id, late.error.reason) == (1, "DEADLINE_EXCEEDED")
        assert await ended(call) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")


async def test_a_deadline_may_pass_while_an_answer_is_being_sent(
    calls: Calls, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STREAM_REPLY_S", 0.5)
    async with serving(calls, FakeLedger()) as client:
        call = client.stream(timeout_s=1)
        for number in range(3):
            # Their answers are more than what gRPC takes for a caller that does not read.
            await call.write(frame(number, reserve("r", tag="t" * 3_000_000)))

        assert (await ended(call))[0] is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(PATIENCE_S):
            await calls.wait_until_idle()

    assert caplog.records == []


async def test_a_caller_that_leaves_ends_its_frames(calls: Calls, metrics: Metrics, logs: list[Any]) -> None:
    gate = Gate()
    async with serving(calls, FakeLedger(gate.pass_through)) as client:
        call = client.stream()
        await call.write(frame(1))
        await call.write(frame(2))
        await gate.until_begun(2)
        assert calls.under_way == 2

        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await calls.wait_until_idle()

    assert logs == []
    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_errors_total{method="Stream",reason="CANCELLED"} 2.0' in shown


async def test_a_caller_that_leaves_while_it_is_answered_is_no_defect(calls: Calls, logs: list[Any]) -> None:
    async with serving(calls, FakeLedger()) as client:
        for number in range(50):
            call = client.stream()
            await call.write(frame(number, *[reserve("r")] * 20))
            if number % 2:
                await answer(call)
            await call.write(frame(number))
            call.cancel()
        # gRPC may tell of a stream after its caller has left it; one more shows that all have been begun and ended.
        call = client.stream()
        await call.write(frame(0))
        await answer(call)
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await calls.wait_until_idle()

    assert logs == []


async def test_frames_are_counted_as_calls_and_operations_as_what_they_are(calls: Calls, metrics: Metrics) -> None:
    outcomes = iter((ALLOWED, DENIED, ALLOWED))

    async def outcome(_: Batched) -> object:
        return next(outcomes)

    async with serving(calls, FakeLedger(outcome)) as client:
        call = client.stream()
        await call.write(frame(1, reserve("r"), reserve("s")))
        await answer(call)
        await call.write(frame(2))
        await answer(call)
        await call.done_writing()
        await ended(call)

    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_call_seconds_count{method="Stream"} 2.0' in shown
    assert 'creditgate_decisions_total{decision="ALLOWED",method="Reserve",reason=""} 2.0' in shown
    assert 'creditgate_decisions_total{decision="DENIED",method="Reserve",reason="INSUFFICIENT_CREDITS"} 1.0' in shown


async def test_all_frames_of_a_stream_have_its_request_id(calls: Calls, logs: list[Any]) -> None:
    async def outcome(_: Batched) -> object:
        return DENIED

    async with serving(calls, FakeLedger(outcome)) as client:
        call = client.stream()
        for number in range(2):
            await call.write(frame(number))
            await answer(call)
        await call.done_writing()
        await ended(call)
        trailing = dict(await call.trailing_metadata() or ())

    assert {line["request_id"] for line in logs} == {trailing["x-request-id"]}
    assert {line["within"] for line in logs} == {"Stream"}

"""The adapter between gRPC and the engine, in a server of its own with an engine that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1.usage_pb2 import CHANNEL_SMS, Usage
from creditgate_server.credit.operations import Reserve
from creditgate_server.credit.outcomes import Authorization, Balance, Denial
from creditgate_server.credit.terms import Decision, DenialReason, ReservationState
from creditgate_server.engine.errors import Overloaded, StoreUnavailable
from creditgate_server.metrics import Metrics
from creditgate_server.rpc.calls import Calls
from creditgate_server.rpc.method import handler_of, unary
from creditgate_server.rpc.parse.authorization import parse_reserve
from creditgate_server.rpc.render.authorization import render_reserve
from creditgate_server.store.errors import StoreUnreachable

Act = Callable[[Reserve], Awaitable[Authorization]]
Reserves = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]

REQUEST = pb.ReserveRequest(
    account_id="acme",
    reservation_id="r-1",
    usage=Usage(channel=CHANNEL_SMS, body="the secret words", recipient="+14155550100"),
).SerializeToString()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BALANCE = Balance("acme", "acme", 9, 9, 1, 0, None, 9)
ALLOWED = Authorization(Decision.ALLOWED, None, 1, 1, BALANCE, None, ReservationState.PENDING, 1000)
DENIED = Authorization(Decision.DENIED, Denial(DenialReason.INSUFFICIENT_CREDITS, "acme", 3), 0, 0, BALANCE)


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


@asynccontextmanager
async def serving(calls: Calls, act: Act) -> AsyncIterator[Reserves]:
    """Serve Reserve by `act`; gives the method as clients see it, bytes in and out."""
    server = grpc.aio.server()
    method = unary(calls, pb.ReserveRequest, parse_reserve, act, render_reserve)
    server.add_generic_rpc_handlers((handler_of("test.Service", [method]),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel.unary_unary("/test.Service/Reserve")
    finally:
        await server.stop(None)


async def failure(call: Awaitable[bytes]) -> tuple[grpc.aio.AioRpcError, error_details_pb2.ErrorInfo]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    trailing = dict(raised.value.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert trailing["x-request-id"] == info.metadata["request_id"]
    return raised.value, info


async def test_bytes_become_an_operation_and_its_outcome_bytes(calls: Calls, logs: list[Any]) -> None:
    asked: list[Reserve] = []

    async def act(operation: Reserve) -> Authorization:
        asked.append(operation)
        return ALLOWED

    async with serving(calls, act) as reserve:
        answer = pb.ReserveResponse.FromString(await reserve(REQUEST))

    assert [operation.reservation_id for operation in asked] == ["r-1"]
    assert (answer.reservation_id, answer.credits, answer.expire_time.seconds) == ("r-1", 1, 1)
    assert logs == []


async def test_a_denial_is_an_answer_that_names_the_request(calls: Calls, logs: list[Any]) -> None:
    async def act(_: Reserve) -> Authorization:
        return DENIED

    async with serving(calls, act) as reserve:
        call = reserve(REQUEST, metadata=(("x-request-id", "mine"), ("traceparent", TRACE)))
        answer = pb.ReserveResponse.FromString(await call)
        trailing = dict(await call.trailing_metadata())

    assert answer.denial.shortfall == 3
    assert trailing["x-request-id"] == "mine"
    (line,) = logs
    assert (line["event"], line["reason"], line["shortfall"]) == ("denied", "INSUFFICIENT_CREDITS", 3)
    assert (line["request_id"], line["traceparent"]) == ("mine", TRACE)
    assert (line["account_id"], line["reservation_id"]) == ("acme", "r-1")


@pytest.mark.parametrize("data", [b"\xff\xff\xff", b"\n\x02\xff\xfe", b"\x1a\x7f", REQUEST[:-1]])
async def test_bytes_that_are_no_request_are_refused_by_us(calls: Calls, data: bytes) -> None:
    async def act(_: Reserve) -> Authorization:
        raise AssertionError

    async with serving(calls, act) as reserve:
        error, info = await failure(reserve(data))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (info.reason, info.metadata["message_type"]) == ("MALFORMED_REQUEST", "creditgate.v1.ReserveRequest")


async def test_an_unexpected_exception_says_nothing_of_itself(calls: Calls, logs: list[Any]) -> None:
    async def act(operation: Reserve) -> Authorization:
        raise ZeroDivisionError(str(operation))

    async with serving(calls, act) as reserve:
        error, info = await failure(reserve(REQUEST))

    assert error.code() is grpc.StatusCode.INTERNAL
    assert info.metadata["reservation_id"] == "r-1"
    assert "ZeroDivision" not in str(error)
    (line,) = logs
    assert (line["log_level"], line["reason"]) == ("error", "INTERNAL")
    assert isinstance(line["exc_info"], ZeroDivisionError)


async def test_an_error_of_the_engine_has_its_code_reason_and_cause(calls: Calls, logs: list[Any]) -> None:
    async def act(_: Reserve) -> Authorization:
        raise StoreUnavailable("nothing was done") from StoreUnreachable("redis://host", "it is away")

    async with serving(calls, act) as reserve:
        error, info = await failure(reserve(REQUEST, metadata=(("x-request-id", "mine"),)))

    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (info.reason, info.metadata["request_id"]) == ("STORE_UNREACHABLE", "mine")
    (line,) = logs
    assert line["store_error"] == "store redis://host cannot be reached: it is away"


async def test_neither_body_nor_number_is_logged(calls: Calls, logs: list[Any]) -> None:
    outcomes = iter((DENIED, Overloaded("too many"), RuntimeError("the secret words +14155550100")))

    async def act(_: Reserve) -> Authorization:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with serving(calls, act) as reserve:
        await reserve(REQUEST)
        await failure(reserve(REQUEST))
        await failure(reserve(REQUEST))

    shown = [{name: value for name, value in line.items() if name != "exc_info"} for line in logs]
    assert len(shown) == 3
    assert "secret" not in str(shown)
    assert "4155550100" not in str(shown)


async def test_a_request_id_that_is_unfit_for_a_log_is_replaced(calls: Calls) -> None:
    async def act(_: Reserve) -> Authorization:
        raise Overloaded("too many")

    async with serving(calls, act) as reserve:
        _, long = await failure(reserve(REQUEST, metadata=(("x-request-id", "x" * 129),)))
        _, none = await failure(reserve(REQUEST))

    assert long.metadata["request_id"] != none.metadata["request_id"]
    assert len(long.metadata["request_id"]) < 40


async def test_a_deadline_that_passes_is_answered_with_the_ids(calls: Calls) -> None:
    async def act(_: Reserve) -> Authorization:
        await asyncio.Event().wait()
        return ALLOWED

    async with serving(calls, act) as reserve:
        error, info = await failure(reserve(REQUEST, timeout=0.3))

    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (info.reason, info.metadata["reservation_id"]) == ("DEADLINE_EXCEEDED", "r-1")


async def test_a_caller_that_leaves_ends_its_call(calls: Calls, metrics: Metrics, logs: list[Any]) -> None:
    begun = asyncio.Event()

    async def act(_: Reserve) -> Authorization:
        begun.set()
        await asyncio.Event().wait()
        return ALLOWED

    async with serving(calls, act) as reserve:
        call = reserve(REQUEST)
        await begun.wait()
        assert calls.under_way == 1
        call.cancel()
        async with asyncio.timeout(10):
            await calls.wait_until_idle()

    assert calls.under_way == 0
    assert logs == []
    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_errors_total{method="Reserve",reason="CANCELLED"} 1.0' in shown


async def test_a_call_that_failed_is_not_under_way(calls: Calls) -> None:
    async def act(_: Reserve) -> Authorization:
        raise Overloaded("too many")

    async with serving(calls, act) as reserve:
        await failure(reserve(REQUEST))
        async with asyncio.timeout(10):
            await calls.wait_until_idle()

    assert calls.under_way == 0


async def test_decisions_and_failures_are_counted(calls: Calls, metrics: Metrics) -> None:
    outcomes = iter((ALLOWED, DENIED, ALLOWED, Overloaded("too many")))

    async def act(_: Reserve) -> Authorization:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with serving(calls, act) as reserve:
        for _ in range(3):
            await reserve(REQUEST)
        await failure(reserve(REQUEST))

    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_decisions_total{decision="ALLOWED",method="Reserve",reason=""} 2.0' in shown
    assert 'creditgate_decisions_total{decision="DENIED",method="Reserve",reason="INSUFFICIENT_CREDITS"} 1.0' in shown
    assert 'creditgate_errors_total{method="Reserve",reason="OVERLOADED"} 1.0' in shown
    assert 'creditgate_call_seconds_count{method="Reserve"} 4.0' in shown


async def test_a_flood_of_denials_does_not_flood_the_log(calls: Calls, logs: list[Any]) -> None:
    async def act(_: Reserve) -> Authorization:
        return DENIED

    async with serving(calls, act) as reserve:
        for _ in range(500):
            await reserve(REQUEST)

    assert 100 <= len(logs) < 500

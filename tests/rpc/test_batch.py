"""Batch, in a server of its own with a ledger that does as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2
from prometheus_client import generate_latest
from structlog.testing import capture_logs
from tests.rpc.fake_ledger import ALLOWED, BALANCE, DENIED, FakeLedger, reserve, serving

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1 import decision_pb2
from creditgate.v1.usage_pb2 import Usage
from creditgate_server.credit.operations import Batched, Commit, Reserve
from creditgate_server.credit.outcomes import Settlement
from creditgate_server.credit.terms import ReservationState
from creditgate_server.engine.errors import IdReused, InvalidField, Overloaded
from creditgate_server.metrics import Metrics
from creditgate_server.rpc.calls import Calls

COMMITTED = Settlement(ReservationState.COMMITTED, 1, 0, 0, 0, 0, 0, BALANCE, replayed=False, late=False)
COMMIT = pb.Operation(tag="c", commit=pb.CommitRequest(account_id="acme", reservation_id="r"))


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


async def refusal(call: Any) -> grpc.aio.AioRpcError:  # noqa: ANN401 (any awaitable)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value


async def test_each_operation_is_answered_in_its_place(calls: Calls, logs: list[Any]) -> None:
    async def outcome(operation: Batched) -> object:
        return COMMITTED if isinstance(operation, Commit) else ALLOWED

    ledger = FakeLedger(outcome)

    async with serving(calls, ledger) as client:
        results = await client.batch(reserve("r", tag="a"), COMMIT, reserve("s", tag="b"))

    assert [(result.tag, result.WhichOneof("result")) for result in results] == [
        ("a", "reserve"),
        ("c", "commit"),
        ("b", "reserve"),
    ]
    assert [result.reserve.reservation_id for result in results] == ["r", "", "s"]
    ((asked, atomic),) = ledger.asked
    assert [type(operation) for operation in asked] == [Reserve, Commit, Reserve]
    assert not atomic
    assert logs == []


async def test_what_is_wrong_with_one_stops_no_other(calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        results = await client.batch(reserve("r", tag="a"), reserve("s", tag="b", segments=0), reserve("t", tag="c"))

    first, second, third = results
    assert (first.reserve.reservation_id, third.reserve.reservation_id) == ("r", "t")
    assert (second.tag, second.error.code, second.error.reason) == ("b", code_pb2.INVALID_ARGUMENT, "INVALID_FIELD")
    assert second.error.metadata["field"] == "operations[1].reserve.usage.segments"
    assert second.error.message.startswith("operations[1].reserve.usage.segments must be")
    assert [len(asked) for asked, _ in ledger.asked] == [2]


async def test_an_error_names_every_field_that_is_wrong(calls: Calls) -> None:
    async with serving(calls, FakeLedger()) as client:
        (result,) = await client.batch(pb.Operation(commit=pb.CommitRequest()))

    assert result.error.message == (
        "operations[0].commit.account_id is required; operations[0].commit.reservation_id is required"
    )


async def test_a_batch_of_nothing_but_errors_asks_for_nothing(calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        (result,) = await client.batch(pb.Operation(tag="t"))

    assert (result.tag, result.error.metadata["field"]) == ("t", "operations[0]")
    assert ledger.asked == []


async def test_errors_of_the_ledger_are_those_of_the_method(calls: Calls) -> None:
    errors = {
        "r": IdReused("take a new id", reservation_id="r"),
        "s": InvalidField("usage.seconds", "cannot be priced"),
        "t": Overloaded("too many"),
        "u": ZeroDivisionError("a secret"),
    }

    async def outcome(operation: Batched) -> object:
        assert isinstance(operation, Reserve)
        return errors[operation.reservation_id]

    async with serving(calls, FakeLedger(outcome)) as client:
        results = await client.batch(*map(reserve, errors), metadata=(("x-request-id", "mine"),))

    reused, invalid, overloaded, defect = (result.error for result in results)
    assert (reused.code, reused.reason, reused.message) == (code_pb2.ALREADY_EXISTS, "ID_REUSED", "take a new id")
    assert reused.metadata == {"account_id": "acme", "reservation_id": "r", "request_id": "mine"}
    assert not reused.HasField("retry_delay")
    assert invalid.metadata["field"] == "operations[1].reserve.usage.seconds"
    assert invalid.message == "operations[1].reserve.usage.seconds cannot be priced"
    assert (overloaded.code, overloaded.retry_delay.ToMilliseconds()) == (code_pb2.RESOURCE_EXHAUSTED, 100)
    assert (defect.code, defect.reason) == (code_pb2.INTERNAL, "INTERNAL")
    assert "secret" not in str(results)


async def test_a_denial_is_an_answer(calls: Calls, logs: list[Any]) -> None:
    async def outcome(operation: Batched) -> object:
        assert isinstance(operation, Reserve)
        return DENIED if operation.reservation_id == "s" else ALLOWED

    async with serving(calls, FakeLedger(outcome)) as client:
        results = await client.batch(reserve("r"), reserve("s"), metadata=(("x-request-id", "mine"),))

    assert [result.reserve.decision for result in results] == [
        decision_pb2.DECISION_ALLOWED,
        decision_pb2.DECISION_DENIED,
    ]
    (line,) = logs
    assert (line["event"], line["method"], line["within"]) == ("denied", "Reserve", "Batch")
    assert (line["reservation_id"], line["request_id"]) == ("s", "mine")


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_of_the_wrong_size_fails_as_a_whole(count: int, calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        error = await refusal(client.batch(*[reserve("r")] * count))

    assert (error.code(), error.details()) == (grpc.StatusCode.INVALID_ARGUMENT, "operations must be 1 to 1,000")
    assert ledger.asked == []


async def test_the_largest_batch_is_answered_in_order(calls: Calls) -> None:
    async with serving(calls, FakeLedger()) as client:
        results = await client.batch(*[reserve(f"r-{number}", tag=f"{number}") for number in range(1000)])

    assert [result.tag for result in results] == [f"{number}" for number in range(1000)]
    assert [result.reserve.reservation_id for result in results] == [f"r-{number}" for number in range(1000)]


async def test_the_largest_answer_fits_into_what_clients_accept(calls: Calls) -> None:
    usage = Usage(
        direction=9,  # type: ignore[arg-type]
        sender="x" * 12,
        recipient="x",
        region="xx",
        recipient_count=-1,
        priority=9,  # type: ignore[arg-type]
        labels={"": "x" * 257},
    )
    wrong = pb.ReserveRequest(reservation_id=" ", usage=usage, ttl=Duration(nanos=1), expiry_action=9)  # type: ignore[arg-type]

    async with serving(calls, FakeLedger()) as client:
        results = await client.batch(*[pb.Operation(tag="t" * 128, reserve=wrong)] * 1000)

    assert {result.error.reason for result in results} == {"INVALID_FIELD"}
    assert all(result.error.message.count("; ") >= 10 for result in results)


async def test_other_calls_have_their_turn_while_a_large_batch_is_read(calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        large = asyncio.create_task(client.batch(*[reserve(f"r-{number}", body="x" * 160) for number in range(1000)]))
        await client.batch(reserve("small"))
        await large

    assert sorted(len(asked) for asked, _ in ledger.asked) == [1, 1000]


async def test_an_atomic_batch_is_done_as_one(calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        await client.batch(reserve("r"), reserve("s"), atomic=True)

    assert [(len(asked), atomic) for asked, atomic in ledger.asked] == [(2, True)]


async def test_an_atomic_batch_that_is_wrong_fails_as_a_whole(calls: Calls) -> None:
    ledger = FakeLedger()

    async with serving(calls, ledger) as client:
        error = await refusal(client.batch(reserve("r"), reserve("s", channel=0, segments=1), atomic=True))

    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert str(error.details()).startswith("operations[1].reserve.usage.channel is required")
    assert ledger.asked == []


async def test_operations_are_counted_as_what_they_are(calls: Calls, metrics: Metrics) -> None:
    outcomes = iter((ALLOWED, DENIED, IdReused("take a new id")))

    async def outcome(_: Batched) -> object:
        return next(outcomes)

    async with serving(calls, FakeLedger(outcome)) as client:
        await client.batch(reserve("r"), reserve("s"), reserve("t"), pb.Operation())

    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_call_seconds_count{method="Batch"} 1.0' in shown
    assert 'creditgate_decisions_total{decision="ALLOWED",method="Reserve",reason=""} 1.0' in shown
    assert 'creditgate_decisions_total{decision="DENIED",method="Reserve",reason="INSUFFICIENT_CREDITS"} 1.0' in shown
    assert 'creditgate_errors_total{method="Reserve",reason="ID_REUSED"} 1.0' in shown
    assert 'creditgate_errors_total{method="Batch",reason="INVALID_FIELD"} 1.0' in shown

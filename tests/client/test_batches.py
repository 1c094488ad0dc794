"""Batches: many operations in one call, an answer or a typed error for each, and what is repeated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, assert_type

import grpc
import pytest
from google.protobuf.message import Message

import creditgate
from creditgate import Decision, Direction, answers, errors, operations
from creditgate.operations import Operation
from creditgate.retries import RetryPolicy
from creditgate.v1 import authorization_pb2, decision_pb2
from creditgate.v1.error_reason_pb2 import Error

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer

UNAVAILABLE, NOT_FOUND, ABORTED = (
    code.value[0] for code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED)
)
UNREACHABLE = Error(code=UNAVAILABLE, reason="STORE_UNREACHABLE", message="no store")
UNKNOWN = Error(code=UNAVAILABLE, reason="OUTCOME_UNKNOWN", message="lost")
NOT_APPLIED = Error(code=ABORTED, reason="BATCH_NOT_APPLIED", message="another one failed")


def reserves(*ids: str) -> list[Operation[answers.Reserved]]:
    """Reserves of these ids; each is of the account that its id begins with."""
    return [operations.reserve(each.partition("-")[0], reservation_id=each, segments=1) for each in ids]


def sent_ids(server: FakeServer) -> list[list[str]]:
    """The ids of the reserves in each request."""
    return [[each.reserve.reservation_id for each in call.request.operations] for call in server.received]


def failing(*errors_by_id: tuple[str, Error]) -> Callable[[Any, object], Message]:
    """A step that allows every reserve but those that fail."""
    failures = dict(errors_by_id)

    def answer(request: authorization_pb2.BatchRequest, _: object) -> Message:
        response = authorization_pb2.BatchResponse()
        for operation in request.operations:
            result = response.results.add()
            reservation_id = operation.reserve.reservation_id
            if reservation_id in failures:
                result.error.CopyFrom(failures[reservation_id])
            else:
                result.reserve.decision = decision_pb2.DECISION_ALLOWED
                result.reserve.reservation_id = reservation_id
        return response

    return answer


def kinds(results: Sequence[object]) -> list[type]:
    return [type(each) for each in results]


def test_every_operation_is_answered_by_its_own_answer_in_order(server: FakeServer, client: creditgate.Client) -> None:
    response = authorization_pb2.BatchResponse()
    for name in ("quote", "reserve", "commit", "release", "extend", "charge", "refund"):
        getattr(response.results.add(), name).SetInParent()
    server.script("Batch", response)

    results = client.batch(
        [
            operations.quote("acme", body="hi"),
            operations.reserve("acme", reservation_id="msg-1", body="hi"),
            operations.commit("acme", "msg-1", credits=1, keep_open=True, commit_id="part-1"),
            operations.release("acme", "msg-1", "no number"),
            operations.extend("acme", "msg-2", 60),
            operations.charge("acme", charge_id="in-1", segments=1, direction=Direction.INBOUND),
            operations.refund("acme", charge_id="in-0", refund_id="rf-1"),
        ],
        atomic=True,
    )

    assert kinds(results) == [
        answers.Quoted,
        answers.Reserved,
        answers.Committed,
        answers.Released,
        answers.Extended,
        answers.Charged,
        answers.Refunded,
    ]
    (request,) = (call.request for call in server.received)
    assert request.atomic
    assert [each.WhichOneof("operation") for each in request.operations] == [
        "quote",
        "reserve",
        "commit",
        "release",
        "extend",
        "charge",
        "refund",
    ]
    assert (request.operations[2].commit.commit_id, request.operations[3].release.reason) == ("part-1", "no number")


def test_answers_of_one_kind_have_its_type(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Batch", failing())

    results = client.batch(reserves("acme-1"))

    assert_type(results, "list[answers.Reserved | errors.CallFailed]")
    assert kinds(results) == [answers.Reserved]


def test_an_operation_tells_its_account_and_id_and_not_its_text() -> None:
    operation = operations.reserve("acme", body="my secret")

    assert (operation.account_id, len(operation.id)) == ("acme", 36)
    assert "secret" not in repr(operation)


def test_a_value_that_no_request_can_carry_is_refused_at_once() -> None:
    with pytest.raises(errors.InvalidRequest, match=r"usage\.recipient_count"):
        operations.reserve("acme", body="hi", recipient_count=0)


def test_a_denial_is_an_answer_like_any_other(server: FakeServer, client: creditgate.Client) -> None:
    response = authorization_pb2.BatchResponse()
    response.results.add().reserve.decision = decision_pb2.DECISION_DENIED
    server.script("Batch", response)

    (denied,) = client.batch(reserves("acme-1"))

    assert isinstance(denied, answers.Reserved)
    assert (denied.allowed, denied.decision) == (False, Decision.DENIED)


def test_an_operation_that_fails_has_a_typed_error_for_its_result(
    server: FakeServer, client: creditgate.Client
) -> None:
    metadata = {"request_id": "0192f3c1", "account_id": "acme"}
    missing = Error(code=NOT_FOUND, reason="ACCOUNT_NOT_FOUND", message="no account acme", metadata=metadata)
    server.script("Batch", failing(("acme-1", missing)))

    failed, allowed = client.batch(reserves("acme-1", "nadir-2"))

    assert isinstance(failed, errors.AccountNotFound)
    assert (str(failed), failed.code, failed.reason) == ("no account acme", "NOT_FOUND", "ACCOUNT_NOT_FOUND")
    assert (failed.metadata, failed.request_id) == (metadata, "0192f3c1")
    assert isinstance(allowed, answers.Reserved)


def test_an_operation_that_is_wrong_names_its_field(server: FakeServer, client: creditgate.Client) -> None:
    invalid = Error(
        code=grpc.StatusCode.INVALID_ARGUMENT.value[0],
        reason="INVALID_FIELD",
        message="usage.channel is required",
        metadata={"field": "usage.channel"},
    )
    server.script("Batch", failing(("acme-1", invalid)))

    (failed,) = client.batch(reserves("acme-1"))

    assert isinstance(failed, errors.InvalidRequest)
    assert failed.violations == (errors.Violation("usage.channel", "is required"),)


def test_reasons_and_codes_of_a_newer_server_are_read(server: FakeServer, client: creditgate.Client) -> None:
    server.script(
        "Batch",
        failing(("acme-1", Error(code=NOT_FOUND, reason="ADDED_LATER")), ("acme-2", Error(code=99, reason="AS_WELL"))),
    )

    by_code, plain = client.batch(reserves("acme-1", "acme-2"))

    assert kinds([by_code, plain]) == [errors.NotFound, errors.CallFailed]


def test_what_could_not_be_decided_is_repeated_with_what_its_account_has_behind_it(
    server: FakeServer, client: creditgate.Client
) -> None:
    server.script("Batch", failing(("acme-2", UNREACHABLE)), failing())

    results = client.batch(reserves("acme-1", "acme-2", "nadir-3", "acme-4"))

    assert kinds(results) == [answers.Reserved] * 4
    assert sent_ids(server) == [["acme-1", "acme-2", "nadir-3", "acme-4"], ["acme-2", "acme-4"]]


def test_what_is_wrong_in_itself_is_not_repeated(server: FakeServer, client: creditgate.Client) -> None:
    invalid = Error(code=grpc.StatusCode.INVALID_ARGUMENT.value[0], reason="INVALID_FIELD")
    server.script("Batch", failing(("acme-1", UNREACHABLE), ("acme-2", invalid)), failing())

    results = client.batch(reserves("acme-1", "acme-2"))

    assert kinds(results) == [answers.Reserved, errors.InvalidRequest]
    assert sent_ids(server) == [["acme-1", "acme-2"], ["acme-1"]]


def test_an_atomic_batch_is_repeated_as_a_whole(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Batch", failing(("acme-1", NOT_APPLIED), ("acme-2", UNREACHABLE)), failing())

    results = client.batch(reserves("acme-1", "acme-2"), atomic=True)

    assert kinds(results) == [answers.Reserved] * 2
    assert sent_ids(server) == [["acme-1", "acme-2"]] * 2


def test_an_atomic_batch_that_was_not_applied_is_not_repeated(server: FakeServer, client: creditgate.Client) -> None:
    closed = Error(code=NOT_FOUND, reason="ACCOUNT_NOT_FOUND")
    server.script("Batch", failing(("acme-1", NOT_APPLIED), ("acme-2", closed)))

    results = client.batch(reserves("acme-1", "acme-2"), atomic=True)

    assert kinds(results) == [errors.BatchNotApplied, errors.AccountNotFound]
    assert len(server.received) == 1


def test_a_batch_whose_call_fails_is_sent_again_as_it_was(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Batch", server.failure("UNAVAILABLE", "STORE_UNREACHABLE"), failing())

    assert kinds(client.batch([operations.reserve("acme", segments=1)])) == [answers.Reserved]
    first, second = (call.request for call in server.received)
    assert first == second


def test_what_stays_undecided_is_an_error_among_answers(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Batch", failing(("acme-2", UNREACHABLE)))

    results = make_client(retries=RetryPolicy(attempts_max=3, backoff_s=0.001)).batch(reserves("acme-1", "acme-2"))

    assert kinds(results) == [answers.Reserved, errors.Unavailable]
    assert len(server.received) == 3


def test_answers_are_kept_though_the_server_goes_away(server: FakeServer, make_client: ClientMaker) -> None:
    gone = server.failure("UNAVAILABLE", "SHUTTING_DOWN")
    server.script("Batch", failing(("acme-2", UNREACHABLE)), gone)

    results = make_client(retries=RetryPolicy(attempts_max=3, backoff_s=0.001)).batch(reserves("acme-1", "acme-2"))

    assert kinds(results) == [answers.Reserved, errors.Unavailable]


def test_an_outcome_stays_unknown_until_an_answer_tells_it(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Batch", failing(("acme-1", UNKNOWN)), failing(("acme-1", UNREACHABLE)))

    results = make_client(retries=RetryPolicy(attempts_max=3, backoff_s=0.001)).batch(reserves("acme-1"))

    assert kinds(results) == [errors.OutcomeUnknown]


def test_a_batch_that_never_gets_an_answer_raises(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Batch", server.failure("UNAVAILABLE", "STORE_UNREACHABLE"))

    with pytest.raises(errors.Unavailable):
        make_client(retries=RetryPolicy(attempts_max=2, backoff_s=0.001)).batch(reserves("acme-1"))


def test_a_batch_that_is_wrong_as_a_whole_raises(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Batch", server.failure("INVALID_ARGUMENT", "INVALID_FIELD"))

    with pytest.raises(errors.InvalidRequest):
        client.batch([])

    assert len(server.received) == 1

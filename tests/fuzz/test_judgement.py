"""What fuzzing takes for wrong: an answer, an effect or a line of the log that must not be."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import grpc
import pytest
from tests.fuzz.campaign import Fault, check_log
from tests.fuzz.canaries import BODY, NUMBER, REMARK, TOKEN
from tests.fuzz.effects import Effect, accepted
from tests.fuzz.interface import METHODS, our
from tests.fuzz.judgement import complaints
from tests.fuzz.messages import REQUEST_BYTES_MAX, Message
from tests.fuzz.sending import Answer

from creditgate.v1.authorization_pb2 import (
    BatchRequest,
    BatchResponse,
    Operation,
    ReleaseRequest,
    ReserveRequest,
    ReserveResponse,
    Result,
    StreamRequest,
    StreamResponse,
)
from creditgate.v1.decision_pb2 import DECISION_ALLOWED, DECISION_DENIED
from creditgate.v1.error_reason_pb2 import Error
from creditgate_server.rpc.errors import Failure, status_metadata

REQUEST_ID = "request-1"
RESERVE = our("Reserve")
REQUEST = ReserveRequest(account_id="acme", reservation_id="r")
ALLOWED = ReserveResponse(reservation_id="r", decision=DECISION_ALLOWED)
DENIED = ReserveResponse(reservation_id="r", decision=DECISION_DENIED)
REPLAYED = ReserveResponse(reservation_id="r", decision=DECISION_ALLOWED, replayed=True)
DEFECT = Error(code=13, reason="INTERNAL", message="a defect", metadata={"request_id": REQUEST_ID})
TELLING = Error(code=3, reason="INVALID_FIELD", message=f"not {REMARK}", metadata={"request_id": REQUEST_ID})
NOT_DONE = Error(code=10, reason="BATCH_NOT_APPLIED", message="not done", metadata={"request_id": REQUEST_ID})


def message(request: Any = REQUEST, *before: Any, name: str = "Reserve") -> Message:  # noqa: ANN401 (messages)
    frames = tuple(each.SerializeToString() for each in before)
    return Message(0, our(name), request.SerializeToString(), is_request=True, before=frames)


def no_request() -> Message:
    return Message(1, RESERVE, b"\xff", is_request=False)


def answered(*responses: Any) -> Answer:  # noqa: ANN401 (messages)
    return Answer(REQUEST_ID, tuple(each.SerializeToString() for each in responses), grpc.StatusCode.OK, "", ())


def refused(reason: str, text: str = "it cannot be", request_id: str = REQUEST_ID, **metadata: str) -> Answer:
    failure = Failure(reason, text, metadata)
    return Answer(REQUEST_ID, (), failure.code, text, status_metadata(failure, request_id))


def ended(code: grpc.StatusCode | None) -> Answer:
    return Answer(REQUEST_ID, (), code, "", ())


def wrong(asked: Message, answer: Answer) -> list[str]:
    return list(complaints(asked, answer, Counter()))


def reserved(*tags: str) -> list[Operation]:
    return [Operation(tag=tag, reserve=REQUEST) for tag in tags]


BATCH = message(BatchRequest(operations=reserved("a", "b")), name="Batch")
FRAMES = message(StreamRequest(batch_id=2), StreamRequest(batch_id=1), name="Stream")
HEALTH = Message(0, METHODS["/grpc.health.v1.Health/Check"], b"", is_request=True)
HUGE = Message(0, RESERVE, bytes(REQUEST_BYTES_MAX + 1), is_request=False)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        pytest.param(message(), answered(ALLOWED), id="a request that is answered"),
        pytest.param(message(), refused("INVALID_FIELD"), id="a request that is refused"),
        pytest.param(message(), refused("OVERLOADED"), id="a server that has too much to do"),
        pytest.param(no_request(), refused("MALFORMED_REQUEST"), id="bytes that are refused"),
        pytest.param(HUGE, ended(grpc.StatusCode.RESOURCE_EXHAUSTED), id="too much"),
        pytest.param(HEALTH, ended(grpc.StatusCode.NOT_FOUND), id="gRPC's own methods have codes alone"),
        pytest.param(BATCH, answered(BatchResponse(results=[Result(tag="a"), Result(tag="b")])), id="a batch"),
        pytest.param(FRAMES, answered(StreamResponse(batch_id=2), StreamResponse(batch_id=1)), id="two frames"),
        pytest.param(
            message(ReserveRequest(account_id="acme", reservation_id=NUMBER)),
            refused("ID_REUSED", reservation_id=NUMBER),
            id="a number that is an id",
        ),
    ],
)
def test_what_is_documented_is_right(asked: Message, answer: Answer) -> None:
    assert wrong(asked, answer) == []


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        pytest.param(message(), ended(None), id="none"),
        pytest.param(message(), ended(grpc.StatusCode.DEADLINE_EXCEEDED), id="too late"),
        pytest.param(message(), ended(grpc.StatusCode.UNKNOWN), id="unknown"),
        pytest.param(message(), ended(grpc.StatusCode.NOT_FOUND), id="no details"),
        pytest.param(message(), refused("INTERNAL"), id="a defect"),
        pytest.param(message(), refused("STORE_UNREACHABLE"), id="a store that is well"),
        pytest.param(message(), refused("INVALID_FIELD", ""), id="no words"),
        pytest.param(message(), refused("INVALID_FIELD", request_id="another"), id="another call's"),
        pytest.param(message(), refused("MALFORMED_REQUEST"), id="a request that is taken for none"),
        pytest.param(no_request(), refused("INVALID_FIELD"), id="bytes that are taken for a request"),
        pytest.param(no_request(), answered(ALLOWED), id="bytes that are accepted"),
        pytest.param(message(), Answer(REQUEST_ID, (b"\xff",), grpc.StatusCode.OK, "", ()), id="no answer of its type"),
        pytest.param(message(), refused("INVALID_FIELD", f"not {BODY}"), id="a body in the words"),
        pytest.param(message(), refused("INVALID_FIELD", field=NUMBER), id="a number in the metadata"),
        pytest.param(message(), refused("INVALID_FIELD", field=TOKEN), id="a token in the metadata"),
        pytest.param(HUGE, answered(ALLOWED), id="too much that is accepted"),
        pytest.param(HEALTH, ended(grpc.StatusCode.INTERNAL), id="a defect in a method of gRPC"),
        pytest.param(BATCH, answered(BatchResponse(results=[Result(tag="a")])), id="an operation without a result"),
        pytest.param(FRAMES, answered(StreamResponse(batch_id=2)), id="a frame without an answer"),
        pytest.param(
            BATCH,
            answered(BatchResponse(results=[Result(tag="a"), Result(tag="b", error=DEFECT)])),
            id="a defect in a batch",
        ),
        pytest.param(
            FRAMES,
            answered(StreamResponse(batch_id=1), StreamResponse(error=TELLING)),
            id="a remark in a frame's error",
        ),
    ],
)
def test_what_is_not_is_wrong(asked: Message, answer: Answer) -> None:
    assert wrong(asked, answer)


def test_only_what_was_granted_anew_admits_an_effect() -> None:
    effect = Effect("reserved", "acme", "r")

    assert list(accepted(message(), answered(ALLOWED))) == [effect]
    assert not [*accepted(message(), answered(DENIED)), *accepted(message(), answered(REPLAYED))]
    assert not list(accepted(message(), refused("ID_REUSED")))


def test_an_atomic_batch_of_which_one_failed_admits_none() -> None:
    results = [Result(tag="a", reserve=ALLOWED), Result(tag="b", error=NOT_DONE)]

    def admitted(*, atomic: bool) -> list[Effect]:
        request = BatchRequest(operations=reserved("a", "b"), atomic=atomic)
        return list(accepted(message(request, name="Batch"), answered(BatchResponse(results=results))))

    assert admitted(atomic=False) == [Effect("reserved", "acme", "r")]
    assert admitted(atomic=True) == []


def test_the_effects_of_frames_are_told_by_their_numbers() -> None:
    release = ReleaseRequest(account_id="acme", reservation_id="s")
    first = StreamRequest(batch_id=1, operations=[Operation(release=release)])
    second = StreamRequest(batch_id=2, operations=reserved(""))
    answers = answered(
        StreamResponse(batch_id=2, results=[Result(reserve=ALLOWED)]),
        StreamResponse(batch_id=1, results=[Result(error=NOT_DONE)]),
    )

    admitted = list(accepted(message(second, first, name="Stream"), answers))

    assert admitted == [Effect("reserved", "acme", "r")]


@pytest.mark.parametrize(
    "fields",
    [
        {"level": "error", "event": "call_failed"},
        {"level": "info", "event": "call_failed", "exception_type": "ValueError"},
        {"level": "info", "event": "denied", "reason": REMARK},
        {"level": "warning", "event": "slow_call", "recipient": NUMBER},
    ],
)
def test_a_line_of_the_log_that_must_not_be_is_found(fields: dict[str, str]) -> None:
    with pytest.raises(Fault):
        check_log(f"Creditgate serves\n{json.dumps(fields)}\n")


def test_a_line_of_the_log_may_name_an_id_whatever_that_is() -> None:
    check_log(json.dumps({"level": "info", "event": "call_failed", "reservation_id": NUMBER}))

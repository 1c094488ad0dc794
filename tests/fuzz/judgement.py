"""What is wrong with an answer, whatever was asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from tests.fuzz import canaries
from tests.fuzz.messages import REQUEST_BYTES_MAX, Message
from tests.fuzz.sending import Answer

from creditgate.v1 import authorization_pb2
from creditgate_server.rpc.errors import CODES, DOMAIN

NEVER: Final = frozenset({"INTERNAL", "DEADLINE_EXCEEDED", "OUTCOME_UNKNOWN", "SHUTTING_DOWN"}) | {
    reason for reason in CODES if reason.startswith("STORE_")
}
"""Reasons that no message may be refused with while the store is well."""

_STANDARD_CODES: Final = frozenset(
    {
        grpc.StatusCode.OK,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
_CODE_BY_NUMBER: Final = {code.value[0]: code for code in grpc.StatusCode}


def complaints(message: Message, answer: Answer, met: Counter[str]) -> Iterator[str]:
    """Say what is wrong with the answer to a message; `met` counts what was answered, by reason or code."""
    if answer.code is None or answer.code is grpc.StatusCode.DEADLINE_EXCEEDED:
        yield "no answer in time"
        return
    too_large = any(len(frame) > REQUEST_BYTES_MAX for frame in (*message.before, message.data))
    info = error_info(answer)
    met[info.reason or answer.code.name] += 1
    if too_large:
        if answer.code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            yield f"a message that is too large was answered {answer.code.name}"
    elif message.method.is_ours:
        yield from _of_code(message, answer, info)
    elif answer.code not in _STANDARD_CODES:
        yield f"{answer.code.name}: {answer.details}"
    for data in answer.messages:
        try:
            response = message.method.read_response(data)
        except DecodeError:
            yield "the answer cannot be decoded"
            continue
        if message.method.name in {"Batch", "Stream"}:
            yield from _of_results(response, answer, met)
    yield from _of_number(message, answer)
    if canaries.seen_in(answer.words) and not _may_be_named(message):
        yield "the error repeats what it must not"


def error_info(answer: Answer) -> error_details_pb2.ErrorInfo:
    """Read the `ErrorInfo` of an answer; empty where it has none."""
    info = error_details_pb2.ErrorInfo()
    for key, value in answer.trailers:
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(bytes(value)).details:  # type: ignore[arg-type]
                detail.Unpack(info)
    return info


def _of_code(message: Message, answer: Answer, info: error_details_pb2.ErrorInfo) -> Iterator[str]:
    if answer.code is grpc.StatusCode.OK:
        if not message.is_request:
            yield "bytes that are no request were accepted"
        return
    if info.domain != DOMAIN or CODES.get(info.reason) is not answer.code or info.reason in NEVER:
        yield f"{answer.code} {info.domain}/{info.reason}: {answer.details}"
    if (info.reason == "MALFORMED_REQUEST") == message.is_request:
        yield f"{info.reason}, although the bytes are {'a' if message.is_request else 'no'} request"
    if not answer.details or not answer.details.isprintable():
        yield f"no message to read: {answer.details!r}"
    told = {value for key, value in answer.trailers if key == "x-request-id"} | {info.metadata["request_id"]}
    if told != {answer.request_id}:
        yield f"the request id is {told}"


def _of_results(response: Any, answer: Answer, met: Counter[str]) -> Iterator[str]:  # noqa: ANN401 (Batch's and Stream's)
    errors = [result.error for result in response.results if result.HasField("error")]
    if isinstance(response, authorization_pb2.StreamResponse) and response.HasField("error"):
        errors.append(response.error)
    for error in errors:
        met[error.reason] += 1
        if CODES.get(error.reason) is not _CODE_BY_NUMBER.get(error.code) or error.reason in NEVER:
            yield f"an operation failed with {error.code} {error.reason}: {error.message}"
        if error.metadata["request_id"] != answer.request_id:
            yield f"the request id of an operation is {error.metadata['request_id']}"
        if canaries.seen_in(error.message.encode()):
            yield "the error of an operation repeats what it must not"


def _of_number(message: Message, answer: Answer) -> Iterator[str]:
    """Say whether answers are missing: one for each operation, and for each frame that can be read."""
    if answer.code is not grpc.StatusCode.OK and not message.method.streams_requests:
        return
    if message.method.name == "Stream":
        readable = [frame for frame in (*message.before, message.data) if message.method.can_decode(frame)]
        if len(answer.messages) != len(readable) and max(map(len, readable), default=0) <= REQUEST_BYTES_MAX:
            yield f"{len(readable)} frames were answered {len(answer.messages)} times"
    elif message.method.name == "Batch":
        asked = message.method.read_request(message.data)
        response = authorization_pb2.BatchResponse.FromString(answer.messages[0])
        if [operation.tag for operation in asked.operations] != [result.tag for result in response.results]:
            yield "the results are not those of the operations"


def _may_be_named(message: Message) -> bool:
    return message.is_request and canaries.is_echoed(message.method.read_request(message.data))

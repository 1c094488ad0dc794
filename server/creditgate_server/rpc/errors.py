"""The one place where failures become gRPC errors: code, reason, metadata and details, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from creditgate.v1 import error_reason_pb2
from creditgate_server.engine.errors import InvalidField, OperationError
from creditgate_server.engine.failures import ids_of
from creditgate_server.rpc.parse.checks import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

DOMAIN: Final = "creditgate"

REQUEST_ID_KEY: Final = "x-request-id"
"""Metadata by which a caller names a call, and learns the name of one that failed or was denied."""

STATUS_KEY: Final = "grpc-status-details-bin"
"""Trailing metadata in which gRPC carries a `google.rpc.Status`."""

CODES: Final[Mapping[str, grpc.StatusCode]] = {
    "MALFORMED_REQUEST": grpc.StatusCode.INVALID_ARGUMENT,
    "INVALID_FIELD": grpc.StatusCode.INVALID_ARGUMENT,
    "ACCOUNT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "PARENT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "RESERVATION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "RATE_CARD_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "ACCOUNT_ALREADY_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "ID_REUSED": grpc.StatusCode.ALREADY_EXISTS,
    "HOLD_ALREADY_RELEASED": grpc.StatusCode.FAILED_PRECONDITION,
    "HOLD_ALREADY_COMMITTED": grpc.StatusCode.FAILED_PRECONDITION,
    "HOLD_EXPIRED": grpc.StatusCode.FAILED_PRECONDITION,
    "TOO_MANY_GRANTS": grpc.StatusCode.FAILED_PRECONDITION,
    "BALANCE_OVERFLOW": grpc.StatusCode.FAILED_PRECONDITION,
    "OVERLOADED": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_UNREACHABLE": grpc.StatusCode.UNAVAILABLE,
    "OUTCOME_UNKNOWN": grpc.StatusCode.UNAVAILABLE,
    "STORE_READ_ONLY": grpc.StatusCode.UNAVAILABLE,
    "STORE_FULL": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "STORE_MISCONFIGURED": grpc.StatusCode.UNAVAILABLE,
    "DEADLINE_EXCEEDED": grpc.StatusCode.DEADLINE_EXCEEDED,
    "INTERNAL": grpc.StatusCode.INTERNAL,
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
    "CHARGE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "HOLD_STILL_OPEN": grpc.StatusCode.FAILED_PRECONDITION,
    "REFUND_EXCEEDS_CAPTURED": grpc.StatusCode.FAILED_PRECONDITION,
    "OVERAGE_REJECTED": grpc.StatusCode.FAILED_PRECONDITION,
    "ID_TOO_OLD": grpc.StatusCode.FAILED_PRECONDITION,
    "GRANT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "GRANT_ALREADY_REVOKED": grpc.StatusCode.FAILED_PRECONDITION,
    "INSUFFICIENT_CREDITS": grpc.StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_CLOSED": grpc.StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_NOT_EMPTY": grpc.StatusCode.FAILED_PRECONDITION,
    "ACCOUNT_NOT_SELF_FUNDED": grpc.StatusCode.FAILED_PRECONDITION,
    "BATCH_NOT_APPLIED": grpc.StatusCode.ABORTED,
}
"""The code of every reason of `error_reason.proto`; a test holds the two together."""

RETRY_DELAYS_MS: Final[Mapping[str, int]] = {
    "OVERLOADED": 100,
    "STORE_UNREACHABLE": 250,
    "OUTCOME_UNKNOWN": 250,
    "STORE_READ_ONLY": 1000,
    "SHUTTING_DOWN": 250,
}
"""When asking again makes sense: a queue empties in less, a store that died is back in about as much."""


class MalformedRequest(Exception):
    """The bytes are no message of the method's type; `message_type` is its full name."""

    def __init__(self, message_type: str) -> None:
        super().__init__(message_type)
        self.message_type = message_type


class ShuttingDown(Exception):
    """The server takes no more calls; the operation was not begun."""


class DeadlineExceeded(Exception):
    """The call's deadline came before the answer; the operation may have taken effect."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call as its caller sees it: without exception texts, secrets or bodies."""

    reason: str
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC status code of the reason."""
        return CODES[self.reason]


def failure_of(error: Exception, operation: object) -> Failure:
    """Say what an exception means to the caller. `operation` is None where the request could not be read.

    The metadata carries the operation's ids, by which its caller may ask again.
    """
    ids = ids_of(operation)
    match error:
        case OperationError():
            violations = ((error.field, error.message),) if isinstance(error, InvalidField) else ()
            return Failure(error.reason, error.message, ids | error.metadata, violations)
        case InvalidRequest():
            (field_name, rule), *others = error.violations
            message = f"{field_name} {rule}" + (f" (and {len(others)} more)" if others else "")
            return Failure("INVALID_FIELD", message, {"field": field_name}, error.violations)
        case MalformedRequest():
            message = f"the request is no {error.message_type}: its bytes cannot be decoded, or a text is not UTF-8"
            return Failure("MALFORMED_REQUEST", message, {"message_type": error.message_type})
        case ShuttingDown():
            message = "this server is shutting down; what it has not answered was not begun, ask again with the same id"
            return Failure("SHUTTING_DOWN", message, ids)
        case DeadlineExceeded():
            message = "the deadline passed first: it may have been done or not; ask again with the same id"
            return Failure("DEADLINE_EXCEEDED", message, ids)
        case _:
            message = "a defect of the server, whose log has the cause; asking again with the same id is safe"
            return Failure("INTERNAL", message, ids)


def status_metadata(failure: Failure, request_id: str) -> tuple[tuple[str, str], tuple[str, bytes]]:
    """Give the trailing metadata of a failed call."""
    return (REQUEST_ID_KEY, request_id), (STATUS_KEY, status_of(failure, request_id))


def status_of(failure: Failure, request_id: str) -> bytes:
    """Encode the `google.rpc.Status` of a failure: ErrorInfo always, BadRequest and RetryInfo where they apply."""
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=failure.reason, domain=DOMAIN, metadata={**failure.metadata, "request_id": request_id}
        )
    ]
    if failure.violations:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    error_details_pb2.BadRequest.FieldViolation(field=field_name, description=rule)
                    for field_name, rule in failure.violations
                ]
            )
        )
    delay = _retry_delay(failure)
    if delay is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=failure.code.value[0], message=failure.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    encoded: bytes = status.SerializeToString()
    return encoded


def error_of(failure: Failure, request_id: str) -> error_reason_pb2.Error:
    """Give the failure of an operation of a batch, or of a frame. It has no details: the message names all fields."""
    message = failure.message
    if failure.violations:
        message = "; ".join(f"{field_name} {rule}" for field_name, rule in failure.violations)
    return error_reason_pb2.Error(
        code=failure.code.value[0],
        reason=failure.reason,
        message=message,
        metadata={**failure.metadata, "request_id": request_id},
        retry_delay=_retry_delay(failure),
    )


def _retry_delay(failure: Failure) -> Duration | None:
    if failure.reason not in RETRY_DELAYS_MS:
        return None
    delay = Duration()
    delay.FromMilliseconds(RETRY_DELAYS_MS[failure.reason])
    return delay

"""Maps what failed to the errors of `creditgate.errors`: the only place that reads a status or an `Error`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from creditgate import errors
from creditgate.v1.error_reason_pb2 import Error

DOMAIN: Final = "creditgate"
"""The `ErrorInfo.domain` of errors that a Creditgate server made."""

_DETAILS_KEY: Final = "grpc-status-details-bin"
"""Trailing metadata in which gRPC carries a `google.rpc.Status` with all its details."""

CLASS_BY_REASON: Final[Mapping[str, type[errors.CallFailed]]] = {
    "MALFORMED_REQUEST": errors.InvalidRequest,
    "INVALID_FIELD": errors.InvalidRequest,
    "ACCOUNT_NOT_FOUND": errors.AccountNotFound,
    "PARENT_NOT_FOUND": errors.ParentNotFound,
    "RESERVATION_NOT_FOUND": errors.ReservationNotFound,
    "RATE_CARD_NOT_FOUND": errors.RateCardNotFound,
    "ACCOUNT_ALREADY_EXISTS": errors.AccountAlreadyExists,
    "ID_REUSED": errors.IdReused,
    "HOLD_ALREADY_RELEASED": errors.HoldAlreadyReleased,
    "HOLD_ALREADY_COMMITTED": errors.HoldAlreadyCommitted,
    "HOLD_EXPIRED": errors.HoldExpired,
    "TOO_MANY_GRANTS": errors.TooManyGrants,
    "BALANCE_OVERFLOW": errors.BalanceOverflow,
    "OVERLOADED": errors.Overloaded,
    "STORE_UNREACHABLE": errors.Unavailable,
    "OUTCOME_UNKNOWN": errors.OutcomeUnknown,
    "STORE_READ_ONLY": errors.Unavailable,
    "STORE_FULL": errors.StoreFull,
    "STORE_MISCONFIGURED": errors.StoreMisconfigured,
    "DEADLINE_EXCEEDED": errors.DeadlineExceeded,
    "INTERNAL": errors.InternalError,
    "SHUTTING_DOWN": errors.Unavailable,
    "CHARGE_NOT_FOUND": errors.ChargeNotFound,
    "HOLD_STILL_OPEN": errors.HoldStillOpen,
    "REFUND_EXCEEDS_CAPTURED": errors.RefundExceedsCaptured,
    "OVERAGE_REJECTED": errors.OverageRejected,
    "ID_TOO_OLD": errors.IdTooOld,
    "GRANT_NOT_FOUND": errors.GrantNotFound,
    "GRANT_ALREADY_REVOKED": errors.GrantAlreadyRevoked,
    "INSUFFICIENT_CREDITS": errors.TransferNotCovered,
    "ACCOUNT_CLOSED": errors.AccountClosedForGood,
    "ACCOUNT_NOT_EMPTY": errors.AccountNotEmpty,
    "ACCOUNT_NOT_SELF_FUNDED": errors.AccountNotSelfFunded,
    "BATCH_NOT_APPLIED": errors.BatchNotApplied,
}
"""The class of every reason in `error_reason.proto`."""

# What a newer server's reason, or a status without one, still tells.
_CLASS_BY_CODE: Final[Mapping[grpc.StatusCode, type[errors.CallFailed]]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.UNAVAILABLE: errors.OutcomeUnknown,
    grpc.StatusCode.CANCELLED: errors.OutcomeUnknown,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
    grpc.StatusCode.INTERNAL: errors.InternalError,
}

_CODE_BY_NUMBER: Final[Mapping[int, grpc.StatusCode]] = {code.value[0]: code for code in grpc.StatusCode}

# How gRPC begins to tell that a call never left. Any other loss of a connection leaves the outcome open, and so does
# one that a later version of gRPC tells in other words.
_NEVER_SENT: Final = (
    "failed to connect to all addresses",
    "connections to all backends failing",
    "errors resolving",
    "DNS resolution failed",
)


_UNHEALTHY: Final = "backend unhealthy"
"""How gRPC ends to tell that servers are there, of which none says that it serves."""


def failure_of(error: grpc.RpcError, target: str, request_id: str) -> errors.CallFailed:
    """Return the error that `error`, of a call to `target`, stands for."""
    code = error.code()
    details = error.details() or ""
    info, bad_request, retry = ErrorInfo(), BadRequest(), RetryInfo()
    _unpack(error, info, bad_request, retry)
    if info.domain == DOMAIN:
        kind = CLASS_BY_REASON.get(info.reason) or _CLASS_BY_CODE.get(code, errors.CallFailed)
        message = details
    else:
        kind, message = _without_reason(code, details, target)
    failure = kind(
        message,
        code=code.name,
        reason=info.reason if info.domain == DOMAIN else "",
        metadata={"request_id": request_id, **info.metadata},
        retry_delay_s=retry.retry_delay.ToTimedelta().total_seconds(),
    )
    if isinstance(failure, errors.InvalidRequest):
        failure.violations = tuple(
            errors.Violation(violation.field, violation.description) for violation in bad_request.field_violations
        )
    failure.__cause__ = error
    return failure


def failure_of_operation(error: Error) -> errors.CallFailed:
    """Return the error that one operation of a batch failed with."""
    code = _CODE_BY_NUMBER.get(error.code, grpc.StatusCode.UNKNOWN)
    kind = CLASS_BY_REASON.get(error.reason) or _CLASS_BY_CODE.get(code, errors.CallFailed)
    failure = kind(
        error.message,
        code=code.name,
        reason=error.reason,
        metadata=error.metadata,
        retry_delay_s=error.retry_delay.ToTimedelta().total_seconds(),
    )
    field = error.metadata.get("field")
    if isinstance(failure, errors.InvalidRequest) and field:
        failure.violations = (errors.Violation(field, error.message.removeprefix(f"{field} ")),)
    return failure


def _unpack(error: grpc.RpcError, *wanted: Message) -> None:
    """Fill the messages in `wanted` that the error's details contain."""
    status = Status()
    trailing_metadata = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
    for key, value in trailing_metadata:
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                # Details that some proxy has garbled must not hide the error itself.
                return
    for detail in status.details:
        for message in wanted:
            detail.Unpack(message)  # does nothing to a message of another type


def _last_of(details: str) -> str:
    """Return what gRPC names last of a chain of reasons: `Connection refused`."""
    return details.rpartition(": ")[2].strip("[]")


def _without_reason(code: grpc.StatusCode, details: str, target: str) -> tuple[type[errors.CallFailed], str]:
    """Return class and message of a status that gRPC itself, a proxy, or another kind of server has made."""
    match code:
        case grpc.StatusCode.UNAVAILABLE if details.startswith(_NEVER_SENT) and details.endswith(_UNHEALTHY):
            return errors.Unavailable, f"no server at {target} serves now: their store is away, or they are stopping"
        case grpc.StatusCode.UNAVAILABLE if details.startswith(_NEVER_SENT):
            return errors.Unavailable, (
                f"no Creditgate server at {target}: start one with `creditgate serve`, or set CREDITGATE_TARGET"
                f" ({_last_of(details)})"
            )
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED:
            message = f"the connection to {target} was lost before an answer came: {details}"
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            message = f"no answer from {target} in time"
        case grpc.StatusCode.UNIMPLEMENTED:
            message = f"the server at {target} is older than this client library, or no Creditgate server: {details}"
        case _:
            message = f"{target} answered {code.name}: {details}"
    return _CLASS_BY_CODE.get(code, errors.CallFailed), message

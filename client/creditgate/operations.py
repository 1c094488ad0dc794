"""Operations for `Client.batch`, each made by the function that bears its name.

>>> from creditgate import answers, operations
>>> messages = [("message-1", "Your table is ready"), ("message-2", "Your code: 7")]
>>> held = client.batch([operations.reserve("acme/field", reservation_id=id, body=text) for id, text in messages])
>>> to_send = [each for each in held if isinstance(each, answers.Reserved) and each.allowed]
>>> done = client.batch([operations.commit("acme/field", each.reservation_id) for each in to_send])
>>> [each.credits for each in done]
[1, 1]

Arguments, answers and errors are those of the client's methods of the same names. A value that no request can carry is
refused when its operation is made. `creditgate.Client.batch` tells what becomes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar, Unpack

from creditgate import _requests, _responses, answers
from creditgate.fields import Traffic, UsageFields
from creditgate.terms import ExpiryAction
from creditgate.v1 import authorization_pb2

AnswerT_co = TypeVar("AnswerT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Operation(Generic[AnswerT_co]):
    """One operation of a batch, and what reads its answer.

    `id` is what makes repeating it safe: that of the reservation, charge or refund; empty for a quote.
    """

    account_id: str
    id: str
    message: authorization_pb2.Operation = field(repr=False)
    read: Callable[[authorization_pb2.Result], AnswerT_co] = field(repr=False, compare=False)


def quote(account_id: str, **usage: Unpack[UsageFields]) -> Operation[answers.Quoted]:
    """See `creditgate.Client.quote`. Not in an atomic batch."""
    message = authorization_pb2.Operation(quote=_requests.quote(account_id, usage))
    return Operation(account_id, "", message, lambda result: _responses.quoted(result.quote))


def reserve(
    account_id: str,
    *,
    reservation_id: str | None = None,
    ttl: timedelta | float | None = None,
    allow_partial: bool = False,
    expiry_action: ExpiryAction = ExpiryAction.RELEASE,
    **usage: Unpack[UsageFields],
) -> Operation[answers.Reserved]:
    """See `creditgate.Client.reserve`."""
    request = _requests.reserve(
        account_id,
        usage,
        reservation_id=reservation_id,
        ttl=ttl,
        allow_partial=allow_partial,
        expiry_action=expiry_action,
    )
    message = authorization_pb2.Operation(reserve=request)
    return Operation(account_id, request.reservation_id, message, lambda result: _responses.reserved(result.reserve))


def commit(  # noqa: PLR0913 -- two by position
    account_id: str,
    reservation_id: str,
    *,
    credits: int | None = None,  # noqa: A002 -- the interface's word
    keep_open: bool = False,
    commit_id: str | None = None,
    labels: Mapping[str, str] | None = None,
    **usage: Unpack[Traffic],
) -> Operation[answers.Committed]:
    """See `creditgate.Client.commit`."""
    request = _requests.commit(
        account_id,
        reservation_id,
        usage,
        credits_used=credits,
        keep_open=keep_open,
        commit_id=commit_id,
        labels=labels,
    )
    message = authorization_pb2.Operation(commit=request)
    return Operation(account_id, reservation_id, message, lambda result: _responses.committed(result.commit))


def release(account_id: str, reservation_id: str, reason: str = "") -> Operation[answers.Released]:
    """See `creditgate.Client.release`."""
    message = authorization_pb2.Operation(release=_requests.release(account_id, reservation_id, reason))
    return Operation(account_id, reservation_id, message, lambda result: _responses.released(result.release))


def extend(account_id: str, reservation_id: str, ttl: timedelta | float) -> Operation[answers.Extended]:
    """See `creditgate.Client.extend`."""
    message = authorization_pb2.Operation(extend=_requests.extend(account_id, reservation_id, ttl))
    return Operation(account_id, reservation_id, message, lambda result: _responses.extended(result.extend))


def charge(
    account_id: str,
    *,
    charge_id: str | None = None,
    event_time: datetime | None = None,
    **usage: Unpack[UsageFields],
) -> Operation[answers.Charged]:
    """See `creditgate.Client.charge`."""
    request = _requests.charge(account_id, usage, charge_id=charge_id, event_time=event_time)
    message = authorization_pb2.Operation(charge=request)
    return Operation(account_id, request.charge_id, message, lambda result: _responses.charged(result.charge))


def refund(
    account_id: str,
    *,
    reservation_id: str | None = None,
    charge_id: str | None = None,
    credits: int | None = None,  # noqa: A002 -- the interface's word
    refund_id: str | None = None,
) -> Operation[answers.Refunded]:
    """See `creditgate.Client.refund`."""
    request = _requests.refund(
        account_id,
        reservation_id=reservation_id,
        charge_id=charge_id,
        credits_refunded=credits,
        refund_id=refund_id,
    )
    message = authorization_pb2.Operation(refund=request)
    return Operation(account_id, request.refund_id, message, lambda result: _responses.refunded(result.refund))

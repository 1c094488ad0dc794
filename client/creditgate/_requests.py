"""Builds the requests about authorizations from what callers say; pure, and shared by both clients.

The server judges. Refused here is only what a message cannot carry, or carries as something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from creditgate import _messages
from creditgate.fields import Traffic, UsageFields
from creditgate.pricing import Channel
from creditgate.terms import ExpiryAction
from creditgate.v1 import authorization_pb2, explain_pb2, refund_pb2, usage_pb2

RECIPIENTS_MAX: Final = 1_000_000
"""Most recipients of one usage."""

SIZES: Final = ("body", "segments", "characters", "seconds", "units", "credits")
"""The measures of a usage, of which it has exactly one."""


def quote(account_id: str, fields: UsageFields) -> authorization_pb2.QuoteRequest:
    """Build a request of `AuthorizationService.Quote`."""
    return _messages.made(authorization_pb2.QuoteRequest, account_id=account_id, usage=usage(fields))


def reserve(  # noqa: PLR0913 -- two by position
    account_id: str,
    fields: UsageFields,
    *,
    reservation_id: str | None,
    ttl: timedelta | float | None,
    allow_partial: bool,
    expiry_action: ExpiryAction,
) -> authorization_pb2.ReserveRequest:
    """Build a request of `AuthorizationService.Reserve`; it always has an id, so that it can be repeated."""
    return _messages.made(
        authorization_pb2.ReserveRequest,
        account_id=account_id,
        reservation_id=_messages.new_id() if reservation_id is None else reservation_id,
        usage=usage(fields),
        ttl=_messages.duration(ttl),
        allow_partial=allow_partial,
        expiry_action=expiry_action,
    )


def commit(  # noqa: PLR0913 -- three by position
    account_id: str,
    reservation_id: str,
    fields: Traffic,
    *,
    credits_used: int | None,
    keep_open: bool,
    commit_id: str | None,
    labels: Mapping[str, str] | None,
) -> authorization_pb2.CommitRequest:
    """Build a request of `AuthorizationService.Commit`. Without fields and credits it captures all that is held.

    One that keeps the hold open always has an id, so that it can be repeated.
    """
    if fields and credits_used is not None:
        raise TypeError("a commit states either the usage or the credits, not both")
    _check_recipients(fields, "; to give all of a hold back, release it")
    return _messages.made(
        authorization_pb2.CommitRequest,
        account_id=account_id,
        reservation_id=reservation_id,
        usage=usage(fields) if fields else None,
        credits=credits_used,
        keep_open=keep_open,
        commit_id=_messages.new_id() if keep_open and commit_id is None else commit_id,
        labels=labels,
    )


def release(account_id: str, reservation_id: str, reason: str) -> authorization_pb2.ReleaseRequest:
    """Build a request of `AuthorizationService.Release`."""
    return _messages.made(
        authorization_pb2.ReleaseRequest, account_id=account_id, reservation_id=reservation_id, reason=reason
    )


def extend(account_id: str, reservation_id: str, ttl: timedelta | float) -> authorization_pb2.ExtendRequest:
    """Build a request of `AuthorizationService.Extend`."""
    return _messages.made(
        authorization_pb2.ExtendRequest,
        account_id=account_id,
        reservation_id=reservation_id,
        ttl=_messages.duration(ttl),
    )


def charge(
    account_id: str, fields: UsageFields, *, charge_id: str | None, event_time: datetime | None
) -> authorization_pb2.ChargeRequest:
    """Build a request of `AuthorizationService.Charge`."""
    return _messages.made(
        authorization_pb2.ChargeRequest,
        account_id=account_id,
        charge_id=_messages.new_id() if charge_id is None else charge_id,
        usage=usage(fields),
        event_time=_messages.timestamp("event_time", event_time),
    )


def refund(
    account_id: str,
    *,
    reservation_id: str | None,
    charge_id: str | None,
    credits_refunded: int | None,
    refund_id: str | None,
) -> refund_pb2.RefundRequest:
    """Build a request of `AuthorizationService.Refund`; it always has an id, so that it can be repeated."""
    if (reservation_id is None) == (charge_id is None):
        raise TypeError("a refund is of either a reservation or a charge: state one of them")
    return _messages.made(
        refund_pb2.RefundRequest,
        account_id=account_id,
        refund_id=_messages.new_id() if refund_id is None else refund_id,
        reservation_id=reservation_id,
        charge_id=charge_id,
        credits=credits_refunded,
    )


def explain(account_id: str, fields: UsageFields, *, reservation_id: str | None) -> explain_pb2.ExplainRequest:
    """Build a request of `AuthorizationService.Explain`."""
    if fields and reservation_id is not None:
        raise TypeError("what is explained is either a usage or a reservation, not both")
    return _messages.made(
        explain_pb2.ExplainRequest,
        account_id=account_id,
        usage=usage(fields) if fields else None,
        reservation_id=reservation_id,
    )


def get_reservation(account_id: str, reservation_id: str) -> authorization_pb2.GetReservationRequest:
    """Build a request of `AuthorizationService.GetReservation`."""
    return _messages.made(authorization_pb2.GetReservationRequest, account_id=account_id, reservation_id=reservation_id)


def list_reservations(
    account_id: str, *, include_descendants: bool, page_size: int
) -> authorization_pb2.ListReservationsRequest:
    """Build a request of `AuthorizationService.ListReservations`."""
    return _messages.made(
        authorization_pb2.ListReservationsRequest,
        account_id=account_id,
        include_descendants=include_descendants,
        page_size=page_size,
    )


def usage(fields: Traffic) -> usage_pb2.Usage:
    """Build a usage. A text, or its segments, is an SMS unless the caller says otherwise."""
    _messages.check_names(fields, UsageFields.__optional_keys__)
    _check_recipients(fields)
    sizes = [name for name in SIZES if fields.get(name) is not None]
    if len(sizes) > 1:
        # A message would silently keep the last of them.
        raise TypeError(f"a usage has one size, not {' and '.join(sizes)}")
    is_text = sizes in (["body"], ["segments"])
    return _messages.made(usage_pb2.Usage, "usage.", **{"channel": Channel.SMS if is_text else None, **fields})


def _check_recipients(fields: Traffic, hint: str = "") -> None:
    """Refuse a number of recipients out of bounds. A message would carry 0 as if nothing had been said."""
    recipient_count = fields.get("recipient_count")
    if recipient_count is not None and not 1 <= recipient_count <= RECIPIENTS_MAX:
        raise _messages.invalid("usage.recipient_count", f"must be 1 to {RECIPIENTS_MAX:,}{hint}")

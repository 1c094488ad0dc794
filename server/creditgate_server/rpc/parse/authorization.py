"""Requests of `AuthorizationService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.pricing.usage import OPERATION_CREDITS_MAX
from creditgate_server.credit.operations import (
    Charge,
    Commit,
    Explain,
    Extend,
    Quote,
    Refund,
    Release,
    Reserve,
)
from creditgate_server.credit.terms import ExpiryAction
from creditgate_server.rpc.ids import new_reservation_id
from creditgate_server.rpc.parse.checks import NANOSECONDS_MAX, Checks
from creditgate_server.rpc.parse.usage import parse_actual, parse_traffic
from creditgate_server.rpc.queries import GetReservation, ListReservations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.duration_pb2 import Duration

    from creditgate.v1 import authorization_pb2 as pb
    from creditgate.v1 import explain_pb2, refund_pb2

TTL_MS: Final = 60_000
"""How long a hold lasts when the caller does not say."""

TTL_MS_MIN: Final = 1000
TTL_MS_MAX: Final = 7 * 24 * 60 * 60 * 1000

REASON_CHARACTERS_MAX: Final = 128

_EXPIRY_ACTIONS: Final[Mapping[int, ExpiryAction]] = {int(term): term for term in ExpiryAction}


def parse_quote(request: pb.QuoteRequest) -> Quote:
    """Read a quote."""
    checks = Checks()
    quote = Quote(checks.account_id("account_id", request.account_id), parse_traffic(request.usage, checks))
    checks.finish()
    return quote


def parse_reserve(request: pb.ReserveRequest) -> Reserve:
    """Read a reserve; one without an id gets one."""
    checks = Checks()
    reservation_id = request.reservation_id
    reserve = Reserve(
        account_id=checks.account_id("account_id", request.account_id),
        reservation_id=(
            checks.operation_id("reservation_id", reservation_id) if reservation_id else new_reservation_id()
        ),
        traffic=parse_traffic(request.usage, checks),
        ttl_ms=_parse_ttl_ms(request.ttl, checks) if request.HasField("ttl") else TTL_MS,
        allow_partial=request.allow_partial,
        expiry_action=checks.term("expiry_action", request.expiry_action, _EXPIRY_ACTIONS, ExpiryAction.RELEASE),
    )
    checks.finish()
    return reserve


def parse_commit(request: pb.CommitRequest) -> Commit:
    """Read a commit; neither usage nor credits means all that is held. One that keeps the hold open has its own id."""
    checks = Checks()
    usage = credits_ = None
    labels: Mapping[str, str] = request.labels
    if request.HasField("usage"):
        usage = parse_actual(request.usage, checks)
        labels = {**request.usage.labels, **labels}
    elif request.HasField("credits"):
        credits_ = checks.whole_number("credits", request.credits, 0, OPERATION_CREDITS_MAX)
    if request.keep_open:
        checks.operation_id("commit_id", request.commit_id)
    elif request.commit_id:
        checks.refuse("commit_id", "must be left out unless keep_open: a reservation has one final commit")
    commit = Commit(
        account_id=checks.account_id("account_id", request.account_id),
        reservation_id=checks.operation_id("reservation_id", request.reservation_id),
        usage=usage,
        credits=credits_,
        labels=checks.labels("labels", labels),
        keep_open=request.keep_open,
        commit_id=request.commit_id,
    )
    checks.finish()
    return commit


def parse_release(request: pb.ReleaseRequest) -> Release:
    """Read a release."""
    checks = Checks()
    release = Release(
        account_id=checks.account_id("account_id", request.account_id),
        reservation_id=checks.operation_id("reservation_id", request.reservation_id),
        reason=checks.text("reason", request.reason, REASON_CHARACTERS_MAX),
    )
    checks.finish()
    return release


def parse_extend(request: pb.ExtendRequest) -> Extend:
    """Read a request to hold for longer."""
    checks = Checks()
    if not request.HasField("ttl"):
        checks.refuse("ttl", "is required: 1 second to 7 days")
    extend = Extend(
        account_id=checks.account_id("account_id", request.account_id),
        reservation_id=checks.operation_id("reservation_id", request.reservation_id),
        ttl_ms=_parse_ttl_ms(request.ttl, checks) if request.HasField("ttl") else TTL_MS,
    )
    checks.finish()
    return extend


def parse_charge(request: pb.ChargeRequest) -> Charge:
    """Read a charge, which must state its direction: that chooses the lane."""
    checks = Checks()
    charge = Charge(
        account_id=checks.account_id("account_id", request.account_id),
        charge_id=checks.operation_id("charge_id", request.charge_id),
        traffic=parse_traffic(request.usage, checks, default_direction=None),
        # A time before 1970 is long ago, not unknown.
        event_ms=max(1, checks.time_ms("event_time", request.event_time)) if request.HasField("event_time") else 0,
    )
    checks.finish()
    return charge


def parse_refund(request: refund_pb2.RefundRequest) -> Refund:
    """Read a refund; no credits stated means all that is left to refund."""
    checks = Checks()
    target = request.WhichOneof("target")
    if target is None:
        checks.refuse("target", "is required: one of reservation_id, charge_id")
    refund = Refund(
        account_id=checks.account_id("account_id", request.account_id),
        refund_id=checks.operation_id("refund_id", request.refund_id),
        reservation_id=checks.operation_id(target, request.reservation_id) if target == "reservation_id" else "",
        charge_id=checks.operation_id(target, request.charge_id) if target == "charge_id" else "",
        credits=checks.whole_number("credits", request.credits, 1, OPERATION_CREDITS_MAX)
        if request.HasField("credits")
        else None,
    )
    checks.finish()
    return refund


def parse_explain(request: explain_pb2.ExplainRequest) -> Explain:
    """Read a request to explain a usage or a reservation."""
    checks = Checks()
    subject = request.WhichOneof("subject")
    if subject is None:
        checks.refuse("subject", "is required: one of usage, reservation_id")
    explain = Explain(
        account_id=checks.account_id("account_id", request.account_id),
        traffic=parse_traffic(request.usage, checks) if subject == "usage" else None,
        reservation_id=checks.operation_id(subject, request.reservation_id) if subject == "reservation_id" else "",
    )
    checks.finish()
    return explain


def parse_get_reservation(request: pb.GetReservationRequest) -> GetReservation:
    """Read a request for one reservation."""
    checks = Checks()
    query = GetReservation(
        account_id=checks.account_id("account_id", request.account_id),
        reservation_id=checks.operation_id("reservation_id", request.reservation_id),
    )
    checks.finish()
    return query


def parse_list_reservations(request: pb.ListReservationsRequest) -> ListReservations:
    """Read a request for a page of reservations."""
    checks = Checks()
    query = ListReservations(
        account_id=checks.account_id("account_id", request.account_id),
        include_descendants=request.include_descendants,
        page_size=checks.page_size("page_size", request.page_size),
        page_token=checks.page_token("page_token", request.page_token),
    )
    checks.finish()
    return query


def _parse_ttl_ms(ttl: Duration, checks: Checks) -> int:
    """Check how long to hold, and give it in milliseconds; what is finer is cut off."""
    if not 0 <= ttl.nanos <= NANOSECONDS_MAX:
        checks.refuse("ttl", "must be a valid google.protobuf.Duration of 1 second to 7 days")
        return TTL_MS
    ttl_ms = ttl.seconds * 1000 + ttl.nanos // 1_000_000
    if not TTL_MS_MIN <= ttl_ms <= TTL_MS_MAX:
        checks.refuse("ttl", "must be 1 second to 7 days")
    return ttl_ms

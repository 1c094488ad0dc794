"""Responses of `AuthorizationService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1 import decision_pb2, refund_pb2, reservation_pb2, usage_pb2
from creditgate_server.rpc.render.common import render_balance, render_time

if TYPE_CHECKING:
    from creditgate.pricing.rate_cards import Notes, Price
    from creditgate_server.credit.operations import (
        Charge,
        Commit,
        Extend,
        Quote,
        Refund,
        Release,
        Reserve,
    )
    from creditgate_server.credit.outcomes import (
        Authorization,
        Denial,
        Draw,
        Extension,
        Page,
        Refunded,
        Reservation,
        Settlement,
    )
    from creditgate_server.rpc.queries import GetReservation, ListReservations


def render_quote(_: Quote, outcome: Authorization) -> pb.QuoteResponse:
    """Render the answer to a quote."""
    return pb.QuoteResponse(
        cost=render_cost(outcome.price),
        decision=decision_pb2.Decision.ValueType(outcome.decision),
        denial=render_denial(outcome.denial),
        balance=render_balance(outcome.balance),
    )


def render_reserve(operation: Reserve, outcome: Authorization) -> pb.ReserveResponse:
    """Render the answer to a reserve."""
    return pb.ReserveResponse(
        reservation_id=operation.reservation_id,
        decision=decision_pb2.Decision.ValueType(outcome.decision),
        denial=render_denial(outcome.denial),
        state=reservation_pb2.ReservationState.ValueType(outcome.state or 0),
        credits=outcome.credits,
        recipients_granted=outcome.recipients_granted,
        cost=render_cost(outcome.price),
        balance=render_balance(outcome.balance),
        expire_time=render_time(outcome.expire_ms),
        replayed=outcome.replayed,
    )


def render_charge(operation: Charge, outcome: Authorization) -> pb.ChargeResponse:
    """Render the answer to a charge."""
    return pb.ChargeResponse(
        charge_id=operation.charge_id,
        decision=decision_pb2.Decision.ValueType(outcome.decision),
        denial=render_denial(outcome.denial),
        credits=outcome.credits,
        cost=render_cost(outcome.price),
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_commit(_: Commit, outcome: Settlement) -> pb.CommitResponse:
    """Render the answer to a commit."""
    return pb.CommitResponse(
        state=reservation_pb2.ReservationState.ValueType(outcome.state),
        credits=outcome.captured,
        restored=outcome.restored,
        expired=outcome.expired,
        overage=outcome.overage,
        shortfall=outcome.shortfall,
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
        late=outcome.late,
    )


def render_release(_: Release, outcome: Settlement) -> pb.ReleaseResponse:
    """Render the answer to a release."""
    return pb.ReleaseResponse(
        state=reservation_pb2.ReservationState.ValueType(outcome.state),
        restored=outcome.restored,
        expired=outcome.expired,
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_extend(_: Extend, outcome: Extension) -> pb.ExtendResponse:
    """Render the answer to an extension."""
    return pb.ExtendResponse(expire_time=render_time(outcome.expire_ms))


def render_refund(_: Refund, outcome: Refunded) -> refund_pb2.RefundResponse:
    """Render the answer to a refund."""
    return refund_pb2.RefundResponse(
        credits=outcome.credits,
        restored=outcome.restored,
        expired=outcome.expired,
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_get_reservation(_: GetReservation, outcome: Reservation) -> pb.GetReservationResponse:
    """Render one reservation."""
    return pb.GetReservationResponse(reservation=render_reservation(outcome))


def render_list_reservations(_: ListReservations, page: Page[Reservation]) -> pb.ListReservationsResponse:
    """Render a page of reservations."""
    return pb.ListReservationsResponse(
        reservations=map(render_reservation, page.items), next_page_token=page.next_token
    )


def render_denial(denial: Denial | None) -> decision_pb2.Denial | None:
    """Render why a usage is denied, or would be."""
    if denial is None:
        return None
    return decision_pb2.Denial(
        reason=decision_pb2.DenialReason.ValueType(denial.reason),
        account_id=denial.account_id,
        shortfall=denial.shortfall,
        next_credit_time=render_time(denial.next_credit_ms),
    )


def render_cost(price: Price | None) -> usage_pb2.Cost | None:
    """Render a price; what it leaves open stays unset."""
    if price is None:
        return None
    return usage_pb2.Cost(
        credits=price.credits,
        encoding=usage_pb2.Encoding.ValueType(price.encoding or 0),
        segments=price.segments or 0,
        characters=price.characters or 0,
        characters_left_in_segment=price.characters_left_in_segment or 0,
        rate_card_id=price.rate_card_id,
        rate_card_version=price.rate_card_version,
        rule=price.rule,
        notes=_render_notes(price.notes),
    )


def _render_notes(notes: Notes) -> usage_pb2.Notes | None:
    spelling = notes.cheaper_spelling
    if spelling is None and not notes.forced_ucs2:
        return None
    return usage_pb2.Notes(
        forced_ucs2=notes.forced_ucs2,
        cheaper_spelling=None
        if spelling is None
        else usage_pb2.CheaperSpelling(text=spelling.text, segments=spelling.segments, credits=spelling.credits),
    )


def render_reservation(reservation: Reservation) -> reservation_pb2.Reservation:
    """Render a reservation with its provenance."""
    return reservation_pb2.Reservation(
        account_id=reservation.account_id,
        payer_id=reservation.payer_id,
        reservation_id=reservation.reservation_id,
        state=reservation_pb2.ReservationState.ValueType(reservation.state),
        credits=reservation.credits,
        captured=reservation.captured,
        restored=reservation.restored,
        recipients_granted=reservation.recipients_granted,
        price=reservation_pb2.FrozenPrice(
            rate_card_id=reservation.rate_card_id,
            rate_card_version=reservation.rate_card_version,
            rule=reservation.rule,
            credits_per_recipient=reservation.credits_per_recipient,
        ),
        create_time=render_time(reservation.create_ms),
        expire_time=render_time(reservation.expire_ms),
        settle_time=render_time(reservation.settle_ms),
        settled_by=reservation_pb2.SettledBy.ValueType(reservation.settled_by or 0),
        expiry_action=reservation_pb2.ExpiryAction.ValueType(reservation.expiry_action),
        draws=map(_render_draw, reservation.draws),
        labels=dict(reservation.labels),
        held=reservation.held,
        refunded=reservation.refunded,
    )


def _render_draw(draw: Draw) -> reservation_pb2.Draw:
    return reservation_pb2.Draw(
        account_id=draw.account_id,
        pot=reservation_pb2.Pot.ValueType(draw.pot),
        grants=[reservation_pb2.GrantDraw(grant_id=grant_id, credits=credits_) for grant_id, credits_ in draw.grants],
        unfunded=draw.unfunded,
        unenforced=draw.unenforced,
    )

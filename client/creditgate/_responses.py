"""Reads the answers to authorizations and what settles them; pure, and shared by both clients."""

from __future__ import annotations

from datetime import UTC

from creditgate import _balances, answers
from creditgate.pricing import Encoding
from creditgate.terms import (
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    GrantVerdict,
    Pot,
    ReservationState,
    SettledBy,
)
from creditgate.v1 import authorization_pb2, decision_pb2, explain_pb2, refund_pb2, reservation_pb2, usage_pb2


def quoted(response: authorization_pb2.QuoteResponse) -> answers.Quoted:
    """Read the answer to Quote."""
    return answers.Quoted(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=_balances.balance(response.balance),
        cost=_cost(response.cost),
    )


def reserved(response: authorization_pb2.ReserveResponse) -> answers.Reserved:
    """Read the answer to Reserve."""
    return answers.Reserved(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=_balances.balance(response.balance),
        reservation_id=response.reservation_id,
        state=ReservationState(response.state) if response.state else None,
        credits=response.credits,
        recipients_granted=response.recipients_granted,
        cost=_cost(response.cost) if response.HasField("cost") else None,
        expire_time=_balances.time(response.expire_time),
        replayed=response.replayed,
    )


def charged(response: authorization_pb2.ChargeResponse) -> answers.Charged:
    """Read the answer to Charge."""
    return answers.Charged(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=_balances.balance(response.balance),
        charge_id=response.charge_id,
        credits=response.credits,
        cost=_cost(response.cost) if response.HasField("cost") else None,
        replayed=response.replayed,
    )


def committed(response: authorization_pb2.CommitResponse) -> answers.Committed:
    """Read the answer to Commit."""
    return answers.Committed(
        state=ReservationState(response.state),
        credits=response.credits,
        restored=response.restored,
        expired=response.expired,
        overage=response.overage,
        shortfall=response.shortfall,
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
        late=response.late,
    )


def released(response: authorization_pb2.ReleaseResponse) -> answers.Released:
    """Read the answer to Release."""
    return answers.Released(
        state=ReservationState(response.state),
        restored=response.restored,
        expired=response.expired,
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def extended(response: authorization_pb2.ExtendResponse) -> answers.Extended:
    """Read the answer to Extend."""
    return answers.Extended(expire_time=response.expire_time.ToDatetime(UTC))


def refunded(response: refund_pb2.RefundResponse) -> answers.Refunded:
    """Read the answer to Refund."""
    return answers.Refunded(
        credits=response.credits,
        restored=response.restored,
        expired=response.expired,
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def explained(response: explain_pb2.ExplainResponse) -> answers.Explanation:
    """Read the answer to Explain."""
    rate = response.rate
    return answers.Explanation(
        cost=_cost(response.cost) if response.HasField("cost") else None,
        decision=Decision(response.decision) if response.decision else None,
        denial=_denial(response),
        balance=_balances.balance(response.balance),
        payer_id=response.payer_id,
        levels=tuple(_balances.level_balance(level) for level in response.levels),
        grants=tuple(_grant_explanation(grant) for grant in response.grants),
        limits=tuple(_limit_explanation(limit) for limit in response.limits),
        rate=answers.RateExplanation(
            rate_card_id=rate.rate_card_id, rate_card_version=rate.rate_card_version, rule=rate.rule
        )
        if response.HasField("rate")
        else None,
        credits_short=response.credits_short,
        next_credit_time=_balances.time(response.next_credit_time),
        next_credits=response.next_credits,
        reservation=reservation(response.reservation) if response.HasField("reservation") else None,
    )


def reservation(message: reservation_pb2.Reservation) -> answers.Reservation:
    """Read a reservation."""
    return answers.Reservation(
        account_id=message.account_id,
        payer_id=message.payer_id,
        reservation_id=message.reservation_id,
        state=ReservationState(message.state),
        credits=message.credits,
        held=message.held,
        captured=message.captured,
        restored=message.restored,
        refunded=message.refunded,
        recipients_granted=message.recipients_granted,
        price=answers.FrozenPrice(
            rate_card_id=message.price.rate_card_id,
            rate_card_version=message.price.rate_card_version,
            rule=message.price.rule,
            credits_per_recipient=message.price.credits_per_recipient,
        ),
        create_time=_balances.time(message.create_time),
        expire_time=_balances.time(message.expire_time),
        settle_time=_balances.time(message.settle_time),
        settled_by=SettledBy(message.settled_by) if message.settled_by else None,
        expiry_action=ExpiryAction(message.expiry_action),
        draws=tuple(_draw(draw) for draw in message.draws),
        labels=dict(message.labels),
    )


def _cost(message: usage_pb2.Cost) -> answers.Cost:
    spelling = message.notes.cheaper_spelling
    return answers.Cost(
        credits=message.credits,
        encoding=Encoding(message.encoding) if message.encoding else None,
        segments=message.segments,
        characters=message.characters,
        characters_left_in_segment=message.characters_left_in_segment,
        rate_card_id=message.rate_card_id,
        rate_card_version=message.rate_card_version,
        rule=message.rule,
        forced_ucs2=tuple(message.notes.forced_ucs2),
        cheaper_spelling=answers.CheaperSpelling(
            text=spelling.text, segments=spelling.segments, credits=spelling.credits
        )
        if message.notes.HasField("cheaper_spelling")
        else None,
    )


def _denial(
    response: authorization_pb2.QuoteResponse
    | authorization_pb2.ReserveResponse
    | authorization_pb2.ChargeResponse
    | explain_pb2.ExplainResponse,
) -> answers.Denial | None:
    if response.decision != decision_pb2.DECISION_DENIED and not response.HasField("denial"):
        return None
    return answers.Denial(
        reason=DenialReason(response.denial.reason),
        account_id=response.denial.account_id,
        shortfall=response.denial.shortfall,
        next_credit_time=_balances.time(response.denial.next_credit_time),
    )


def _draw(message: reservation_pb2.Draw) -> answers.Draw:
    return answers.Draw(
        account_id=message.account_id,
        pot=Pot(message.pot),
        grants=tuple((grant.grant_id, grant.credits) for grant in message.grants),
        unfunded=message.unfunded,
        unenforced=message.unenforced,
    )


def _grant_explanation(message: explain_pb2.GrantExplanation) -> answers.GrantExplanation:
    return answers.GrantExplanation(
        grant=_balances.grant_balance(message.grant),
        verdict=GrantVerdict(message.verdict),
        credits=message.credits,
    )


def _limit_explanation(message: explain_pb2.LimitExplanation) -> answers.LimitExplanation:
    return answers.LimitExplanation(
        account_id=message.account_id,
        enforcement=Enforcement(message.enforcement),
        counts=message.counts,
        limit_left=message.limit_left,
        shortfall=message.shortfall,
    )

"""The answer of `AuthorizationService.Explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.v1 import accounts_pb2, decision_pb2
from creditgate.v1 import explain_pb2 as pb
from creditgate_server.rpc.render.accounts import render_grant_balance, render_level
from creditgate_server.rpc.render.authorization import render_cost, render_denial, render_reservation
from creditgate_server.rpc.render.common import render_balance, render_time

if TYPE_CHECKING:
    from creditgate_server.credit.explanation import Explanation, GrantExplanation, LimitExplanation
    from creditgate_server.credit.operations import Explain


def render_explain(_: Explain, outcome: Explanation) -> pb.ExplainResponse:
    """Render how a usage would be decided, or how a reservation was paid."""
    authorization, reservation = outcome.authorization, outcome.reservation
    denial = authorization.denial if authorization else None
    return pb.ExplainResponse(
        cost=render_cost(authorization.price) if authorization else None,
        decision=decision_pb2.Decision.ValueType(authorization.decision if authorization else 0),
        denial=render_denial(denial),
        balance=render_balance(outcome.balance),
        payer_id=reservation.payer_id if reservation else outcome.balance.payer_id,
        levels=map(render_level, outcome.levels),
        grants=map(_render_grant_explanation, outcome.grants),
        limits=map(_render_limit_explanation, outcome.limits),
        rate=_render_rate(outcome),
        credits_short=denial.shortfall if denial else 0,
        next_credit_time=render_time(outcome.next_credit_ms),
        next_credits=outcome.next_credits,
        reservation=render_reservation(reservation) if reservation else None,
    )


def _render_grant_explanation(explanation: GrantExplanation) -> pb.GrantExplanation:
    return pb.GrantExplanation(
        grant=render_grant_balance(explanation.grant),
        verdict=pb.GrantVerdict.ValueType(explanation.verdict),
        credits=explanation.credits,
    )


def _render_limit_explanation(explanation: LimitExplanation) -> pb.LimitExplanation:
    return pb.LimitExplanation(
        account_id=explanation.account_id,
        enforcement=accounts_pb2.Enforcement.ValueType(explanation.enforcement),
        counts=explanation.counts,
        limit_left=explanation.limit_left,
        shortfall=explanation.shortfall,
    )


def _render_rate(outcome: Explanation) -> pb.RateExplanation | None:
    price = outcome.authorization.price if outcome.authorization else None
    priced = outcome.reservation or price
    if priced is None:
        return None
    return pb.RateExplanation(
        rate_card_id=priced.rate_card_id, rate_card_version=priced.rate_card_version, rule=priced.rule
    )

"""Responses of `CreditService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.v1 import credits_pb2 as pb
from creditgate_server.rpc.render.common import render_balance, render_scope, render_time

if TYPE_CHECKING:
    from creditgate_server.credit.operations import GrantCredits, RevokeGrant, Transfer
    from creditgate_server.credit.outcomes import Grant, Granted, Page, Revoked, Transferred
    from creditgate_server.rpc.queries import ListGrants


def render_grant(_: GrantCredits, outcome: Granted) -> pb.GrantResponse:
    """Render the answer to a grant."""
    return pb.GrantResponse(
        grant=_render_credit_grant(outcome.grant),
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_revoke_grant(_: RevokeGrant, outcome: Revoked) -> pb.RevokeGrantResponse:
    """Render the answer to a revocation."""
    return pb.RevokeGrantResponse(
        grant=_render_credit_grant(outcome.grant),
        revoked=outcome.revoked,
        clawed_back=outcome.clawed_back,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_transfer(_: Transfer, outcome: Transferred) -> pb.TransferResponse:
    """Render the answer to a transfer."""
    return pb.TransferResponse(
        credits=outcome.credits,
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.source),
        target_balance=render_balance(outcome.target),
        replayed=outcome.replayed,
    )


def render_list_grants(_: ListGrants, page: Page[Grant]) -> pb.ListGrantsResponse:
    """Render a page of grants."""
    return pb.ListGrantsResponse(grants=map(_render_credit_grant, page.items), next_page_token=page.next_token)


def _render_credit_grant(grant: Grant) -> pb.CreditGrant:
    return pb.CreditGrant(
        account_id=grant.account_id,
        grant_id=grant.grant_id,
        kind=pb.GrantKind.ValueType(grant.kind),
        state=pb.GrantState.ValueType(grant.state),
        amount=grant.amount,
        remaining=grant.remaining,
        held=grant.held,
        captured=grant.captured,
        debt_repaid=grant.debt_repaid,
        expired=grant.expired,
        refunded=grant.refunded,
        revoked=grant.revoked,
        moved=grant.moved,
        create_time=render_time(grant.create_ms),
        effective_time=render_time(grant.effective_ms),
        expire_time=render_time(grant.expire_ms),
        priority=grant.priority,
        scope=render_scope(grant.scope),
        actor=grant.actor,
        reference=grant.reference,
        note=grant.note,
    )

"""Accounts, grants and holds as callers see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.pricing.usage import Direction
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.reference.levels import balance, left, lineage, payer_of
from creditgate_server.credit.reference.records import NEVER_MS, Cover, Grant
from creditgate_server.credit.terms import Pot, ReservationState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.credit.reference.records import Account, Draw, Hold, Organisation, Part


def account_view(organisation: Organisation, account: Account) -> told.Account:
    """Return an account's settings and balance."""
    return told.Account(
        account.account_id,
        account.settings,
        account.create_ms,
        account.update_ms,
        balance(organisation, account.account_id),
    )


def grant_view(grant: Grant) -> told.Grant:
    """Return a grant as it stands."""
    actor, reference, note = grant.said
    return told.Grant(
        grant_id=grant.grant_id,
        account_id=grant.account_id,
        kind=grant.kind,
        state=grant.shown_state,
        amount=grant.amount,
        remaining=grant.remaining,
        held=grant.held,
        captured=grant.captured,
        refunded=grant.refunded,
        debt_repaid=grant.debt_paid,
        expired=grant.expired,
        revoked=grant.revoked,
        moved=grant.moved,
        priority=grant.priority,
        scope=grant.scope,
        create_ms=grant.create_ms,
        effective_ms=grant.effective_ms,
        expire_ms=0 if grant.expire_ms == NEVER_MS else grant.expire_ms,
        actor=actor,
        reference=reference,
        note=note,
    )


def plan_view(account: Account) -> told.Plan | None:
    """Return an account's plan with its present period, None where it has none."""
    plan = account.plan
    if plan is None:
        return None
    return told.Plan(plan.terms, plan.begin_ms, plan.end_ms, plan.grant.grant_id, plan.following, plan.ends)


def level_views(organisation: Organisation, account_id: str) -> tuple[told.Level, ...]:
    """Return every level from an account to its root."""
    levels = lineage(organisation, account_id)
    payer = payer_of(levels)
    return tuple(
        told.Level(
            account_id=one.account_id,
            settings=one.settings,
            pays=one is payer,
            available=left(one, Pot.WALLET, None),
            reserved=one.reserved,
            debt=one.debt,
            limit_left=left(one, Pot.LIMIT, None) if one.has_limit else None,
            limit_reserved=one.limit_reserved,
        )
        for one in levels
    )


def hold_view(hold: Hold) -> told.Reservation:
    """Return a hold with its provenance."""
    is_open = hold.state is ReservationState.PENDING
    price, traffic = hold.first.price, hold.traffic
    if price is None:
        raise TypeError(hold)
    return told.Reservation(
        account_id=hold.account_id,
        payer_id=hold.draws[0].account.account_id,
        reservation_id=hold.reservation_id,
        state=hold.state,
        credits=hold.first.credits,
        held=hold.held if is_open else 0,
        captured=hold.captured,
        restored=hold.restored,
        refunded=hold.refunded,
        recipients_granted=hold.first.recipients_granted,
        credits_per_recipient=traffic.unit,
        rate_card_id=price.rate_card_id,
        rate_card_version=price.rate_card_version,
        rule=price.rule,
        channel=traffic.channel,
        direction=Direction.INBOUND if traffic.is_inbound else Direction.OUTBOUND,
        region=traffic.region,
        priority=traffic.priority,
        create_ms=hold.create_ms,
        expire_ms=hold.expire_ms,
        settle_ms=hold.settle_ms,
        settled_by=hold.settled_by,
        expiry_action=hold.expiry_action,
        draws=tuple(_draw_view(source, source.held if is_open else source.taken) for source in hold.draws),
        labels=hold.labels,
    )


def _draw_view(source: Draw, parts: Sequence[Part]) -> told.Draw:
    left = [(part.source, part.credits - part.refunded) for part in parts]
    return told.Draw(
        account_id=source.account.account_id,
        pot=source.pot,
        grants=tuple((origin.grant_id, credits_) for origin, credits_ in left if isinstance(origin, Grant)),
        unfunded=sum(credits_ for origin, credits_ in left if origin is Cover.UNCOVERED),
        unenforced=sum(credits_ for origin, credits_ in left if origin is Cover.UNENFORCED),
    )

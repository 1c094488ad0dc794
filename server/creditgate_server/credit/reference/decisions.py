"""Quote, Reserve and Charge: whether every pot that binds has room for a usage, and what the usage takes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.outcomes import Authorization, Denial
from creditgate_server.credit.reference import pots
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.invariants import check_room
from creditgate_server.credit.reference.levels import balance, demands, is_closed, lineage, units_left
from creditgate_server.credit.reference.records import Charge, Denied, Draw, Hold, Refused, Traffic
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    GrantState,
    Pot,
    ReservationState,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate.pricing.rate_cards import Price
    from creditgate_server.credit import operations as ask
    from creditgate_server.credit.reference.levels import Demand
    from creditgate_server.credit.reference.records import Account, Organisation


@dataclass(frozen=True)
class _Verdict:
    """What was decided: to be held or captured, or denied. `denial` without DENIED is what MONITOR let pass."""

    decision: Decision
    credits: int = 0
    recipients: int = 0
    denial: Denial | None = None


def traffic_of(traffic: ask.Traffic, price: Price) -> Traffic:
    """Return what of a usage the ledger decides by."""
    usage = traffic.usage
    is_inbound = usage.direction is Direction.INBOUND
    return Traffic(usage.channel, usage.region, usage.priority, is_inbound, price.credits_per_recipient)


def _content(account_id: str, traffic: ask.Traffic, *more: object) -> object:
    """Return what must be the same for a repeated id: never the priority, the labels or the time to live."""
    usage = replace(traffic.usage, priority=Priority.TRANSACTIONAL)
    return account_id, usage, traffic.sender, traffic.recipient, more


def quote(organisation: Organisation, operation: ask.Quote, price: Price) -> Authorization:
    """Tell whether a reserve would pass now."""
    traffic = traffic_of(operation.traffic, price)
    recipients = operation.traffic.usage.recipient_count
    verdict, _ = _decide(organisation, lineage(organisation, operation.account_id), traffic, recipients)
    return _answer(organisation, operation.account_id, traffic, verdict, price)


def reserve(organisation: Organisation, operation: ask.Reserve, price: Price) -> Authorization:
    """Hold the credits of a usage, in the payer's wallet and in every limit, all or nothing."""
    levels = lineage(organisation, operation.account_id)
    content = _content(operation.account_id, operation.traffic, operation.allow_partial, operation.expiry_action)
    traffic = traffic_of(operation.traffic, price)
    if known := organisation.holds.get(operation.reservation_id):
        if known.content != content:
            raise Refused("ID_REUSED")
        again = replace(known.first, state=known.state, expire_ms=known.expire_ms)
        return _replay(organisation, operation.account_id, traffic, again)
    recipients = operation.traffic.usage.recipient_count
    verdict, asked = _decide(organisation, levels, traffic, recipients, allow_partial=operation.allow_partial)
    if verdict.decision is Decision.DENIED:
        return _answer(organisation, operation.account_id, traffic, verdict, price)
    draws = [Draw(demand.account, demand.pot, demand.mode) for demand in asked]
    for source in draws:
        pots.hold(organisation, source, traffic, verdict.credits)
    _note_draws(organisation, levels, draws, verdict)
    check_room(asked, traffic, verdict.credits)
    levels[0].open_holds += 1
    expire_ms = organisation.now_ms + operation.ttl_ms
    answer = replace(
        _answer(organisation, operation.account_id, traffic, verdict, price),
        state=ReservationState.PENDING,
        expire_ms=expire_ms,
    )
    organisation.holds[operation.reservation_id] = Hold(
        operation.account_id,
        content,
        traffic,
        answer,
        draws,
        organisation.now_ms,
        reservation_id=operation.reservation_id,
        expire_ms=expire_ms,
        expiry_action=operation.expiry_action,
        labels=operation.traffic.labels,
        held=verdict.credits,
    )
    return answer


def charge(organisation: Organisation, operation: ask.Charge, price: Price) -> Authorization:
    """Debit a usage in one step; remember it, and also that an outbound one was denied."""
    levels = lineage(organisation, operation.account_id)
    content = _content(operation.account_id, operation.traffic)
    traffic = traffic_of(operation.traffic, price)
    known = organisation.charges.get(operation.charge_id) or organisation.denials.get(operation.charge_id)
    if known:
        if known.content != content:
            raise Refused("ID_REUSED")
        if isinstance(known, Denied):
            organisation.reach(Branch.DENIAL_REPLAYED)
        return _replay(organisation, operation.account_id, traffic, known.first)
    if operation.event_ms and operation.event_ms < organisation.now_ms - organisation.windows.charge_ms:
        raise Refused("ID_TOO_OLD")
    verdict, asked = _decide(organisation, levels, traffic, operation.traffic.usage.recipient_count)
    if verdict.decision is Decision.DENIED:
        answer = _answer(organisation, operation.account_id, traffic, verdict, price)
        if not traffic.is_inbound:
            forget_ms = organisation.now_ms + organisation.windows.denial_ms
            organisation.denials[operation.charge_id] = Denied(content, answer, forget_ms)
        return answer
    draws = [Draw(demand.account, demand.pot, demand.mode) for demand in asked]
    for source in draws:
        pots.spend(organisation, source, traffic, verdict.credits)
    _note_draws(organisation, levels, draws, verdict)
    check_room(asked, traffic, verdict.credits)
    if traffic.is_inbound:
        draws[0].account.totals["inbound"] += verdict.credits
        if len(draws) > 1:
            organisation.reach(Branch.LIMIT_COUNTS_INBOUND)
    levels[0].totals["usage"] += verdict.credits
    answer = _answer(organisation, operation.account_id, traffic, verdict, price)
    organisation.charges[operation.charge_id] = Charge(
        operation.account_id,
        content,
        traffic,
        answer,
        draws,
        organisation.now_ms,
        captured=verdict.credits,
        forget_ms=organisation.now_ms + organisation.windows.charge_ms,
    )
    return answer


def _decide(
    organisation: Organisation,
    levels: Sequence[Account],
    traffic: Traffic,
    recipients: int,
    *,
    allow_partial: bool = False,
) -> tuple[_Verdict, list[Demand]]:
    asked = demands(levels, traffic)
    if denied := _stopped(levels, is_inbound=traffic.is_inbound):
        return _Verdict(Decision.DENIED, denial=denied), asked
    credits_ = traffic.unit * recipients
    shortest = _shortest(asked, traffic, credits_, Enforcement.ENFORCE)
    if shortest and not credits_:
        organisation.reach(Branch.FREE_WHILE_SHORT)
    if shortest and credits_:
        fit = (units_left(asked, traffic) or 0) if allow_partial else 0
        if fit:
            return _Verdict(Decision.ALLOWED_PARTIAL, fit * traffic.unit, fit), asked
        if shortest.next_credit_ms:
            organisation.reach(Branch.DENIED_WITH_NEXT_CREDITS)
            plan = organisation.accounts[shortest.account_id].plan
            if plan and shortest.next_credit_ms == plan.end_ms:
                organisation.reach(Branch.DENIED_BEFORE_RENEWAL)
        return _Verdict(Decision.DENIED, denial=shortest), asked
    overrun = _shortest(asked, traffic, credits_, Enforcement.MONITOR) if credits_ else None
    if overrun and traffic.is_inbound:
        organisation.reach(Branch.MONITOR_WOULD_DENY_INBOUND)
    decision = Decision.ALLOWED_MONITORED if overrun else Decision.ALLOWED
    return _Verdict(decision, credits_, recipients, overrun), asked


def _stopped(levels: Sequence[Account], *, is_inbound: bool) -> Denial | None:
    """Return why nothing passes at all: a level is closed, or suspended, which does not stop what comes in."""
    for account in levels:
        if is_closed(account):
            return Denial(DenialReason.ACCOUNT_CLOSED, account.account_id, 0)
    for account in levels:
        if account.settings.status is AccountStatus.SUSPENDED and not is_inbound:
            return Denial(DenialReason.ACCOUNT_SUSPENDED, account.account_id, 0)
    return None


def _shortest(asked: Sequence[Demand], traffic: Traffic, credits_: int, mode: Enforcement) -> Denial | None:
    """Return the denial of the pot, among those of a mode, that is short of most."""
    worst: Denial | None = None
    for demand in asked:
        room = demand.room(traffic)
        if demand.mode is mode and room is not None and credits_ - room > (worst.shortfall if worst else 0):
            next_ms = _next_credit_ms(demand)
            worst = Denial(_reason(demand, traffic), demand.account.account_id, credits_ - room, next_ms)
    return worst


def _next_credit_ms(demand: Demand) -> int:
    """Return when a pot next gets credits by itself, 0 where it does not: of a grant that begins, or of a plan."""
    begins = [
        grant.effective_ms
        for grant in demand.account.grants
        if grant.pot is demand.pot and grant.state is GrantState.PENDING
    ]
    plan = demand.account.plan
    if plan and not plan.ends and demand.pot is Pot.WALLET:
        begins.append(plan.end_ms)
    return min(begins, default=0)


def _reason(demand: Demand, traffic: Traffic) -> DenialReason:
    if demand.pot is Pot.LIMIT:
        return DenialReason.LIMIT_REACHED
    if traffic.is_inbound:
        return DenialReason.INBOUND_LIMIT
    if traffic.priority is Priority.BULK and demand.account.settings.floor is not None:
        return DenialReason.FLOOR
    return DenialReason.INSUFFICIENT_CREDITS


def _note_draws(
    organisation: Organisation, levels: Sequence[Account], draws: Sequence[Draw], verdict: _Verdict
) -> None:
    is_own = draws[0].account is levels[0]
    organisation.reach(Branch.PAID_BY_ITSELF if is_own else Branch.PAID_BY_ANOTHER_LEVEL)
    limits = len(draws) - 1
    if limits and verdict.credits:
        organisation.reach(Branch.DRAWN_FROM_LIMIT if limits == 1 else Branch.DRAWN_FROM_SEVERAL_LIMITS)


def _answer(
    organisation: Organisation, account_id: str, traffic: Traffic, verdict: _Verdict, price: Price
) -> Authorization:
    return Authorization(
        decision=verdict.decision,
        denial=verdict.denial,
        credits=verdict.credits,
        recipients_granted=verdict.recipients,
        balance=balance(organisation, account_id, traffic),
        price=price,
    )


def _replay(organisation: Organisation, account_id: str, traffic: Traffic, first: Authorization) -> Authorization:
    """Return the first answer's money with the balance of now."""
    return replace(first, balance=balance(organisation, account_id, traffic), replayed=True)

"""Refund: giving back what was captured, the last first, and never more of it than there was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate_server.credit.outcomes import Refunded
from creditgate_server.credit.reference import pots
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import balance, is_closed, lineage
from creditgate_server.credit.reference.records import Cover, Grant, Hold, Refund, Refused, Returned
from creditgate_server.credit.terms import Pot, ReservationState

if TYPE_CHECKING:
    from creditgate_server.credit import operations as ask
    from creditgate_server.credit.reference.records import Captured, Draw, Organisation


def refund(organisation: Organisation, operation: ask.Refund) -> Refunded:
    """Give back part or all of what a settled reservation or a charge captured."""
    account_id = operation.account_id
    account = lineage(organisation, account_id)[0]
    content = (account_id, operation.reservation_id, operation.charge_id, operation.credits)
    if known := organisation.refunds.get(operation.refund_id):
        if known.content != content:
            raise Refused("ID_REUSED")
        organisation.reach(Branch.REFUND_REPLAYED)
        return _answer(organisation, account_id, known, replayed=True)
    if is_closed(account):
        raise Refused("ACCOUNT_CLOSED")
    target = _target(organisation, operation)
    left = target.captured - target.refunded
    credits_ = left if operation.credits is None else operation.credits
    if credits_ > left:
        raise Refused("REFUND_EXCEEDS_CAPTURED")
    _note(organisation, operation, target, credits_)
    returned = refund_captured(organisation, target, credits_)
    forget_ms = organisation.now_ms + organisation.windows.charge_ms
    made = Refund(content, credits_, returned, forget_ms)
    organisation.refunds[operation.refund_id] = made
    return _answer(organisation, account_id, made)


def refund_captured(organisation: Organisation, target: Captured, credits_: int) -> Returned:
    """Give back what every pot captured, the last first; returns what became of the payer's."""
    of_wallet = Returned()
    for source in target.draws:
        returned = _refund_draw(organisation, source, credits_)
        if source.pot is Pot.WALLET:
            of_wallet = returned
    target.refunded += credits_
    return of_wallet


def _refund_draw(organisation: Organisation, source: Draw, credits_: int) -> Returned:
    returned, left, touched = Returned(), credits_, 0
    for part in reversed(source.taken):
        now = min(part.credits - part.refunded, left)
        if not now:
            continue
        touched += 1
        left -= now
        part.refunded += now
        if isinstance(part.source, Grant):
            part.source.refunded += now
            returned += pots.give_back(organisation, part.source, now)
        elif part.source is Cover.UNCOVERED:
            returned += _forgive(organisation, source, now)
        else:
            organisation.reach(Branch.REFUND_OF_LET_THROUGH)
    if touched > 1:
        organisation.reach(Branch.REFUND_OF_SEVERAL_PARTS)
    return returned


def _forgive(organisation: Organisation, source: Draw, credits_: int) -> Returned:
    """Give back what was debt: it lowers debt; where that was repaid meanwhile, it becomes an adjustment."""
    account = source.account
    forgiven = min(account.debt, credits_)
    account.debt -= forgiven
    account.totals["forgiven"] += forgiven
    if forgiven:
        organisation.reach(Branch.REFUND_FORGIVES_DEBT)
    rest = credits_ - forgiven
    if rest:
        adjustment = pots.adjustment_of(organisation, account)
        adjustment.amount += rest
        pots.enter(organisation, adjustment, rest)
    return Returned(restored=credits_, debt_repaid=forgiven)


def _target(organisation: Organisation, operation: ask.Refund) -> Captured:
    if operation.reservation_id:
        hold = organisation.holds.get(operation.reservation_id)
        if hold is None or hold.account_id != operation.account_id:
            raise Refused("RESERVATION_NOT_FOUND")
        if hold.state is ReservationState.PENDING:
            raise Refused("HOLD_STILL_OPEN")
        return hold
    charge = organisation.charges.get(operation.charge_id)
    if charge is None or charge.account_id != operation.account_id:
        raise Refused("CHARGE_NOT_FOUND")
    return charge


def _note(organisation: Organisation, operation: ask.Refund, target: Captured, credits_: int) -> None:
    left = target.captured - target.refunded
    if not left and operation.credits is None:
        organisation.reach(Branch.REFUND_OF_NOTHING_LEFT)
    elif credits_:
        organisation.reach(Branch.REFUND_OF_ALL if credits_ == left else Branch.REFUND_OF_PART)
        organisation.reach(Branch.REFUND_OF_HOLD if isinstance(target, Hold) else Branch.REFUND_OF_CHARGE)
    if credits_ and target.refunded:
        organisation.reach(Branch.REFUND_AFTER_REFUND)
        taken = target.draws[0].taken
        if any(one.refunded and not later.refunded for at, one in enumerate(taken) for later in taken[at + 1 :]):
            organisation.reach(Branch.REFUND_BEFORE_A_LATER_CAPTURE)


def _answer(organisation: Organisation, account_id: str, made: Refund, *, replayed: bool = False) -> Refunded:
    return Refunded(
        credits=made.credits,
        restored=made.returned.restored,
        expired=made.returned.expired,
        debt_repaid=made.returned.debt_repaid,
        balance=balance(organisation, account_id),
        replayed=replayed,
    )

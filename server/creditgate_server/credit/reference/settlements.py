"""Commit, Release, Extend and the expiry of holds: what is captured of a hold, and what goes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate_server.credit.outcomes import Extension, Settlement
from creditgate_server.credit.reference import pots
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import (
    balance,
    cap_demand,
    is_closed,
    late_commit_policy,
    lineage,
    overage_policy,
)
from creditgate_server.credit.reference.records import HOUR_MS, KeptOpen, Moved, Refused, Returned
from creditgate_server.credit.reference.refunds import refund_captured
from creditgate_server.credit.terms import (
    Enforcement,
    ExpiryAction,
    LateCommit,
    Overage,
    Pot,
    ReservationState,
    SettledBy,
)

if TYPE_CHECKING:
    from creditgate_server.credit import operations as ask
    from creditgate_server.credit.reference.records import Hold, Organisation

HOLD_LIFE_MS: Final = 7 * 24 * HOUR_MS
"""From its creation on, a hold is extended no further than this."""


def find(organisation: Organisation, account_id: str, reservation_id: str) -> Hold:
    """Return a hold of an account. Raises Refused."""
    lineage(organisation, account_id)
    hold = organisation.holds.get(reservation_id)
    if hold is None or hold.account_id != account_id:
        raise Refused("RESERVATION_NOT_FOUND")
    return hold


def release(organisation: Organisation, operation: ask.Release) -> Settlement:
    """Give back all that a hold still holds."""
    hold = find(organisation, operation.account_id, operation.reservation_id)
    if hold.state is ReservationState.COMMITTED:
        raise Refused("HOLD_ALREADY_COMMITTED")
    if hold.state is ReservationState.EXPIRED and hold.expiry_action is ExpiryAction.COMMIT:
        raise Refused("HOLD_EXPIRED")
    if hold.state is not ReservationState.PENDING:
        is_expired = hold.state is ReservationState.EXPIRED
        organisation.reach(Branch.RELEASE_REPLAYED_EXPIRY if is_expired else Branch.RELEASE_REPLAYED)
        return _answer(organisation, hold, hold.last, replayed=True)
    if hold.captured:
        organisation.reach(Branch.RELEASED_AFTER_KEPT_OPEN)
    moved = Moved().with_returned(_return_all(organisation, hold))
    _end(organisation, hold, ReservationState.RELEASED, SettledBy.CALLER, moved)
    return _answer(organisation, hold, moved)


def extend(organisation: Organisation, operation: ask.Extend) -> Extension:
    """Let a hold expire later."""
    hold = find(organisation, operation.account_id, operation.reservation_id)
    if hold.state is not ReservationState.PENDING:
        raise Refused(
            {
                ReservationState.COMMITTED: "HOLD_ALREADY_COMMITTED",
                ReservationState.RELEASED: "HOLD_ALREADY_RELEASED",
                ReservationState.EXPIRED: "HOLD_EXPIRED",
            }[hold.state]
        )
    asked_ms, last_ms = organisation.now_ms + operation.ttl_ms, hold.create_ms + HOLD_LIFE_MS
    if min(asked_ms, last_ms) <= hold.expire_ms:
        organisation.reach(Branch.EXTENDED_NOT_EARLIER)
    else:
        organisation.reach(Branch.EXTENDED_TO_THE_LAST if last_ms < asked_ms else Branch.EXTENDED)
        hold.expire_ms = min(asked_ms, last_ms)
    return Extension(hold.expire_ms)


def expire(organisation: Organisation, hold: Hold) -> None:
    """End a hold whose time is over, as it was told to."""
    organisation.now_ms = hold.expire_ms
    hold.all_held = hold.held
    if hold.expiry_action is ExpiryAction.COMMIT:
        organisation.reach(Branch.EXPIRED_COMMITTED)
        _capture(organisation, hold, hold.held)
        moved = Moved(captured=hold.held)
    else:
        organisation.reach(Branch.EXPIRED_RELEASED)
        moved = Moved().with_returned(_return_all(organisation, hold))
    _end(organisation, hold, ReservationState.EXPIRED, SettledBy.EXPIRY, moved)


def commit(organisation: Organisation, operation: ask.Commit, wanted: int | None) -> Settlement:
    """Capture what was used of a hold; `wanted` is in credits, None for all that it holds."""
    hold = find(organisation, operation.account_id, operation.reservation_id)
    if operation.keep_open and (known := hold.kept_open.get(operation.commit_id)):
        if known.wanted != wanted:
            raise Refused("ID_REUSED")
        is_over = hold.state is not ReservationState.PENDING
        organisation.reach(Branch.KEPT_OPEN_REPLAYED_AFTER_THE_END if is_over else Branch.KEPT_OPEN_REPLAYED)
        return _answer(organisation, hold, known.moved, replayed=True)
    if hold.state is ReservationState.RELEASED:
        raise Refused("HOLD_ALREADY_RELEASED")
    if hold.state is ReservationState.COMMITTED:
        if operation.keep_open or (hold.all_held if wanted is None else wanted) != hold.wanted:
            raise Refused("HOLD_ALREADY_COMMITTED")
        organisation.reach(Branch.COMMIT_REPLAYED)
        return _answer(organisation, hold, hold.last, replayed=True)
    if hold.state is ReservationState.PENDING:
        moved = _commit_open(organisation, hold, wanted, keep_open=operation.keep_open)
    elif hold.expiry_action is ExpiryAction.RELEASE:
        moved = _commit_late(organisation, hold, wanted, keep_open=operation.keep_open)
    else:
        moved = _report(organisation, hold, wanted, keep_open=operation.keep_open)
    if operation.keep_open:
        forget_ms = organisation.now_ms + organisation.windows.charge_ms
        hold.kept_open[operation.commit_id] = KeptOpen(wanted, moved, forget_ms)
    return _answer(organisation, hold, moved)


def _commit_open(organisation: Organisation, hold: Hold, wanted: int | None, *, keep_open: bool) -> Moved:
    asked = hold.held if wanted is None else wanted
    within = min(asked, hold.held)
    excess = asked - within
    policy = _policy_of_excess(organisation, hold, excess)
    if any(source.mode is not source.account.settings.enforcement for source in hold.draws):
        organisation.reach(Branch.SETTLED_IN_ANOTHER_MODE)
    if hold.captured and not keep_open:
        organisation.reach(Branch.FINAL_AFTER_KEPT_OPEN)
    all_held = hold.held
    _capture(organisation, hold, within)
    hold.held -= within
    returned = Returned() if keep_open else _return_all(organisation, hold)
    taken = _take_excess(organisation, hold, policy, excess)
    moved = Moved(captured=within + taken, overage=taken, shortfall=excess - taken).with_returned(returned)
    if keep_open:
        if excess:
            organisation.reach(Branch.KEPT_OPEN_WITH_OVERAGE)
        organisation.reach(Branch.KEPT_OPEN if hold.held else Branch.KEPT_OPEN_AT_NOTHING)
        return moved
    if not asked:
        organisation.reach(Branch.COMMIT_OF_NOTHING)
    elif not excess:
        organisation.reach(Branch.COMMIT_OF_ALL if within == all_held else Branch.COMMIT_OF_LESS)
    hold.all_held, hold.wanted = all_held, asked
    _end(organisation, hold, ReservationState.COMMITTED, SettledBy.CALLER, moved)
    return moved


def _commit_late(organisation: Organisation, hold: Hold, wanted: int | None, *, keep_open: bool) -> Moved:
    """Charge what was used of a hold that was given back when its time was over."""
    levels = lineage(organisation, hold.account_id)
    if is_closed(levels[0]):
        raise Refused("ACCOUNT_CLOSED")
    policy, is_inherited = late_commit_policy(levels)
    if is_inherited:
        organisation.reach(Branch.LATE_POLICY_INHERITED)
    if policy is LateCommit.REJECT:
        raise Refused("HOLD_EXPIRED")
    asked = hold.held if wanted is None else wanted
    within = min(asked, hold.held)
    excess = asked - within
    overage = _policy_of_excess(organisation, hold, excess)
    for source in hold.draws:
        pots.spend(organisation, source, hold.traffic, within)
    hold.draws[0].account.totals["late"] += within
    _count_captured(organisation, hold, within)
    taken = _take_excess(organisation, hold, overage, excess)
    if excess:
        organisation.reach(Branch.LATE_OVERAGE if taken == excess else Branch.LATE_CAPPED)
    moved = Moved(captured=within + taken, overage=taken, shortfall=excess - taken, late=True)
    if keep_open:
        organisation.reach(Branch.LATE_KEPT_OPEN)
        hold.held -= within
        return moved
    organisation.reach(Branch.LATE_FINAL)
    hold.all_held, hold.wanted = hold.held, asked
    _end(organisation, hold, ReservationState.COMMITTED, SettledBy.CALLER, moved)
    return moved


def _report(organisation: Organisation, hold: Hold, wanted: int | None, *, keep_open: bool) -> Moved:
    """Learn what was used of a hold whose expiry has charged all of it.

    Nothing more is taken, and a final report gives back what nobody has claimed.
    """
    if is_closed(lineage(organisation, hold.account_id)[0]):
        raise Refused("ACCOUNT_CLOSED")
    asked = hold.held if wanted is None else wanted
    all_held = hold.held
    hold.held -= min(asked, all_held)
    shortfall = max(asked - all_held, 0)
    if shortfall:
        organisation.reach(Branch.REPORT_SHORT)
    moved = Moved(shortfall=shortfall, late=True)
    if keep_open:
        organisation.reach(Branch.REPORT_KEPT_OPEN)
        return moved
    unclaimed = min(hold.held, hold.captured - hold.refunded)
    if unclaimed:
        organisation.reach(Branch.REPORT_AFTER_REFUND if hold.refunded else Branch.REPORT_GAVE_BACK)
    moved = moved.with_returned(refund_captured(organisation, hold, unclaimed))
    hold.restored += moved.restored
    organisation.reach(Branch.REPORT_FINAL)
    hold.all_held, hold.wanted = all_held, asked
    _end(organisation, hold, ReservationState.COMMITTED, SettledBy.EXPIRY, moved)
    return moved


def _policy_of_excess(organisation: Organisation, hold: Hold, excess: int) -> Overage:
    policy, is_inherited = overage_policy(lineage(organisation, hold.account_id))
    if excess and is_inherited:
        organisation.reach(Branch.OVERAGE_POLICY_INHERITED)
    if excess and policy is Overage.REJECT:
        raise Refused("OVERAGE_REJECTED")
    return policy


def _take_excess(organisation: Organisation, hold: Hold, policy: Overage, excess: int) -> int:
    """Take what was used beyond the hold, as far as the policy lets. Returns how much."""
    if not excess:
        return 0
    taken = excess
    if policy is Overage.ALLOW:
        organisation.reach(Branch.OVERAGE_ALLOWED)
    else:
        taken = _capped(organisation, hold, excess)
    for source in hold.draws:
        pots.spend(organisation, source, hold.traffic, taken)
    hold.draws[0].account.totals["overage"] += taken
    _count_captured(organisation, hold, taken)
    return taken


def _capped(organisation: Organisation, hold: Hold, excess: int) -> int:
    """Return how much of an excess the pots that enforced still have."""
    rooms: list[tuple[int, Pot]] = []
    for source in hold.draws:
        demand = cap_demand(source, hold.traffic)
        room = demand.room(hold.traffic)
        if demand.mode is Enforcement.ENFORCE and room is not None:
            rooms.append((room, source.pot))
    if not rooms:
        organisation.reach(Branch.OVERAGE_CAP_UNBOUNDED)
        return excess
    room, pot = min(rooms)
    if room >= excess:
        organisation.reach(Branch.OVERAGE_WITHIN_CAP)
        return excess
    organisation.reach(Branch.OVERAGE_CAPPED)
    if pot is Pot.LIMIT:
        organisation.reach(Branch.CAP_BOUND_BY_LIMIT)
    elif cap_demand(hold.draws[0], hold.traffic).below != hold.draws[0].account.settings.overdraft_limit:
        organisation.reach(Branch.CAP_BOUND_BY_FLOOR)
    return max(room, 0)


def _capture(organisation: Organisation, hold: Hold, credits_: int) -> None:
    for source in hold.draws:
        pots.capture_held(organisation, source, hold.traffic, credits_)
    _count_captured(organisation, hold, credits_)


def _count_captured(organisation: Organisation, hold: Hold, credits_: int) -> None:
    hold.captured += credits_
    organisation.accounts[hold.account_id].totals["usage"] += credits_


def _return_all(organisation: Organisation, hold: Hold) -> Returned:
    """Give back what every pot holds; returns what became of the payer's."""
    of_wallet, *_ = [pots.return_held(organisation, source) for source in hold.draws]
    hold.restored += of_wallet.restored
    return of_wallet


def _end(organisation: Organisation, hold: Hold, state: ReservationState, settled_by: SettledBy, moved: Moved) -> None:
    if hold.state is ReservationState.PENDING:
        organisation.accounts[hold.account_id].open_holds -= 1
    windows = organisation.windows
    lasts_ms = windows.expired_ms if moved.late or state is ReservationState.EXPIRED else windows.settled_ms
    hold.state, hold.settled_by, hold.last = state, settled_by, moved
    hold.settle_ms = organisation.now_ms
    hold.forget_ms = organisation.now_ms + lasts_ms


def _answer(organisation: Organisation, hold: Hold, moved: Moved, *, replayed: bool = False) -> Settlement:
    return Settlement(
        state=hold.state,
        captured=moved.captured,
        restored=moved.restored,
        expired=moved.expired,
        overage=moved.overage,
        shortfall=moved.shortfall,
        debt_repaid=moved.debt_repaid,
        balance=balance(organisation, hold.account_id, hold.traffic),
        replayed=replayed,
        late=moved.late,
    )

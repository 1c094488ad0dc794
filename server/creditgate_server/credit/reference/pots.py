"""Credits entering and leaving grants: drawn, held, captured, and given back to where they came from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.operations import Scope
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import is_closed, live
from creditgate_server.credit.reference.records import NEVER_MS, Cover, Grant, Maker, Part, Returned
from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, Enforcement, GrantKind, GrantState, Pot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.credit.reference.records import Account, Draw, Organisation, RollsOver, Traffic

HOPS_MAX: Final = 16
"""From heir to heir; then the credits stay with the last account, in its ADJUSTMENT grant."""


# Into a grant


def enter(organisation: Organisation, grant: Grant, credits_: int) -> int:
    """Add credits to what a grant has left; in a wallet they repay debt first. Returns how much."""
    account = organisation.accounts[grant.account_id]
    repaid = min(account.debt, credits_) if grant.pot is Pot.WALLET else 0
    account.debt -= repaid
    grant.debt_paid += repaid
    grant.remaining += credits_ - repaid
    return repaid


def add_grant(
    organisation: Organisation, account: Account, terms: Grant, maker: Maker, *, reference: str = ""
) -> Grant:
    """Make a grant of the ledger's own, empty, with the kind, priority, expiry and scope of `terms`."""
    organisation.grants_made += 1
    grant = Grant(
        number=organisation.grants_made,
        grant_id=f"cg:{organisation.grants_made}",
        account_id=account.account_id,
        kind=terms.kind,
        maker=maker,
        amount=0,
        priority=terms.priority,
        scope=terms.scope,
        create_ms=organisation.now_ms,
        effective_ms=organisation.now_ms,
        expire_ms=terms.expire_ms,
        said=("", reference, ""),
        state=GrantState.LIVE,
    )
    account.grants.append(grant)
    return grant


def adjustment_of(organisation: Organisation, account: Account) -> Grant:
    """Return the account's one merged ADJUSTMENT grant, made anew where there is none that lives."""
    made = [grant for grant in account.grants if grant.maker is Maker.ADJUSTMENT]
    for grant in made:
        if grant.state is GrantState.LIVE:
            is_exhausted = grant.shown_state is GrantState.EXHAUSTED
            organisation.reach(Branch.REFUND_REVIVES_ADJUSTMENT if is_exhausted else Branch.REFUND_GROWS_ADJUSTMENT)
            return grant
    organisation.reach(Branch.REFUND_REPLACES_ADJUSTMENT if made else Branch.REFUND_MAKES_ADJUSTMENT)
    terms = Grant(0, "", "", GrantKind.ADJUSTMENT, Maker.ADJUSTMENT, 0, 0, Scope(), 0, 0, NEVER_MS)
    return add_grant(organisation, account, terms, Maker.ADJUSTMENT)


def rollover_of(organisation: Organisation, over: Grant, rolls_over: RollsOver) -> Grant:
    """Return the grant that takes over from a plan's: one that never ends and has the same terms, or a new one."""
    account = organisation.accounts[over.account_id]
    terms = replace(over, kind=GrantKind.ROLLOVER, priority=rolls_over.priority, expire_ms=rolls_over.until_ms)
    for grant in account.grants:
        is_alike = (grant.priority, grant.expire_ms, grant.scope) == (terms.priority, NEVER_MS, terms.scope)
        if terms.expire_ms == NEVER_MS and grant.maker is Maker.ROLLOVER and grant.is_active and is_alike:
            organisation.reach(Branch.ROLLED_INTO_A_LASTING_GRANT)
            return grant
    _, plan_id, _ = over.said
    return add_grant(organisation, account, terms, Maker.ROLLOVER, reference=plan_id)


def inherit(organisation: Organisation, grant: Grant, heir: Grant, credits_: int) -> None:
    """Move credits, which just now are nowhere in `grant`, to an heir; what they become there is up to the caller."""
    grant.moved += credits_
    heir.amount += credits_
    organisation.accounts[heir.account_id].totals["moved_in"] += credits_


def give_back(organisation: Organisation, grant: Grant, credits_: int) -> Returned:
    """Give back credits that a grant had given: to it, to its heirs, or to nobody."""
    if not credits_:
        return Returned()
    hops = 0
    while not is_closed(organisation.accounts[grant.account_id]):
        _end_if_over(organisation, grant)
        if grant.state is GrantState.LIVE:
            return _back_to_live(organisation, grant, credits_)
        _roll_over_late(organisation, grant)
        if grant.state is GrantState.REVOKED or grant.heir is None:
            break
        hops += 1
        heir = grant.heir
        if hops > HOPS_MAX:
            organisation.reach(Branch.BACK_PAST_THE_LAST_HOP)
            heir = adjustment_of(organisation, organisation.accounts[grant.account_id])
        organisation.reach(Branch.BACK_TO_HEIR if hops == 1 else Branch.BACK_TO_HEIR_OF_HEIR)
        inherit(organisation, grant, heir, credits_)
        grant = heir
    return _swallow(organisation, grant, credits_)


def _end_if_over(organisation: Organisation, grant: Grant) -> None:
    """An exhausted grant notices only now, that something comes back to it, that its time is over."""
    if grant.state is GrantState.LIVE and grant.expire_ms <= organisation.now_ms:
        organisation.reach(Branch.BACK_TO_EXHAUSTED_PAST_ITS_END)
        grant.state = GrantState.EXPIRED


def _roll_over_late(organisation: Organisation, over: Grant) -> None:
    """Make an heir for a plan's grant whose period left nothing that could have rolled over then."""
    if over.state is not GrantState.EXPIRED or over.heir or not over.rolls_over:
        return
    if over.rolls_over.until_ms <= organisation.now_ms:
        organisation.reach(Branch.BACK_TOO_LATE_TO_ROLL_OVER)
        return
    organisation.reach(Branch.BACK_ROLLS_OVER_LATE)
    over.heir = rollover_of(organisation, over, over.rolls_over)


def _back_to_live(organisation: Organisation, grant: Grant, credits_: int) -> Returned:
    if _is_crowded_out(organisation, grant):
        if grant.pot is Pot.LIMIT:
            organisation.reach(Branch.BACK_TO_A_FULL_LIMIT)
            grant.expired += credits_
            return Returned(expired=credits_)
        organisation.reach(Branch.BACK_TO_A_FULL_ACCOUNT)
        heir = adjustment_of(organisation, organisation.accounts[grant.account_id])
        inherit(organisation, grant, heir, credits_)
        grant = heir
    organisation.reach(Branch.BACK_TO_LIVE if grant.pot is Pot.WALLET else Branch.BACK_TO_LIMIT)
    if grant.shown_state is GrantState.EXHAUSTED:
        organisation.reach(Branch.BACK_REVIVES_EXHAUSTED)
    repaid = enter(organisation, grant, credits_)
    if repaid:
        organisation.reach(Branch.BACK_REPAYS_DEBT)
    return Returned(restored=credits_, debt_repaid=repaid)


def _is_crowded_out(organisation: Organisation, grant: Grant) -> bool:
    """Whether a used-up grant cannot live again, because its account has as many active ones as it may have."""
    if grant.shown_state is not GrantState.EXHAUSTED or grant.maker is Maker.ADJUSTMENT:
        return False
    active = sum(one.is_active for one in organisation.accounts[grant.account_id].grants)
    return active >= GRANTS_PER_ACCOUNT_MAX


def _swallow(organisation: Organisation, grant: Grant, credits_: int) -> Returned:
    if grant.state is GrantState.REVOKED:
        organisation.reach(Branch.BACK_TO_REVOKED)
        grant.revoked += credits_
    elif is_closed(organisation.accounts[grant.account_id]):
        organisation.reach(Branch.BACK_TO_CLOSED)
        grant.revoked += credits_
    else:
        organisation.reach(Branch.BACK_TO_EXPIRED if grant.pot is Pot.WALLET else Branch.BACK_TO_ENDED_ALLOTMENT)
        grant.expired += credits_
    return Returned(expired=credits_)


# Out of a pot


def draw(organisation: Organisation, source: Draw, traffic: Traffic, credits_: int) -> list[Part]:
    """Take credits from what the grants of a pot have left, in burn order, as far as they reach."""
    parts: list[Part] = []
    if source.mode is Enforcement.OFF:
        return parts
    may_pay = live(source.account, source.pot, traffic)
    if credits_ and len(may_pay) < len(live(source.account, source.pot, None)):
        organisation.reach(Branch.SCOPE_PASSED_OVER)
    for grant in may_pay:
        part = min(grant.remaining, credits_ - total(parts))
        if part:
            grant.remaining -= part
            parts.append(Part(grant, part))
    if len(parts) > 1:
        organisation.reach(Branch.DRAWN_FROM_SEVERAL_GRANTS)
    return parts


def hold(organisation: Organisation, source: Draw, traffic: Traffic, credits_: int) -> None:
    """Set credits of a pot aside: of grants, and without cover for the rest."""
    source.held = draw(organisation, source, traffic, credits_)
    for part in source.held:
        if isinstance(part.source, Grant):
            part.source.held += part.credits
    covered = total(source.held)
    if source.pot is Pot.LIMIT:
        source.account.limit_reserved += covered
    else:
        source.account.reserved += covered
    rest = credits_ - covered
    if not rest:
        return
    if source.pot is Pot.WALLET and source.mode is Enforcement.ENFORCE:
        organisation.reach(Branch.HELD_WITHOUT_COVER)
        source.account.unfunded += rest
        source.account.reserved += rest
        source.held.append(Part(Cover.UNCOVERED, rest))
    else:
        source.held.append(Part(Cover.UNENFORCED, rest))


def spend(organisation: Organisation, source: Draw, traffic: Traffic, credits_: int) -> None:
    """Take credits for good: of grants, and what these do not cover as debt, or as overrun where nothing enforces."""
    parts = draw(organisation, source, traffic, credits_)
    for part in parts:
        _capture_of_grant(source, part)
    rest = credits_ - total(parts)
    if not rest:
        return
    if source.pot is Pot.WALLET and source.mode is Enforcement.ENFORCE:
        organisation.reach(Branch.DEBT_INCURRED)
        source.account.debt += rest
        source.account.totals["debt_incurred"] += rest
        source.account.used += rest
        source.taken.append(Part(Cover.UNCOVERED, rest))
    else:
        _let_through(organisation, source, rest)


def capture_held(organisation: Organisation, source: Draw, traffic: Traffic, credits_: int) -> None:
    """Capture the first credits of what a pot holds."""
    for part in take_held(source, credits_):
        if isinstance(part.source, Grant):
            part.source.held -= part.credits
            _capture_of_grant(source, part)
        elif part.source is Cover.UNCOVERED:
            debt = source.account.debt
            spend(organisation, source, traffic, part.credits)
            incurred = source.account.debt - debt
            if incurred:
                organisation.reach(Branch.UNCOVERED_BECAME_DEBT)
            if incurred < part.credits:
                organisation.reach(Branch.UNCOVERED_PAID_BY_GRANTS_SINCE)
        else:
            _let_through(organisation, source, part.credits)


def return_held(organisation: Organisation, source: Draw) -> Returned:
    """Give back all that a pot still holds."""
    returned = Returned()
    for part in take_held(source, total(source.held)):
        if isinstance(part.source, Grant):
            returned += give_back(organisation, part.source, part.credits)  # a grant is in use while it is held of
            part.source.held -= part.credits
        elif part.source is Cover.UNCOVERED:
            organisation.reach(Branch.UNCOVERED_DROPPED)
    return returned


def take_held(source: Draw, credits_: int) -> list[Part]:
    """Take the first credits out of what a pot holds, and out of what its account counts as reserved."""
    taken: list[Part] = []
    kept: list[Part] = []
    for part in source.held:
        now = min(part.credits, credits_ - total(taken))
        if now:
            taken.append(Part(part.source, now))
        if part.credits > now:
            kept.append(Part(part.source, part.credits - now))
    source.held = kept
    for part in taken:
        if part.source is Cover.UNCOVERED:
            source.account.unfunded -= part.credits
        if part.source is not Cover.UNENFORCED:
            if source.pot is Pot.LIMIT:
                source.account.limit_reserved -= part.credits
            else:
                source.account.reserved -= part.credits
    return taken


def _capture_of_grant(source: Draw, part: Part) -> None:
    if not isinstance(part.source, Grant):
        raise TypeError(part)
    part.source.captured += part.credits
    if source.pot is Pot.WALLET:
        source.account.used += part.credits
    source.taken.append(Part(part.source, part.credits))


def _let_through(organisation: Organisation, source: Draw, credits_: int) -> None:
    if source.pot is Pot.WALLET:
        is_off = source.mode is Enforcement.OFF
        organisation.reach(Branch.LET_THROUGH_BY_OFF if is_off else Branch.LET_THROUGH_BY_MONITOR)
        source.account.totals["overrun"] += credits_
        source.account.used += credits_
    else:
        organisation.reach(Branch.LIMIT_OVERRUN)
        source.account.totals["limit_overrun"] += credits_
    source.taken.append(Part(Cover.UNENFORCED, credits_))


def total(parts: Sequence[Part]) -> int:
    """Sum the credits of parts."""
    return sum(part.credits for part in parts)

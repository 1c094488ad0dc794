"""Credits given, taken back, and moved between accounts; and the beginning and end of grants."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from creditgate_server.credit.operations import Scope
from creditgate_server.credit.outcomes import Granted, Revoked, Transferred
from creditgate_server.credit.reference import pots
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import balance, is_closed, left, lineage, live
from creditgate_server.credit.reference.records import (
    NEVER_MS,
    Given,
    Grant,
    Maker,
    Refused,
    Revocation,
    TransferMade,
)
from creditgate_server.credit.reference.views import grant_view
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    Funding,
    GrantKind,
    GrantState,
    Pot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.credit import operations as ask
    from creditgate_server.credit.reference.records import Account, Organisation


def grant(organisation: Organisation, operation: ask.GrantCredits) -> Granted:
    """Add credits to a wallet, or room to a limit."""
    account = lineage(organisation, operation.account_id)[0]
    content = replace(operation, actor="", reference="", note="")
    if known := organisation.given.get(operation.grant_id):
        if known.content != content:
            raise Refused("ID_REUSED")
        organisation.reach(Branch.GRANT_REPLAYED)
        return _granted(organisation, account, known, replayed=True)
    if is_closed(account):
        raise Refused("ACCOUNT_CLOSED")
    effective_ms = max(operation.effective_ms, organisation.now_ms)
    expire_ms = operation.expire_ms or NEVER_MS
    if expire_ms <= effective_ms:
        raise Refused("INVALID_FIELD")
    _check_bounds(account, [operation.scope])
    organisation.grants_made += 1
    made = Grant(
        number=organisation.grants_made,
        grant_id=operation.grant_id,
        account_id=account.account_id,
        kind=operation.kind,
        maker=Maker.OPERATOR,
        amount=operation.credits,
        priority=operation.priority,
        scope=operation.scope,
        create_ms=organisation.now_ms,
        effective_ms=effective_ms,
        expire_ms=expire_ms,
        said=(operation.actor, operation.reference, operation.note),
        remaining=operation.credits,
    )
    account.grants.append(made)
    account.has_limit = account.has_limit or made.pot is Pot.LIMIT
    repaid = 0
    if effective_ms > organisation.now_ms:
        organisation.reach(Branch.GRANT_PENDING)
    else:
        repaid = _begin(organisation, made)
        if repaid:
            organisation.reach(Branch.GRANT_REPAYS_DEBT)
    organisation.given[operation.grant_id] = Given(content, made, repaid)
    return _granted(organisation, account, organisation.given[operation.grant_id])


def start(organisation: Organisation, pending: Grant) -> None:
    """Begin a grant whose time has come."""
    organisation.now_ms = pending.effective_ms
    repaid = _begin(organisation, pending)
    organisation.reach(Branch.GRANT_STARTED_INTO_DEBT if repaid else Branch.GRANT_STARTED)


def end(organisation: Organisation, over: Grant) -> None:
    """End a grant whose time is over: what is left of it is gone."""
    organisation.now_ms = over.expire_ms
    organisation.reach(Branch.GRANT_EXPIRED)
    over.state = GrantState.EXPIRED
    over.expired += over.remaining
    over.remaining = 0


def _begin(organisation: Organisation, pending: Grant) -> int:
    pending.state = GrantState.LIVE
    credits_, pending.remaining = pending.remaining, 0
    return pots.enter(organisation, pending, credits_)


def _check_bounds(account: Account, scopes: Sequence[Scope]) -> None:
    """Check that an account can have one more active grant for each scope. Raises Refused."""
    active = [one for one in account.grants if one.is_active]
    present = {one.scope for one in active} - {Scope()}
    new = set(scopes) - present - {Scope()}
    has_no_place = len(active) + len(scopes) > GRANTS_PER_ACCOUNT_MAX
    if has_no_place or (new and len(present) + len(new) > SCOPES_PER_ACCOUNT_MAX):
        raise Refused("TOO_MANY_GRANTS")


def _granted(organisation: Organisation, account: Account, given: Given, *, replayed: bool = False) -> Granted:
    return Granted(grant_view(given.grant), given.debt_repaid, balance(organisation, account.account_id), replayed)


def revoke(organisation: Organisation, operation: ask.RevokeGrant) -> Revoked:
    """Take back what remains of a grant, and with `claw_back` what was spent of it from others of its kind."""
    account = lineage(organisation, operation.account_id)[0]
    found = next((one for one in account.grants if one.grant_id == operation.grant_id), None)
    if found is None:
        raise Refused("GRANT_NOT_FOUND")
    if found.revocation:
        if found.revocation.claw_back != operation.claw_back:
            raise Refused("GRANT_ALREADY_REVOKED")
        organisation.reach(Branch.REVOKE_REPLAYED)
        return _revoked(organisation, found, found.revocation, replayed=True)
    if is_closed(account):
        raise Refused("ACCOUNT_CLOSED")
    _note_state(organisation, found)
    revoked = found.remaining
    found.revoked += revoked
    found.remaining, found.state, found.heir = 0, GrantState.REVOKED, None
    clawed_back = _claw_back(organisation, account, found) if operation.claw_back else 0
    found.revocation = Revocation(operation.claw_back, revoked, clawed_back)
    return _revoked(organisation, found, found.revocation)


def _claw_back(organisation: Organisation, account: Account, spent: Grant) -> int:
    wanted = spent.captured - spent.refunded + spent.debt_paid
    if wanted and spent.debt_paid:
        organisation.reach(Branch.CLAW_BACK_OF_DEBT_PAID)
    taken = 0
    for other in live(account, spent.pot, None):
        if other.kind is not spent.kind:
            if wanted:
                organisation.reach(Branch.CLAW_BACK_PASSES_OTHER_KINDS)
            continue
        part = min(other.remaining, wanted - taken)
        other.remaining -= part
        other.revoked += part
        taken += part
    if taken:
        organisation.reach(Branch.CLAWED_BACK_ALL if taken == wanted else Branch.CLAWED_BACK_WHAT_THERE_IS)
    return taken


def _note_state(organisation: Organisation, found: Grant) -> None:
    if found.kind is GrantKind.ALLOTMENT:
        organisation.reach(Branch.REVOKED_ALLOTMENT)
    if found.held:
        organisation.reach(Branch.REVOKED_WHILE_HELD)
    organisation.reach(
        {
            GrantState.LIVE: Branch.REVOKED_LIVE,
            GrantState.PENDING: Branch.REVOKED_PENDING,
            GrantState.EXHAUSTED: Branch.REVOKED_EXHAUSTED,
            GrantState.EXPIRED: Branch.REVOKED_EXPIRED,
            GrantState.MOVED: Branch.REVOKED_MOVED,
        }[found.shown_state]
    )


def _revoked(organisation: Organisation, found: Grant, taken: Revocation, *, replayed: bool = False) -> Revoked:
    balance_ = balance(organisation, found.account_id)
    return Revoked(grant_view(found), taken.revoked, taken.clawed_back, balance_, replayed)


def transfer(organisation: Organisation, operation: ask.Transfer) -> Transferred:
    """Move credits between the wallets of two accounts that fund themselves."""
    ids = (operation.account_id, operation.target_account_id)
    source, target = (lineage(organisation, one)[0] for one in ids)
    content = (*ids, operation.credits)
    if known := organisation.transfers.get(operation.transfer_id):
        if known.content != content:
            raise Refused("ID_REUSED")
        organisation.reach(Branch.TRANSFER_REPLAYED)
        return _transferred(organisation, operation, known, replayed=True)
    if is_closed(source) or is_closed(target):
        raise Refused("ACCOUNT_CLOSED")
    if any(one.settings.funding is not Funding.OWN for one in (source, target)):
        raise Refused("ACCOUNT_NOT_SELF_FUNDED")
    if operation.credits > left(source, Pot.WALLET, None):
        raise Refused("INSUFFICIENT_CREDITS")
    givers = _givers(source, operation.credits)
    new = {_terms(one): one.scope for one, _ in givers if _target_grant(target, one) is None}
    _check_bounds(target, [*new.values()])
    if len(givers) > 1:
        organisation.reach(Branch.TRANSFER_OF_SEVERAL_GRANTS)
    repaid = sum(_move(organisation, target, giver, credits_) for giver, credits_ in givers)
    organisation.transfers[operation.transfer_id] = TransferMade(content, repaid)
    return _transferred(organisation, operation, organisation.transfers[operation.transfer_id])


def _givers(source: Account, credits_: int) -> list[tuple[Grant, int]]:
    """Return the grants that a transfer takes from, in burn order, and how much of each."""
    givers: list[tuple[Grant, int]] = []
    for one in live(source, Pot.WALLET, None):
        part = min(one.remaining, credits_)
        credits_ -= part
        if part:
            givers.append((one, part))
    return givers


def _terms(one: Grant) -> tuple[GrantKind, int, int, Scope]:
    return one.kind, one.priority, one.expire_ms, one.scope


def _target_grant(target: Account, giver: Grant) -> Grant | None:
    """Return the active grant that an earlier transfer made with the terms of `giver`."""
    for one in target.grants:
        if one.maker is Maker.TRANSFER and one.is_active and _terms(one) == _terms(giver):
            return one
    return None


def _move(organisation: Organisation, target: Account, giver: Grant, credits_: int) -> int:
    heir = _target_grant(target, giver)
    if heir:
        organisation.reach(Branch.TRANSFER_MERGES)
    else:
        heir = pots.add_grant(organisation, target, giver, Maker.TRANSFER)
    if giver.held:
        organisation.reach(Branch.TRANSFER_WHILE_HELD)
    giver.remaining -= credits_
    if giver.remaining:
        organisation.reach(Branch.TRANSFER_MOVES_A_PART)
    else:
        organisation.reach(Branch.TRANSFER_MOVES_ALL_OF_A_GRANT)
        giver.state, giver.heir = GrantState.MOVED, heir
    pots.inherit(organisation, giver, heir, credits_)
    repaid = pots.enter(organisation, heir, credits_)
    if repaid:
        organisation.reach(Branch.TRANSFER_REPAYS_DEBT)
    return repaid


def _transferred(
    organisation: Organisation, operation: ask.Transfer, made: TransferMade, *, replayed: bool = False
) -> Transferred:
    return Transferred(
        credits=operation.credits,
        debt_repaid=made.debt_repaid,
        source=balance(organisation, operation.account_id),
        target=balance(organisation, operation.target_account_id),
        replayed=replayed,
    )

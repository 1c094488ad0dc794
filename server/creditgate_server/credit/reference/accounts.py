"""Accounts: opened below existing ones, changed, and closed for good."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from creditgate_server.credit.operations import UNSET
from creditgate_server.credit.outcomes import Closed
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import is_closed, lineage, open_account
from creditgate_server.credit.reference.records import Account, Refused
from creditgate_server.credit.reference.views import account_view
from creditgate_server.credit.terms import AccountStatus, GrantState, Pot

if TYPE_CHECKING:
    from creditgate_server.credit import operations as ask
    from creditgate_server.credit import outcomes as told
    from creditgate_server.credit.reference.records import Organisation


def create_account(organisation: Organisation, operation: ask.CreateAccount) -> tuple[told.Account, bool]:
    """Open an account; True where it was there already, made with the same settings."""
    known = organisation.accounts.get(operation.account_id)
    if known:
        if is_closed(known):
            raise Refused("ACCOUNT_CLOSED")
        if known.created_with != operation.settings:
            raise Refused("ACCOUNT_ALREADY_EXISTS")
        organisation.reach(Branch.ACCOUNT_REPLAYED)
        return account_view(organisation, known), True
    now_ms = organisation.now_ms
    account = Account(operation.account_id, operation.settings, operation.settings, now_ms, now_ms)
    if account.parent_id:
        if account.parent_id not in organisation.accounts:
            raise Refused("PARENT_NOT_FOUND")
        if is_closed(organisation.accounts[account.parent_id]):
            raise Refused("ACCOUNT_CLOSED")
    organisation.accounts[operation.account_id] = account
    return account_view(organisation, account), False


def update_account(organisation: Organisation, operation: ask.UpdateAccount) -> told.Account:
    """Change settings, effective on the next decision."""
    account = open_account(organisation, operation.account_id)
    own = {field.name: getattr(operation.change, field.name) for field in fields(operation.change)}
    settings = replace(account.settings, **{name: value for name, value in own.items() if value is not UNSET})
    if settings != account.settings:
        account.settings, account.update_ms = settings, organisation.now_ms
    return account_view(organisation, account)


def close_account(organisation: Organisation, operation: ask.CloseAccount) -> Closed:
    """End an account without children and open holds: what remains is revoked, debt is written off."""
    account = lineage(organisation, operation.account_id)[0]
    if account.closing:
        organisation.reach(Branch.CLOSE_REPLAYED)
        return Closed(account_view(organisation, account), *account.closing, replayed=True)
    children = [one for one in organisation.accounts.values() if one.parent_id == account.account_id]
    if account.open_holds or not all(map(is_closed, children)):
        raise Refused("ACCOUNT_NOT_EMPTY")
    revoked = 0
    for grant in account.grants:
        if grant.remaining:
            if grant.state is GrantState.PENDING:
                organisation.reach(Branch.CLOSED_WITH_PENDING)
            organisation.reach(Branch.CLOSED_WITH_CREDITS)
            revoked += grant.remaining if grant.pot is Pot.WALLET else 0
            grant.revoked += grant.remaining
            grant.remaining, grant.state, grant.heir = 0, GrantState.REVOKED, None
    if account.debt:
        organisation.reach(Branch.CLOSED_WITH_DEBT)
    if account.plan:
        organisation.reach(Branch.CLOSED_WITH_PLAN)
        account.plan = None
    account.closing = (revoked, account.debt)
    account.totals["written_off"] += account.debt
    account.debt = 0
    account.settings = replace(account.settings, status=AccountStatus.CLOSED)
    account.update_ms = organisation.now_ms
    return Closed(account_view(organisation, account), *account.closing, replayed=False)

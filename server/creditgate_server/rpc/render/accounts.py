"""Responses of `AccountService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.v1 import accounts_pb2 as pb
from creditgate.v1 import credits_pb2
from creditgate_server.rpc.render.common import render_balance, render_scope, render_time

if TYPE_CHECKING:
    from creditgate_server.credit.operations import CloseAccount, CreateAccount, UpdateAccount
    from creditgate_server.credit.outcomes import Account, Closed, Grant, Level, Page, Standing
    from creditgate_server.rpc.queries import GetAccount, ListAccounts


def render_create_account(_: CreateAccount, outcome: tuple[Account, bool]) -> pb.CreateAccountResponse:
    """Render a new account, or the one that was there."""
    account, replayed = outcome
    return pb.CreateAccountResponse(account=_render_account(account), replayed=replayed)


def render_update_account(_: UpdateAccount, account: Account) -> pb.UpdateAccountResponse:
    """Render an account after a change."""
    return pb.UpdateAccountResponse(account=_render_account(account))


def render_close_account(_: CloseAccount, outcome: Closed) -> pb.CloseAccountResponse:
    """Render an account that has ended, and what that did to its credits."""
    return pb.CloseAccountResponse(
        account=_render_account(outcome.account),
        revoked=outcome.revoked,
        written_off=outcome.written_off,
        balance=render_balance(outcome.account.balance),
        replayed=outcome.replayed,
    )


def render_get_account(_: GetAccount, account: Account) -> pb.GetAccountResponse:
    """Render an account."""
    return pb.GetAccountResponse(account=_render_account(account))


def render_list_accounts(_: ListAccounts, page: Page[Account]) -> pb.ListAccountsResponse:
    """Render a page of accounts."""
    return pb.ListAccountsResponse(
        accounts=[
            pb.AccountSummary(account=_render_account(account), balance=render_balance(account.balance))
            for account in page.items
        ],
        next_page_token=page.next_token,
    )


def render_get_balance(_: GetAccount, standing: Standing) -> pb.GetBalanceResponse:
    """Render a balance as a whole, per grant and per level."""
    return pb.GetBalanceResponse(
        balance=render_balance(standing.balance),
        grants=map(render_grant_balance, standing.grants),
        levels=map(render_level, standing.levels),
    )


def _render_account(account: Account) -> pb.Account:
    settings = account.settings
    return pb.Account(
        account_id=account.account_id,
        display_name=settings.display_name,
        status=pb.AccountStatus.ValueType(settings.status),
        funding=pb.Funding.ValueType(settings.funding),
        enforcement=pb.Enforcement.ValueType(settings.enforcement),
        overdraft_limit=settings.overdraft_limit,
        inbound_overdraft_limit=settings.inbound_overdraft_limit,
        floor=settings.floor,
        late_commit=pb.LateCommit.ValueType(settings.late_commit or 0),
        overage=pb.Overage.ValueType(settings.overage or 0),
        rate_card_id=settings.rate_card_id,
        limit_counts_inbound=settings.limit_counts_inbound,
        create_time=render_time(account.create_ms),
        update_time=render_time(account.update_ms),
    )


def render_grant_balance(grant: Grant) -> pb.GrantBalance:
    """Render what is left of a grant."""
    return pb.GrantBalance(
        grant_id=grant.grant_id,
        account_id=grant.account_id,
        kind=credits_pb2.GrantKind.ValueType(grant.kind),
        remaining=grant.remaining,
        held=grant.held,
        priority=grant.priority,
        scope=render_scope(grant.scope),
        effective_time=render_time(grant.effective_ms),
        expire_time=render_time(grant.expire_ms),
    )


def render_level(level: Level) -> pb.LevelBalance:
    """Render one level of an organisation."""
    return pb.LevelBalance(
        account_id=level.account_id,
        pays=level.pays,
        enforcement=pb.Enforcement.ValueType(level.settings.enforcement),
        status=pb.AccountStatus.ValueType(level.settings.status),
        available=level.available,
        reserved=level.reserved,
        debt=level.debt,
        limit_left=level.limit_left,
        limit_reserved=level.limit_reserved,
    )

"""Requests of `AccountService`."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from creditgate.pricing.usage import OPERATION_CREDITS_MAX
from creditgate_server.credit.ids import parent_of
from creditgate_server.credit.operations import (
    AccountSettings,
    CloseAccount,
    CreateAccount,
    SettingsChange,
    UpdateAccount,
)
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    Funding,
    LateCommit,
    Overage,
)
from creditgate_server.rpc.parse.checks import Checks
from creditgate_server.rpc.queries import GetAccount, ListAccounts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from creditgate.v1 import accounts_pb2 as pb

DISPLAY_NAME_CHARACTERS_MAX: Final = 128

RATE_CARD_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
RATE_CARD_ID_RULE: Final = "must be the id of a rate card, [a-z0-9][a-z0-9._-]{0,62}"

_STATUSES: Final[Mapping[int, AccountStatus]] = {
    int(term): term for term in (AccountStatus.ACTIVE, AccountStatus.SUSPENDED)
}
_FUNDINGS: Final[Mapping[int, Funding]] = {int(term): term for term in Funding}
_ENFORCEMENTS: Final[Mapping[int, Enforcement]] = {int(term): term for term in Enforcement}
_LATE_COMMITS: Final[Mapping[int, LateCommit]] = {int(term): term for term in LateCommit}
_OVERAGES: Final[Mapping[int, Overage]] = {int(term): term for term in Overage}

_SETTABLE: Final = frozenset(field.name for field in fields(SettingsChange))


def parse_create_account(request: pb.CreateAccountRequest) -> CreateAccount:
    """Read a new account, defaults filled in."""
    checks = Checks()
    create = CreateAccount(
        account_id=checks.account_id("account.account_id", request.account.account_id),
        settings=_parse_settings(request.account, checks),
    )
    checks.finish()
    return create


def parse_update_account(request: pb.UpdateAccountRequest) -> UpdateAccount:
    """Read the settings that the mask names; what it does not name is not even looked at."""
    checks = Checks()
    account_id = checks.account_id("account.account_id", request.account.account_id)
    paths = list(request.update_mask.paths)
    if not paths or not set(paths) <= _SETTABLE:
        checks.refuse("update_mask", f"must name at least one, and nothing but: {', '.join(sorted(_SETTABLE))}")
        checks.finish()
    named = type(request.account)(account_id=account_id)
    request.update_mask.MergeMessage(request.account, named)
    settings = _parse_settings(named, checks)
    checks.finish()
    return UpdateAccount(account_id, SettingsChange(**{path: getattr(settings, path) for path in paths}))


def parse_close_account(request: pb.CloseAccountRequest) -> CloseAccount:
    """Read a request to close an account."""
    checks = Checks()
    close = CloseAccount(checks.account_id("account_id", request.account_id))
    checks.finish()
    return close


def parse_get_account(request: pb.GetAccountRequest | pb.GetBalanceRequest) -> GetAccount:
    """Read a request for an account or its balance."""
    checks = Checks()
    query = GetAccount(checks.account_id("account_id", request.account_id))
    checks.finish()
    return query


def parse_list_accounts(request: pb.ListAccountsRequest) -> ListAccounts:
    """Read a request for a page of accounts."""
    checks = Checks()
    parent_id = request.parent_id
    query = ListAccounts(
        parent_id=checks.account_id("parent_id", parent_id) if parent_id else "",
        page_size=checks.page_size("page_size", request.page_size),
        page_token=checks.page_token("page_token", request.page_token),
    )
    checks.finish()
    return query


def _parse_settings(account: pb.Account, checks: Checks) -> AccountSettings:
    is_root = parent_of(account.account_id) is None
    funding = checks.term("account.funding", account.funding, _FUNDINGS, Funding.OWN if is_root else Funding.PARENT)
    if is_root and funding is Funding.PARENT:
        checks.refuse("account.funding", "must be OWN: there is no account above a root")
    rate_card_id = account.rate_card_id
    if rate_card_id and not RATE_CARD_ID.fullmatch(rate_card_id):
        checks.refuse("account.rate_card_id", RATE_CARD_ID_RULE)
    return AccountSettings(
        status=checks.term("account.status", account.status, _STATUSES, AccountStatus.ACTIVE),
        funding=funding,
        enforcement=checks.term("account.enforcement", account.enforcement, _ENFORCEMENTS, Enforcement.ENFORCE),
        overdraft_limit=checks.whole_number(
            "account.overdraft_limit", account.overdraft_limit, 0, OPERATION_CREDITS_MAX
        ),
        inbound_overdraft_limit=checks.whole_number(
            "account.inbound_overdraft_limit", account.inbound_overdraft_limit, 0, OPERATION_CREDITS_MAX
        )
        if account.HasField("inbound_overdraft_limit")
        else None,
        floor=checks.whole_number("account.floor", account.floor, -OPERATION_CREDITS_MAX, OPERATION_CREDITS_MAX)
        if account.HasField("floor")
        else None,
        late_commit=checks.term("account.late_commit", account.late_commit, _LATE_COMMITS)
        if account.late_commit
        else None,
        overage=checks.term("account.overage", account.overage, _OVERAGES) if account.overage else None,
        rate_card_id=rate_card_id,
        limit_counts_inbound=account.limit_counts_inbound,
        display_name=checks.text("account.display_name", account.display_name, DISPLAY_NAME_CHARACTERS_MAX),
    )

"""Accounts and their settings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from creditgate.answers.balances import Balance
from creditgate.terms import AccountStatus, Enforcement, Funding, LateCommit, Overage


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its settings. `late_commit` or `overage` None and `rate_card_id` empty: inherited.

    `inbound_overdraft_limit` None: inbound usage has no bound. `floor` None: the overdraft limit alone decides.
    """

    account_id: str
    display_name: str
    status: AccountStatus
    funding: Funding
    enforcement: Enforcement
    overdraft_limit: int
    inbound_overdraft_limit: int | None
    floor: int | None
    late_commit: LateCommit | None
    overage: Overage | None
    rate_card_id: str
    limit_counts_inbound: bool
    create_time: datetime | None
    update_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedAccount:
    """The answer to CreateAccount. `replayed`: it existed already, with the same settings."""

    account: Account
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """An account as a list shows it."""

    account: Account
    balance: Balance


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedAccount:
    """The answer to CloseAccount: the credits that remained and were revoked, and the debt that was written off."""

    account: Account
    revoked: int
    written_off: int
    balance: Balance
    replayed: bool

"""Grants, and what became of their credits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from creditgate.answers.balances import Balance, Scope
from creditgate.terms import GrantKind, GrantState


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGrant:
    """A grant and what became of it.

    `amount = remaining + held + (captured - refunded) + debt_repaid + expired + revoked + moved`. `moved` went to other
    accounts. `expire_time` None: never.
    """

    account_id: str
    grant_id: str
    kind: GrantKind
    state: GrantState
    amount: int
    remaining: int
    held: int
    captured: int
    refunded: int
    debt_repaid: int
    expired: int
    revoked: int
    moved: int
    create_time: datetime | None
    effective_time: datetime | None
    expire_time: datetime | None
    priority: int
    scope: Scope
    actor: str
    reference: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """The answer to Grant: the grant as it is now, and how much of it repaid debt at once."""

    grant: CreditGrant
    debt_repaid: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The answer to RevokeGrant: what remained of the grant and was taken back, and what was taken of others for it."""

    grant: CreditGrant
    revoked: int
    clawed_back: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Transferred:
    """The answer to Transfer: the balances of both accounts, and how much of it repaid debt of the target at once."""

    credits: int
    debt_repaid: int
    balance: Balance
    target_balance: Balance
    replayed: bool

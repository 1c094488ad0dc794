"""What an account can spend, as a whole, by grant and by level."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from creditgate.pricing import Channel
from creditgate.terms import AccountStatus, Enforcement, GrantKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account can spend, right after the call. Wallet amounts are those of `payer_id`, the account that pays.

    `available` is what remains of all live grants less debt, and may be negative; `usable` counts only grants whose
    scope admits the usage of the call. `reserved` is what open holds keep, `debt` what the next credits repay first.
    `limit_left` is the least left of the limits from the account up (None: no limit). `units_left` is to how many
    more recipients the usage of the call could go (None: no usage in the call, or no bound).
    """

    account_id: str
    payer_id: str
    available: int
    usable: int
    reserved: int
    debt: int
    limit_left: int | None
    units_left: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which usage a grant may pay for; an empty part admits all."""

    channels: tuple[Channel, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantBalance:
    """What is left of one grant that pays for an account or limits it. Times of None: at once, and never."""

    grant_id: str
    account_id: str
    kind: GrantKind
    remaining: int
    held: int
    priority: int
    scope: Scope
    effective_time: datetime | None
    expire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBalance:
    """One account on the way up to the root: its own wallet and its own limit (None: it has none).

    `pays`: its wallet is the one that pays for the account asked about.
    """

    account_id: str
    pays: bool
    enforcement: Enforcement
    status: AccountStatus
    available: int
    reserved: int
    debt: int
    limit_left: int | None
    limit_reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The answer to GetBalance: the balance as a whole, by grant, and by level from the account up to its root.

    `grants` are those in use of each level, leaf first: its wallet's in burn order, then its limit's likewise.
    """

    balance: Balance
    grants: tuple[GrantBalance, ...]
    levels: tuple[LevelBalance, ...]

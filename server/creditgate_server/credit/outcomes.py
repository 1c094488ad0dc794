"""What the ledger answers: one immutable record per kind of operation. Times are milliseconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from creditgate.pricing.rate_cards import Price
from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit.operations import AccountSettings, Labels, PlanTerms, Scope
from creditgate_server.credit.terms import (
    Decision,
    DenialReason,
    ExpiryAction,
    GrantKind,
    GrantState,
    Pot,
    ReservationState,
    SettledBy,
)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Balance:
    """How an account stands after an operation.

    `available`, `reserved` and `debt` are the payer's wallet over all scopes; `usable` is what the usage at hand may
    spend; `limit_left` is the least over all limits that bind the account (None: no limit); `units_left` is how many
    more recipients of the usage at hand fit (None: no usage at hand, or no bound).
    """

    account_id: str
    payer_id: str
    available: int
    usable: int
    reserved: int
    debt: int
    limit_left: int | None
    units_left: int | None


@dataclass(frozen=True, slots=True)
class Denial:
    """Why a usage was denied: the level that binds, and how many credits are short there (0: credits do not help).

    `next_credit_ms` is when the next pending grant of that level's wallet or limit begins, 0 where there is none.
    """

    reason: DenialReason
    account_id: str
    shortfall: int
    next_credit_ms: int = 0


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer to Quote, Reserve and Charge.

    `credits` are held (Reserve), captured (Charge) or would be (Quote). `price` is of the whole usage, None where no
    rate matched; a replay's is by the card version that priced it first.
    """

    decision: Decision
    denial: Denial | None
    credits: int
    recipients_granted: int
    balance: Balance | None
    price: Price | None = None
    state: ReservationState | None = None
    expire_ms: int = 0
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Settlement:
    """The answer to Commit and Release: the hold's state now, and the credits that this call moved.

    `captured` contains `overage`, what was taken beyond the hold; `shortfall` was used and could not be taken.
    `expired` went back to grants that have ended or were revoked: it is gone.
    """

    state: ReservationState
    captured: int
    restored: int
    expired: int
    overage: int
    shortfall: int
    debt_repaid: int
    balance: Balance
    replayed: bool
    late: bool


@dataclass(frozen=True, slots=True)
class Extension:
    """The answer to Extend: when the hold expires now."""

    expire_ms: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """The answer to Refund: the credits refunded, and what became of them in the payer's wallet.

    `restored` is what came back, `debt_repaid` the part of it that lowered debt; `expired` belonged to grants that have
    ended or were revoked. The rest had been let through by MONITOR or OFF: nobody had paid it.
    """

    credits: int
    restored: int
    expired: int
    debt_repaid: int
    balance: Balance
    replayed: bool


Outcome = Authorization | Settlement | Extension | Refunded
"""The answer to an operation that may stand in a batch."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as it stands.

    `amount` = remaining + held + (captured - refunded) + debt_repaid + expired + revoked + moved.
    """

    grant_id: str
    account_id: str
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
    priority: int
    scope: Scope
    create_ms: int
    effective_ms: int
    expire_ms: int
    actor: str
    reference: str
    note: str


@dataclass(frozen=True, slots=True)
class Granted:
    """The answer to GrantCredits."""

    grant: Grant
    debt_repaid: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Revoked:
    """The answer to RevokeGrant: what was taken of the grant, and of others of its kind."""

    grant: Grant
    revoked: int
    clawed_back: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Transferred:
    """The answer to Transfer: the balances of both accounts, and how much debt of the target the credits repaid."""

    credits: int
    debt_repaid: int
    source: Balance
    target: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The answer to CloseAccount: the credits that were revoked, and the debt that was written off."""

    account: Account
    revoked: int
    written_off: int
    replayed: bool


@dataclass(frozen=True, slots=True)
class Account:
    """An account's settings with its balance."""

    account_id: str
    settings: AccountSettings
    create_ms: int
    update_ms: int
    balance: Balance


@dataclass(frozen=True, slots=True)
class Plan:
    """An account's plan: its terms, its present period, and the grant of that.

    `following` are the terms from the period's end on (None: the same), `ends` tells that none follow.
    """

    terms: PlanTerms
    begin_ms: int
    end_ms: int
    grant_id: str
    following: PlanTerms | None
    ends: bool


@dataclass(frozen=True, slots=True)
class PlanSet:
    """The answer to SetPlan: the plan as it stands (None: there is none), and the debt that new credits repaid."""

    plan: Plan | None
    debt_repaid: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True)
class Level:
    """One account on the way from a leaf to its root: its own wallet, and its own limit (None: it has none)."""

    account_id: str
    settings: AccountSettings
    pays: bool
    available: int
    reserved: int
    debt: int
    limit_left: int | None
    limit_reserved: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The answer to GetBalance: the balance, every level from leaf to root, and the active grants of all of them."""

    balance: Balance
    levels: tuple[Level, ...]
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """What one pot of one account gave to a hold: credits per grant id, and what no grant covers.

    `unfunded` is overdraft, not debt until it is committed; `unenforced` was let through by MONITOR or OFF.
    """

    account_id: str
    pot: Pot
    grants: tuple[tuple[str, int], ...]
    unfunded: int
    unenforced: int


@dataclass(frozen=True, slots=True)
class Reservation:
    """A hold with its provenance.

    `credits` is what it was granted, `held` what it holds now (0 once settled); `captured` is all that was taken by
    it, and `refunded` what of this was given back again. `draws` is what it holds while PENDING, then what it captured.
    """

    account_id: str
    payer_id: str
    reservation_id: str
    state: ReservationState
    credits: int
    held: int
    captured: int
    restored: int
    refunded: int
    recipients_granted: int
    credits_per_recipient: int
    rate_card_id: str
    rate_card_version: int
    rule: str
    channel: Channel
    direction: Direction
    region: str
    priority: Priority
    create_ms: int
    expire_ms: int
    settle_ms: int
    settled_by: SettledBy | None
    expiry_action: ExpiryAction
    draws: tuple[Draw, ...]
    labels: Labels


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing; an empty `next_token` is the end."""

    items: tuple[Item, ...]
    next_token: str

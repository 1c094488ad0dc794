"""What the server answers, as immutable records. Amounts are whole credits; times are aware and in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from creditgate.pricing import Channel, Encoding, Rule
from creditgate.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    LateCommit,
    Pot,
    ReservationState,
    SettledBy,
)


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
class Denial:
    """Why a usage was denied, by which account, and how many credits are short there (0: credits would not help)."""

    reason: DenialReason
    account_id: str
    shortfall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheaperSpelling:
    """The whole body spelt in GSM-7, for less. `text` is content: show it, never store or log it."""

    text: str = field(repr=False)
    segments: int
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a usage costs for all its recipients, and how that was found.

    `segments` and `characters` are of one recipient's body, or as the caller stated them, else 0. Where no body was
    counted, `encoding` is None and `characters_left_in_segment` 0. `characters_left_in_segment` is what the last
    segment still takes: septets of GSM-7, code units of UCS-2. `forced_ucs2` are the distinct characters outside GSM-7,
    at most 16.
    """

    credits: int
    encoding: Encoding | None
    segments: int
    characters: int
    characters_left_in_segment: int
    rate_card_id: str
    rate_card_version: int
    rule: str
    forced_ucs2: tuple[str, ...]
    cheaper_spelling: CheaperSpelling | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What every decision says. `denial` is set when DENIED and when ALLOWED_MONITORED."""

    decision: Decision
    denial: Denial | None
    balance: Balance

    @property
    def allowed(self) -> bool:
        """Whether something may be sent: all of it, some recipients, or all because nobody enforces."""
        return self.decision.allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted(Decided):
    """The answer to Quote: what a Reserve would answer now."""

    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Decided):
    """The answer to Reserve.

    `state` and `expire_time` are None when DENIED. `credits` are held for `recipients_granted` recipients; `cost` is
    that of all who were asked for. A replay may be settled already.
    """

    reservation_id: str
    state: ReservationState | None
    credits: int
    recipients_granted: int
    cost: Cost | None
    expire_time: datetime | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Decided):
    """The answer to Charge: `credits` were captured."""

    charge_id: str
    credits: int
    cost: Cost | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The answer to Commit: `credits` were captured, `overage` of them beyond what was held.

    `state` is COMMITTED, or EXPIRED where the hold's expiry had captured the same credits before. What was not used
    went back to live grants (`restored`) or is gone with grants that have ended (`expired`). `late`: the hold had
    expired, and the credits were taken anew at the frozen price.
    """

    state: ReservationState
    credits: int
    restored: int
    expired: int
    overage: int
    debt_repaid: int
    balance: Balance
    replayed: bool
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The answer to Release: what went back to live grants, and what is gone with grants that have ended."""

    state: ReservationState
    restored: int
    expired: int
    debt_repaid: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPrice:
    """The price that a hold keeps, whatever becomes of the rate card."""

    rate_card_id: str
    rate_card_version: int
    rule: str
    credits_per_recipient: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one pot of one account gave to a hold: (grant id, credits) in burn order, and what no grant covers.

    `unfunded` is overdraft; `unenforced` was let through by an account in MONITOR mode or OFF.
    """

    account_id: str
    pot: Pot
    grants: tuple[tuple[str, int], ...]
    unfunded: int
    unenforced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A hold with its provenance. Once it is settled, `draws` are what was captured of each pot."""

    account_id: str
    payer_id: str
    reservation_id: str
    state: ReservationState
    credits: int
    captured: int
    restored: int
    recipients_granted: int
    price: FrozenPrice
    create_time: datetime | None
    expire_time: datetime | None
    settle_time: datetime | None
    settled_by: SettledBy | None
    expiry_action: ExpiryAction
    draws: tuple[Draw, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its settings. `late_commit` None and `rate_card_id` empty: inherited.

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


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditGrant:
    """A grant and what became of it: `amount = remaining + held + captured + debt_repaid + expired`.

    `expire_time` None: never.
    """

    account_id: str
    grant_id: str
    kind: GrantKind
    state: GrantState
    amount: int
    remaining: int
    held: int
    captured: int
    debt_repaid: int
    expired: int
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
class RateCardVersion:
    """One immutable version of a rate card."""

    rate_card_id: str
    version: int
    rules: tuple[Rule, ...]
    create_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRateCard:
    """The answer to PutRateCard. `replayed`: the newest version had these rules already."""

    rate_card: RateCardVersion
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCardSummary:
    """A rate card as a list shows it: its newest version."""

    rate_card_id: str
    version: int
    rule_count: int
    create_time: datetime | None

"""What callers ask of the ledger: one immutable record per operation, already validated, not yet priced.

Times are milliseconds of the store's clock since 1970; amounts are whole credits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from creditgate.pricing.usage import Channel, Direction, Priority, Size, Usage
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    Interval,
    LateCommit,
    Overage,
    RollOver,
)

Labels = tuple[tuple[str, str], ...]


class HasAccount(Protocol):
    """Whatever is asked of an account."""

    @property
    def account_id(self) -> str:
        """The account, or the one that the operation is about."""


class OfReservation(HasAccount, Protocol):
    """Whatever is asked about a reservation."""

    @property
    def reservation_id(self) -> str:
        """The reservation's id, as its caller chose it."""


class Unset(Enum):
    """The type of UNSET: a setting that an update leaves as it is."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, slots=True)
class Traffic:
    """A usage with the parties it runs between. The region in `usage` is already resolved from their numbers."""

    usage: Usage
    sender: str = ""
    recipient: str = ""
    labels: Labels = ()


@dataclass(frozen=True, slots=True)
class Quote:
    """Price a usage and tell whether a reserve would pass now. No effect."""

    account_id: str
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Reserve:
    """Hold the credits of a usage until it is committed, released, or `ttl_ms` have passed."""

    account_id: str
    reservation_id: str
    traffic: Traffic
    ttl_ms: int
    allow_partial: bool = False
    expiry_action: ExpiryAction = ExpiryAction.RELEASE


@dataclass(frozen=True, slots=True)
class ActualUsage:
    """What was really used of a hold: one recipient's size (None: as held), for how many (None: as many as granted).

    The rest is the hold's. What is repeated of it (not None, not empty) must be the same.
    """

    size: Size | None = None
    recipient_count: int | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    region: str = ""
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Capture what a hold's usage really cost: another size, an amount, or (both None) all that is held.

    Final, unless `keep_open`: then the rest stays held, and `commit_id` tells this capture from others of the hold.
    """

    account_id: str
    reservation_id: str
    usage: ActualUsage | None = None
    credits: int | None = None
    labels: Labels = ()
    keep_open: bool = False
    commit_id: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """Give back all that a hold holds. `reason` goes to the journal."""

    account_id: str
    reservation_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Extend:
    """Hold for `ttl_ms` from now, if that is later than the hold's expiry; never past 7 days from its creation."""

    account_id: str
    reservation_id: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Charge:
    """Debit a usage in one step. INBOUND may push the payer into debt; OUTBOUND obeys the rules of Reserve.

    `event_ms` is when the usage happened (0: not known): one older than charges are remembered is refused.
    """

    account_id: str
    charge_id: str
    traffic: Traffic
    event_ms: int = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back part or all (`credits` None) of what a settled reservation or a charge captured, last captured first.

    One of `reservation_id` and `charge_id` is set.
    """

    account_id: str
    refund_id: str
    reservation_id: str = ""
    charge_id: str = ""
    credits: int | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """What a grant may pay for; an empty part means every channel, or every region. Both parts are sorted."""

    channels: tuple[Channel, ...] = ()
    regions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GrantCredits:
    """Add credits to an account's wallet, or (ALLOTMENT) room to its limit. Times of 0: at once, and never."""

    account_id: str
    grant_id: str
    credits: int
    kind: GrantKind = GrantKind.PURCHASED
    effective_ms: int = 0
    expire_ms: int = 0
    priority: int = 0
    scope: Scope = Scope()
    actor: str = ""
    reference: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class RevokeGrant:
    """Take back what remains of a grant, and with `claw_back` what was spent of it from other grants of its kind."""

    account_id: str
    grant_id: str
    claw_back: bool = False
    actor: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move credits from one account's wallet to another's of the same organisation."""

    account_id: str
    transfer_id: str
    target_account_id: str
    credits: int
    actor: str = ""
    reference: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class PlanTerms:
    """What an account's wallet is given each period, and what of that outlives the period.

    Periods end at the anchor (None: the beginning of the first) and whole intervals from it, in `time_zone`.
    `rollover_cap` bounds what rolls over where that is CAPPED; it lives for `rollover_life_ms` (0: for good).
    """

    plan_id: str
    credits: int
    interval: Interval
    anchor_ms: int | None = None
    time_zone: str = "UTC"
    priority: int = 0
    scope: Scope = Scope()
    rollover: RollOver = RollOver.NONE
    rollover_cap: int = 0
    rollover_life_ms: int = 0
    rollover_priority: int = 0


@dataclass(frozen=True, slots=True)
class SetPlan:
    """Give an account a plan, another one, or (None) none: now, which ends the present period, or when that ends."""

    account_id: str
    change_id: str
    terms: PlanTerms | None
    at_period_end: bool = False


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """An account's own settings. None: no inbound limit, no floor; or, for the policies, inherited."""

    status: AccountStatus = AccountStatus.ACTIVE
    funding: Funding = Funding.OWN
    enforcement: Enforcement = Enforcement.ENFORCE
    overdraft_limit: int = 0
    inbound_overdraft_limit: int | None = None
    floor: int | None = None
    late_commit: LateCommit | None = None
    overage: Overage | None = None
    rate_card_id: str = ""
    limit_counts_inbound: bool = False
    display_name: str = ""


@dataclass(frozen=True, slots=True)
class CreateAccount:
    """Open an account below an existing parent. The same id with the same settings replays."""

    account_id: str
    settings: AccountSettings


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The settings that an update writes; UNSET ones stay as they are."""

    status: AccountStatus | Unset = UNSET
    funding: Funding | Unset = UNSET
    enforcement: Enforcement | Unset = UNSET
    overdraft_limit: int | Unset = UNSET
    inbound_overdraft_limit: int | Unset | None = UNSET
    floor: int | Unset | None = UNSET
    late_commit: LateCommit | Unset | None = UNSET
    overage: Overage | Unset | None = UNSET
    rate_card_id: str | Unset = UNSET
    limit_counts_inbound: bool | Unset = UNSET
    display_name: str | Unset = UNSET


@dataclass(frozen=True, slots=True)
class UpdateAccount:
    """Change some settings of an account; effective on the next decision."""

    account_id: str
    change: SettingsChange


@dataclass(frozen=True, slots=True)
class CloseAccount:
    """End an account for good: what remains of its credits is revoked, its debt is written off."""

    account_id: str


@dataclass(frozen=True, slots=True)
class Explain:
    """Tell how a usage would be decided now, or (`reservation_id`) how a reservation was: one of the two is set."""

    account_id: str
    traffic: Traffic | None = None
    reservation_id: str = ""


Decided = Quote | Reserve | Charge
"""Operations that price a usage and decide."""

Settling = Commit | Release | Extend | Refund
"""Operations on what was decided before."""

Batched = Decided | Settling
"""Operations that may stand in a batch or in a frame of a stream."""

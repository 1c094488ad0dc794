"""What the model keeps: accounts, grants, holds, charges, and the answers that it remembers by id, as plain records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from creditgate.pricing.usage import Channel, Priority
from creditgate_server.credit.operations import AccountSettings, Labels, PlanTerms, Scope
from creditgate_server.credit.terms import (
    Enforcement,
    ExpiryAction,
    GrantKind,
    GrantState,
    Pot,
    ReservationState,
    SettledBy,
)

if TYPE_CHECKING:
    from creditgate_server.credit.outcomes import Authorization
    from creditgate_server.credit.reference.branches import Branch

NEVER_MS: Final = 2**48 - 1
"""The end of what has none; it sorts last."""

HOUR_MS: Final = 3_600_000


class Refused(Exception):
    """The operation fails for this reason, a name of `ErrorReason`, and has no effect."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Windows:
    """How long ids are remembered, in milliseconds from when their operation settled or was made."""

    settled_ms: int = HOUR_MS
    expired_ms: int = 24 * HOUR_MS
    charge_ms: int = 48 * HOUR_MS
    denial_ms: int = 600_000


class Maker(Enum):
    """Who made a grant: an operator, or the ledger itself for one of its reasons."""

    OPERATOR = auto()
    ADJUSTMENT = auto()
    TRANSFER = auto()
    PLAN = auto()
    ROLLOVER = auto()


class Cover(Enum):
    """What stands in a draw where no grant does.

    UNCOVERED is the overdraft of a wallet that enforces: unfunded while it is held, debt once it is captured.
    UNENFORCED was let through by MONITOR or OFF, or went beyond a limit: nobody pays it.
    """

    UNCOVERED = auto()
    UNENFORCED = auto()


@dataclass
class Revocation:
    """What a revocation took, which the same call again answers."""

    claw_back: bool
    revoked: int
    clawed_back: int


@dataclass(frozen=True)
class RollsOver:
    """Where credits of a plan's grant go whose period is over: to a grant of this priority, until this time."""

    priority: int
    until_ms: int


@dataclass(eq=False)
class Grant:
    """Credits that were given, and what became of them; the `number` counts all grants of the organisation.

    `heir` is the grant that took over when all of it was moved, or when its period ended.
    """

    number: int
    grant_id: str
    account_id: str
    kind: GrantKind
    maker: Maker
    amount: int
    priority: int
    scope: Scope
    create_ms: int
    effective_ms: int
    expire_ms: int
    said: tuple[str, str, str] = ("", "", "")
    state: GrantState = GrantState.PENDING
    remaining: int = 0
    held: int = 0
    captured: int = 0
    refunded: int = 0
    debt_paid: int = 0
    expired: int = 0
    revoked: int = 0
    moved: int = 0
    heir: Grant | None = None
    revocation: Revocation | None = None
    rolls_over: RollsOver | None = None

    @property
    def pot(self) -> Pot:
        """Where it stands: an allotment caps, all others pay."""
        return Pot.LIMIT if self.kind is GrantKind.ALLOTMENT else Pot.WALLET

    @property
    def shown_state(self) -> GrantState:
        """The state that callers see: a live grant with nothing left to draw or give back is exhausted."""
        is_exhausted = self.state is GrantState.LIVE and self.remaining == self.held == 0
        return GrantState.EXHAUSTED if is_exhausted else self.state

    @property
    def is_active(self) -> bool:
        """Whether it counts against the bound of its account."""
        return self.shown_state in {GrantState.LIVE, GrantState.PENDING}

    @property
    def burn_order(self) -> tuple[int, int, int]:
        """Priority, soonest expiry, oldest; of one millisecond the one that was made first."""
        return self.priority, self.expire_ms, self.number


@dataclass(frozen=True)
class Traffic:
    """What of a usage decides which grants may pay for it, how far down it may go, and how many recipients fit."""

    channel: Channel
    region: str
    priority: Priority
    is_inbound: bool
    unit: int

    def may_be_paid_by(self, grant: Grant) -> bool:
        """Whether the grant's scope admits it."""
        channels, regions = grant.scope.channels, grant.scope.regions
        return (not channels or self.channel in channels) and (not regions or self.region in regions)


TOTALS: Final = (
    "debt_incurred",
    "forgiven",
    "written_off",
    "moved_in",
    "overrun",
    "limit_overrun",
    "inbound",
    "overage",
    "late",
    "usage",
)
"""What an account counts besides the sums over its grants."""


@dataclass(eq=False)
class Plan:
    """An account's plan in its present period, and the grant that this began with.

    `following` are the terms from the period's end on (None: the same), unless the plan `ends` then.
    """

    terms: PlanTerms
    begin_ms: int
    end_ms: int
    grant: Grant
    following: PlanTerms | None = None
    ends: bool = False


@dataclass(eq=False)
class Account:
    """An account with its grants, its debt, what open holds hold of it, and counts of what it was asked to pay."""

    account_id: str
    settings: AccountSettings
    created_with: AccountSettings
    create_ms: int
    update_ms: int
    grants: list[Grant] = field(default_factory=list)
    debt: int = 0
    unfunded: int = 0
    reserved: int = 0
    limit_reserved: int = 0
    open_holds: int = 0
    has_limit: bool = False
    used: int = 0
    totals: Counter[str] = field(default_factory=Counter)
    closing: tuple[int, int] | None = None
    plan: Plan | None = None

    @property
    def parent_id(self) -> str:
        """The account above, or nothing above a root."""
        return self.account_id.rpartition("/")[0]


@dataclass
class Part:
    """Credits of one grant, or without one; `refunded` of them were given back after they had been captured."""

    source: Grant | Cover
    credits: int
    refunded: int = 0


@dataclass(eq=False)
class Draw:
    """What one pot gave, under the mode it was drawn in: held now, and captured so far, each in order."""

    account: Account
    pot: Pot
    mode: Enforcement
    held: list[Part] = field(default_factory=list)
    taken: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Moved:
    """The credits that one settlement moved."""

    captured: int = 0
    restored: int = 0
    expired: int = 0
    overage: int = 0
    shortfall: int = 0
    debt_repaid: int = 0
    late: bool = False

    def with_returned(self, returned: Returned) -> Moved:
        """Add what was given back."""
        return replace(
            self,
            restored=self.restored + returned.restored,
            expired=self.expired + returned.expired,
            debt_repaid=self.debt_repaid + returned.debt_repaid,
        )


@dataclass(frozen=True)
class Returned:
    """What became of credits that were given back: they reached a live grant or lowered debt, or were swallowed."""

    restored: int = 0
    expired: int = 0
    debt_repaid: int = 0

    def __add__(self, other: Returned) -> Returned:
        return Returned(
            self.restored + other.restored, self.expired + other.expired, self.debt_repaid + other.debt_repaid
        )


@dataclass(eq=False)
class Captured:
    """What captures credits and may be refunded, until it is forgotten: a hold, or a charge."""

    account_id: str
    content: object
    traffic: Traffic
    first: Authorization
    draws: list[Draw]
    create_ms: int
    captured: int = 0
    refunded: int = 0
    forget_ms: int = NEVER_MS


@dataclass(eq=False)
class Charge(Captured):
    """A charge that was allowed."""


@dataclass(eq=False)
class Hold(Captured):
    """A reservation. `held` is what it holds; once ended, what it held then and no late report has claimed since.

    `wanted` is what its final commit wanted, `all_held` what that would have meant without an amount. `last` is what
    its end moved.
    """

    reservation_id: str = ""
    expire_ms: int = 0
    expiry_action: ExpiryAction = ExpiryAction.RELEASE
    labels: Labels = ()
    kept_open: dict[str, KeptOpen] = field(default_factory=dict)
    state: ReservationState = ReservationState.PENDING
    held: int = 0
    restored: int = 0
    wanted: int | None = None
    all_held: int = 0
    last: Moved = Moved()
    settle_ms: int = 0
    settled_by: SettledBy | None = None


@dataclass(frozen=True)
class Denied:
    """An outbound charge that was denied."""

    content: object
    first: Authorization
    forget_ms: int


@dataclass(frozen=True)
class KeptOpen:
    """A commit that left its hold open."""

    wanted: int | None
    moved: Moved
    forget_ms: int


@dataclass(frozen=True)
class Refund:
    """A refund, and what became of it in the payer's wallet."""

    content: object
    credits: int
    returned: Returned
    forget_ms: int


@dataclass(frozen=True)
class Given:
    """A grant that an operator made, and the debt that it repaid at once."""

    content: object
    grant: Grant
    debt_repaid: int


@dataclass(frozen=True)
class TransferMade:
    """A transfer, and the debt of the target that it repaid."""

    content: object
    debt_repaid: int


@dataclass(frozen=True)
class PlanChange:
    """A change of plan, and the debt that the first credits of the new one repaid."""

    content: object
    debt_repaid: int


@dataclass(eq=False)
class Organisation:
    """One organisation: its accounts, and what it remembers by id."""

    now_ms: int
    windows: Windows
    reached: Counter[Branch]
    grants_made: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    denials: dict[str, Denied] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    given: dict[str, Given] = field(default_factory=dict)
    transfers: dict[str, TransferMade] = field(default_factory=dict)
    plan_changes: dict[str, PlanChange] = field(default_factory=dict)

    def reach(self, branch: Branch) -> None:
        """Count that a branch was taken."""
        self.reached[branch] += 1

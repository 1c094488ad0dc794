"""What the model of the ledger keeps: accounts, grants and holds, as plain records."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit.operations import AccountSettings, Scope
from creditgate_server.credit.outcomes import Denial
from creditgate_server.credit.terms import (
    Decision,
    Enforcement,
    ExpiryAction,
    GrantState,
    Pot,
    ReservationState,
)

MANY = 10**9


class Moment(NamedTuple):
    """A time on a coarse clock; the serial number tells events of one tick apart, all of them before its `MANY`th."""

    tick: int
    serial: int


NEVER = Moment(MANY, 0)


class Refused(Exception):
    """The operation fails for this reason, a name of `ErrorReason`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Traffic:
    """A usage, as far as the ledger cares."""

    channel: Channel
    region: str
    direction: Direction
    priority: Priority
    unit: int
    recipients: int


@dataclass
class Grant:
    """Credits that were given, and what became of them."""

    grant_id: str
    pot: Pot
    amount: int
    priority: int
    scope: Scope
    effective: Moment
    expire: Moment
    created: int
    state: GrantState = GrantState.PENDING
    remaining: int = 0
    held: int = 0
    captured: int = 0
    debt_paid: int = 0
    expired: int = 0

    def pays_for(self, traffic: Traffic | None) -> bool:
        """Whether its scope admits a usage; None stands for any."""
        if traffic is None:
            return True
        channels, regions = self.scope.channels, self.scope.regions
        return (not channels or traffic.channel in channels) and (not regions or traffic.region in regions)

    def shown_state(self) -> GrantState:
        """The state that callers see."""
        is_exhausted = self.state is GrantState.LIVE and self.remaining == self.held == 0
        return GrantState.EXHAUSTED if is_exhausted else self.state


@dataclass
class Account:
    """An account with its grants, its debt, and counts of what it was asked to pay."""

    account_id: str
    settings: AccountSettings
    grants: list[Grant] = field(default_factory=list)
    debt: int = 0
    unfunded: int = 0
    reserved: int = 0
    has_limit: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    def live(self, pot: Pot, traffic: Traffic | None) -> list[Grant]:
        """Grants of a pot that may pay, the next to burn first."""
        found = [
            grant
            for grant in self.grants
            if grant.pot is pot and grant.state is GrantState.LIVE and grant.remaining and grant.pays_for(traffic)
        ]
        return sorted(found, key=lambda grant: (grant.priority, grant.expire, grant.created))

    def left(self, pot: Pot, traffic: Traffic | None) -> int:
        """What a pot has left for a usage."""
        remaining = sum(grant.remaining for grant in self.live(pot, traffic))
        return remaining if pot is Pot.LIMIT else remaining - self.debt - self.unfunded


@dataclass(frozen=True)
class Demand:
    """A pot that a usage draws on, under the mode it was drawn in; `below` is how far it may go (None: any far)."""

    account: Account
    pot: Pot
    mode: Enforcement
    below: int | None = None


@dataclass
class Draw:
    """What one pot gave."""

    demand: Demand
    parts: list[tuple[Grant, int]] = field(default_factory=list)
    unfunded: int = 0


@dataclass(frozen=True)
class Verdict:
    """What was decided: to be held or captured, or denied."""

    decision: Decision
    credits: int = 0
    recipients: int = 0
    denial: Denial | None = None


@dataclass
class Hold:
    """A reservation."""

    account_id: str
    content: object
    traffic: Traffic
    verdict: Verdict
    expire: Moment
    expiry_action: ExpiryAction
    draws: list[Draw]
    state: ReservationState = ReservationState.PENDING
    captured: int = 0
    restored: int = 0
    expired: int = 0
    overage: int = 0
    debt_repaid: int = 0
    late: bool = False


@dataclass(frozen=True)
class Charged:
    """A charge that was allowed."""

    content: object
    verdict: Verdict

"""Who pays and what binds: the levels from a leaf to its root, the pots a usage draws on, and how an account stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from creditgate.pricing.usage import Priority
from creditgate_server.credit.outcomes import Balance
from creditgate_server.credit.reference.records import Refused
from creditgate_server.credit.terms import AccountStatus, Enforcement, Funding, GrantState, LateCommit, Overage, Pot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.credit.reference.records import Account, Draw, Grant, Organisation, Traffic


@dataclass(frozen=True)
class Demand:
    """A pot that a usage draws on; `below` is how far under zero it may go (None: any far)."""

    account: Account
    pot: Pot
    mode: Enforcement
    below: int | None

    def room(self, traffic: Traffic | None) -> int | None:
        """What the usage may still take here (None: any amount)."""
        return None if self.below is None else left(self.account, self.pot, traffic) + self.below


def lineage(organisation: Organisation, account_id: str) -> list[Account]:
    """Return the account and all above it, the leaf first. Raises Refused."""
    parts = account_id.split("/")
    ids = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
    if not all(one in organisation.accounts for one in ids):
        raise Refused("ACCOUNT_NOT_FOUND")
    return [organisation.accounts[one] for one in ids]


def open_account(organisation: Organisation, account_id: str) -> Account:
    """Return an account that is not closed. Raises Refused."""
    account = lineage(organisation, account_id)[0]
    if is_closed(account):
        raise Refused("ACCOUNT_CLOSED")
    return account


def is_closed(account: Account) -> bool:
    """Whether the account has ended."""
    return account.settings.status is AccountStatus.CLOSED


def payer_of(levels: Sequence[Account]) -> Account:
    """Return the nearest account upward that funds itself; a root does, whatever it says."""
    return next((account for account in levels if account.settings.funding is Funding.OWN), levels[-1])


def late_commit_policy(levels: Sequence[Account]) -> tuple[LateCommit, bool]:
    """Return the nearest policy that is stated, and whether a level above the leaf states it."""
    for depth, account in enumerate(levels):
        if account.settings.late_commit is not None:
            return account.settings.late_commit, depth > 0
    return LateCommit.ACCEPT, False


def overage_policy(levels: Sequence[Account]) -> tuple[Overage, bool]:
    """Return the nearest policy that is stated, and whether a level above the leaf states it."""
    for depth, account in enumerate(levels):
        if account.settings.overage is not None:
            return account.settings.overage, depth > 0
    return Overage.ALLOW, False


def live(account: Account, pot: Pot, traffic: Traffic | None) -> list[Grant]:
    """Return the grants with credits left that may pay for a usage (None: any), the next to burn first."""
    found = [
        grant
        for grant in account.grants
        if grant.pot is pot
        and grant.state is GrantState.LIVE
        and grant.remaining
        and (traffic is None or traffic.may_be_paid_by(grant))
    ]
    return sorted(found, key=lambda grant: grant.burn_order)


def left(account: Account, pot: Pot, traffic: Traffic | None) -> int:
    """Return what a pot has left for a usage; of a wallet, debt and unfunded holds are taken off."""
    remaining = sum(grant.remaining for grant in live(account, pot, traffic))
    return remaining if pot is Pot.LIMIT else remaining - account.debt - account.unfunded


def wallet_demand(payer: Account, traffic: Traffic | None) -> Demand:
    """Return what a usage asks of its payer's wallet."""
    settings = payer.settings
    below: int | None = settings.overdraft_limit
    if traffic and traffic.is_inbound:
        below = settings.inbound_overdraft_limit
    elif traffic and traffic.priority is Priority.BULK and settings.floor is not None:
        below = -settings.floor
    return Demand(payer, Pot.WALLET, settings.enforcement, below)


def demands(levels: Sequence[Account], traffic: Traffic | None) -> list[Demand]:
    """Return the payer's wallet and every limit that the usage counts against, from the leaf upward."""
    is_inbound = traffic is not None and traffic.is_inbound
    found = [wallet_demand(payer_of(levels), traffic)]
    for account in levels:
        settings = account.settings
        counts = account.has_limit and (not is_inbound or settings.limit_counts_inbound)
        if counts and settings.enforcement is not Enforcement.OFF:
            found.append(Demand(account, Pot.LIMIT, settings.enforcement, None if is_inbound else 0))
    return found


def units_left(asked: Sequence[Demand], traffic: Traffic | None) -> int | None:
    """Return how many more recipients of a usage pass every pot that enforces (None: no bound)."""
    if traffic is None or not traffic.unit:
        return None
    rooms = [demand.room(traffic) for demand in asked if demand.mode is Enforcement.ENFORCE]
    bounds = [room for room in rooms if room is not None]
    return max(0, min(bounds) // traffic.unit) if bounds else None


def cap_demand(draw: Draw, traffic: Traffic) -> Demand:
    """Return the demand of a pot that a hold drew on: its mode is of then, how far down it may go is of now."""
    below = wallet_demand(draw.account, traffic).below if draw.pot is Pot.WALLET else 0
    return Demand(draw.account, draw.pot, draw.mode, below)


def balance(organisation: Organisation, account_id: str, traffic: Traffic | None = None) -> Balance:
    """Return how an account stands, for the usage at hand if there is one."""
    levels = lineage(organisation, account_id)
    payer = payer_of(levels)
    limited = [one for one in levels if one.has_limit and one.settings.enforcement is not Enforcement.OFF]
    return Balance(
        account_id=account_id,
        payer_id=payer.account_id,
        available=left(payer, Pot.WALLET, None),
        usable=left(payer, Pot.WALLET, traffic),
        reserved=payer.reserved,
        debt=payer.debt,
        limit_left=min((left(account, Pot.LIMIT, traffic) for account in limited), default=None),
        units_left=units_left(demands(levels, traffic), traffic),
    )

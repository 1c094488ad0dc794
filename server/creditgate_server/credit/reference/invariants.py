"""What must hold of the model itself, whatever has happened: conservation, and that nothing enforced is oversold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate_server.credit.reference.records import TOTALS, Cover, Draw, Grant
from creditgate_server.credit.terms import Enforcement, GrantState, Pot, ReservationState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from creditgate_server.credit.reference.levels import Demand
    from creditgate_server.credit.reference.records import Account, Organisation, Plan, Traffic

_OF_LIMIT = ("captured", "refunded", "expired", "revoked")
_OF_WALLET = (*_OF_LIMIT, "debt_paid", "moved")


class Broken(Exception):
    """An invariant of the model does not hold: the model is wrong, or the rules contradict each other."""


def check_room(asked: Sequence[Demand], traffic: Traffic, credits_: int) -> None:
    """Check after a decision that took credits that no pot that enforces has gone further than it may."""
    for demand in asked:
        room = demand.room(traffic)
        if credits_ and demand.mode is Enforcement.ENFORCE and room is not None and room < 0:
            raise Broken(f"{demand.account.account_id} {demand.pot.name} is oversold by {-room}")


def audit(account: Account) -> dict[str, int]:
    """Return an account's counters and totals, by the names that the store gives them."""
    figures = {name: account.totals[name] for name in TOTALS}
    for prefix, pot, names in (("", Pot.WALLET, _OF_WALLET), ("limit_", Pot.LIMIT, _OF_LIMIT)):
        own = [grant for grant in account.grants if grant.pot is pot]
        figures[f"{prefix}granted"] = sum(grant.amount for grant in own)
        for name in names:
            figures[f"{prefix}{name}"] = sum(getattr(grant, name) for grant in own)
    return figures | {
        "debt": account.debt,
        "unfunded": account.unfunded,
        "reserved": account.reserved,
        "limit_reserved": account.limit_reserved,
        "open_holds": account.open_holds,
        "used": account.used,
        "grants": sum(grant.is_active for grant in account.grants),
    }


def check(organisation: Organisation) -> None:
    """Raise Broken where an invariant does not hold."""
    for breach in breaches(organisation):
        raise Broken(breach)


def breaches(organisation: Organisation) -> Iterator[str]:
    """Yield every invariant that does not hold, with the amounts."""
    for account in organisation.accounts.values():
        for grant in account.grants:
            yield from _of_grant(grant)
        yield from _unequal(account.account_id, _of_account(organisation, account))
        if account.plan:
            yield from _unequal(account.account_id, _of_plan(organisation, account.plan))
    grants = [grant for account in organisation.accounts.values() for grant in account.grants]
    moved_in = sum(account.totals["moved_in"] for account in organisation.accounts.values())
    yield from _unequal("tree", {"moved out = moved in": (sum(grant.moved for grant in grants), moved_in)})
    for hold_id, hold in organisation.holds.items():
        for source in hold.draws:
            sums = {"captured": (sum(part.credits for part in source.taken), hold.captured)}
            sums["refunded"] = (sum(part.refunded for part in source.taken), hold.refunded)
            open_ = hold.held if hold.state is ReservationState.PENDING else 0
            sums["held"] = (sum(part.credits for part in source.held), open_)
            yield from _unequal(f"hold {hold_id} {source.account.account_id} {source.pot.name}", sums)


def _of_grant(grant: Grant) -> Iterator[str]:
    spent = grant.captured - grant.refunded
    gone = grant.debt_paid + grant.expired + grant.revoked + grant.moved
    yield from _unequal(
        f"grant {grant.grant_id}", {"amount": (grant.amount, grant.remaining + grant.held + spent + gone)}
    )
    for name in ("amount", "remaining", "held", "debt_paid", "expired", "revoked", "moved"):
        if getattr(grant, name) < 0:
            yield f"grant {grant.grant_id}: {name} is {getattr(grant, name)}"
    if spent < 0:
        yield f"grant {grant.grant_id}: {-spent} refunded beyond what was captured"
    if grant.remaining and grant.state not in {GrantState.LIVE, GrantState.PENDING}:
        yield f"grant {grant.grant_id}: {grant.remaining} remain although it is {grant.state.name}"


def _of_account(organisation: Organisation, account: Account) -> dict[str, tuple[int, int]]:
    own = audit(account)
    open_ = [hold for hold in organisation.holds.values() if hold.state is ReservationState.PENDING]
    drawn = [source for hold in open_ for source in hold.draws if source.account is account]
    wallet = [source for source in drawn if source.pot is Pot.WALLET]
    limit = [source for source in drawn if source.pot is Pot.LIMIT]
    gone = own["debt_paid"] + own["forgiven"] + own["written_off"]
    return {
        "debt": (own["debt"], own["debt_incurred"] - gone),
        "debt >= 0": (min(own["debt"], 0), 0),
        "used": (own["used"], own["captured"] + own["debt_incurred"] + own["overrun"]),
        "reserved by grants": (_held(account, Pot.WALLET), _sum_held(wallet, Grant)),
        "limit reserved": (_held(account, Pot.LIMIT), _sum_held(limit, Grant)),
        "limit_reserved": (own["limit_reserved"], _sum_held(limit, Grant)),
        "unfunded": (own["unfunded"], _sum_uncovered(wallet)),
        "reserved": (own["reserved"], _sum_held(wallet, Grant) + own["unfunded"]),
        "open_holds": (own["open_holds"], sum(hold.account_id == account.account_id for hold in open_)),
        "split of used": (max(own["inbound"] + own["overage"] + own["late"] - own["used"], 0), 0),
    }


def _of_plan(organisation: Organisation, plan: Plan) -> dict[str, tuple[int, int]]:
    is_present = plan.begin_ms <= organisation.now_ms < plan.end_ms
    return {
        "the plan's period is the present one": (is_present, True),
        "its grant ends with the period": (plan.grant.expire_ms, plan.end_ms),
        "its grant has not ended before": (plan.grant.state is GrantState.EXPIRED, False),
    }


def _held(account: Account, pot: Pot) -> int:
    return sum(grant.held for grant in account.grants if grant.pot is pot)


def _sum_held(draws: Sequence[Draw], kind: type[Grant]) -> int:
    return sum(part.credits for source in draws for part in source.held if isinstance(part.source, kind))


def _sum_uncovered(draws: Sequence[Draw]) -> int:
    return sum(part.credits for source in draws for part in source.held if part.source is Cover.UNCOVERED)


def _unequal(where: str, equations: dict[str, tuple[int, int]]) -> Iterator[str]:
    for name, (found, expected) in equations.items():
        if found != expected:
            yield f"{where}: {name}: {found} is not {expected}"

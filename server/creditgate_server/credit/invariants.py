"""The invariants of the ledger as pure checks on records: what `creditgate verify` and the model tests hold it to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from creditgate_server.credit.terms import GrantState, Pot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """A grant as it stands in the store; `ended` tells that it lives among the ended ones."""

    number: int
    grant_id: str
    state: GrantState
    pot: Pot
    scope: int
    amount: int
    remaining: int
    held: int
    captured: int
    debt_paid: int
    expired: int
    ended: bool


@dataclass(frozen=True, slots=True)
class PotRecord:
    """A pot's redundant figures: credits left per scope, and (grant number, scope) in burn order."""

    sums: tuple[int, ...]
    order: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """All that is kept of one account, read in one step. `counters` and `totals` are named in `lua/codec.lua`."""

    account_id: str
    counters: Mapping[str, int]
    totals: Mapping[str, int]
    pots: Mapping[Pot, PotRecord]
    grants: tuple[GrantRecord, ...]


@dataclass(frozen=True, slots=True)
class HeldByTree:
    """What the open holds of an organisation hold: credits of grants and without cover per pot, and holds per leaf."""

    granted: Mapping[tuple[str, Pot], int]
    uncovered: Mapping[tuple[str, Pot], int]
    open_holds: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, with the account, the grant where there is one, and the amounts."""

    account_id: str
    grant_id: str
    invariant: str
    found: int
    expected: int

    def __str__(self) -> str:
        """Say it in one line."""
        grant = f", grant {self.grant_id}" if self.grant_id else ""
        return f"account {self.account_id}{grant}: {self.invariant}: found {self.found}, expected {self.expected}"


def breaches_of_account(account: AccountRecord) -> Iterator[Breach]:
    """Yield what does not hold within one account."""
    for grant in account.grants:
        yield from _grant(account, grant)
    for pot in Pot:
        yield from _pot(account, pot)
    yield from _account(account)


def _grant(account: AccountRecord, grant: GrantRecord) -> Iterator[Breach]:
    parts = grant.remaining + grant.held + grant.captured + grant.debt_paid + grant.expired
    if grant.amount != parts:
        name = "amount = remaining + held + captured + debt_paid + expired"
        yield Breach(account.account_id, grant.grant_id, name, grant.amount, parts)
    for name in ("remaining", "held", "captured", "debt_paid", "expired"):
        if getattr(grant, name) < 0:
            yield Breach(account.account_id, grant.grant_id, f"{name} >= 0", getattr(grant, name), 0)
    is_over = grant.state is GrantState.EXPIRED or grant.remaining == grant.held == 0
    if grant.ended != is_over:
        name = "a grant is among the ended ones when nothing of it can be drawn or given back"
        yield Breach(account.account_id, grant.grant_id, name, int(grant.ended), int(is_over))


def _pot(account: AccountRecord, pot: Pot) -> Iterator[Breach]:
    record = account.pots[pot]
    live = [grant for grant in account.grants if grant.pot is pot and grant.state is GrantState.LIVE]
    left = Counter[int]()
    for grant in live:
        left[grant.scope] += grant.remaining
    for scope in set(left) | set(range(len(record.sums))):
        found = record.sums[scope] if scope < len(record.sums) else 0
        if found != left[scope]:
            name = f"{pot.name.lower()} sum of scope {scope} = Σ remaining"
            yield Breach(account.account_id, "", name, found, left[scope])
    expected_order = {grant.number for grant in live if grant.remaining > 0}
    order = [number for number, _ in record.order]
    for grant in account.grants:
        if grant.pot is pot and order.count(grant.number) != (grant.number in expected_order):
            name = f"the {pot.name.lower()} burn order names every grant with credits left, once"
            found = order.count(grant.number)
            yield Breach(account.account_id, grant.grant_id, name, found, int(grant.number in expected_order))


def _account(account: AccountRecord) -> Iterator[Breach]:
    counters, totals = account.counters, account.totals

    def total(pot: Pot, name: str) -> int:
        return sum(getattr(grant, name) for grant in account.grants if grant.pot is pot)

    equations = {
        "granted = Σ amount": (totals["granted"], total(Pot.WALLET, "amount")),
        "captured = Σ captured": (totals["captured"], total(Pot.WALLET, "captured")),
        "debt_paid = Σ debt_paid": (totals["debt_paid"], total(Pot.WALLET, "debt_paid")),
        "expired = Σ expired": (totals["expired"], total(Pot.WALLET, "expired")),
        "limit_granted = Σ amount of allotments": (totals["limit_granted"], total(Pot.LIMIT, "amount")),
        "limit_captured = Σ captured of allotments": (totals["limit_captured"], total(Pot.LIMIT, "captured")),
        "limit_expired = Σ expired of allotments": (totals["limit_expired"], total(Pot.LIMIT, "expired")),
        "debt = debt_incurred - debt_paid": (counters["debt"], totals["debt_incurred"] - totals["debt_paid"]),
        "reserved = Σ held + unfunded": (counters["reserved"], total(Pot.WALLET, "held") + counters["unfunded"]),
        "limit_reserved = Σ held of allotments": (counters["limit_reserved"], total(Pot.LIMIT, "held")),
        "used = captured + debt_incurred + overrun": (
            counters["used"],
            totals["captured"] + totals["debt_incurred"] + totals["overrun"],
        ),
        "grants = active grants": (counters["grants"], sum(not grant.ended for grant in account.grants)),
    }
    yield from _unequal(account.account_id, equations)
    newest = max((grant.number for grant in account.grants), default=0)
    if counters["grant_next"] <= newest:
        yield Breach(account.account_id, "", "grant_next > every grant's number", counters["grant_next"], newest + 1)
    parts = totals["inbound"] + totals["overage"] + totals["late"]
    if parts > counters["used"]:
        yield Breach(account.account_id, "", "inbound + overage + late <= used", parts, counters["used"])
    for name in ("debt", "unfunded", "reserved", "limit_reserved", "open_holds"):
        if counters[name] < 0:
            yield Breach(account.account_id, "", f"{name} >= 0", counters[name], 0)


def breaches_of_holds(
    counters: Mapping[str, Mapping[str, int]], held: HeldByTree, account_ids: Iterable[str]
) -> Iterator[Breach]:
    """Yield where the counters of accounts differ from what the open holds of their organisation hold.

    `counters` and `held` must be of one moment.
    """
    for account_id in account_ids:
        own = counters[account_id]
        wallet, limit = (account_id, Pot.WALLET), (account_id, Pot.LIMIT)
        unfunded = held.uncovered.get(wallet, 0)
        equations = {
            "reserved = Σ open holds": (own["reserved"], held.granted.get(wallet, 0) + unfunded),
            "unfunded = Σ uncovered of open holds": (own["unfunded"], unfunded),
            "limit_reserved = Σ open holds": (own["limit_reserved"], held.granted.get(limit, 0)),
            "open_holds = number of open holds": (own["open_holds"], held.open_holds.get(account_id, 0)),
        }
        yield from _unequal(account_id, equations)


def _unequal(account_id: str, equations: Mapping[str, tuple[int, int]]) -> Iterator[Breach]:
    for name, (found, expected) in equations.items():
        if found != expected:
            yield Breach(account_id, "", name, found, expected)

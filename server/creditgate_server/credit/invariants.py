"""The invariants of the ledger as pure checks on records: what `creditgate verify` and the model tests hold it to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.terms import GrantState, Pot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


NEVER_MS: Final = 2**48 - 1
"""What no expiry sorts as in a burn order."""


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """A grant as it stands in the store, its times in milliseconds.

    `expire_ms` is NEVER_MS without an expiry, `starts_ms` 0 once it has begun; `ended` tells where it lives.
    """

    number: int
    grant_id: str
    state: GrantState
    pot: Pot
    scope: int
    priority: int
    expire_ms: int
    create_ms: int
    starts_ms: int
    amount: int
    remaining: int
    held: int
    captured: int
    debt_paid: int
    expired: int
    ended: bool


@dataclass(frozen=True, slots=True)
class PotRecord:
    """A pot's redundant figures: credits left per scope, and in burn order the grants with what they are sorted by.

    An entry is (grant number, scope, priority, expiry, creation).
    """

    sums: tuple[int, ...]
    order: tuple[tuple[int, ...], ...]


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
class DueTimes:
    """When, in milliseconds (0: never), the root, its partition and its due index say that something is due next."""

    root_ms: int
    partition_ms: int
    index_ms: int


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
    yield from _order(account, pot, [grant for grant in live if grant.remaining > 0])


def _order(account: AccountRecord, pot: Pot, drawable: list[GrantRecord]) -> Iterator[Breach]:
    """Yield the first place at which a burn order is not priority, soonest expiry, oldest, id; and grants it lacks."""
    record = account.pots[pot]
    name = f"the {pot.name.lower()} burn order names every grant with credits left, once"
    found = Counter(number for number, *_ in record.order)
    due = Counter(grant.number for grant in drawable)
    for grant in account.grants:
        if grant.pot is pot and found[grant.number] != due[grant.number]:
            yield Breach(account.account_id, grant.grant_id, name, found[grant.number], due[grant.number])
    if found != due:
        return
    drawable.sort(key=lambda grant: (grant.priority, grant.expire_ms, grant.create_ms, grant.grant_id))
    for place, (entry, grant) in enumerate(zip(record.order, drawable, strict=True)):
        if entry != (grant.number, grant.scope, grant.priority, grant.expire_ms, grant.create_ms):
            name = f"place {place} of the {pot.name.lower()} burn order, by grant number, with its scope and times"
            yield Breach(account.account_id, grant.grant_id, name, entry[0], grant.number)


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
    events = [grant.starts_ms or grant.expire_ms for grant in account.grants if not grant.ended]
    due_ms = min((event_ms for event_ms in events if event_ms != NEVER_MS), default=NEVER_MS)
    if (counters["grant_due"] or NEVER_MS) > due_ms:
        yield Breach(account.account_id, "", "grant_due <= the next start or end", counters["grant_due"], due_ms)
    newest = max((grant.number for grant in account.grants), default=0)
    if counters["grant_next"] <= newest:
        yield Breach(account.account_id, "", "grant_next > every grant's number", counters["grant_next"], newest + 1)
    parts = totals["inbound"] + totals["overage"] + totals["late"]
    if parts > counters["used"]:
        yield Breach(account.account_id, "", "inbound + overage + late <= used", parts, counters["used"])
    for name in ("debt", "unfunded", "reserved", "limit_reserved", "open_holds"):
        if counters[name] < 0:
            yield Breach(account.account_id, "", f"{name} >= 0", counters[name], 0)


def breaches_of_holds(counters: Mapping[str, Mapping[str, int]], held: HeldByTree) -> Iterator[Breach]:
    """Yield where the counters of accounts differ from what the open holds of their organisation hold.

    `counters` and `held` must be of one moment.
    """
    for account_id, own in counters.items():
        wallet, limit = (account_id, Pot.WALLET), (account_id, Pot.LIMIT)
        unfunded = held.uncovered.get(wallet, 0)
        equations = {
            "reserved = Σ open holds": (own["reserved"], held.granted.get(wallet, 0) + unfunded),
            "unfunded = Σ uncovered of open holds": (own["unfunded"], unfunded),
            "limit_reserved = Σ open holds": (own["limit_reserved"], held.granted.get(limit, 0)),
            "open_holds = number of open holds": (own["open_holds"], held.open_holds.get(account_id, 0)),
        }
        yield from _unequal(account_id, equations)
    named = {account_id for account_id, _ in held.granted} | set(held.open_holds)
    for account_id in sorted(named - set(counters)):
        yield Breach(account_id, "", "an account that open holds name is listed", 0, 1)


def breaches_of_due_times(root_id: str, times: DueTimes) -> Iterator[Breach]:
    """Yield where what is due of an organisation would be found late, or never."""
    if times.index_ms and not 0 < times.root_ms <= times.index_ms:
        yield Breach(root_id, "", "tree_due <= the least time of the due index", times.root_ms, times.index_ms)
    if times.root_ms != times.partition_ms:
        yield Breach(root_id, "", "the time in the partition's index = tree_due", times.partition_ms, times.root_ms)


def _unequal(account_id: str, equations: Mapping[str, tuple[int, int]]) -> Iterator[Breach]:
    for name, (found, expected) in equations.items():
        if found != expected:
            yield Breach(account_id, "", name, found, expected)

"""The invariants of the ledger as pure checks on records: what `creditgate verify` and the model tests hold it to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.terms import AccountStatus, GrantState, Pot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


NEVER_MS: Final = 2**48 - 1
"""What no expiry sorts as in a burn order."""

PARTS: Final = ("remaining", "held", "captured", "refunded", "debt_paid", "expired", "revoked", "moved")
"""Where a grant's credits are, or went. `refunded` is the part of `captured` that came back, and is elsewhere now."""

_CONSERVED: Final = "amount = remaining + held + (captured - refunded) + debt_paid + expired + revoked + moved"


@dataclass(frozen=True, slots=True)
class GrantRecord:
    """A grant as it stands in the store, its times in milliseconds.

    `expire_ms` is NEVER_MS without an expiry, `starts_ms` 0 once it has begun.
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
    refunded: int
    debt_paid: int
    expired: int
    revoked: int
    moved: int

    @property
    def is_active(self) -> bool:
        """Whether there is anything of it to draw, to hold, or to wait for; else it lives among the ended ones."""
        if self.state is GrantState.LIVE:
            return self.remaining != 0 or self.held != 0
        return self.state is GrantState.PENDING


@dataclass(frozen=True, slots=True)
class EndedGrant:
    """A grant that has ended; where what comes back to it goes ("": nowhere), and whether that heir is there."""

    grant: GrantRecord
    heir_account_id: str
    heir_number: int
    heir_exists: bool


@dataclass(frozen=True, slots=True)
class PotRecord:
    """A pot's redundant figures: credits left per scope, and in burn order the grants with what they are sorted by.

    An entry is (grant number, scope, priority, expiry, creation).
    """

    sums: tuple[int, ...]
    order: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """All that is kept of one account but its ended grants, read in one step; `lua/codec.lua` names the figures.

    `ended`: per pot the number of its ended grants, as `count`, and the sums of their figures. `adjustment`: number of
    the grant that takes what comes back and has no other, 0 for none. `due_ms`: when something of its grants is due by
    the index of its organisation, 0 for never; `period_end_ms`: when its plan's period ends, 0 where it has none.
    """

    account_id: str
    counters: Mapping[str, int]
    totals: Mapping[str, int]
    pots: Mapping[Pot, PotRecord]
    grants: tuple[GrantRecord, ...]
    ended: Mapping[Pot, Mapping[str, int]]
    status: AccountStatus
    children: int
    adjustment: int
    due_ms: int
    period_end_ms: int


@dataclass(frozen=True, slots=True)
class TreeCounters:
    """What an account says of the open holds that draw on it, of those that are its own, and of credits that moved.

    `seq` is the number of its latest journal entry then.
    """

    seq: int
    reserved: int
    limit_reserved: int
    unfunded: int
    open_holds: int
    moved: int
    moved_in: int


@dataclass(frozen=True, slots=True)
class HeldInTree:
    """What the open holds of an organisation hold: credits of grants and without cover per pot, and holds per leaf."""

    granted: Counter[tuple[str, Pot]]
    uncovered: Counter[tuple[str, Pot]]
    open_holds: Counter[str]


@dataclass(frozen=True, slots=True)
class DueTimes:
    """When, in milliseconds (0: never), the root, its partition and its due index say that something is due next."""

    root_ms: int
    partition_ms: int
    index_ms: int


@dataclass(frozen=True, slots=True)
class Breach:
    """An invariant that does not hold, with the account and the grant where there is one, and the amounts."""

    account_id: str
    grant_id: str
    invariant: str
    found: int
    expected: int

    def __str__(self) -> str:
        """Say it in one line."""
        account = f"account {self.account_id}" if self.account_id else "all accounts"
        grant = f", grant {self.grant_id}" if self.grant_id else ""
        return f"{account}{grant}: {self.invariant}: found {self.found}, expected {self.expected}"


def breaches_of_account(account: AccountRecord) -> Iterator[Breach]:
    """Yield what does not hold within one account, its ended grants taken as their sums say."""
    for grant in account.grants:
        yield from _grant(account.account_id, grant, among_ended=False)
    for pot in Pot:
        yield from _pot(account, pot)
    yield from _totals(account)
    yield from _counters(account)


def breaches_of_ended_grant(account_id: str, ended: EndedGrant) -> Iterator[Breach]:
    """Yield what does not hold of a grant that is kept among the ended ones."""
    grant = ended.grant
    yield from _grant(account_id, grant, among_ended=True)
    if grant.state is GrantState.MOVED and not ended.heir_account_id:
        yield Breach(account_id, grant.grant_id, "a moved grant has an heir", 0, 1)
    if ended.heir_account_id and not ended.heir_exists:
        name = f"its heir, number {ended.heir_number} of {ended.heir_account_id}, is there"
        yield Breach(account_id, grant.grant_id, name, 0, 1)


def _grant(account_id: str, grant: GrantRecord, *, among_ended: bool) -> Iterator[Breach]:
    parts = sum(getattr(grant, name) for name in PARTS) - 2 * grant.refunded
    if grant.amount != parts:
        yield Breach(account_id, grant.grant_id, _CONSERVED, grant.amount, parts)
    for name in PARTS:
        if getattr(grant, name) < 0:
            yield Breach(account_id, grant.grant_id, f"{name} >= 0", getattr(grant, name), 0)
    if grant.refunded > grant.captured:
        yield Breach(account_id, grant.grant_id, "refunded <= captured", grant.refunded, grant.captured)
    if grant.is_active is among_ended:
        name = "a grant is among the ended ones when nothing of it can be drawn or given back"
        yield Breach(account_id, grant.grant_id, name, int(among_ended), int(not grant.is_active))


FOLDED: Final = ("amount", "held", "captured", "refunded", "debt_paid", "expired", "revoked", "moved")
"""Figures of ended grants that an account keeps the sums of; nothing remains of an ended grant."""


def fold(sums: Counter[tuple[Pot, str]], grant: GrantRecord) -> None:
    """Add an ended grant to the sums of its account, as the account should keep them."""
    sums[grant.pot, "count"] += 1
    for name in FOLDED:
        sums[grant.pot, name] += getattr(grant, name)


def breaches_of_ended(account: AccountRecord, sums: Mapping[tuple[Pot, str], int]) -> Iterator[Breach]:
    """Yield where an account keeps other sums of its ended grants than those grants have, at one moment."""
    for pot in Pot:
        for name in ("count", *FOLDED):
            found, expected = account.ended[pot][name], sums.get((pot, name), 0)
            if found != expected:
                yield Breach(account.account_id, "", f"{name} of ended {pot.name.lower()} grants", found, expected)


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
    """Yield the first place at which a burn order is not priority, soonest expiry, oldest; and grants it lacks."""
    record = account.pots[pot]
    name = f"the {pot.name.lower()} burn order names every grant with credits left, once"
    found = Counter(number for number, *_ in record.order)
    due = Counter(grant.number for grant in drawable)
    for grant in account.grants:
        if grant.pot is pot and found[grant.number] != due[grant.number]:
            yield Breach(account.account_id, grant.grant_id, name, found[grant.number], due[grant.number])
    if found != due:
        return
    drawable.sort(key=lambda grant: (grant.priority, grant.expire_ms, grant.create_ms, grant.number))
    for place, (entry, grant) in enumerate(zip(record.order, drawable, strict=True)):
        if entry != (grant.number, grant.scope, grant.priority, grant.expire_ms, grant.create_ms):
            name = f"place {place} of the {pot.name.lower()} burn order, by grant number, with its scope and times"
            yield Breach(account.account_id, grant.grant_id, name, entry[0], grant.number)


def _sum(account: AccountRecord, pot: Pot, name: str) -> int:
    """Sum a figure over all grants of a pot, ended ones too."""
    active: int = sum(getattr(grant, name) for grant in account.grants if grant.pot is pot)
    return account.ended[pot][name] + active


def _totals(account: AccountRecord) -> Iterator[Breach]:
    totals, equations = account.totals, {}
    for pot, prefix in ((Pot.WALLET, ""), (Pot.LIMIT, "limit_")):
        equations[f"{prefix}granted = Σ amount"] = (totals[f"{prefix}granted"], _sum(account, pot, "amount"))
        for name in ("captured", "refunded", "debt_paid", "expired", "revoked", "moved"):
            # No debt is paid by a limit, and nothing moves out of one.
            equations[f"{prefix}{name} = Σ {name}"] = (totals.get(f"{prefix}{name}", 0), _sum(account, pot, name))
    yield from _unequal(account.account_id, equations)
    for name, total in totals.items():
        if total < 0:
            yield Breach(account.account_id, "", f"total {name} >= 0", total, 0)


def _counters(account: AccountRecord) -> Iterator[Breach]:
    account_id, counters, totals = account.account_id, account.counters, account.totals
    lowered = totals["debt_paid"] + totals["forgiven"] + totals["written_off"]
    used = totals["captured"] + totals["debt_incurred"] + totals["overrun"]
    has_limit = any(grant.pot is Pot.LIMIT for grant in account.grants) or account.ended[Pot.LIMIT]["count"] > 0
    equations = {
        "debt = debt_incurred - debt_paid - forgiven - written_off": (
            counters["debt"],
            totals["debt_incurred"] - lowered,
        ),
        "reserved = Σ held + unfunded": (
            counters["reserved"],
            _sum(account, Pot.WALLET, "held") + counters["unfunded"],
        ),
        "limit_reserved = Σ held of allotments": (counters["limit_reserved"], _sum(account, Pot.LIMIT, "held")),
        "used = captured + debt_incurred + overrun": (counters["used"], used),
        "grants = number of active grants": (counters["grants"], len(account.grants)),
        "has_limit = an allotment was ever given": (counters["has_limit"], int(has_limit)),
        "the account's time in the due index = grant_due": (account.due_ms, counters["grant_due"]),
    }
    yield from _unequal(account_id, equations)
    events = [account.period_end_ms, *(due for grant in account.grants if (due := _next_event_ms(grant)))]
    due_ms = min(filter(None, events), default=NEVER_MS)
    if (counters["grant_due"] or NEVER_MS) > due_ms:
        yield Breach(account_id, "", "grant_due <= the next start or end", counters["grant_due"], due_ms)
    newest = max((grant.number for grant in account.grants), default=0)
    if counters["grant_next"] <= newest:
        yield Breach(account_id, "", "grant_next > every grant's number", counters["grant_next"], newest + 1)
    parts = totals["inbound"] + totals["overage"] + totals["late"]
    if parts > counters["used"]:
        yield Breach(account_id, "", "inbound + overage + late <= used", parts, counters["used"])
    for name in ("debt", "unfunded", "reserved", "limit_reserved", "open_holds"):
        if counters[name] < 0:
            yield Breach(account_id, "", f"{name} >= 0", counters[name], 0)


def breaches_of_tree(counters: Mapping[str, TreeCounters], held: HeldInTree) -> Iterator[Breach]:
    """Yield where the accounts of an organisation differ from what its open holds hold.

    `counters`, which are those of all its accounts, and `held` must be of one moment.
    """
    for account_id, own in counters.items():
        wallet, limit = (account_id, Pot.WALLET), (account_id, Pot.LIMIT)
        unfunded = held.uncovered.get(wallet, 0)
        equations = {
            "reserved = Σ open holds": (own.reserved, held.granted.get(wallet, 0) + unfunded),
            "unfunded = Σ uncovered of open holds": (own.unfunded, unfunded),
            "limit_reserved = Σ open holds": (own.limit_reserved, held.granted.get(limit, 0)),
            "open_holds = number of open holds": (own.open_holds, held.open_holds.get(account_id, 0)),
        }
        yield from _unequal(account_id, equations)
    named = {account_id for account_id, _ in held.granted} | set(held.open_holds)
    for account_id in sorted(named - set(counters)):
        yield Breach(account_id, "", "an account that open holds name is listed", 0, 1)


def breaches_of_moves(root_id: str, counters: Mapping[str, TreeCounters]) -> Iterator[Breach]:
    """Yield whether other credits came into accounts of an organisation than left them, by counters of one moment."""
    moved, moved_in = (sum(getattr(own, name) for own in counters.values()) for name in ("moved", "moved_in"))
    yield from _unequal(root_id, {"Σ moved_in = Σ moved, over all accounts of the organisation": (moved_in, moved)})


def _next_event_ms(grant: GrantRecord) -> int | None:
    """Return when an active grant next starts or ends, None for never."""
    if grant.starts_ms:
        return grant.starts_ms
    return grant.expire_ms if grant.expire_ms != NEVER_MS else None


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

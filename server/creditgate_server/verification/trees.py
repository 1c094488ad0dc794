"""Organisations: all open holds together are what the accounts say, and what left one account entered another."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.ids import root_of
from creditgate_server.credit.invariants import (
    Breach,
    HeldInTree,
    TreeCounters,
    breaches_of_due_times,
    breaches_of_moves,
    breaches_of_tree,
)
from creditgate_server.credit.terms import Pot
from creditgate_server.verification.reader import TRIES_MAX, entry_id, opened_by
from creditgate_server.verification.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.store.ledger import JournalEntry
    from creditgate_server.verification.reader import EntryId, HoldsPage, Place, Reader

COUNTERS_AT_ONCE: Final = 1_000
"""Accounts whose counters one call reads: a few milliseconds of the store's time."""

ENTRIES_AT_ONCE: Final = 500
"""Journal entries followed at once."""

FIRST: Final[Place] = (0, "")
BEYOND_ALL: Final[Place] = (2**52, "~")
"""Places before and behind all in a due index."""

_ON_HOLDS: Final = frozenset({"reserved", "captured", "committed", "released", "hold_expired"})
"""Kinds of entries that change what a hold holds."""


async def check_tree(reader: Reader, report: Report, partition: int, root_id: str, account_ids: Sequence[str]) -> None:
    """Check an organisation's open holds, that they will be found when they are due, and what moved between accounts.

    One call reads 2,000 holds and the counters of 1,000 accounts at one moment. Where there are more, the journal tells
    what happened between the calls. What an account that was opened meanwhile holds or received is no breach.
    """
    for left in reversed(range(TRIES_MAX)):
        tree = await _read(reader, partition, root_id, account_ids)
        if tree is None or (tree.is_apart and left):
            continue
        found = tree.findings()
        if found.breaches and left and (listed := await reader.tree_ids(partition, root_id)) != account_ids:
            account_ids = listed
            continue
        report.open_holds += sum(tree.held.open_holds.values())
        report.include(found)
        if tree.is_apart:
            break
        return
    report.leave_unsettled(root_id)


async def _read(reader: Reader, partition: int, root_id: str, account_ids: Sequence[str]) -> _Tree | None:
    """Read open holds and counters as they were at one moment, None where that cannot be told."""
    some, *others = [
        account_ids[at : at + COUNTERS_AT_ONCE] for at in range(0, len(account_ids), COUNTERS_AT_ONCE)
    ] or [[]]
    tree = _Tree(root_id)
    for ids in others:
        tree.add(await reader.holds(root_id, ids, BEYOND_ALL))
    place: Place | None = FIRST
    ids = some
    while place is not None:
        page = await reader.holds(root_id, ids, place)
        tree.add(page, place)
        place, ids = page.following, []
    return tree if await tree.follow(reader, partition) else None


class _Tree:
    """An organisation's accounts and what its open holds hold, read by the page, as they stood at the last page."""

    def __init__(self, root_id: str) -> None:
        self._root_id = root_id
        self._counters: dict[str, TreeCounters] = {}
        self._changed: set[str] = set()
        self._places: list[Place] = []
        self._moments: list[EntryId] = []
        self._since: EntryId | None = None
        self._until: EntryId = (0, 0)
        self._found = Report()
        self.held = HeldInTree(Counter(), Counter(), Counter())

    def add(self, page: HoldsPage, place: Place | None = None) -> None:
        """Add what a call has read; `place`: behind which it read the due index, if it did."""
        self._since, self._until = self._since or page.newest, page.newest
        self._counters |= page.counters
        if place is None:
            return
        self._places.append(place)
        self._moments.append(page.newest)
        for account_id, pot, granted, uncovered in page.draws:
            self.held.granted[account_id, pot] += granted
            if uncovered:
                self.held.uncovered[account_id, pot] += uncovered
        for account_id, count in page.open_holds:
            self.held.open_holds[account_id] += count
        name = "an open hold is due when it expires"
        self._found.add(Breach(account_id, "", name, *times) for account_id, *times in page.misplaced)
        self._found.add(breaches_of_due_times(self._root_id, page.due_times))

    async def follow(self, reader: Reader, partition: int) -> bool:
        """Follow the journal from the first call to the last; False where it does not tell all that happened."""
        if self._since is None or self._since == self._until:
            return True
        entries: list[JournalEntry] = []
        async for entry in reader.journal(partition, self._since):
            if entry_id(entry.entry_id) > self._until:
                break
            if root_of(entry.account_id) == self._root_id:
                entries.append(entry)
            if len(entries) == ENTRIES_AT_ONCE:
                if not await self._apply(reader, entries):
                    return False
                entries = []
        return await self._apply(reader, entries)

    async def _apply(self, reader: Reader, entries: Sequence[JournalEntry]) -> bool:
        ids = {entry.operation_id for entry in entries if entry.kind in _ON_HOLDS}
        expiries = await reader.expiries(self._root_id, list(ids))
        return all(self._apply_one(entry, expiries) for entry in entries)

    def _apply_one(self, entry: JournalEntry, expiries: dict[str, int]) -> bool:
        """Bring the accounts on by an entry; what is held too, if the page on which the hold stands was read before."""
        is_missed = False
        if entry.kind in _ON_HOLDS:
            if not (expire_ms := expiries[entry.operation_id]):
                return False
            place = (expire_ms, f"h{entry.account_id}|{entry.operation_id}")
            is_missed = entry_id(entry.entry_id) > self._moments[bisect_left(self._places, place) - 1]
        for account_id, seq, _, reserved, _, _, _, of_limit in entry.effects:
            own = self._counters.get(account_id) or TreeCounters(0, 0, 0, 0, 0, 0, 0)
            if seq <= own.seq:
                continue
            if seq > own.seq + 1:
                return False
            opened = opened_by(entry) if account_id == entry.account_id else 0
            limit_reserved = of_limit or 0
            if is_missed:
                self.held.granted[account_id, Pot.WALLET] += reserved - own.reserved
                self.held.granted[account_id, Pot.LIMIT] += limit_reserved - own.limit_reserved
                self.held.open_holds[account_id] += opened
            self._changed.add(account_id)
            self._counters[account_id] = replace(
                own, seq=seq, reserved=reserved, limit_reserved=limit_reserved, open_holds=own.open_holds + opened
            )
        # A hold that was extended stands on another page now: it may have been read twice, or not at all.
        return entry.kind != "extended"

    @property
    def is_apart(self) -> bool:
        """Whether other credits came into accounts than left them, by counters of different moments."""
        return bool(self._changed) and any(breaches_of_moves(self._root_id, self._counters))

    def findings(self) -> Report:
        """Return what does not hold."""
        for account_id in self._changed:
            # The journal does not say how much of what is reserved nothing covers.
            unfunded = self.held.uncovered[account_id, Pot.WALLET]
            self._counters[account_id] = replace(self._counters[account_id], unfunded=unfunded)
        self._found.add(breaches_of_tree(self._counters, self.held))
        if not self._changed:
            self._found.add(breaches_of_moves(self._root_id, self._counters))
        return self._found

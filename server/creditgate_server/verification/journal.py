"""The journal: each account's entries follow one another, and say of the account what it says itself.

The entries that were written while accounts were read also tell how many holds are open in all of them at one moment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.invariants import Breach
from creditgate_server.credit.terms import Pot
from creditgate_server.store import records
from creditgate_server.verification.reader import NO_ENTRY, entry_id, opened_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from creditgate_server.credit.invariants import AccountRecord
    from creditgate_server.store.ledger import JournalEntry
    from creditgate_server.verification.reader import PartitionState, Reader
    from creditgate_server.verification.report import Report

AT_ONCE: Final = 64
"""Accounts that are asked at once how far they have come."""

_VALUES: Final = ("remaining", "reserved", "debt", "used", "limit remaining", "limit reserved")
"""What an entry says of an account after it."""


@dataclass(slots=True)
class _Account:
    """How far an account had come when it was read, with its values then, packed for there are many; 0 if it was not.

    `met` is its latest entry so far.
    """

    seq: int = 0
    values: bytes = b""
    met: int = 0


class JournalCheck:
    """The journal of one partition. Entries may have been trimmed, and may be written meanwhile."""

    def __init__(self, reader: Reader, report: Report, partition: int) -> None:
        self._reader = reader
        self._report = report
        self._partition = partition
        self._accounts: dict[str, _Account] = {}
        self._open_holds = 0

    def expect(self, account: AccountRecord) -> None:
        """Note how an account stands."""
        values = records.pack(*_values_after(account))
        self._accounts[account.account_id] = _Account(account.counters["seq"], values)
        self._open_holds += account.counters["open_holds"]

    async def check(self, before: PartitionState, *, are_all_read: bool) -> None:
        """Read all that is kept of the journal, and hold it against the accounts.

        `before` is how the partition stood before the first account was read; `are_all_read`: none was unreadable.
        """
        (now,) = await self._reader.partitions([self._partition])
        oldest, counted = None, False
        if before.newest == now.newest:
            counted = self._check_open_holds(now, are_all_read=are_all_read)
        async for entry in self._reader.journal(self._partition):
            self._report.journal_entries += 1
            place = entry_id(entry.entry_id)
            oldest = oldest or place
            self._follow(entry)
            # Entries since the first account was read are all there if one from before is, or if there was none.
            if not counted and place == now.newest and (oldest <= before.newest or before.newest == NO_ENTRY):
                counted = self._check_open_holds(now, are_all_read=are_all_read)
        if not counted:
            self._report.leave_unsettled(f"partition {self._partition}")
        await self._check_ends()

    def _follow(self, entry: JournalEntry) -> None:
        for account_id, seq, *values in entry.effects:
            account = self._accounts.setdefault(account_id, _Account())
            self._report.add(_breaches_of_entry(account_id, account, seq, values))
            account.met = seq
            if account_id == entry.account_id and seq > account.seq:
                self._open_holds += opened_by(entry)

    def _check_open_holds(self, now: PartitionState, *, are_all_read: bool) -> bool:
        """Check how many holds the partition says are open, once all entries up to then have been followed."""
        if are_all_read and now.open_holds != self._open_holds:
            self._breach("", f"open of partition {self._partition} = Σ open_holds", now.open_holds, self._open_holds)
        return True

    async def _check_ends(self) -> None:
        ahead = []
        for account_id, account in self._accounts.items():
            if 0 < account.met < account.seq:
                self._breach(account_id, "the last journal entry is the account's", account.met, account.seq)
            elif account.met > account.seq:
                ahead.append(account_id)
        for at in range(0, len(ahead), AT_ONCE):
            await self._check_ahead(ahead[at : at + AT_ONCE])

    async def _check_ahead(self, account_ids: Sequence[str]) -> None:
        """Check that accounts have gone on as their journal has since they were read."""
        latest = await self._reader.latest_entries(account_ids)
        for account_id, seq in zip(account_ids, latest, strict=True):
            met = self._accounts[account_id].met
            if seq is None:
                self._breach(account_id, "an account that the journal names is there", 0, 1)
            elif seq < met:
                self._breach(account_id, "no journal entry is beyond the account's seq", met, seq)

    def _breach(self, account_id: str, invariant: str, found: int, expected: int) -> None:
        self._report.add([Breach(account_id, "", invariant, found, expected)])


def _breaches_of_entry(account_id: str, account: _Account, seq: int, values: list[int]) -> Iterator[Breach]:
    if account.met and seq != account.met + 1:
        yield Breach(account_id, "", "journal entries are contiguous", seq, account.met + 1)
    if seq == account.seq and (expected := records.unpack(account.values)) != values:
        for name, found, own in zip(_VALUES, values, expected, strict=True):
            if found != own:
                yield Breach(account_id, "", f"{name} of journal entry {seq} = the account's", found, own)


def _values_after(account: AccountRecord) -> list[int]:
    counters, has_limit = account.counters, account.counters["has_limit"]
    return [
        sum(account.pots[Pot.WALLET].sums),
        counters["reserved"],
        counters["debt"],
        counters["used"],
        bool(has_limit) and sum(account.pots[Pot.LIMIT].sums),
        bool(has_limit) and counters["limit_reserved"],
    ]

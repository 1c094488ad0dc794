"""Verify: read every account of a live store and hold it to the invariants, in memory bounded by one partition."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from creditgate_server.credit.ids import root_of
from creditgate_server.credit.invariants import (
    AccountRecord,
    Breach,
    DueTimes,
    GrantRecord,
    HeldByTree,
    PotRecord,
    breaches_of_account,
    breaches_of_due_times,
    breaches_of_holds,
)
from creditgate_server.credit.terms import GrantState, Pot
from creditgate_server.store import records
from creditgate_server.store.errors import StoreError
from creditgate_server.store.keys import partition_key
from creditgate_server.store.ledger import Lane, Request
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Sequence

    from creditgate_server.store.ledger import Ledger

TRIES_MAX: Final = 5
"""How often an organisation with more holds than one call reads is read again because it changed meanwhile."""

PAGE: Final = 500


@dataclass(slots=True)
class Report:
    """What was read and what was found. `unsettled` organisations changed too fast for their holds to be summed."""

    accounts: int = 0
    grants: int = 0
    open_holds: int = 0
    journal_entries: int = 0
    breaches: list[Breach] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)

    @property
    def conserved(self) -> bool:
        """Whether every invariant that could be checked holds."""
        return not self.breaches


async def verify(
    ledger: Ledger,
    *,
    partitions: Collection[int] | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Report:
    """Check every account, the holds of every organisation, and the journal. Raises StoreError.

    `partitions` (None: all) says where to look; `on_progress` learns how many of them are done. Each account is read in
    one step, so the check is exact while the ledger goes on working.
    """
    report = Report()
    verifier = _Verifier(ledger, report)
    partitions = range(ledger.partitions) if partitions is None else partitions
    for done, partition in enumerate(partitions, start=1):
        await verifier.check_partition(partition)
        on_progress(done, len(partitions))
    return report


class _Verifier:
    def __init__(self, ledger: Ledger, report: Report) -> None:
        self._ledger = ledger
        self._report = report

    async def check_partition(self, partition: int) -> None:
        """Check the accounts of a partition, then its journal against what they were."""
        seen: dict[str, tuple[int, list[Any]]] = {}
        trees: dict[str, list[str]] = {}
        async for account_id in self._account_ids(partition):
            self._report.accounts += 1
            trees.setdefault(root_of(account_id), []).append(account_id)
            account = await self._read_account(account_id)
            if account is None:
                self._breach(account_id, "what is kept of a listed account can be read", 0, 1)
                continue
            self._report.grants += len(account.grants)
            self._report.breaches += breaches_of_account(account)
            seen[account_id] = (account.counters["seq"], _values_after(account))
        for root_id, account_ids in trees.items():
            await self._check_holds(root_id, account_ids)
        await self._check_journal(partition, seen)

    async def _ask(self, key: str, name: str, *args: object) -> records.Fields:
        (reply,) = await self._ledger.send([Request(key, Lane.READ, name, records.pack(*args))])
        if isinstance(reply, StoreError):
            raise reply
        return reply

    async def _account_ids(self, partition: int) -> AsyncIterator[str]:
        after = ""
        while True:
            _, ids = await self._ask(partition_key(partition), "list_accounts", "", after, PAGE)
            if not ids:
                return
            for account_id in ids:
                yield account_id
            after = ids[-1]

    async def _read_account(self, account_id: str) -> AccountRecord | None:
        key = self._ledger.key_of(root_of(account_id))
        status, *fields = await self._ask(key, "audit_account", account_id)
        if status != Status.OK:
            return None
        counters, totals, wallet_sums, wallet_order, limit_sums, limit_order, grants = fields
        return AccountRecord(
            account_id,
            counters,
            totals,
            {
                Pot.WALLET: PotRecord(tuple(wallet_sums), tuple(map(tuple, wallet_order))),
                Pot.LIMIT: PotRecord(tuple(limit_sums), tuple(map(tuple, limit_order))),
            },
            tuple(_read_grant(fields) for fields in grants),
        )

    async def _check_holds(self, root_id: str, account_ids: Sequence[str]) -> None:
        """Sum the open holds of an organisation; more than one page is of one moment only if nothing changed."""
        for _ in range(TRIES_MAX):
            pages = [page async for page in self._hold_pages(root_id, account_ids)]
            if pages[0].counters == pages[-1].counters:
                held = _sum_pages(pages)
                self._report.open_holds += sum(held.open_holds.values())
                self._report.breaches += breaches_of_holds(pages[-1].counters, held)
                self._report.breaches += breaches_of_due_times(root_id, pages[-1].due_times)
                for account_id, due_ms, expire_ms in (one for page in pages for one in page.misplaced):
                    self._breach(account_id, "an open hold is due when it expires", due_ms, expire_ms)
                return
        self._report.unsettled.append(root_id)

    async def _hold_pages(self, root_id: str, account_ids: Sequence[str]) -> AsyncIterator[_HoldPage]:
        key, start = self._ledger.key_of(root_id), 0
        while True:
            _, draws, open_holds, counters, misplaced, tree, start = await self._ask(
                key, "audit_holds", root_id, account_ids, start
            )
            own = {fields[0]: _read_counters(fields) for fields in counters}
            yield _HoldPage(draws, open_holds, own, misplaced, DueTimes(*tree))
            if not start:
                return

    async def _check_journal(self, partition: int, seen: dict[str, tuple[int, list[Any]]]) -> None:
        """Check that each account's entries are contiguous, and that the one it stood at when read says the same."""
        last: dict[str, int] = {}
        met = set[str]()
        async for entry in self._ledger.journal(partition):
            self._report.journal_entries += 1
            for account_id, seq, *values in entry.effects:
                if account_id in last and seq != last[account_id] + 1:
                    self._breach(account_id, "journal entries are contiguous", seq, last[account_id] + 1)
                last[account_id] = seq
                if account_id in seen and seen[account_id][0] == seq:
                    met.add(account_id)
                    for name, found, expected in zip(_VALUES, values, seen[account_id][1], strict=True):
                        if found != expected:
                            name_ = f"{name} of journal entry {seq} = the account's"
                            self._breach(account_id, name_, int(found or 0), int(expected or 0))
        for account_id, (seq, _) in seen.items():
            if account_id in last and account_id not in met:
                self._breach(account_id, "the last journal entry is the account's", last[account_id], seq)
            elif account_id in last and last[account_id] > seq:
                await self._check_seq(account_id, last[account_id])

    async def _check_seq(self, account_id: str, last: int) -> None:
        """Check that an account has gone on as its journal has since it was read."""
        status, *fields = await self._ask(self._ledger.key_of(root_of(account_id)), "audit_seq", account_id)
        if status == Status.OK and fields[0] < last:
            self._breach(account_id, "no journal entry is beyond the account's seq", last, fields[0])

    def _breach(self, account_id: str, invariant: str, found: int, expected: int) -> None:
        self._report.breaches.append(Breach(account_id, "", invariant, found, expected))


@dataclass(frozen=True, slots=True)
class _HoldPage:
    """One page of an organisation's due index, and the counters of its accounts at that moment."""

    draws: list[list[Any]]
    open_holds: list[list[Any]]
    counters: dict[str, dict[str, int]]
    misplaced: list[tuple[str, int, int]]
    due_times: DueTimes


_VALUES: Final = ("remaining", "reserved", "debt", "used", "limit remaining", "limit reserved")


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


def _read_grant(fields: Sequence[Any]) -> GrantRecord:
    number, grant_id, state, pot, scope, *amounts_and_ended = fields
    return GrantRecord(number, grant_id, GrantState(state), Pot(pot), scope, *amounts_and_ended)


def _read_counters(fields: Sequence[Any]) -> dict[str, int]:
    _, seq, reserved, limit_reserved, unfunded, open_holds = fields
    return {
        "seq": seq,
        "reserved": reserved,
        "limit_reserved": limit_reserved,
        "unfunded": unfunded,
        "open_holds": open_holds,
    }


def _sum_pages(pages: Sequence[_HoldPage]) -> HeldByTree:
    granted, uncovered = Counter[tuple[str, Pot]](), Counter[tuple[str, Pot]]()
    open_holds = Counter[str]()
    for page in pages:
        for account_id, pot, credits_, without_cover in page.draws:
            granted[account_id, Pot(pot)] += credits_
            uncovered[account_id, Pot(pot)] += without_cover
        for account_id, count in page.open_holds:
            open_holds[account_id] += count
    return HeldByTree(granted, uncovered, open_holds)

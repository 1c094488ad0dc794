"""Reads the raw records of a ledger, and gives them their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from creditgate_server.credit.ids import root_of
from creditgate_server.credit.invariants import (
    AccountRecord,
    DueTimes,
    EndedGrant,
    GrantRecord,
    PotRecord,
    TreeCounters,
)
from creditgate_server.credit.terms import AccountStatus, GrantState, Pot
from creditgate_server.store import records
from creditgate_server.store.errors import StoreError
from creditgate_server.store.keys import partition_key
from creditgate_server.store.ledger import Lane, Request
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from creditgate_server.store.ledger import JournalEntry, Ledger

IDS_PAGE: Final = 500
"""Ids of accounts listed in one call."""

ENDED_PAGE: Final = 500
"""Ended grants of an account read in one call, about."""

EntryId = tuple[int, int]
"""Where an entry stands in its journal."""

Place = tuple[int, str]
"""A time and a member of an organisation's due index, in which they are sorted by both."""

NO_ENTRY: Final[EntryId] = (0, 0)
"""Before all entries: the newest of an empty journal."""

TRIES_MAX: Final = 5
"""How often what takes more than one call to read is read again because it changed meanwhile."""


@dataclass(frozen=True, slots=True)
class EndedPage:
    """Some of an account's ended grants, when its latest journal entry was `seq`; `cursor` asks for more, "0" ends."""

    cursor: str
    grants: tuple[EndedGrant, ...]
    seq: int
    unreadable: tuple[int, ...]
    """Numbers of grants whose records are none."""

    @property
    def is_last(self) -> bool:
        """Whether no page follows."""
        return self.cursor == "0"


@dataclass(frozen=True, slots=True)
class PartitionState:
    """How many accounts a partition lists, and how many holds it counts as open, after a journal entry."""

    accounts: int
    open_holds: int
    newest: EntryId


@dataclass(frozen=True, slots=True)
class HoldsPage:
    """What a page of an organisation's due index holds, with the due times and some accounts' counters then."""

    draws: list[tuple[str, Pot, int, int]]
    """Account, pot, credits of grants, credits without cover."""
    open_holds: list[tuple[str, int]]
    counters: dict[str, TreeCounters]
    misplaced: list[tuple[str, int, int]]
    """Account, when the index says that a hold ends, when the hold says so."""
    due_times: DueTimes
    newest: EntryId
    """The latest journal entry at that moment."""
    following: Place | None
    """Behind which place the next page is; None where there is none."""


class Reader:
    """What an audit asks of a ledger. All methods raise StoreError."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def partitions(self, partitions: Sequence[int]) -> list[PartitionState]:
        """Return how partitions stand."""
        requests = [Request(partition_key(one), Lane.READ, "audit_partition", records.pack()) for one in partitions]
        return [
            PartitionState(accounts, open_holds, entry_id(newest))
            for _, accounts, open_holds, newest in await self._send(requests)
        ]

    async def account_ids(self, partition: int, below: str = "") -> AsyncIterator[list[str]]:
        """Yield the ids listed in a partition, or below one of them, in the order of bytes, by the page."""
        after = ""
        while True:
            request = Request(
                partition_key(partition), Lane.READ, "list_accounts", records.pack(below, after, IDS_PAGE)
            )
            ((_, ids),) = await self._send([request])
            if ids:
                yield ids
            if len(ids) < IDS_PAGE:
                return
            after = ids[-1]

    async def tree_ids(self, partition: int, root_id: str) -> list[str]:
        """Return the ids listed of an organisation, in the order of bytes."""
        ids = [root_id] if await self.is_listed(partition, root_id) else []
        async for page in self.account_ids(partition, below=root_id):
            ids += page
        return ids

    async def is_listed(self, partition: int, account_id: str) -> bool:
        """Tell whether an account is listed in a partition."""
        # Right before it there is none: ids are of characters below the last of ASCII.
        before = f"{account_id[:-1]}{chr(ord(account_id[-1]) - 1)}\x7f"
        request = Request(partition_key(partition), Lane.READ, "list_accounts", records.pack("", before, 1))
        ((_, ids),) = await self._send([request])
        return bool(ids == [account_id])

    async def accounts(self, account_ids: Sequence[str]) -> list[tuple[AccountRecord, EndedPage] | None]:
        """Read accounts, each with the first page of its ended grants in one step; None for one that is no record."""
        requests = []
        for account_id in account_ids:
            requests.append(self._request("audit_account", account_id, account_id))
            requests.append(self._request("audit_ended", account_id, account_id, "0", ENDED_PAGE))
        replies = await self._send(requests)
        return [
            _read_both(account_id, *both)
            for account_id, *both in zip(account_ids, replies[::2], replies[1::2], strict=True)
        ]

    async def more_ended(self, account_id: str, cursor: str) -> EndedPage | None:
        """Read a further page of an account's ended grants."""
        (reply,) = await self._send([self._request("audit_ended", account_id, account_id, cursor, ENDED_PAGE)])
        return _read_ended(reply) if reply[0] == Status.OK else None

    async def holds(self, root_id: str, account_ids: Sequence[str], behind: Place) -> HoldsPage:
        """Read a page of an organisation's due index, and the counters of some of its accounts."""
        (reply,) = await self._send([self._request("audit_holds", root_id, root_id, list(account_ids), *behind)])
        _, draws, open_holds, counters, misplaced, due_times, newest, next_ms, next_member = reply
        return HoldsPage(
            [(account_id, Pot(pot), granted, uncovered) for account_id, pot, granted, uncovered in draws],
            [(account_id, count) for account_id, count in open_holds],
            {account_id: TreeCounters(*own) for account_id, *own in counters},
            [(account_id, due_ms, expire_ms) for account_id, due_ms, expire_ms in misplaced],
            DueTimes(*due_times),
            entry_id(newest),
            (next_ms, next_member) if next_member else None,
        )

    async def expiries(self, root_id: str, hold_ids: Sequence[str]) -> dict[str, int]:
        """Return when holds of an organisation end, or would have ended; 0 for one that is forgotten."""
        (reply,) = await self._send([self._request("audit_expiries", root_id, root_id, list(hold_ids))])
        return dict(zip(hold_ids, reply[1], strict=True))

    async def latest_entries(self, account_ids: Sequence[str]) -> list[int | None]:
        """Return the numbers of accounts' latest journal entries; None where there is no account."""
        replies = await self._send([self._request("audit_seq", account_id, account_id) for account_id in account_ids])
        return [reply[1] if reply[0] == Status.OK else None for reply in replies]

    def journal(self, partition: int, after: EntryId = NO_ENTRY) -> AsyncIterator[JournalEntry]:
        """Yield the entries kept of a partition's journal, oldest first; or those behind one."""
        return self._ledger.journal(partition, f"{after[0]}-{after[1]}")

    def _request(self, name: str, account_id: str, *args: object) -> Request:
        return Request(self._ledger.key_of(root_of(account_id)), Lane.READ, name, records.pack(*args))

    async def _send(self, requests: Sequence[Request]) -> list[records.Fields]:
        replies = []
        for reply in await self._ledger.send(requests):
            if isinstance(reply, StoreError):
                raise reply
            replies.append(reply)
        return replies


def entry_id(text: str) -> EntryId:
    """Read the id of a journal entry."""
    time_ms, _, number = text.partition("-")
    return int(time_ms), int(number)


_OPENED: Final = {"reserved": 1, "released": -1, "hold_expired": -1}
_LATE: Final = 7
"""Where a commit's amounts say that its hold had ended before."""


def opened_by(entry: JournalEntry) -> int:
    """Return how many holds more an entry left open."""
    if entry.kind == "committed":
        return 0 if entry.detail[0][_LATE] else -1
    return _OPENED.get(entry.kind, 0)


def _read_both(
    account_id: str, account: records.Fields, ended: records.Fields
) -> tuple[AccountRecord, EndedPage] | None:
    if account[0] != Status.OK or ended[0] != Status.OK:
        return None
    try:
        return _read_account(account_id, account), _read_ended(ended)
    except ValueError:
        # A number that is no state, no pot, no status.
        return None


def _read_account(account_id: str, reply: records.Fields) -> AccountRecord:
    _, counters, totals, wallet_sums, wallet_order, limit_sums, limit_order, grants, ended, status, *others = reply
    return AccountRecord(
        account_id,
        counters,
        totals,
        {
            Pot.WALLET: PotRecord(tuple(wallet_sums), tuple(map(tuple, wallet_order))),
            Pot.LIMIT: PotRecord(tuple(limit_sums), tuple(map(tuple, limit_order))),
        },
        tuple(_read_grant(fields) for fields in grants),
        dict(zip(Pot, ended, strict=True)),
        AccountStatus(status),
        *others,
    )


def _read_grant(fields: Sequence[Any]) -> GrantRecord:
    number, grant_id, state, pot, scope, *amounts = fields
    return GrantRecord(number, grant_id, GrantState(state), Pot(pot), scope, *amounts)


def _read_ended(reply: records.Fields) -> EndedPage:
    _, cursor, grants, seq, unreadable = reply
    ended = tuple(EndedGrant(_read_grant(fields[:-3]), *fields[-3:]) for fields in grants)
    return EndedPage(cursor, ended, seq, tuple(unreadable))

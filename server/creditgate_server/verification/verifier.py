"""The audit itself: of one partition after another the accounts, then what shows only across them, then the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate_server.verification.accounts import AccountsCheck
from creditgate_server.verification.journal import JournalCheck
from creditgate_server.verification.reader import Reader
from creditgate_server.verification.report import Report
from creditgate_server.verification.trees import check_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from creditgate_server.store.ledger import Ledger


async def verify(
    ledger: Ledger,
    *,
    partitions: Collection[int] | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Report:
    """Check every account, the holds of every organisation, and the journal. Raises StoreError.

    `partitions` (None: all) says where to look; `on_progress` learns how far it has come, and of how much. What belongs
    together is read in one step, or again if it changed meanwhile: the check is exact while the ledger goes on working.

    In memory are at any time less than a kilobyte for each account of one partition, some pages of records, and a
    bounded number of breaches.
    """
    report, reader = Report(), Reader(ledger)
    chosen = range(ledger.partitions) if partitions is None else list(partitions)
    states = await reader.partitions(chosen)
    # A partition counts as one account more, for what only shows across accounts.
    done, total = 0, sum(state.accounts + 1 for state in states)

    def progress() -> None:
        nonlocal done
        done += 1
        on_progress(min(done, total), total)

    for partition in chosen:
        await _check_partition(reader, report, partition, progress)
        progress()
    return report


async def _check_partition(reader: Reader, report: Report, partition: int, on_account: Callable[[], None]) -> None:
    (before,) = await reader.partitions([partition])
    journal = JournalCheck(reader, report, partition)
    accounts = AccountsCheck(reader, report, partition, journal.expect, on_account)
    async for page in reader.account_ids(partition):
        await accounts.check(page)
    await accounts.check_children()
    for root_id, account_ids in accounts.trees.items():
        await check_tree(reader, report, partition, root_id, account_ids)
    await journal.check(before, are_all_read=accounts.are_all_read)

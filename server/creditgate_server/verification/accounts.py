"""Accounts, each by itself: what they keep of their grants, active and ended, and of the accounts below them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.ids import parent_of, root_of
from creditgate_server.credit.invariants import (
    AccountRecord,
    Breach,
    breaches_of_account,
    breaches_of_ended,
    breaches_of_ended_grant,
    fold,
)
from creditgate_server.credit.terms import AccountStatus, Pot
from creditgate_server.verification.reader import TRIES_MAX, EndedPage, Reader
from creditgate_server.verification.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE: Final = 8
"""Accounts read in one pipeline: at their largest, 600 grants each, some 8 MB."""

NUMBERS_MAX: Final = 2**24
"""Grants that an account can ever have had, and bytes to tell which of them were read; a number beyond is damage."""


class AccountsCheck:
    """The accounts of one partition."""

    def __init__(
        self,
        reader: Reader,
        report: Report,
        partition: int,
        on_account: Callable[[AccountRecord], None],
        on_progress: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._report = report
        self._partition = partition
        self._on_account = on_account
        self._on_progress = on_progress
        self._children = Counter[str]()
        self._stated_children: dict[str, int] = {}
        self._above: list[str] = []
        self.trees: dict[str, list[str]] = {}
        """The ids of the accounts of each organisation."""
        self.are_all_read = True

    async def check(self, account_ids: Sequence[str]) -> None:
        """Check accounts, the ids in the order in which they are listed."""
        for at in range(0, len(account_ids), AT_ONCE):
            some = account_ids[at : at + AT_ONCE]
            for account_id, read in zip(some, await self._reader.accounts(some), strict=True):
                self._report.accounts += 1
                await self._check_parent(account_id)
                self.trees.setdefault(root_of(account_id), []).append(account_id)
                if read is None:
                    self._unreadable(account_id)
                    self.are_all_read = False
                else:
                    await self._check_account(*read)
                self._on_progress()

    async def _check_parent(self, account_id: str) -> None:
        """Check that the account above is listed too: in the order of bytes it was, and all since has begun with it."""
        while self._above and not account_id.startswith(self._above[-1]):
            self._above.pop()
        parent_id = parent_of(account_id)
        if parent_id and parent_id not in self._above and not await self._reader.is_listed(self._partition, parent_id):
            self._report.add([Breach(parent_id, "", "the account above a listed one is listed", 0, 1)])
        self._above.append(account_id)

    async def _check_account(self, account: AccountRecord, ended: EndedPage) -> None:
        self._report.grants += len(account.grants)
        self._report.add(breaches_of_account(account))
        self._on_account(account)
        self._count_child(account)
        await self._check_ended(account, ended)

    async def _check_ended(self, account: AccountRecord, page: EndedPage) -> None:
        """Check ended grants; more than one page of them is of one moment only if the account has not changed."""
        for _ in range(TRIES_MAX):
            found = _EndedGrants(account)
            following: EndedPage | None = page
            while following is not None and following.seq == account.counters["seq"]:
                found.add(following)
                if following.is_last:
                    self._report.grants += found.count
                    self._report.include(found.findings())
                    return
                following = await self._reader.more_ended(account.account_id, following.cursor)
            (again,) = await self._reader.accounts([account.account_id])
            if again is None:
                self._unreadable(account.account_id)
                return
            account, page = again
        self._report.leave_unsettled(account.account_id)

    def _count_child(self, account: AccountRecord) -> None:
        if account.children:
            self._stated_children[account.account_id] = account.children
        parent_id = parent_of(account.account_id)
        if parent_id is not None and account.status is not AccountStatus.CLOSED:
            self._children[parent_id] += 1

    async def check_children(self) -> None:
        """Check how many accounts each one says that it has right below it, closed ones apart."""
        for parent_id in self._children.keys() | self._stated_children.keys():
            stated, found = self._stated_children.get(parent_id, 0), self._children[parent_id]
            if stated != found:
                await self._check_children_again(parent_id, (stated, found))

    async def _check_children_again(self, parent_id: str, before: tuple[int, int]) -> None:
        """Look again: accounts that were opened or closed meanwhile are no breach, a difference that stays is one."""
        for _ in range(TRIES_MAX):
            (parent,) = await self._reader.accounts([parent_id])
            if parent is None:
                name = "the account above an account that is not closed can be read"
                self._report.add([Breach(parent_id, "", name, 0, 1)])
                return
            again = parent[0].children, await self._count_children(parent_id)
            if again[0] == again[1]:
                return
            if again == before:
                self._report.add([Breach(parent_id, "", "children = accounts below that are not closed", *again)])
                return
            before = again
        self._report.leave_unsettled(parent_id)

    async def _count_children(self, parent_id: str) -> int:
        count = 0
        async for page in self._reader.account_ids(self._partition, below=parent_id):
            children = [account_id for account_id in page if parent_of(account_id) == parent_id]
            for at in range(0, len(children), AT_ONCE):
                for read in await self._reader.accounts(children[at : at + AT_ONCE]):
                    count += read is not None and read[0].status is not AccountStatus.CLOSED
        return count

    def _unreadable(self, account_id: str) -> None:
        self._report.add([Breach(account_id, "", "what is kept of a listed account can be read", 0, 1)])


class _EndedGrants:
    """Ended grants of an account as it was at one moment."""

    def __init__(self, account: AccountRecord) -> None:
        self._account = account
        # A scan may give a grant twice. Numbers are given in a row, so a byte for each is the smallest set of them.
        following = account.counters["grant_next"]
        self._seen = bytearray(int(following) if following in range(NUMBERS_MAX) else 0)
        self._sums = Counter[tuple[Pot, str]]()
        self._found = Report()
        self.count = 0

    def add(self, page: EndedPage) -> None:
        """Add a page of them."""
        account_id = self._account.account_id
        for number in page.unreadable:
            name = f"what is kept of ended grant number {number} can be read"
            self._found.add([Breach(account_id, "", name, 0, 1)])
        for ended in page.grants:
            grant = ended.grant
            if not 0 < grant.number < len(self._seen):
                name = "grant_next > every grant's number"
                following = self._account.counters["grant_next"]
                self._found.add([Breach(account_id, grant.grant_id, name, following, grant.number + 1)])
            elif self._seen[grant.number]:
                continue
            else:
                self._seen[grant.number] = 1
            self.count += 1
            fold(self._sums, grant)
            self._found.add(breaches_of_ended_grant(account_id, ended))

    def findings(self) -> Report:
        """Return what does not hold, once all pages have been added."""
        self._found.add(breaches_of_ended(self._account, self._sums))
        active = {grant.number for grant in self._account.grants}
        number = self._account.adjustment
        if number and number not in active and not (number < len(self._seen) and self._seen[number]):
            name = "the grant for what comes back and has no other is there"
            self._found.add([Breach(self._account.account_id, "", name, 0, number)])
        return self._found

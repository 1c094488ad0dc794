"""The engine: prices an operation, asks the store, and turns its reply into an outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.explanation import explain_reservation, explain_usage
from creditgate_server.credit.ids import root_of
from creditgate_server.engine.cards import RateCards
from creditgate_server.engine.collector import Collector
from creditgate_server.engine.exchanges import Exchanges
from creditgate_server.engine.failures import from_status, from_store
from creditgate_server.engine.paging import position, token
from creditgate_server.engine.requests import Asked, ask_administration
from creditgate_server.engine.watch import StoreWatch
from creditgate_server.store import records
from creditgate_server.store.errors import StoreError
from creditgate_server.store.keys import partition_key
from creditgate_server.store.ledger import Lane, Request
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from creditgate.pricing.rules import Rule
    from creditgate_server.credit.explanation import Explanation
    from creditgate_server.engine.collector import CollectorSettings
    from creditgate_server.engine.requests import Administered
    from creditgate_server.store.ledger import Ledger
    from creditgate_server.store.rate_cards import StoredRateCard


@dataclass(frozen=True, slots=True)
class _Read:
    account_id: str
    reservation_id: str = ""


class Engine:
    """One path for every operation on a ledger, which the sweeper beside it uses too."""

    def __init__(
        self,
        ledger: Ledger,
        settings: CollectorSettings | None = None,
        *,
        on_batch: Callable[[int, float], None] = lambda _size, _seconds: None,
    ) -> None:
        """Decide on a ledger that is prepared. `on_batch` learns of each pipeline's operations and duration."""
        self.ledger = ledger
        self._cards = RateCards(ledger)
        self._collector = Collector(ledger, settings, on_batch=on_batch)
        self._exchanges = Exchanges(ledger, self._cards, self._collector)
        self._watch = StoreWatch(ledger, self._cards)
        self._following: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether the store is of use, which is asked all the time."""
        return self._watch.available

    @property
    def waiting(self) -> int:
        """How many operations have not been sent to the store yet."""
        return self._collector.waiting

    async def __aenter__(self) -> Self:
        """Read the rate cards, and go on following the store. Raises StoreError."""
        await self._cards.install_default()
        self._watch.available = True
        self._following = asyncio.create_task(self._watch.follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait until every operation has been answered."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait((self._following,))
        await self._exchanges.close()
        await self._collector.close()

    async def decide(self, operation: ask.Decided) -> told.Authorization:
        """Price a usage and decide on it. Raises OperationError, as all that follow; a denial is an answer."""
        return await self._exchanges.perform(operation)

    async def settle(self, operation: ask.Commit | ask.Release) -> told.Settlement:
        """Capture or give back what a hold holds."""
        return await self._exchanges.perform(operation)

    async def extend(self, operation: ask.Extend) -> told.Extension:
        """Hold for longer."""
        return await self._exchanges.perform(operation)

    async def refund(self, operation: ask.Refund) -> told.Refunded:
        """Give back what a settled hold or a charge captured."""
        return await self._exchanges.perform(operation)

    async def batch(self, operations: Sequence[ask.Batched], *, atomic: bool) -> list[told.Outcome | Exception]:
        """Carry out operations, those of an account in order; what one of them would raise stands in its place.

        Atomic ones, all of one organisation, are carried out together or not at all.
        """
        return await self._exchanges.batch(operations, atomic=atomic)

    async def explain(self, operation: ask.Explain) -> Explanation:
        """Tell why a usage is decided as it is now, or what a reservation was made of."""
        if operation.traffic is None:
            reservation = await self.get_reservation(operation.account_id, operation.reservation_id)
            return explain_reservation(reservation, await self.get_standing(operation.account_id))
        quote = ask.Quote(operation.account_id, operation.traffic)
        authorization, standing = await self._exchanges.explain(quote)
        return explain_usage(operation.traffic.usage, authorization, standing)

    async def grant(self, operation: ask.GrantCredits) -> told.Granted:
        """Add credits to a wallet or room to a limit."""
        _, grant, debt_repaid, balance, replayed = await self._administer(operation)
        return told.Granted(records.read_grant(grant), debt_repaid, records.read_balance(balance), replayed)

    async def revoke_grant(self, operation: ask.RevokeGrant) -> told.Revoked:
        """Take back what remains of a grant."""
        return records.read_revocation(await self._administer(operation))

    async def transfer(self, operation: ask.Transfer) -> told.Transferred:
        """Move credits from one wallet to another."""
        return records.read_transfer(await self._administer(operation))

    async def set_plan(self, operation: ask.SetPlan) -> told.PlanSet:
        """Give an account a plan, another one, or none."""
        return records.read_plan_set(await self._exchanges.set_plan(operation))

    async def get_plan(self, account_id: str) -> told.Plan | None:
        """Return an account's plan with its present period, None where it has none."""
        _, plan = await self._read("get_plan", account_id)
        return records.read_plan(plan)

    async def create_account(self, operation: ask.CreateAccount) -> tuple[told.Account, bool]:
        """Open an account; True where it was there already, with the same settings."""
        await self._check_card(operation.settings.rate_card_id)
        _, described, balance, replayed = await self._administer(operation)
        return records.read_account(described, balance), replayed

    async def update_account(self, operation: ask.UpdateAccount) -> told.Account:
        """Change settings."""
        card_id = operation.change.rate_card_id
        if isinstance(card_id, str):
            await self._check_card(card_id)
        _, described, balance = await self._administer(operation)
        return records.read_account(described, balance)

    async def close_account(self, operation: ask.CloseAccount) -> told.Closed:
        """End an account for good."""
        return records.read_closing(await self._administer(operation))

    async def get_account(self, account_id: str) -> told.Account:
        """Return an account's settings and balance."""
        _, described, balance = await self._read("get_account", account_id)
        return records.read_account(described, balance)

    async def list_accounts(self, parent_id: str, page_size: int, page_token: str) -> told.Page[told.Account]:
        """Return accounts below a parent ("": all there are) by id. A parent's come from one step, all from several."""
        (after,) = position(page_token, "")
        if parent_id:
            keys = [self.ledger.key_of(root_of(parent_id))]
        else:
            keys = [partition_key(partition) for partition in range(self.ledger.partitions)]
        args, asked = records.pack(parent_id, after, page_size), _Read(parent_id)
        requests = [Request(key, Lane.READ, "list_accounts", args) for key in keys]
        replies = await asyncio.gather(*(self._exchanges.submit(request, asked) for request in requests))
        for reply in replies:
            if reply[0] != Status.OK:
                raise from_status(reply, asked)
        ids = sorted(account_id for reply in replies for account_id in reply[1])[:page_size]
        accounts = await asyncio.gather(*map(self.get_account, ids))
        return told.Page(tuple(accounts), token(ids[-1]) if len(ids) == page_size else "")

    async def get_standing(self, account_id: str) -> told.Standing:
        """Return the balance, every level from the account to its root, and the active grants of all of them."""
        return records.read_standing(await self._read("get_standing", account_id))

    async def list_grants(
        self, account_id: str, page_size: int, page_token: str, *, include_ended: bool
    ) -> told.Page[told.Grant]:
        """Return an account's grants, newest first."""
        (before,) = position(page_token, 0)
        _, grants, following = await self._read("list_grants", account_id, include_ended, before, page_size)
        return told.Page(tuple(map(records.read_grant, grants)), token(following) if following else "")

    async def get_reservation(self, account_id: str, reservation_id: str) -> told.Reservation:
        """Return a reservation, open or still remembered, with its provenance."""
        return await self._exchanges.get_reservation(_Read(account_id, reservation_id))

    async def list_reservations(
        self, account_id: str, page_size: int, page_token: str, *, include_descendants: bool
    ) -> told.Page[told.Reservation]:
        """Return open reservations, soonest expiry first. A page may be short, even empty, and not the last."""
        after_ms, after = position(page_token, 0, "")
        reply = await self._read("list_holds", account_id, include_descendants, after_ms, after, page_size)
        _, holds, next_ms, next_member = reply
        following = token(next_ms, next_member) if next_member else ""
        return told.Page(tuple(map(records.read_reservation, holds)), following)

    async def put_rate_card(self, rate_card_id: str, rules: Sequence[Rule]) -> tuple[StoredRateCard, bool]:
        """Add a version of a rate card; True where the newest has the same rules. Raises InvalidRateCard too."""
        try:
            return await self._cards.put(rate_card_id, rules)
        except StoreError as error:
            raise from_store(error, _Read(""), writes=True) from error

    async def get_rate_card(self, rate_card_id: str, version: int) -> StoredRateCard:
        """Return a version of a rate card, 0 for the newest."""
        return await self._cards.get(rate_card_id, version)

    def list_rate_cards(self, page_size: int, page_token: str) -> told.Page[StoredRateCard]:
        """Return the newest version of every rate card, by id."""
        (after,) = position(page_token, "")
        cards = [stored for stored in self._cards.all_newest() if stored.card.id > str(after)]
        page = tuple(cards[:page_size])
        return told.Page(page, token(page[-1].card.id) if len(cards) > page_size else "")

    async def _read(self, name: str, account_id: str, *args: object) -> records.Fields:
        asked = Asked(Lane.READ, name, records.pack(account_id, *args))
        return await self._exchanges.do(asked, _Read(account_id))

    async def _administer(self, operation: Administered) -> records.Fields:
        return await self._exchanges.do(ask_administration(operation), operation)

    async def _check_card(self, card_id: str) -> None:
        if card_id:
            await self._cards.newest(card_id)

"""The engine: prices an operation, asks the store, and turns its reply into an outcome."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, Self

import structlog

from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.content import (
    content_of_account,
    content_of_charge,
    content_of_grant,
    content_of_reserve,
)
from creditgate_server.credit.ids import root_of
from creditgate_server.engine.cards import DEFAULT_CARD_ID, RateCards
from creditgate_server.engine.collector import Collector
from creditgate_server.engine.errors import InvalidField, Overloaded
from creditgate_server.engine.failures import from_status, from_store, ids_of
from creditgate_server.engine.paging import position, token
from creditgate_server.engine.pricing import price_actual, price_usage, unpriced
from creditgate_server.store import records
from creditgate_server.store.errors import StoreError
from creditgate_server.store.keys import partition_key
from creditgate_server.store.ledger import Lane, Request
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from structlog.typing import FilteringBoundLogger

    from creditgate.pricing.rules import Rule
    from creditgate_server.engine.collector import CollectorSettings
    from creditgate_server.engine.pricing import Priced
    from creditgate_server.store.ledger import Ledger
    from creditgate_server.store.rate_cards import StoredRateCard

ATTEMPTS_MAX: Final = 5
"""How often a decision is repeated because its account changed card, or because more was due than one call may end."""

SWEEP_MAX: Final = 500
"""What is due that one sweep ends before a decision is repeated: some 10 ms of the store."""

SWEEPS_MAX: Final = 20
"""Sweeps before a decision is repeated."""

CARD_IDS_MAX: Final = 100_000
"""Accounts whose card is remembered, to price at the first try; forgotten all at once when full."""

WATCH_INTERVAL_S: Final = 0.5
"""How often the store is asked whether it answers: a new rate card serves everywhere, and health follows, so soon."""

ALL_HELD: Final = -1
"""What `commit` in the store takes for all that is held."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class _HasAccount(Protocol):
    @property
    def account_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _Read:
    account_id: str
    reservation_id: str = ""


def _authorization(operation: ask.Decided, priced: Priced) -> tuple[str, bytes]:
    """Return the name and the packed arguments of a decision."""
    traffic, account_id = operation.traffic, operation.account_id
    decided = (
        *records.traffic_args(traffic),
        priced.unit,
        traffic.usage.recipient_count,
        priced.denial,
        priced.card_id,
        priced.card_version,
    )
    match operation:
        case ask.Quote():
            return "quote", records.pack(account_id, *decided)
        case ask.Reserve():
            content = content_of_reserve(operation, priced.segments)
            return "reserve", records.pack(
                account_id,
                operation.reservation_id,
                content,
                *decided,
                priced.rule,
                operation.allow_partial,
                operation.ttl_ms,
                int(operation.expiry_action),
                traffic.labels,
            )
        case ask.Charge():
            content = content_of_charge(operation, priced.segments)
            return "charge", records.pack(
                account_id,
                operation.charge_id,
                content,
                *decided,
                priced.rule,
                traffic.labels,
            )


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
        self._card_ids: dict[str, str] = {}
        self._available = False
        self._sweeps: dict[str, asyncio.Task[None]] = {}
        self._watch: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether the store took a write that does nothing when it was last asked; it is asked all the time."""
        return self._available

    @property
    def waiting(self) -> int:
        """How many operations have not been sent to the store yet."""
        return self._collector.waiting

    async def __aenter__(self) -> Self:
        """Read the rate cards, and go on following the store. Raises StoreError."""
        await self._cards.install_default()
        self._available = True
        self._watch = asyncio.create_task(self._follow_store())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Wait until every operation has been answered."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.wait((self._watch, *self._sweeps.values()))
        await self._collector.close()

    async def decide(self, operation: ask.Decided) -> told.Authorization:
        """Price a usage and decide on it. Raises OperationError; a denial is an answer."""
        account_id = operation.account_id
        lane = Lane.READ if isinstance(operation, ask.Quote) else Lane.DECIDE
        for _ in range(ATTEMPTS_MAX):
            card = await self._cards.newest(self._card_ids.get(account_id, DEFAULT_CARD_ID))
            try:
                priced, invalid = price_usage(card, operation.traffic.usage), None
            except InvalidField as error:
                priced, invalid = unpriced(card), error
            name, args = _authorization(operation, priced)
            reply = await self._ask(Request(self._key(operation), lane, name, args), operation)
            if reply[0] == Status.OK:
                return await self._read_authorization(reply, operation, priced)
            if reply[0] == Status.UNPRICED and invalid is not None:
                raise invalid
            if reply[0] != Status.REPRICE:
                raise from_status(reply, operation)
            self._learn_card(account_id, reply[1])
        raise self._changes_too_fast(operation)

    async def settle(self, operation: ask.Commit | ask.Release) -> told.Settlement:
        """End a hold. Raises OperationError."""
        if isinstance(operation, ask.Release):
            args = records.pack(operation.account_id, operation.reservation_id, operation.reason)
            return records.read_settlement(await self._do(Lane.SETTLE, "release", args, operation))
        credits_ = await self._actual_credits(operation)
        args = records.pack(operation.account_id, operation.reservation_id, credits_, operation.labels)
        return records.read_settlement(await self._do(Lane.SETTLE, "commit", args, operation))

    async def grant(self, operation: ask.GrantCredits) -> told.Granted:
        """Add credits to a wallet or room to a limit. Raises OperationError."""
        scope = operation.scope
        args = records.pack(
            operation.account_id,
            operation.grant_id,
            content_of_grant(operation),
            operation.credits,
            int(operation.kind),
            operation.effective_ms,
            operation.expire_ms,
            operation.priority,
            list(map(int, scope.channels)),
            scope.regions,
            operation.actor,
            operation.reference,
            operation.note,
        )
        _, grant, debt_repaid, balance, replayed = await self._do(Lane.DECIDE, "grant", args, operation)
        return told.Granted(records.read_grant(grant), debt_repaid, records.read_balance(balance), replayed)

    async def create_account(self, operation: ask.CreateAccount) -> tuple[told.Account, bool]:
        """Open an account; True where it was there already, with the same settings. Raises OperationError."""
        settings = operation.settings
        await self._check_card(settings.rate_card_id)
        content, fields = content_of_account(settings), records.settings_fields(settings)
        args = records.pack(operation.account_id, content, fields, settings.display_name)
        _, described, balance, replayed = await self._do(Lane.DECIDE, "create_account", args, operation)
        return records.read_account(described, balance), replayed

    async def update_account(self, operation: ask.UpdateAccount) -> told.Account:
        """Change settings. Raises OperationError."""
        card_id = operation.change.rate_card_id
        if isinstance(card_id, str):
            await self._check_card(card_id)
        change = operation.change
        name = False if change.display_name is ask.UNSET else change.display_name
        args = records.pack(operation.account_id, records.change_fields(change), name)
        _, described, balance = await self._do(Lane.DECIDE, "update_account", args, operation)
        return records.read_account(described, balance)

    async def get_account(self, account_id: str) -> told.Account:
        """Return an account's settings and balance. Raises OperationError, as all that follow."""
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
        replies = await asyncio.gather(*(self._ask(request, asked) for request in requests))
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
        operation = _Read(account_id, reservation_id)
        args = records.pack(account_id, reservation_id)
        _, fields = await self._do(Lane.READ, "get_hold", args, operation)
        return records.read_reservation(fields)

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
        return await self._do(Lane.READ, name, records.pack(account_id, *args), _Read(account_id))

    async def _follow_store(self) -> None:
        """Learn whether the store takes writes, and which rate cards other sidecars have added."""
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            try:
                await self.ledger.probe()
                await self._cards.refresh()
            except StoreError as error:
                self._see(available=False, store_error=str(error))
            except Exception as error:  # noqa: BLE001 (a card that cannot be read, say: nobody else would look at it)
                self._see(available=False, exc_info=error)
            else:
                self._see(available=True)

    def _see(self, *, available: bool, **why: object) -> None:
        """Note whether the store is of use, and log when that changes."""
        if available != self._available:
            _log.log(logging.INFO if available else logging.ERROR, "store_back" if available else "store_lost", **why)
        self._available = available

    async def _actual_credits(self, operation: ask.Commit) -> int:
        """Return the credits to capture, -1 for all that is held; another size is priced by the hold's frozen rate."""
        if operation.credits is not None:
            return operation.credits
        if operation.usage is None:
            return ALL_HELD
        hold = await self.get_reservation(operation.account_id, operation.reservation_id)
        stored = await self._cards.get(hold.rate_card_id, hold.rate_card_version)
        return price_actual(stored.card, hold, operation.usage)

    async def _do(self, lane: Lane, name: str, args: bytes, operation: _HasAccount) -> records.Fields:
        reply = await self._ask(Request(self._key(operation), lane, name, args), operation)
        if reply[0] != Status.OK:
            raise from_status(reply, operation)
        return reply

    async def _ask(self, request: Request, operation: object) -> records.Fields:
        """Send a request; while more is due of its organisation than one call may end, sweep and send it again."""
        for _ in range(ATTEMPTS_MAX):
            reply = await self._collector.submit(request)
            if isinstance(reply, StoreError):
                raise from_store(reply, operation, writes=request.lane is not Lane.READ) from reply
            if reply[0] != Status.SWEEP:
                return reply
            await self._sweep(reply[1], operation)
        raise self._changes_too_fast(operation)

    async def _sweep(self, root_id: str, operation: object) -> None:
        """Sweep an organisation, once for all that wait for it: hundreds of callers meet the same overdue holds."""
        sweep = self._sweeps.get(root_id)
        if sweep is None:
            sweep = self._sweeps[root_id] = asyncio.create_task(self._sweep_root(root_id))
            sweep.add_done_callback(lambda _: self._sweeps.pop(root_id, None))
        try:
            await asyncio.shield(sweep)
        except StoreError as error:
            raise from_store(error, operation, writes=False) from error

    async def _sweep_root(self, root_id: str) -> None:
        for _ in range(SWEEPS_MAX):
            _, backlog = await self.ledger.sweep(root_id, SWEEP_MAX)
            if not backlog:
                return

    async def _read_authorization(
        self, reply: records.Fields, operation: ask.Decided, priced: Priced
    ) -> told.Authorization:
        """Read a decision; a replay shows the price of the card version that priced it first."""
        *_, card_id, version = reply
        if (card_id, version) != (priced.card_id, priced.card_version):
            stored = await self._cards.get(card_id, version)
            priced = price_usage(stored.card, operation.traffic.usage)
        return records.read_authorization(reply, priced.price)

    def _changes_too_fast(self, operation: object) -> Overloaded:
        message = "the account changes faster than it can be decided on; ask again with the same id"
        return Overloaded(message, **ids_of(operation))

    def _key(self, operation: _HasAccount) -> str:
        return self.ledger.key_of(root_of(operation.account_id))

    async def _check_card(self, card_id: str) -> None:
        if card_id:
            await self._cards.newest(card_id)

    def _learn_card(self, account_id: str, card_id: str) -> None:
        if len(self._card_ids) >= CARD_IDS_MAX:
            self._card_ids.clear()
        self._card_ids[account_id] = card_id

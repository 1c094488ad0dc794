"""The one way of an operation to the store and back: priced, collected, sent, and repeated while the store says so."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, overload

from creditgate_server.credit import operations as ask
from creditgate_server.credit.calendar import Cycle
from creditgate_server.credit.ids import root_of
from creditgate_server.credit.outcomes import Extension
from creditgate_server.engine.cards import DEFAULT_CARD_ID, RateCards
from creditgate_server.engine.errors import InvalidField, OperationError, Overloaded, StoreUnavailable
from creditgate_server.engine.failures import from_status, from_store, ids_of
from creditgate_server.engine.pricing import Priced, price_actual, price_usage, unpriced
from creditgate_server.engine.requests import ALL, Asked, ask_decision, ask_plan, ask_settlement
from creditgate_server.store import records
from creditgate_server.store.errors import ReplyError, StoreError
from creditgate_server.store.ledger import OPERATIONS_PER_CALL_MAX, SWEEP_MAX, Group, Lane, Request
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate.pricing.rate_cards import RateCard
    from creditgate_server.credit import outcomes as told
    from creditgate_server.engine.collector import Collector
    from creditgate_server.store.ledger import Ledger

ATTEMPTS_MAX: Final = 10
"""How often an operation is repeated: its account has changed card, or more was due than one call may end."""

SWEEPS_MAX: Final = 100
"""Sweeps before an operation is repeated."""

CARD_IDS_MAX: Final = 100_000
"""Accounts whose card is remembered, to price at the first try; forgotten all at once when full."""


class _Attempt(NamedTuple):
    """An operation as it is asked for once; `invalid` is why its card cannot price it, unless it is a replay."""

    operation: ask.Batched
    asked: Asked
    priced: Priced | None = None
    invalid: InvalidField | None = None


class Exchanges:
    """Carries out operations on a ledger."""

    def __init__(self, ledger: Ledger, cards: RateCards, collector: Collector) -> None:
        """Price with `cards`, send through `collector`."""
        self._ledger = ledger
        self._cards = cards
        self._collector = collector
        self._card_ids: dict[str, str] = {}
        self._sweeps: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Wait for the sweeps under way."""
        if self._sweeps:
            await asyncio.wait(self._sweeps.values())

    @overload
    async def perform(self, operation: ask.Decided) -> told.Authorization: ...
    @overload
    async def perform(self, operation: ask.Commit | ask.Release) -> told.Settlement: ...
    @overload
    async def perform(self, operation: ask.Extend) -> told.Extension: ...
    @overload
    async def perform(self, operation: ask.Refund) -> told.Refunded: ...
    @overload
    async def perform(self, operation: ask.Batched) -> told.Outcome: ...
    async def perform(self, operation: ask.Batched) -> told.Outcome:
        """Carry out one operation. Raises OperationError; a denial is an answer."""
        for _ in range(ATTEMPTS_MAX):
            attempt = await self._attempt(operation)
            lane, name, args = attempt.asked
            reply = await self.submit(Request(self._key(operation), lane, name, args), operation)
            if reply[0] == Status.OK:
                return await self._read(attempt, reply)
            await self._conclude(attempt, reply)
        raise _changes_too_fast(operation)

    async def explain(self, operation: ask.Quote) -> tuple[told.Authorization, told.Standing]:
        """Answer a quote, with what it was decided on. Raises OperationError."""
        for _ in range(ATTEMPTS_MAX):
            priced, invalid = _price(await self._cards.newest(self._card_id(operation)), operation)
            attempt = _Attempt(operation, ask_decision(operation, priced, explains=True), priced, invalid)
            reply = await self._send(attempt.asked, operation)
            if reply[0] == Status.OK:
                return await self._read_authorization(reply[1], operation, priced), records.read_standing(reply)
            await self._conclude(attempt, reply)
        raise _changes_too_fast(operation)

    async def set_plan(self, operation: ask.SetPlan) -> records.Fields:
        """Give an account a plan, whose first period ends as the calendar says; the store tells when it begins."""
        terms, begin_ms, end_ms = operation.terms, 0, 0
        for _ in range(ATTEMPTS_MAX):
            reply = await self.do(ask_plan(operation, begin_ms, end_ms), operation, also=Status.BOUND)
            if reply[0] == Status.OK or terms is None:
                return reply
            begin_ms = reply[1]
            anchor_ms = begin_ms if terms.anchor_ms is None else terms.anchor_ms
            end_ms = Cycle(terms.interval, anchor_ms, terms.time_zone).boundary_after(begin_ms)
        raise _changes_too_fast(operation)

    async def do(self, asked: Asked, operation: ask.HasAccount, *, also: Status | None = None) -> records.Fields:
        """Send what needs no price, and return its reply: OK, or `also`. While more is due, sweep and repeat."""
        for _ in range(ATTEMPTS_MAX):
            reply = await self._send(asked, operation)
            if reply[0] in (Status.OK, also):
                return reply
            if reply[0] != Status.SWEEP:
                raise from_status(reply, operation)
            await self._sweep(reply[1], operation)
        raise _changes_too_fast(operation)

    async def submit(self, request: Request | Group, operation: object) -> records.Fields:
        """Send a request, and return its reply. Raises OperationError for what befell it on the way."""
        reply = await self._collector.submit(request)
        if isinstance(reply, StoreError):
            raise from_store(reply, operation, writes=request.lane is not Lane.READ) from reply
        return reply

    async def actual_credits(self, operation: ask.Commit) -> int:
        """Return the credits to capture, ALL for all that is held; another size is priced by the hold's frozen rate."""
        if operation.credits is not None:
            return operation.credits
        if operation.usage is None:
            return ALL
        hold = await self.get_reservation(operation)
        stored = await self._cards.get(hold.rate_card_id, hold.rate_card_version)
        return price_actual(stored.card, hold, operation.usage)

    async def get_reservation(self, operation: ask.OfReservation) -> told.Reservation:
        """Return the reservation that an operation is about."""
        args = records.pack(operation.account_id, operation.reservation_id)
        _, fields = await self.do(Asked(Lane.READ, "get_hold", args), operation)
        return records.read_reservation(fields)

    # Batches

    async def batch(self, operations: Sequence[ask.Batched], *, atomic: bool) -> list[told.Outcome | Exception]:
        """Carry out operations, those of an account in order; what one of them would raise stands in its place.

        Atomic ones, all of one organisation, are carried out together or not at all.
        """
        if atomic:
            return await self._all_or_none(operations)
        results: list[told.Outcome | Exception] = [StoreUnavailable("it was not sent")] * len(operations)
        by_root: dict[str, deque[int]] = {}
        for at, operation in enumerate(operations):
            by_root.setdefault(root_of(operation.account_id), deque()).append(at)
        async with asyncio.TaskGroup() as tasks:
            for positions in by_root.values():
                if len(positions) == 1:
                    tasks.create_task(self._perform_into(results, operations, positions[0]))
                else:
                    tasks.create_task(self._in_order(results, operations, positions))
        return results

    async def _perform_into(
        self, results: list[told.Outcome | Exception], operations: Sequence[ask.Batched], at: int
    ) -> None:
        try:
            results[at] = await self.perform(operations[at])
        except Exception as error:  # noqa: BLE001 (each operation has its own result, whatever it is)
            results[at] = error

    async def _in_order(
        self, results: list[told.Outcome | Exception], operations: Sequence[ask.Batched], left: deque[int]
    ) -> None:
        """Carry out operations of one organisation. What must be repeated comes again before what follows it."""
        idle = 0
        while left and idle < ATTEMPTS_MAX:
            chunk = await self._next_chunk(results, operations, left)
            if not chunk:
                continue
            try:
                replies = await self._send_group(Lane.BATCH, list(chunk.values()))
            except Exception as error:  # noqa: BLE001 (it befell them all)
                if not await self._after_failure(results, operations, list(chunk), error):
                    return
                continue
            again = []
            for (at, attempt), reply in zip(chunk.items(), replies, strict=True):
                try:
                    outcome = await self._conclude(attempt, reply)
                except Exception as error:  # noqa: BLE001
                    results[at] = error
                    continue
                if outcome is None:
                    again.append(at)
                else:
                    results[at] = outcome
            left.extendleft(reversed(again))
            idle = idle + 1 if len(again) == len(chunk) else 0
        for at in left:
            results[at] = _changes_too_fast(operations[at])

    async def _next_chunk(
        self, results: list[told.Outcome | Exception], operations: Sequence[ask.Batched], left: deque[int]
    ) -> dict[int, _Attempt]:
        """Take off what one call may carry. A commit priced by its hold waits for what stands before it."""
        chunk: dict[int, _Attempt] = {}
        while left and len(chunk) < OPERATIONS_PER_CALL_MAX:
            operation = operations[left[0]]
            if chunk and isinstance(operation, ask.Commit) and operation.usage is not None:
                break
            at = left.popleft()
            try:
                chunk[at] = await self._attempt(operation)
            except Exception as error:  # noqa: BLE001 (it fails alone)
                results[at] = error
        return chunk

    async def _after_failure(
        self,
        results: list[told.Outcome | Exception],
        operations: Sequence[ask.Batched],
        positions: list[int],
        error: Exception,
    ) -> bool:
        """Tell the operations of a call that it failed; what a full store refused whole, it may do in part.

        Returns whether those after them may go on: after a call whose outcome is unknown their order would be, too.
        """
        cause = error.__cause__
        if isinstance(cause, ReplyError) and cause.code == "OOM":
            for at in positions:
                await self._perform_into(results, operations, at)
            return True
        for at in positions:
            told_error = error
            if isinstance(cause, StoreError):
                told_error = from_store(cause, operations[at], writes=True)
            results[at] = told_error
        return False

    async def _all_or_none(self, operations: Sequence[ask.Batched]) -> list[told.Outcome | Exception]:
        for _ in range(ATTEMPTS_MAX):
            results: list[told.Outcome | Exception | None] = []
            attempts: list[_Attempt] = []
            for operation in operations:
                try:
                    attempts.append(await self._attempt(operation))
                    results.append(None)
                except OperationError as error:
                    results.append(error)
            if len(attempts) < len(operations):
                return [
                    result or from_status([Status.BATCH_NOT_APPLIED], operation)
                    for result, operation in zip(results, operations, strict=True)
                ]
            replies = await self._send_group(Lane.ATOMIC, attempts)
            concluded = [await self._conclude_alone(*pair) for pair in zip(attempts, replies, strict=True)]
            if all(result is not None for result in concluded):
                return [result for result in concluded if result is not None]
        return [_changes_too_fast(operation) for operation in operations]

    async def _conclude_alone(self, attempt: _Attempt, reply: records.Fields) -> told.Outcome | Exception | None:
        try:
            return await self._conclude(attempt, reply)
        except OperationError as error:
            return error

    async def _send_group(self, lane: Lane, attempts: Sequence[_Attempt]) -> list[records.Fields]:
        first = attempts[0].operation
        calls = tuple((attempt.asked.name, attempt.asked.args) for attempt in attempts)
        return await self.submit(Group(self._key(first), lane, calls), first)

    # One attempt

    async def _attempt(self, operation: ask.Batched) -> _Attempt:
        if isinstance(operation, ask.Quote | ask.Reserve | ask.Charge):
            card_id = self._card_id(operation)
            priced, invalid = _price(self._cards.known(card_id) or await self._cards.newest(card_id), operation)
            return _Attempt(operation, ask_decision(operation, priced), priced, invalid)
        credits_ = await self.actual_credits(operation) if isinstance(operation, ask.Commit) else ALL
        return _Attempt(operation, ask_settlement(operation, credits_))

    async def _send(self, asked: Asked, operation: ask.HasAccount) -> records.Fields:
        return await self.submit(Request(self._key(operation), asked.lane, asked.name, asked.args), operation)

    async def _conclude(self, attempt: _Attempt, reply: records.Fields) -> told.Outcome | None:
        """Read a reply; None says that the operation must be repeated, and that what this needs has been done."""
        operation, status = attempt.operation, reply[0]
        if status == Status.OK:
            return await self._read(attempt, reply)
        if status == Status.SWEEP:
            await self._sweep(reply[1], operation)
        elif status == Status.REPRICE:
            self._learn_card(operation.account_id, reply[1])
        elif status == Status.UNPRICED and attempt.invalid is not None:
            raise attempt.invalid
        elif status != Status.AFTER:
            raise from_status(reply, operation)
        return None

    async def _read(self, attempt: _Attempt, reply: records.Fields) -> told.Outcome:
        operation = attempt.operation
        if attempt.priced is not None and isinstance(operation, ask.Quote | ask.Reserve | ask.Charge):
            return await self._read_authorization(reply, operation, attempt.priced)
        if isinstance(operation, ask.Refund):
            return records.read_refund(reply)
        return Extension(expire_ms=reply[1]) if isinstance(operation, ask.Extend) else records.read_settlement(reply)

    async def _read_authorization(
        self, reply: records.Fields, operation: ask.Decided, priced: Priced
    ) -> told.Authorization:
        """Read a decision; a replay shows the price of the card version that priced it first.

        It shows none where the usage as it is repeated would not have had that price: its priority is not its content.
        """
        card_id, version = reply[-2:]
        if card_id != priced.card_id or version != priced.card_version:
            priced, _ = _price((await self._cards.get(card_id, version)).card, operation)
        outcome = records.read_authorization(reply, priced.price)
        if outcome.replayed and outcome.credits != priced.unit * outcome.recipients_granted:
            return replace(outcome, price=None)
        return outcome

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
            _, backlog = await self._ledger.sweep(root_id, SWEEP_MAX)
            if not backlog:
                return

    def _key(self, operation: ask.HasAccount) -> str:
        return self._ledger.key_of(root_of(operation.account_id))

    def _card_id(self, operation: ask.HasAccount) -> str:
        return self._card_ids.get(operation.account_id, DEFAULT_CARD_ID)

    def _learn_card(self, account_id: str, card_id: str) -> None:
        if len(self._card_ids) >= CARD_IDS_MAX:
            self._card_ids.clear()
        self._card_ids[account_id] = card_id


def _price(card: RateCard, operation: ask.Decided) -> tuple[Priced, InvalidField | None]:
    try:
        return price_usage(card, operation.traffic.usage), None
    except InvalidField as error:
        return unpriced(card), error


def _changes_too_fast(operation: object) -> Overloaded:
    message = "the account changes faster than it can be decided on; ask again with the same id"
    return Overloaded(message, **ids_of(operation))

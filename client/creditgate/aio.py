"""The client for asyncio: what `creditgate.Client` does, awaited.

>>> import asyncio
>>> async def main():
...     async with creditgate.aio.Client() as client:
...         async with client.authorize("acme/field", reservation_id="message-1", body="Your table is ready"):
...             print("to the carrier")
...         async for hold in client.list_reservations("acme/field"):
...             print("still held:", hold.reservation_id)
...         return await client.get_balance("acme")
>>> asyncio.run(main()).balance.available
to the carrier
999
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, Unpack

from creditgate import _holds, _requests, _responses, answers
from creditgate._aio_administration import Administration
from creditgate._batches import Batch
from creditgate.errors import CallFailed, not_committed
from creditgate.fields import Measured, Traffic, UsageFields
from creditgate.operations import Operation
from creditgate.retries import DEFAULT_POLICY, DEFAULT_TIMEOUT_S, RetryPolicy
from creditgate.terms import ExpiryAction

AnswerT = TypeVar("AnswerT")
Settlement = TypeVar("Settlement")

_log: Final = logging.getLogger(__name__)


class _Settlements:
    """Commits and releases under way, which go on when whoever waits for them is cancelled."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def finish(self, settlement: Coroutine[Any, Any, Settlement], name: str) -> Settlement:
        """Await a settlement. A cancellation ends the waiting only: a message that was sent must be paid for."""
        task = asyncio.create_task(settlement, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise

    async def wait(self) -> None:
        """Wait until none is under way; their deadlines bound that."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def _log_failure(task: asyncio.Task[Any]) -> None:
    """Log what nobody awaits any more."""
    if not task.cancelled() and (failure := task.exception()) is not None:
        _log.warning("%s failed after its task was cancelled: %s", task.get_name(), failure)


class Hold(_holds.Hold):
    """What `Client.authorize` yields: the answer to Reserve, and the means to settle it inside the block.

    A settlement that has begun goes on when its task is cancelled; its deadline bounds it.
    """

    def __init__(
        self,
        client: Client,
        settlements: _Settlements,
        account_id: str,
        usage: UsageFields,
        answer: answers.Reserved,
    ) -> None:
        super().__init__(account_id, usage, answer)
        self._client: Final = client
        self._settlements: Final = settlements

    async def commit(
        self,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        keep_open: bool = False,
        commit_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **measured: Unpack[Measured],
    ) -> answers.Committed:
        """See `creditgate.client.Hold.commit`."""
        self._begin_settling()
        commit = self._client.commit(
            self.account_id,
            self.reservation_id,
            credits=credits,
            keep_open=keep_open,
            commit_id=commit_id,
            labels=labels,
            timeout_s=timeout_s,
            **self._actual(measured),
        )
        answer = await self._settlements.finish(commit, f"commit of {self.reservation_id} of {self.account_id}")
        if keep_open:
            self._keep_open()
        return answer

    async def release(self, reason: str = "", *, timeout_s: float | None = None) -> answers.Released:
        """See `creditgate.client.Hold.release`."""
        self._begin_settling()
        release = self._client.release(self.account_id, self.reservation_id, reason, timeout_s=timeout_s)
        return await self._settlements.finish(release, f"release of {self.reservation_id} of {self.account_id}")

    async def extend(self, ttl: timedelta | float, *, timeout_s: float | None = None) -> answers.Extended:
        """See `creditgate.client.Hold.extend`."""
        self._check_held()
        answer = await self._client.extend(self.account_id, self.reservation_id, ttl, timeout_s=timeout_s)
        self.expire_time = answer.expire_time
        return answer


class Client(Administration):
    """Calls a Creditgate server from an event loop. Arguments, calls and errors are those of `creditgate.Client`.

    The channel is made at the first call, and again in another event loop; loops in several threads need a client each.
    A client may be made before a fork, and called in the children; after calls it must be closed before a fork, for
    gRPC's asyncio does not survive one.
    """

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(target, timeout_s=timeout_s, retries=retries)
        self._settlements = _Settlements()

    async def close(self) -> None:
        """Wait for the settlements of cancelled tasks, then close the channel. Calls under way and later ones fail."""
        await self._settlements.wait()
        await super().close()

    @asynccontextmanager
    async def authorize(  # noqa: PLR0913 -- one by position
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        attempts_max: int = 1,
        again_after_expiry: bool = False,
        ttl: timedelta | float | None = None,
        allow_partial: bool = False,
        expiry_action: ExpiryAction = ExpiryAction.RELEASE,
        raise_on_denial: bool = True,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> AsyncIterator[Hold]:
        """See `creditgate.Client.authorize`.

        A cancellation of the block releases too, and waits at most a second for that. One of the entry may leave a hold
        that expires: nobody can tell whether it is this worker's or another's of the same id.
        """
        attempt = _holds.AttemptsToSend(
            reservation_id, attempts_max, expiry_action, again_after_expiry=again_after_expiry
        )
        while True:
            answer = await self.reserve(
                account_id,
                reservation_id=attempt.id,
                ttl=ttl,
                allow_partial=allow_partial,
                expiry_action=expiry_action,
                timeout_s=timeout_s,
                **usage,
            )
            if not attempt.go_on_after(answer):
                break
        hold = Hold(self, self._settlements, account_id, usage, answer)
        if not _holds.is_open(answer, raise_on_denial=raise_on_denial):
            yield hold
            return
        try:
            yield hold
        except GeneratorExit:
            # A coroutine that is being closed cannot await anything; the hold expires.
            raise
        except BaseException as error:
            if hold.is_to_be_given_back:
                await self._give_back(hold, error)
            raise
        if not hold.settled:
            await self._pay(hold, timeout_s)

    async def quote(
        self, account_id: str, *, timeout_s: float | None = None, **usage: Unpack[UsageFields]
    ) -> answers.Quoted:
        """See `creditgate.Client.quote`."""
        request = _requests.quote(account_id, usage)
        return _responses.quoted(await self._call(self._connection.authorization.Quote, request, timeout_s))

    async def reserve(  # noqa: PLR0913 -- one by position
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        ttl: timedelta | float | None = None,
        allow_partial: bool = False,
        expiry_action: ExpiryAction = ExpiryAction.RELEASE,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Reserved:
        """See `creditgate.Client.reserve`."""
        request = _requests.reserve(
            account_id,
            usage,
            reservation_id=reservation_id,
            ttl=ttl,
            allow_partial=allow_partial,
            expiry_action=expiry_action,
        )
        return _responses.reserved(await self._call(self._connection.authorization.Reserve, request, timeout_s))

    async def commit(  # noqa: PLR0913 -- two by position
        self,
        account_id: str,
        reservation_id: str,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        keep_open: bool = False,
        commit_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[Traffic],
    ) -> answers.Committed:
        """See `creditgate.Client.commit`."""
        request = _requests.commit(
            account_id,
            reservation_id,
            usage,
            credits_used=credits,
            keep_open=keep_open,
            commit_id=commit_id,
            labels=labels,
        )
        return _responses.committed(
            await self._call(self._connection.authorization.Commit, request, timeout_s, is_owed=True)
        )

    async def release(
        self, account_id: str, reservation_id: str, reason: str = "", *, timeout_s: float | None = None
    ) -> answers.Released:
        """See `creditgate.Client.release`."""
        request = _requests.release(account_id, reservation_id, reason)
        return _responses.released(await self._call(self._connection.authorization.Release, request, timeout_s))

    async def extend(
        self, account_id: str, reservation_id: str, ttl: timedelta | float, *, timeout_s: float | None = None
    ) -> answers.Extended:
        """See `creditgate.Client.extend`."""
        request = _requests.extend(account_id, reservation_id, ttl)
        return _responses.extended(await self._call(self._connection.authorization.Extend, request, timeout_s))

    async def charge(
        self,
        account_id: str,
        *,
        charge_id: str | None = None,
        event_time: datetime | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Charged:
        """See `creditgate.Client.charge`."""
        request = _requests.charge(account_id, usage, charge_id=charge_id, event_time=event_time)
        return _responses.charged(await self._call(self._connection.authorization.Charge, request, timeout_s))

    async def refund(  # noqa: PLR0913 -- one by position
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        charge_id: str | None = None,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        refund_id: str | None = None,
        timeout_s: float | None = None,
    ) -> answers.Refunded:
        """See `creditgate.Client.refund`."""
        request = _requests.refund(
            account_id,
            reservation_id=reservation_id,
            charge_id=charge_id,
            credits_refunded=credits,
            refund_id=refund_id,
        )
        return _responses.refunded(await self._call(self._connection.authorization.Refund, request, timeout_s))

    async def batch(
        self, operations: Iterable[Operation[AnswerT]], *, atomic: bool = False, timeout_s: float | None = None
    ) -> list[AnswerT | CallFailed]:
        """See `creditgate.Client.batch`."""
        batch = Batch(operations, atomic=atomic)
        method, attempts = self._connection.authorization.Batch, self._attempts(timeout_s, is_owed=batch.has_commits)
        while True:
            try:
                batch.take(await self._attempt(method, batch.request(), attempts))
            except CallFailed as failure:
                batch.fail(failure)
            wait_s = batch.wait_s(attempts)
            if wait_s is None:
                return batch.results()
            await asyncio.sleep(wait_s)

    async def explain(
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Explanation:
        """See `creditgate.Client.explain`."""
        request = _requests.explain(account_id, usage, reservation_id=reservation_id)
        return _responses.explained(await self._call(self._connection.authorization.Explain, request, timeout_s))

    async def get_reservation(
        self, account_id: str, reservation_id: str, *, timeout_s: float | None = None
    ) -> answers.Reservation:
        """See `creditgate.Client.get_reservation`."""
        request = _requests.get_reservation(account_id, reservation_id)
        response = await self._call(self._connection.authorization.GetReservation, request, timeout_s)
        return _responses.reservation(response.reservation)

    async def list_reservations(
        self,
        account_id: str,
        *,
        include_descendants: bool = False,
        page_size: int = 0,
        timeout_s: float | None = None,
    ) -> AsyncIterator[answers.Reservation]:
        """See `creditgate.Client.list_reservations`."""
        request = _requests.list_reservations(account_id, include_descendants=include_descendants, page_size=page_size)
        async for page in self._pages(self._connection.authorization.ListReservations, request, timeout_s):
            for message in page.reservations:
                yield _responses.reservation(message)

    async def _pay(self, hold: Hold, timeout_s: float | None) -> None:
        """Commit what was sent. Raises NotCommitted."""
        try:
            await hold.commit(credits=hold.last_credits, timeout_s=timeout_s)
        except Exception as failure:  # whatever it is, who takes it for a failure to send would send again
            raise not_committed(hold.account_id, hold.reservation_id, failure, hold.last_credits) from failure

    async def _give_back(self, hold: Hold, error: BaseException) -> None:
        """Release because of `error`, which nothing that goes wrong here may replace."""
        try:
            if hold.has_captured:
                await hold.commit(credits=hold.last_credits, timeout_s=_holds.RELEASE_TIMEOUT_S)
            else:
                await hold.release(_holds.reason_of(error), timeout_s=_holds.RELEASE_TIMEOUT_S)
        except Exception as failure:  # noqa: BLE001 -- told in a note
            error.add_note(_holds.not_released(hold, failure))

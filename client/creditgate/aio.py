"""The client for asyncio: what `creditgate.Client` does, awaited."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack

import grpc.aio
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from creditgate import _holds, _requests, _responses, answers
from creditgate._channel import HEALTH_CHECK, OPTIONS, REQUEST_ID_KEY, target_of
from creditgate._failures import failure_of
from creditgate._paging import PageRequestT, PageT
from creditgate.errors import CallFailed, CreditgateError, not_committed
from creditgate.fields import AccountFields, Measured, Traffic, UsageFields
from creditgate.pricing import Rule
from creditgate.retries import DEFAULT_POLICY, DEFAULT_TIMEOUT_S, ONE_ATTEMPT, Attempts, RetryPolicy
from creditgate.terms import ExpiryAction, GrantKind, ServingStatus
from creditgate.v1.accounts_pb2_grpc import AccountServiceStub
from creditgate.v1.authorization_pb2_grpc import AuthorizationServiceStub
from creditgate.v1.credits_pb2_grpc import CreditServiceStub
from creditgate.v1.rate_cards_pb2_grpc import RateCardServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")
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
            labels=labels,
            timeout_s=timeout_s,
            **self._actual(measured),
        )
        return await self._settlements.finish(commit, f"commit of {self.reservation_id} of {self.account_id}")

    async def release(self, reason: str = "", *, timeout_s: float | None = None) -> answers.Released:
        """See `creditgate.client.Hold.release`."""
        self._begin_settling()
        release = self._client.release(self.account_id, self.reservation_id, reason, timeout_s=timeout_s)
        return await self._settlements.finish(release, f"release of {self.reservation_id} of {self.account_id}")


class _Connection:
    """The channel of one process and one event loop, and the stubs on it."""

    def __init__(self, target: str, process: int, loop: asyncio.AbstractEventLoop) -> None:
        self.process = process
        self.loop = loop
        self.channel = grpc.aio.insecure_channel(target, options=OPTIONS)
        self.authorization = AuthorizationServiceStub(self.channel)
        self.accounts = AccountServiceStub(self.channel)
        self.credits = CreditServiceStub(self.channel)
        self.rate_cards = RateCardServiceStub(self.channel)
        self.check_health = self.channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )


class Client:
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
        self.target: Final = target_of(target)
        self._timeout_s = timeout_s
        self._retries = retries
        self._closed = False
        self._settlements = _Settlements()
        self._connected: _Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait for the settlements of cancelled tasks, then close the channel. Calls under way and later ones fail."""
        await self._settlements.wait()
        self._closed = True
        if self._connected is not None and self._connected.process == os.getpid():
            await self._connected.channel.close()

    @asynccontextmanager
    async def authorize(  # noqa: PLR0913 -- one by position
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
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
        answer = await self.reserve(
            account_id,
            reservation_id=reservation_id,
            ttl=ttl,
            allow_partial=allow_partial,
            expiry_action=expiry_action,
            timeout_s=timeout_s,
            **usage,
        )
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
            if not hold.settled:
                await self._give_back(hold, error)
            raise
        if not hold.settled:
            try:
                await hold.commit(timeout_s=timeout_s)
            except CallFailed as failure:
                raise not_committed(hold.account_id, hold.reservation_id, failure) from failure

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

    async def commit(
        self,
        account_id: str,
        reservation_id: str,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[Traffic],
    ) -> answers.Committed:
        """See `creditgate.Client.commit`."""
        request = _requests.commit(account_id, reservation_id, usage, credits_used=credits, labels=labels)
        return _responses.committed(await self._call(self._connection.authorization.Commit, request, timeout_s))

    async def release(
        self, account_id: str, reservation_id: str, reason: str = "", *, timeout_s: float | None = None
    ) -> answers.Released:
        """See `creditgate.Client.release`."""
        request = _requests.release(account_id, reservation_id, reason)
        return _responses.released(await self._call(self._connection.authorization.Release, request, timeout_s))

    async def charge(
        self,
        account_id: str,
        *,
        charge_id: str | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Charged:
        """See `creditgate.Client.charge`."""
        request = _requests.charge(account_id, usage, charge_id=charge_id)
        return _responses.charged(await self._call(self._connection.authorization.Charge, request, timeout_s))

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

    async def create_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.CreatedAccount:
        """See `creditgate.Client.create_account`."""
        request = _requests.create_account(account_id, settings)
        return _responses.created_account(await self._call(self._connection.accounts.CreateAccount, request, timeout_s))

    async def get_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.Account:
        """See `creditgate.Client.get_account`."""
        request = _requests.get_account(account_id)
        return _responses.account((await self._call(self._connection.accounts.GetAccount, request, timeout_s)).account)

    async def update_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.Account:
        """See `creditgate.Client.update_account`."""
        request = _requests.update_account(account_id, settings)
        return _responses.account(
            (await self._call(self._connection.accounts.UpdateAccount, request, timeout_s)).account
        )

    async def list_accounts(
        self, parent_id: str = "", *, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.AccountSummary]:
        """See `creditgate.Client.list_accounts`."""
        request = _requests.list_accounts(parent_id, page_size=page_size)
        async for page in self._pages(self._connection.accounts.ListAccounts, request, timeout_s):
            for message in page.accounts:
                yield _responses.account_summary(message)

    async def get_balance(self, account_id: str, *, timeout_s: float | None = None) -> answers.Standing:
        """See `creditgate.Client.get_balance`."""
        request = _requests.get_balance(account_id)
        return _responses.standing(await self._call(self._connection.accounts.GetBalance, request, timeout_s))

    async def grant(  # noqa: PLR0913 -- two by position
        self,
        account_id: str,
        credits: int,  # noqa: A002 -- the interface's word
        *,
        grant_id: str | None = None,
        kind: GrantKind = GrantKind.PURCHASED,
        effective_time: datetime | None = None,
        expire_time: datetime | None = None,
        priority: int = 0,
        scope: answers.Scope | None = None,
        actor: str = "",
        reference: str = "",
        note: str = "",
        timeout_s: float | None = None,
    ) -> answers.Granted:
        """See `creditgate.Client.grant`."""
        request = _requests.grant(
            account_id,
            credits,
            grant_id=grant_id,
            kind=kind,
            effective_time=effective_time,
            expire_time=expire_time,
            priority=priority,
            scope=scope,
            actor=actor,
            reference=reference,
            note=note,
        )
        return _responses.granted(await self._call(self._connection.credits.Grant, request, timeout_s))

    async def list_grants(
        self, account_id: str, *, include_ended: bool = False, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.CreditGrant]:
        """See `creditgate.Client.list_grants`."""
        request = _requests.list_grants(account_id, include_ended=include_ended, page_size=page_size)
        async for page in self._pages(self._connection.credits.ListGrants, request, timeout_s):
            for message in page.grants:
                yield _responses.credit_grant(message)

    async def put_rate_card(
        self, rate_card_id: str, rules: Sequence[Rule], *, timeout_s: float | None = None
    ) -> answers.StoredRateCard:
        """See `creditgate.Client.put_rate_card`."""
        request = _requests.put_rate_card(rate_card_id, rules)
        return _responses.stored_rate_card(
            await self._call(self._connection.rate_cards.PutRateCard, request, timeout_s)
        )

    async def get_rate_card(
        self, rate_card_id: str, version: int = 0, *, timeout_s: float | None = None
    ) -> answers.RateCardVersion:
        """See `creditgate.Client.get_rate_card`."""
        request = _requests.get_rate_card(rate_card_id, version)
        response = await self._call(self._connection.rate_cards.GetRateCard, request, timeout_s)
        return _responses.rate_card_version(response.rate_card)

    async def list_rate_cards(
        self, *, page_size: int = 0, timeout_s: float | None = None
    ) -> AsyncIterator[answers.RateCardSummary]:
        """See `creditgate.Client.list_rate_cards`."""
        request = _requests.list_rate_cards(page_size=page_size)
        async for page in self._pages(self._connection.rate_cards.ListRateCards, request, timeout_s):
            for message in page.rate_cards:
                yield _responses.rate_card_summary(message)

    async def health(self, service: str = "", *, timeout_s: float | None = None) -> ServingStatus:
        """See `creditgate.Client.health`."""
        request = StringValue(value=service)
        return ServingStatus((await self._call(self._connection.check_health, request, timeout_s, ONE_ATTEMPT)).value)

    @property
    def _connection(self) -> _Connection:
        if self._closed:
            raise RuntimeError("this client is closed")
        process, loop, connection = os.getpid(), asyncio.get_running_loop(), self._connected
        if connection is not None and connection.process != process:
            # The thread that would wake the event loop has not come along: every call would hang.
            raise RuntimeError("this client has made calls before the fork: close it there, and make one in each child")
        if connection is None or connection.loop is not loop:
            connection = self._connected = _Connection(self.target, process, loop)
        return connection

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        retries: RetryPolicy | None = None,
    ) -> Response:
        attempts = Attempts(retries or self._retries, self._timeout_s if timeout_s is None else timeout_s)
        metadata = ((REQUEST_ID_KEY, attempts.request_id),)
        while True:
            try:
                return await method(request, timeout=attempts.timeout_s(), metadata=metadata)
            except grpc.RpcError as error:
                wait_s = attempts.wait_s_after(failure_of(error, self.target, attempts.request_id))
            await asyncio.sleep(wait_s)

    async def _pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[PageRequestT, PageT],
        request: PageRequestT,
        timeout_s: float | None,
    ) -> AsyncIterator[PageT]:
        while True:
            page = await self._call(method, request, timeout_s)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def _give_back(self, hold: Hold, error: BaseException) -> None:
        """Release because of `error`, which nothing that goes wrong here may replace."""
        try:
            await hold.release(type(error).__name__, timeout_s=_holds.RELEASE_TIMEOUT_S)
        except CreditgateError as failure:
            error.add_note(_holds.not_released(hold, failure))

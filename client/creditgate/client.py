"""The client for threads and plain scripts. `creditgate.aio` has the same for asyncio."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self, TypeVar, Unpack

import grpc
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


class Hold(_holds.Hold):
    """What `Client.authorize` yields: the answer to Reserve, and the means to settle it inside the block."""

    def __init__(self, client: Client, account_id: str, usage: UsageFields, answer: answers.Reserved) -> None:
        super().__init__(account_id, usage, answer)
        self._client: Final = client

    def commit(
        self,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **measured: Unpack[Measured],
    ) -> answers.Committed:
        """Capture what was really used: a measure, such as `segments=2`, or `credits`; with neither, all that is held.

        Raises as `Client.commit` does, and `Denied` where nothing is held.
        """
        self._begin_settling()
        return self._client.commit(
            self.account_id,
            self.reservation_id,
            credits=credits,
            labels=labels,
            timeout_s=timeout_s,
            **self._actual(measured),
        )

    def release(self, reason: str = "", *, timeout_s: float | None = None) -> answers.Released:
        """Give all of it back, because nothing was sent. Raises as `Client.release` does, and `Denied`."""
        self._begin_settling()
        return self._client.release(self.account_id, self.reservation_id, reason, timeout_s=timeout_s)


class _Connection:
    """The channel of one process, and the stubs on it."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target, options=OPTIONS)
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
    """Calls a Creditgate server and waits for its answers. Threads may share one.

    `target` is `host:port` or `unix:path`; by default the environment variable CREDITGATE_TARGET, else 127.0.0.1:50051.
    `timeout_s` is the deadline of every call that has none of its own: seconds for all its attempts and the waits
    between them, which `retries` bounds. Repeating is safe: what moves credits is sent with an id, and what changes
    settings sets values.

    The channel is made at the first call, and again in a forked child: a client may be made before the fork. Whoever
    also calls before the fork must not do so in another thread during it, for gRPC cannot be forked while it is in use.

    All calls may raise `InvalidRequest`, `Unavailable` (nobody could decide now; `OutcomeUnknown` and
    `DeadlineExceeded` among them) and `InternalError`; all but those about rate cards `AccountNotFound`. A denial is an
    answer; only `authorize` raises it.
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
        # By process. A child keeps its parent's: to destroy that would end the connection of the parent.
        self._connections: dict[int, _Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel. Calls that are under way fail, and so do later ones."""
        self._closed = True
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.channel.close()

    @contextmanager
    def authorize(  # noqa: PLR0913 -- one by position
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
    ) -> Iterator[Hold]:
        """Hold the credits of a usage while the block sends it.

        Leaving the block commits all that is held; an exception releases it, and is raised on. `hold.commit(…)` and
        `hold.release()` settle earlier, and then leaving does nothing. So commit right after the send where the block
        goes on, or else its exception would release what was sent. A hold that nobody could settle expires.

        Arguments are those of `reserve`; pass the message's own id as `reservation_id`, so that a message which is
        delivered to two workers, or twice to one, is paid once. Raises

        - `Denied` (`InsufficientCredits` and its kin) when denied; with `raise_on_denial=False` the block runs all the
          same with a false `hold.allowed`, and leaving it does nothing;
        - `AlreadyCommitted` if the id was granted before and its message sent; `AlreadyReleased` or `AlreadyExpired`
          if its hold ended otherwise: another attempt needs another id. A replay of a hold that is still open goes
          on: the worker that made it may have died;
        - what `reserve` raises: nothing was sent;
        - `NotCommitted` if the commit on leaving fails: the message was sent, so commit it again, do not send again.
        """
        answer = self.reserve(
            account_id,
            reservation_id=reservation_id,
            ttl=ttl,
            allow_partial=allow_partial,
            expiry_action=expiry_action,
            timeout_s=timeout_s,
            **usage,
        )
        hold = Hold(self, account_id, usage, answer)
        if not _holds.is_open(answer, raise_on_denial=raise_on_denial):
            yield hold
            return
        try:
            yield hold
        except BaseException as error:
            if not hold.settled:
                self._give_back(hold, error)
            raise
        if not hold.settled:
            try:
                hold.commit(timeout_s=timeout_s)
            except CallFailed as failure:
                raise not_committed(hold.account_id, hold.reservation_id, failure) from failure

    def quote(self, account_id: str, *, timeout_s: float | None = None, **usage: Unpack[UsageFields]) -> answers.Quoted:
        """Price a usage and tell whether `reserve` would allow it now. No effect, and no promise."""
        request = _requests.quote(account_id, usage)
        return _responses.quoted(self._call(self._connection.authorization.Quote, request, timeout_s))

    def reserve(  # noqa: PLR0913 -- one by position
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
        """Hold the credits of a usage until it is committed, released, or `ttl` has passed.

        `reservation_id`, 1 to 128 printable ASCII characters, is unique in the organisation; None makes one for this
        call. `ttl` is a timedelta or seconds: 1 second to 7 days, default 60 seconds. `allow_partial` grants as many
        whole recipients as can be paid, at least one, rather than deny. Also raises `IdReused`, `BalanceOverflow` and
        `StoreFull`.
        """
        request = _requests.reserve(
            account_id,
            usage,
            reservation_id=reservation_id,
            ttl=ttl,
            allow_partial=allow_partial,
            expiry_action=expiry_action,
        )
        return _responses.reserved(self._call(self._connection.authorization.Reserve, request, timeout_s))

    def commit(
        self,
        account_id: str,
        reservation_id: str,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[Traffic],
    ) -> answers.Committed:
        """Capture what was really used of a hold, and give the rest back; more than was held is taken as well.

        What was used is `credits` in all (0 to 10^12), or the reserved usage with another size or number of recipients;
        with neither it is all that is held. Also raises `ReservationNotFound`, `HoldAlreadyReleased`,
        `HoldAlreadyCommitted` (with another amount), `HoldExpired` and `BalanceOverflow`.
        """
        request = _requests.commit(account_id, reservation_id, usage, credits_used=credits, labels=labels)
        return _responses.committed(self._call(self._connection.authorization.Commit, request, timeout_s))

    def release(
        self, account_id: str, reservation_id: str, reason: str = "", *, timeout_s: float | None = None
    ) -> answers.Released:
        """Give all of a hold back, because nothing was sent; `reason`, at most 128 characters, goes to the journal.

        Also raises `ReservationNotFound` and `HoldAlreadyCommitted`.
        """
        request = _requests.release(account_id, reservation_id, reason)
        return _responses.released(self._call(self._connection.authorization.Release, request, timeout_s))

    def charge(
        self,
        account_id: str,
        *,
        charge_id: str | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Charged:
        """Take the credits of a usage in one step. Its `direction` is required: INBOUND may go below zero.

        `charge_id`, such as the provider's message id, is unique in the organisation; None makes one for this call.
        Also raises `IdReused`, `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.charge(account_id, usage, charge_id=charge_id)
        return _responses.charged(self._call(self._connection.authorization.Charge, request, timeout_s))

    def get_reservation(
        self, account_id: str, reservation_id: str, *, timeout_s: float | None = None
    ) -> answers.Reservation:
        """Read a reservation, open or settled not too long ago. Also raises `ReservationNotFound`."""
        request = _requests.get_reservation(account_id, reservation_id)
        response = self._call(self._connection.authorization.GetReservation, request, timeout_s)
        return _responses.reservation(response.reservation)

    def list_reservations(
        self,
        account_id: str,
        *,
        include_descendants: bool = False,
        page_size: int = 0,
        timeout_s: float | None = None,
    ) -> Iterator[answers.Reservation]:
        """Iterate over the open reservations of an account, soonest expiry first.

        Lists ask for a page of `page_size` (1 to 500; 0: 50) whenever they need one, each with the call's deadline.
        """
        request = _requests.list_reservations(account_id, include_descendants=include_descendants, page_size=page_size)
        for page in self._pages(self._connection.authorization.ListReservations, request, timeout_s):
            yield from map(_responses.reservation, page.reservations)

    def create_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.CreatedAccount:
        """Create an account below an existing one, or a root.

        `account_id` has 1 to 4 parts joined by slashes, each `[a-z0-9][a-z0-9._-]{0,62}`. The same settings again
        answer the existing account. Also raises `AccountAlreadyExists` (with other settings), `ParentNotFound`,
        `RateCardNotFound` and `StoreFull`.
        """
        request = _requests.create_account(account_id, settings)
        return _responses.created_account(self._call(self._connection.accounts.CreateAccount, request, timeout_s))

    def get_account(self, account_id: str, *, timeout_s: float | None = None) -> answers.Account:
        """Read an account's settings."""
        request = _requests.get_account(account_id)
        return _responses.account(self._call(self._connection.accounts.GetAccount, request, timeout_s).account)

    def update_account(
        self, account_id: str, *, timeout_s: float | None = None, **settings: Unpack[AccountFields]
    ) -> answers.Account:
        """Change the settings that are given, and no others; None gives one its default.

        Also raises `RateCardNotFound` and `StoreFull`.
        """
        request = _requests.update_account(account_id, settings)
        return _responses.account(self._call(self._connection.accounts.UpdateAccount, request, timeout_s).account)

    def list_accounts(
        self, parent_id: str = "", *, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.AccountSummary]:
        """Iterate over the accounts below one at every depth, or over all, with their balances, ordered by id."""
        request = _requests.list_accounts(parent_id, page_size=page_size)
        for page in self._pages(self._connection.accounts.ListAccounts, request, timeout_s):
            yield from map(_responses.account_summary, page.accounts)

    def get_balance(self, account_id: str, *, timeout_s: float | None = None) -> answers.Standing:
        """Read an account's balance: as a whole, by grant, and by level up to its root."""
        request = _requests.get_balance(account_id)
        return _responses.standing(self._call(self._connection.accounts.GetBalance, request, timeout_s))

    def grant(  # noqa: PLR0913 -- two by position
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
        """Give 1 to 10^12 credits to an account's wallet, where they repay debt first, or (ALLOTMENT) to its limit.

        `grant_id`, such as an invoice line's, is unique in the organisation for good; None makes one for this call.
        Times are aware; None: at once, and never. Lower `priority` (-1,000 to 1,000) burns first. `actor` and
        `reference` (128 characters) and `note` (512) are for the journal. Also raises `IdReused`, `TooManyGrants`,
        `BalanceOverflow` and `StoreFull`.
        """
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
        return _responses.granted(self._call(self._connection.credits.Grant, request, timeout_s))

    def list_grants(
        self, account_id: str, *, include_ended: bool = False, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.CreditGrant]:
        """Iterate over an account's grants, newest first: live ones, and, if asked for, ended ones among them."""
        request = _requests.list_grants(account_id, include_ended=include_ended, page_size=page_size)
        for page in self._pages(self._connection.credits.ListGrants, request, timeout_s):
            yield from map(_responses.credit_grant, page.grants)

    def put_rate_card(
        self, rate_card_id: str, rules: Sequence[Rule], *, timeout_s: float | None = None
    ) -> answers.StoredRateCard:
        """Store a new version of a rate card, or its first; 1 to 500 rules. The newest one's rules store nothing."""
        request = _requests.put_rate_card(rate_card_id, rules)
        return _responses.stored_rate_card(self._call(self._connection.rate_cards.PutRateCard, request, timeout_s))

    def get_rate_card(
        self, rate_card_id: str, version: int = 0, *, timeout_s: float | None = None
    ) -> answers.RateCardVersion:
        """Read a version of a rate card, from 1; 0 is the newest. Also raises `RateCardNotFound`."""
        request = _requests.get_rate_card(rate_card_id, version)
        response = self._call(self._connection.rate_cards.GetRateCard, request, timeout_s)
        return _responses.rate_card_version(response.rate_card)

    def list_rate_cards(
        self, *, page_size: int = 0, timeout_s: float | None = None
    ) -> Iterator[answers.RateCardSummary]:
        """Iterate over the rate cards with their newest versions, ordered by id."""
        request = _requests.list_rate_cards(page_size=page_size)
        for page in self._pages(self._connection.rate_cards.ListRateCards, request, timeout_s):
            yield from map(_responses.rate_card_summary, page.rate_cards)

    def health(self, service: str = "", *, timeout_s: float | None = None) -> ServingStatus:
        """Ask once, without repeating, how the server fares, or one of its services by its full name."""
        request = StringValue(value=service)
        return ServingStatus(self._call(self._connection.check_health, request, timeout_s, ONE_ATTEMPT).value)

    @property
    def _connection(self) -> _Connection:
        if self._closed:
            raise RuntimeError("this client is closed")
        process = os.getpid()
        connection = self._connections.get(process)
        if connection is None:
            # Without a lock, which a fork could copy while it is held: threads that race make one too many, and
            # whoever comes second takes the first one's.
            connection = self._connections.setdefault(process, _Connection(self.target))
        return connection

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        retries: RetryPolicy | None = None,
    ) -> Response:
        attempts = Attempts(retries or self._retries, self._timeout_s if timeout_s is None else timeout_s)
        metadata = ((REQUEST_ID_KEY, attempts.request_id),)
        while True:
            try:
                return method(request, timeout=attempts.timeout_s(), metadata=metadata)
            except grpc.RpcError as error:
                wait_s = attempts.wait_s_after(failure_of(error, self.target, attempts.request_id))
            time.sleep(wait_s)

    def _pages(
        self,
        method: grpc.UnaryUnaryMultiCallable[PageRequestT, PageT],
        request: PageRequestT,
        timeout_s: float | None,
    ) -> Iterator[PageT]:
        while True:
            page = self._call(method, request, timeout_s)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def _give_back(self, hold: Hold, error: BaseException) -> None:
        """Release because of `error`, which nothing that goes wrong here may replace."""
        try:
            hold.release(type(error).__name__, timeout_s=_holds.RELEASE_TIMEOUT_S)
        except CreditgateError as failure:
            error.add_note(_holds.not_released(hold, failure))

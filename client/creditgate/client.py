"""The client for threads and plain scripts. `creditgate.aio` has the same for asyncio.

In the examples, `acme` is an organisation with 1,000 credits, and `acme/field` a team that spends of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar, Unpack

from creditgate import _holds, _requests, _responses, answers
from creditgate._administration import Administration
from creditgate._batches import Batch
from creditgate.errors import CallFailed, not_committed
from creditgate.fields import Measured, Traffic, UsageFields
from creditgate.operations import Operation
from creditgate.terms import ExpiryAction

AnswerT = TypeVar("AnswerT")


class Hold(_holds.Hold):
    """What `Client.authorize` yields: the answer to Reserve, and the means to settle it inside the block."""

    def __init__(self, client: Client, account_id: str, usage: UsageFields, answer: answers.Reserved) -> None:
        super().__init__(account_id, usage, answer)
        self._client: Final = client

    def commit(
        self,
        *,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        keep_open: bool = False,
        commit_id: str | None = None,
        labels: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
        **measured: Unpack[Measured],
    ) -> answers.Committed:
        """Capture what was really used: a measure, such as `segments=2`, or `credits`; with neither, all that is held.

        With `keep_open` that is a part, and leaving the block gives back what is still held then. Raises as
        `Client.commit` does, and `Denied` where nothing is held.

        >>> with client.authorize("acme/field", body="Hi", recipient_count=3) as hold:
        ...     for number in ("+14155550100", "+14155550101"):
        ...         part = hold.commit(recipient_count=1, keep_open=True, commit_id=number)
        >>> client.get_balance("acme").balance.available  # the third was not sent to
        998
        """
        self._begin_settling()
        answer = self._client.commit(
            self.account_id,
            self.reservation_id,
            credits=credits,
            keep_open=keep_open,
            commit_id=commit_id,
            labels=labels,
            timeout_s=timeout_s,
            **self._actual(measured),
        )
        if keep_open:
            self._keep_open()
        return answer

    def release(self, reason: str = "", *, timeout_s: float | None = None) -> answers.Released:
        """Give all that it holds back, because nothing (more) was sent. Raises as `Client.release`, and `Denied`.

        >>> with client.authorize("acme/field", body="Hi") as hold:
        ...     hold.release("no such number").restored
        1
        """
        self._begin_settling()
        return self._client.release(self.account_id, self.reservation_id, reason, timeout_s=timeout_s)

    def extend(self, ttl: timedelta | float, *, timeout_s: float | None = None) -> answers.Extended:
        """Hold for `ttl` from now on, because sending takes longer. Raises as `Client.extend` does, and `Denied`.

        >>> with client.authorize("acme/field", body="Hi", ttl=60) as hold:
        ...     hold.extend(600).expire_time > hold.answer.expire_time
        True
        """
        self._check_held()
        answer = self._client.extend(self.account_id, self.reservation_id, ttl, timeout_s=timeout_s)
        self.expire_time = answer.expire_time
        return answer


class Client(Administration):
    """Calls a Creditgate server and waits for its answers. Threads may share one.

    >>> with creditgate.Client() as client:
    ...     client.get_balance("acme").balance.available
    1000

    `target` is `host:port` or `unix:path`; by default the environment variable CREDITGATE_TARGET, else 127.0.0.1:50051.
    A name that stands for several servers uses all of those in turn that serve. `timeout_s` is the deadline of every
    call that has none of its own: seconds for all its attempts and the waits between them, which `retries` bounds.
    Repeating is safe: what moves credits is sent with an id, and what changes settings sets values.

    The channel is made at the first call, and again in a forked child: a client may be made before the fork. Whoever
    also calls before the fork must not do so in another thread during it, for gRPC cannot be forked while it is in use.
    A client that is pickled, for a process that is spawned, becomes one there with channels of its own.

    All calls may raise `InvalidRequest`, `Unavailable` (nobody could decide now; `OutcomeUnknown` and
    `DeadlineExceeded` among them) and `InternalError`; all but those about rate cards `AccountNotFound`. A denial is an
    answer; only `authorize` raises it.
    """

    @contextmanager
    def authorize(  # noqa: PLR0913 -- one by position
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
    ) -> Iterator[Hold]:
        """Hold the credits of a usage while the block sends it.

        >>> with client.authorize("acme/field", reservation_id="message-1", body="Your table is ready") as hold:
        ...     print(f"to the carrier, for {hold.credits} credit")
        to the carrier, for 1 credit
        >>> client.get_balance("acme").balance.available
        999

        Leaving the block commits all that is held; an exception releases it, and is raised on. `hold.commit(…)` and
        `hold.release()` settle earlier, and then leaving does nothing. So commit right after the send where the block
        goes on, or else its exception would release what was sent; and where it sends to many, commit for each of them
        with `keep_open=True`: then leaving the block, in whichever way, gives back what is left. `hold.extend(ttl)`
        holds for longer. A hold that nobody could settle expires. A `hold.commit(…)` that fails raises what `commit`
        raises, and no `NotCommitted`: catch it in the block, where it is known that the message was sent.

        Arguments are those of `reserve`; pass the message's own id as `reservation_id`, so that a message which is
        delivered to two workers, or twice to one, is paid once. An id is good for one attempt to send. With
        `attempts_max` others may follow, one for each time that the one before was released: they hold under
        `message-1~2`, `message-1~3` and so on, so no message's own id may end like that. `again_after_expiry` lets one
        follow an attempt that has expired too, whose worker died, or hangs, and may have sent: then `ttl` should be
        longer than sending ever takes. Raises

        - `Denied` (`InsufficientCredits` and its kin) when denied; with `raise_on_denial=False` the block runs all the
          same with a false `hold.allowed`, and leaving it does nothing;
        - `AlreadyCommitted` if the id was granted before and its message sent; `AlreadyReleased` or `AlreadyExpired`
          if its hold ended otherwise, and no other attempt may follow. A replay of a hold that is still open goes on:
          the worker that made it may have died. It may live, too, and be sending: so an exception does not release
          what was replayed, which another attempt takes up, or which expires;
        - what `reserve` raises: nothing was sent;
        - `NotCommitted` if the commit on leaving fails: the message was sent, so commit it again, do not send again.
        """
        attempt = _holds.AttemptsToSend(
            reservation_id, attempts_max, expiry_action, again_after_expiry=again_after_expiry
        )
        while True:
            answer = self.reserve(
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
        hold = Hold(self, account_id, usage, answer)
        if not _holds.is_open(answer, raise_on_denial=raise_on_denial):
            yield hold
            return
        try:
            yield hold
        except BaseException as error:
            if hold.is_to_be_given_back:
                self._give_back(hold, error)
            raise
        if not hold.settled:
            self._pay(hold, timeout_s)

    def quote(self, account_id: str, *, timeout_s: float | None = None, **usage: Unpack[UsageFields]) -> answers.Quoted:
        """Price a usage and tell whether `reserve` would allow it now. No effect, and no promise.

        >>> quoted = client.quote("acme/field", body="It is here 👍", recipient_count=2000)
        >>> quoted.cost.credits, quoted.cost.encoding.name, quoted.cost.forced_ucs2
        (2000, 'UCS_2', ('👍',))
        >>> quoted.decision.name, quoted.denial.reason.name, quoted.denial.shortfall
        ('DENIED', 'INSUFFICIENT_CREDITS', 1000)
        """
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

        >>> reserved = client.reserve("acme/field", reservation_id="message-1", segments=3, ttl=600)
        >>> reserved.allowed, reserved.credits, reserved.balance.available, reserved.balance.reserved
        (True, 3, 997, 3)

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

    def commit(  # noqa: PLR0913 -- two by position
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
        """Capture what was really used of a hold, and give the rest back.

        >>> reserved = client.reserve("acme/field", reservation_id="message-1", segments=3)
        >>> committed = client.commit("acme/field", "message-1", segments=2)
        >>> committed.credits, committed.restored, committed.balance.available
        (2, 1, 998)

        What was used is `credits` in all (0 to 10^12), or the reserved usage with another size or number of recipients;
        with neither it is all that is held. More than was held is taken as the account's `overage` policy says: by
        default all of it. With `keep_open` the rest stays held, for further commits; `commit_id` tells them apart, and
        None makes one for this call. Also raises `ReservationNotFound`, `HoldAlreadyReleased`, `HoldAlreadyCommitted`
        (with another amount), `HoldExpired`, `OverageRejected`, `IdReused` (of a `commit_id`), `AccountClosedForGood`
        and `BalanceOverflow`.
        """
        request = _requests.commit(
            account_id,
            reservation_id,
            usage,
            credits_used=credits,
            keep_open=keep_open,
            commit_id=commit_id,
            labels=labels,
        )
        return _responses.committed(self._call(self._connection.authorization.Commit, request, timeout_s, is_owed=True))

    def release(
        self, account_id: str, reservation_id: str, reason: str = "", *, timeout_s: float | None = None
    ) -> answers.Released:
        """Give back all that a hold still holds; `reason`, at most 128 characters, goes to the journal.

        >>> reserved = client.reserve("acme/field", reservation_id="message-1", segments=3)
        >>> client.release("acme/field", "message-1", "no such number").restored
        3

        Also raises `ReservationNotFound`, `HoldAlreadyCommitted`, and `HoldExpired` where its expiry captured it.
        """
        request = _requests.release(account_id, reservation_id, reason)
        return _responses.released(self._call(self._connection.authorization.Release, request, timeout_s))

    def extend(
        self, account_id: str, reservation_id: str, ttl: timedelta | float, *, timeout_s: float | None = None
    ) -> answers.Extended:
        """Let a hold expire `ttl` from now, a timedelta or seconds, if that is later than it would.

        >>> reserved = client.reserve("acme/field", reservation_id="message-1", segments=3)
        >>> client.extend("acme/field", "message-1", 3600).expire_time > reserved.expire_time
        True

        It is 1 second to 7 days, and no hold is older than 7 days. Also raises `ReservationNotFound`,
        `HoldAlreadyCommitted`, `HoldAlreadyReleased` and `HoldExpired`.
        """
        request = _requests.extend(account_id, reservation_id, ttl)
        return _responses.extended(self._call(self._connection.authorization.Extend, request, timeout_s))

    def charge(
        self,
        account_id: str,
        *,
        charge_id: str | None = None,
        event_time: datetime | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Charged:
        """Take the credits of a usage in one step. Its `direction` is required: INBOUND may go below zero.

        >>> inbound = creditgate.Direction.INBOUND
        >>> charged = client.charge("acme/field", charge_id="reply-1", direction=inbound, segments=1001)
        >>> charged.credits, charged.balance.available, charged.balance.debt
        (1001, -1, 1)

        `charge_id`, such as the provider's message id, is unique in the organisation; None makes one for this call.
        `event_time` is when it happened: what is older than charges are remembered, 48 hours, is refused rather than
        paid twice. Also raises `IdReused`, `IdTooOld`, `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.charge(account_id, usage, charge_id=charge_id, event_time=event_time)
        return _responses.charged(self._call(self._connection.authorization.Charge, request, timeout_s))

    def refund(  # noqa: PLR0913 -- one by position
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        charge_id: str | None = None,
        credits: int | None = None,  # noqa: A002 -- the interface's word
        refund_id: str | None = None,
        timeout_s: float | None = None,
    ) -> answers.Refunded:
        """Give back what a settled reservation or a charge captured, the last captured first: `credits`, or all of it.

        >>> inbound = creditgate.Direction.INBOUND
        >>> charged = client.charge("acme/field", charge_id="reply-1", direction=inbound, segments=3)
        >>> client.refund("acme/field", charge_id="reply-1", credits=2, refund_id="complaint-1").restored
        2

        Never more in sum than was captured. One of `reservation_id` and `charge_id` is required. `refund_id` is unique
        in the organisation; None makes one for this call. Also raises `ReservationNotFound`, `ChargeNotFound`,
        `HoldStillOpen`, `RefundExceedsCaptured`, `IdReused`, `AccountClosedForGood`, `TooManyGrants`,
        `BalanceOverflow` and `StoreFull`.
        """
        request = _requests.refund(
            account_id,
            reservation_id=reservation_id,
            charge_id=charge_id,
            credits_refunded=credits,
            refund_id=refund_id,
        )
        return _responses.refunded(self._call(self._connection.authorization.Refund, request, timeout_s))

    def batch(
        self, operations: Iterable[Operation[AnswerT]], *, atomic: bool = False, timeout_s: float | None = None
    ) -> list[AnswerT | CallFailed]:
        """Do many operations of `creditgate.operations` in one call, and answer each: 1 to 1,000, 1 MiB together.

        >>> holds = [creditgate.operations.reserve("acme/field", body=text) for text in ("Hello", "Your code: 7")]
        >>> [answer.credits for answer in client.batch(holds)]
        [1, 1]

        Their answers come in their order, and in place of an answer the error that the operation failed with; neither
        that nor a denial stops the others. Those of one account are done in order. With `atomic` all are done or none:
        at most 32, no quotes, all of one organisation; where one is denied or fails, the others answer
        `BatchNotApplied`. What cannot be decided for the moment is repeated within the deadline. The call itself raises
        `InvalidRequest` where the batch is wrong as a whole, and `Unavailable` where there was no answer at all.
        """
        batch = Batch(operations, atomic=atomic)
        method, attempts = self._connection.authorization.Batch, self._attempts(timeout_s, is_owed=batch.has_commits)
        while True:
            try:
                batch.take(self._attempt(method, batch.request(), attempts))
            except CallFailed as failure:
                batch.fail(failure)
            wait_s = batch.wait_s(attempts)
            if wait_s is None:
                return batch.results()
            time.sleep(wait_s)

    def explain(
        self,
        account_id: str,
        *,
        reservation_id: str | None = None,
        timeout_s: float | None = None,
        **usage: Unpack[UsageFields],
    ) -> answers.Explanation:
        """Tell how a usage would be decided now and why, or how a reservation was paid. No effect.

        >>> explained = client.explain("acme/field", segments=1, recipient_count=1001)
        >>> explained.payer_id, explained.denial.reason.name, explained.credits_short, explained.next_credit_time
        ('acme', 'INSUFFICIENT_CREDITS', 1, None)

        That is: who pays, what each grant gives or why it gives nothing, what each limit leaves, and when the next
        credits come. Also raises `ReservationNotFound`.
        """
        request = _requests.explain(account_id, usage, reservation_id=reservation_id)
        return _responses.explained(self._call(self._connection.authorization.Explain, request, timeout_s))

    def get_reservation(
        self, account_id: str, reservation_id: str, *, timeout_s: float | None = None
    ) -> answers.Reservation:
        """Read a reservation, open or settled not too long ago. Also raises `ReservationNotFound`.

        >>> with client.authorize("acme/field", reservation_id="message-1", body="Hi"):
        ...     client.get_reservation("acme/field", "message-1").state.name
        'PENDING'
        """
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

        >>> for name, ttl in (("message-1", 600), ("message-2", 60)):
        ...     reserved = client.reserve("acme/field", reservation_id=name, segments=1, ttl=ttl)
        >>> [each.reservation_id for each in client.list_reservations("acme", include_descendants=True)]
        ['message-2', 'message-1']

        Lists ask for a page of `page_size` (1 to 500; 0: 50) whenever they need one, each with the call's deadline.
        """
        request = _requests.list_reservations(account_id, include_descendants=include_descendants, page_size=page_size)
        for page in self._pages(self._connection.authorization.ListReservations, request, timeout_s):
            yield from map(_responses.reservation, page.reservations)

    def _pay(self, hold: Hold, timeout_s: float | None) -> None:
        """Commit what was sent. Raises NotCommitted."""
        try:
            hold.commit(credits=hold.last_credits, timeout_s=timeout_s)
        except Exception as failure:  # whatever it is, who takes it for a failure to send would send again
            raise not_committed(hold.account_id, hold.reservation_id, failure, hold.last_credits) from failure

    def _give_back(self, hold: Hold, error: BaseException) -> None:
        """Give back what is held because of `error`, which nothing that goes wrong here may replace.

        Where a part was captured, a commit does so: a worker who asks for the same id must not hear that it is unused.
        """
        try:
            if hold.has_captured:
                hold.commit(credits=hold.last_credits, timeout_s=_holds.RELEASE_TIMEOUT_S)
            else:
                hold.release(_holds.reason_of(error), timeout_s=_holds.RELEASE_TIMEOUT_S)
        except Exception as failure:  # noqa: BLE001 -- told in a note
            error.add_note(_holds.not_released(hold, failure))

"""What can go wrong, as exceptions.

```
CreditgateError
├── Denied                      the account may not send (only `authorize` raises it; elsewhere a denial is data)
│   ├── InsufficientCredits     ├── LimitReached         ├── FloorReached        ├── InboundLimitReached
│   └── AccountSuspended        ├── AccountClosed        ├── TooManySegments     └── NoRate
├── AlreadySettled              the reservation id was used, and settled, before; only `authorize` raises it
│   └── AlreadyCommitted        ├── AlreadyReleased      └── AlreadyExpired
└── CallFailed                  the call itself failed
    ├── NotCommitted            the message was sent, but its hold is not committed; only `authorize` raises it
    ├── Unavailable             nobody could decide now: make the call again later, with the same id
    │   ├── Overloaded          ├── StoreMisconfigured   └── StoreFull
    │   └── OutcomeUnknown      it may have taken effect, or not
    │       └── DeadlineExceeded
    ├── InvalidRequest          ├── IdReused             ├── IdTooOld            └── InternalError
    ├── NotFound                AccountNotFound, ParentNotFound, ReservationNotFound, ChargeNotFound, GrantNotFound,
    │                           RateCardNotFound
    ├── HoldAlreadyReleased     ├── HoldAlreadyCommitted ├── HoldExpired         ├── OverageRejected
    ├── HoldStillOpen           ├── RefundExceedsCaptured
    ├── GrantAlreadyRevoked     ├── TooManyGrants        ├── BalanceOverflow     ├── TransferNotCovered
    ├── AccountAlreadyExists    ├── AccountNotEmpty      ├── AccountNotSelfFunded
    ├── AccountClosedForGood    what a closed account refuses besides usage, which is `Denied` with `AccountClosed`
    └── BatchNotApplied         another operation of the same atomic batch was denied or failed
```

>>> from creditgate import errors
>>> try:
...     with client.authorize("acme/field", reservation_id="message-1", body="Hi", recipient_count=1003):
...         print("to the carrier")
... except errors.Denied as denied:
...     print(denied)
... except errors.AlreadyCommitted:
...     print("sent before")
... except errors.NotCommitted as sent:
...     print(f"sent, and to be committed later: {sent.reservation_id}")
... except errors.Unavailable:
...     print("not sent: to be tried again later, with the same id")
acme/field may not send: the wallet of acme is 3 credits short
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from creditgate.answers import Balance, Decided, Denial, Explanation
from creditgate.terms import DenialReason, ReservationState


class CreditgateError(Exception):
    """Everything that this library raises of its own."""


class Denied(CreditgateError):
    """A usage was denied: nothing was taken or held, and nothing may be sent.

    `denial` says why, `balance` how the account stands.
    """

    _words: ClassVar[str] = "{level} denies it"

    def __init__(self, denial: Denial, balance: Balance) -> None:
        super().__init__(denial, balance)
        self.denial = denial
        self.balance = balance

    def __str__(self) -> str:
        return f"{self.balance.account_id or self.denial.account_id} may not send: {self.why}"

    @property
    def why(self) -> str:
        """What stands against it, for people: `the wallet of acme is 3 credits short`."""
        shortfall = self.denial.shortfall
        short = f"{shortfall:,} credit{'' if shortfall == 1 else 's'} short"
        return self._words.format(level=self.denial.account_id, short=short)

    @property
    def shortfall(self) -> int:
        """Credits that are missing at `denial.account_id`; 0 where credits would not help."""
        return self.denial.shortfall

    @property
    def next_credit_time(self) -> datetime | None:
        """When the next credits come to `denial.account_id`, whether or not they suffice; None: nobody knows of any."""
        return self.denial.next_credit_time


class InsufficientCredits(Denied):
    """The payer's wallet, with its overdraft, does not cover the cost."""

    _words = "the wallet of {level} is {short}"


class LimitReached(Denied):
    """A limit (allotment) of the account, or of one above it, is used up."""

    _words = "the limit of {level} is {short}"


class FloorReached(Denied):
    """The payer keeps the credits below its floor for TRANSACTIONAL usage; this one is BULK."""

    _words = "the floor of {level} keeps credits from BULK usage, which is {short}"


class InboundLimitReached(Denied):
    """Inbound usage would take the payer below its inbound overdraft limit."""

    _words = "the inbound overdraft limit of {level} is {short}"


class AccountSuspended(Denied):
    """The account, or one above it, is suspended."""

    _words = "{level} is suspended"


class AccountClosed(Denied):
    """The account, or one above it, is closed."""

    _words = "{level} is closed"


class TooManySegments(Denied):
    """The body needs more segments than the rate card's rule admits."""

    _words = "the message needs more segments than the rate card admits"


class NoRate(Denied):
    """No rule of the account's rate card matches the usage. A size that its rule cannot price is `InvalidRequest`."""

    _words = "no rule of its rate card prices this usage"


_DENIED_BY_REASON: Final[dict[DenialReason, type[Denied]]] = {
    DenialReason.INSUFFICIENT_CREDITS: InsufficientCredits,
    DenialReason.LIMIT_REACHED: LimitReached,
    DenialReason.FLOOR: FloorReached,
    DenialReason.INBOUND_LIMIT: InboundLimitReached,
    DenialReason.ACCOUNT_SUSPENDED: AccountSuspended,
    DenialReason.ACCOUNT_CLOSED: AccountClosed,
    DenialReason.TOO_MANY_SEGMENTS: TooManySegments,
    DenialReason.NO_RATE: NoRate,
}


def denied(answer: Decided | Explanation) -> Denied:
    """Make the exception that tells of a denial. The answer must have one."""
    if answer.denial is None:
        raise ValueError("nothing was denied")
    return _DENIED_BY_REASON.get(answer.denial.reason, Denied)(answer.denial, answer.balance)


class AlreadySettled(CreditgateError):
    """A reservation id that was granted and settled before: nothing can be held under it again."""

    _words: ClassVar[str] = ""

    def __init__(self, reservation_id: str, state: ReservationState) -> None:
        super().__init__(reservation_id, state)
        self.reservation_id = reservation_id
        self.state = state

    def __str__(self) -> str:
        return f"reservation {self.reservation_id} is already {self.state.name}{self._words}"


class AlreadyCommitted(AlreadySettled):
    """The message of this id was sent and paid: do not send it again."""

    _words = ": its message was sent"


class AlreadyReleased(AlreadySettled):
    """The message of this id was not sent, for whoever held the credits gave them back: an attempt needs a new id.

    `attempts_max` of `Client.authorize` makes such ids.
    """

    _words = ": nothing was sent under this id, and a new attempt needs a new one"


class AlreadyExpired(AlreadySettled):
    """Nobody settled the hold in time: its sender died, perhaps after sending. A new attempt needs a new id.

    `again_after_expiry` of `Client.authorize` lets one follow all the same, and `attempts_max` makes its id.
    """

    _words = ": nobody settled it in time, and a new attempt needs a new id"


_SETTLED_BY_STATE: Final[dict[ReservationState, type[AlreadySettled]]] = {
    ReservationState.COMMITTED: AlreadyCommitted,
    ReservationState.RELEASED: AlreadyReleased,
    ReservationState.EXPIRED: AlreadyExpired,
}


def already_settled(reservation_id: str, state: ReservationState) -> AlreadySettled:
    """Make the exception that tells how a reservation was settled."""
    return _SETTLED_BY_STATE.get(state, AlreadySettled)(reservation_id, state)


class CallFailed(CreditgateError):
    """A call failed.

    `code` is the name of the gRPC status, `reason` a name of `ErrorReason` in `error_reason.proto` without its prefix
    (empty where the failure did not come from a Creditgate server), `metadata` what the server said besides: ids and
    bounds. `request_id` is in the server's logs too. `retry_delay_s` is how long the server asks to wait.
    """

    repeatable: ClassVar[bool] = False
    """Whether the client library makes the call again of itself, within the call's deadline."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        retry_delay_s: float = 0.0,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.retry_delay_s = retry_delay_s

    @property
    def request_id(self) -> str:
        """The call's id, by which the server's logs name it."""
        return self.metadata.get("request_id", "")


class Unavailable(CallFailed):
    """Nobody could decide now: the server or its store is away, restarting or overloaded.

    This attempt had no effect, unless the class says otherwise. Making the call again later is safe, with the same id.
    """

    repeatable = True


class Overloaded(Unavailable):
    """The server has more calls waiting than it can answer in time. No effect."""


class StoreMisconfigured(Unavailable):
    """The store refuses the server, and its operator must mend that. No effect."""

    repeatable = False


class StoreFull(Unavailable):
    """The store's memory is full, and its operator must mend that; holds can still be settled. No effect."""

    repeatable = False


class NotCommitted(CallFailed):
    """A message was sent, but the commit on leaving its block failed: never send it again because of this.

    What failed is the `__cause__`: a failed call, whose code, reason and metadata this has too, or anything else that
    kept this process from committing, such as a client that was closed meanwhile. Unless the server refused, commit
    `credits` of `reservation_id` of `account_id` again, later: None is all that is held, 0 where what was sent has been
    committed in parts, and only the rest is not given back. If the hold was given back, take the credits by a charge.
    It is no `Unavailable` itself: whoever sends again after one of those must not do so after this.
    """

    account_id: str = ""
    reservation_id: str = ""
    credits: int | None = None


def not_committed(
    account_id: str, reservation_id: str, failure: Exception, credits_used: int | None = None
) -> NotCommitted:
    """Make the exception that tells of a message which was sent and could not be committed."""
    words = "the message was sent and could not be committed"
    advice = "do not send it again"
    # What is no failed call came from this process: its client was closed, or it was told to stop.
    call = failure if isinstance(failure, CallFailed) else Unavailable(str(failure))
    if isinstance(call, (Unavailable, InternalError)):
        amount = "" if credits_used is None else f" with {credits_used} credits"
        words, advice = f"{words} yet", f"commit this reservation again{amount}, {advice}"
    error = NotCommitted(
        f"{words}: {advice} (reservation {reservation_id} of {account_id}: {failure})",
        code=call.code,
        reason=call.reason,
        metadata=call.metadata,
        retry_delay_s=call.retry_delay_s,
    )
    error.account_id, error.reservation_id, error.credits = account_id, reservation_id, credits_used
    return error


class OutcomeUnknown(Unavailable):
    """The answer was lost: the call may have taken effect, or not. With the same id, asking again tells."""


class DeadlineExceeded(OutcomeUnknown):
    """No answer came in time."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A field that is wrong, named as in the proto files, and how."""

    field: str
    description: str


class InvalidRequest(CallFailed):
    """A field is missing, out of its bounds, or contradicts another. No effect; `violations` name them."""

    violations: tuple[Violation, ...] = ()


class NotFound(CallFailed):
    """What the call is about does not exist. No effect."""


class AccountNotFound(NotFound):
    """No account has this id."""


class ParentNotFound(NotFound):
    """The account above the one to create does not exist: create that one first."""


class ReservationNotFound(NotFound):
    """The account has no reservation of this id, or it was settled so long ago that it is forgotten."""


class ChargeNotFound(NotFound):
    """The account has no charge of this id: it was never made, was denied, or is more than 48 hours old."""


class GrantNotFound(NotFound):
    """The account has no grant of this id."""


class RateCardNotFound(NotFound):
    """There is no rate card of this id, or no such version of it."""


class AccountAlreadyExists(CallFailed):
    """An account of this id exists with other settings. No effect."""


class IdReused(CallFailed):
    """The id was used before for something else. No effect: a different operation needs an id of its own."""


class IdTooOld(CallFailed):
    """The charge's event is older than charges are remembered: it may have been charged before, or not. No effect."""


class HoldAlreadyReleased(CallFailed):
    """The hold was given back: it can be neither committed nor extended. What was sent is taken by a charge."""


class HoldAlreadyCommitted(CallFailed):
    """The hold was committed: it can be neither released nor extended, nor committed with another amount."""


class HoldExpired(CallFailed):
    """The hold has expired: it cannot be extended, nor committed where the account refuses late commits."""


class HoldStillOpen(CallFailed):
    """The hold is not settled yet, so there is nothing to refund: commit what was used, or release it. No effect."""


class OverageRejected(CallFailed):
    """The commit is of more than is held, which the account refuses. No effect: the hold stays as it is."""


class RefundExceedsCaptured(CallFailed):
    """More was to be refunded than was captured and is not refunded yet. No effect."""


class GrantAlreadyRevoked(CallFailed):
    """The grant was revoked before, with another `claw_back`. No effect."""


class TooManyGrants(CallFailed):
    """The account has as many grants in use as it may have. No effect."""


class TransferNotCovered(CallFailed):
    """The account has fewer credits available than were to be transferred. No effect."""

    @property
    def shortfall(self) -> int:
        """Credits that are missing."""
        return int(self.metadata.get("shortfall", 0))


class BalanceOverflow(CallFailed):
    """A sum of the account would pass 2^53 credits. No effect."""


class AccountNotEmpty(CallFailed):
    """The account has open holds, or accounts below it that are not closed, so it cannot be closed. No effect."""


class AccountNotSelfFunded(CallFailed):
    """A transfer goes between wallets that pay, and another account pays for this one. No effect."""


class AccountClosedForGood(CallFailed):
    """The account was closed: no credits enter or leave it any more, and nothing of it changes. No effect.

    Its usage is not an error but a denial, with the reason ACCOUNT_CLOSED.
    """


class BatchNotApplied(CallFailed):
    """Another operation of the same atomic batch was denied or failed, so this one was not done. No effect."""


class InternalError(CallFailed):
    """A defect of the server: report it with `request_id`. It may have taken effect, or not; the same id is safe."""

"""Why an operation failed. Each class is one reason of `error_reason.proto`; a denial is an answer and never raised."""

from __future__ import annotations

from typing import ClassVar


class OperationError(Exception):
    """An operation had no effect, unless its class says otherwise.

    `reason` is a name of `ErrorReason` without its prefix. `metadata` goes to the caller; it holds ids and bounds,
    never a body, a token or a password.
    """

    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidField(OperationError):
    """A field is out of its bounds, as only the store could tell (its clock, say). `field` names it."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message, field=field)
        self.field = field


class AccountNotFound(OperationError):
    """No account has this id."""

    reason = "ACCOUNT_NOT_FOUND"


class ParentNotFound(OperationError):
    """The account above a new one does not exist."""

    reason = "PARENT_NOT_FOUND"


class AccountAlreadyExists(OperationError):
    """An account of this id exists with other settings."""

    reason = "ACCOUNT_ALREADY_EXISTS"


class ReservationNotFound(OperationError):
    """The account has no reservation of this id, or it was settled so long ago that it is forgotten."""

    reason = "RESERVATION_NOT_FOUND"


class RateCardNotFound(OperationError):
    """There is no rate card of this id, or no such version of it."""

    reason = "RATE_CARD_NOT_FOUND"


class IdReused(OperationError):
    """The id was used before for a request with other content."""

    reason = "ID_REUSED"


class HoldAlreadyReleased(OperationError):
    """The hold was given back by its caller."""

    reason = "HOLD_ALREADY_RELEASED"


class HoldAlreadyCommitted(OperationError):
    """The hold was committed, with another amount or before a release."""

    reason = "HOLD_ALREADY_COMMITTED"


class HoldExpired(OperationError):
    """The hold's time was over, and what happened then stands."""

    reason = "HOLD_EXPIRED"


class TooManyGrants(OperationError):
    """The account has as many active grants, or distinct scopes, as it may have."""

    reason = "TOO_MANY_GRANTS"


class BalanceOverflow(OperationError):
    """A sum of the account would pass 2^53."""

    reason = "BALANCE_OVERFLOW"


class AccountClosed(OperationError):
    """The account was closed, for good."""

    reason = "ACCOUNT_CLOSED"


class AccountNotEmpty(OperationError):
    """The account has accounts below it that are not closed, or open holds: it cannot be closed."""

    reason = "ACCOUNT_NOT_EMPTY"


class AccountNotSelfFunded(OperationError):
    """The account's usage is paid from above: its wallet takes no part in transfers."""

    reason = "ACCOUNT_NOT_SELF_FUNDED"


class ChargeNotFound(OperationError):
    """The account has no charge of this id, or it was made so long ago that it is forgotten."""

    reason = "CHARGE_NOT_FOUND"


class GrantNotFound(OperationError):
    """The account has no grant of this id."""

    reason = "GRANT_NOT_FOUND"


class GrantAlreadyRevoked(OperationError):
    """The grant was revoked, with another choice of claw_back."""

    reason = "GRANT_ALREADY_REVOKED"


class HoldStillOpen(OperationError):
    """The hold has not ended, so nothing of it can be refunded."""

    reason = "HOLD_STILL_OPEN"


class OverageRejected(OperationError):
    """The commit asks for more than is held, which the account's overage policy does not allow."""

    reason = "OVERAGE_REJECTED"


class RefundExceedsCaptured(OperationError):
    """More is to be refunded than is left of what was captured."""

    reason = "REFUND_EXCEEDS_CAPTURED"


class IdTooOld(OperationError):
    """The charge's event is older than charges are remembered: whether it was made before cannot be told."""

    reason = "ID_TOO_OLD"


class InsufficientCredits(OperationError):
    """A wallet has fewer credits than are to be moved out of it."""

    reason = "INSUFFICIENT_CREDITS"


class BatchNotApplied(OperationError):
    """Another operation of the atomic batch failed or was denied, so this one was not carried out."""

    reason = "BATCH_NOT_APPLIED"


class Overloaded(OperationError):
    """More operations wait than can be answered in time."""

    reason = "OVERLOADED"


class StoreUnavailable(OperationError):
    """The store was not reached; the operation was not sent."""

    reason = "STORE_UNREACHABLE"


class UnknownOutcome(OperationError):
    """The operation was sent and its answer lost: it may have taken effect. Asking again with the same id tells."""

    reason = "OUTCOME_UNKNOWN"


class StoreReadOnly(OperationError):
    """The store is a replica, or refuses writes."""

    reason = "STORE_READ_ONLY"


class StoreFull(OperationError):
    """The store's memory is full; holds can still be settled."""

    reason = "STORE_FULL"


class StoreMisconfigured(OperationError):
    """The store refuses us: password, rights, version or settings."""

    reason = "STORE_MISCONFIGURED"

"""What the store said or failed to say, as errors of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate_server.credit.operations import Transfer
from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, SCOPES_PER_ACCOUNT_MAX
from creditgate_server.engine import errors
from creditgate_server.store.errors import OutcomeUnknown, ReplyError, StoreAccessRefused, StoreUnfit, StoreUnreachable
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from creditgate_server.store.errors import StoreError
    from creditgate_server.store.records import Fields

_ID_FIELDS = (
    "account_id", "reservation_id", "commit_id", "charge_id", "refund_id", "grant_id", "transfer_id",
    "change_id",
)  # fmt: skip

_BY_STATUS: dict[Status, tuple[type[errors.OperationError], str]] = {
    Status.RESERVATION_NOT_FOUND: (
        errors.ReservationNotFound,
        "the account has no such reservation: it was never granted, or was settled so long ago that it is forgotten",
    ),
    Status.ID_REUSED: (
        errors.IdReused,
        "this id was used before for a request with other content; take a new id",
    ),
    Status.ACCOUNT_ALREADY_EXISTS: (
        errors.AccountAlreadyExists,
        "an account of this id exists with other settings; read it, and update it if need be",
    ),
    Status.HOLD_ALREADY_COMMITTED: (
        errors.HoldAlreadyCommitted,
        "the reservation was committed, and that stands",
    ),
    Status.HOLD_ALREADY_RELEASED: (
        errors.HoldAlreadyReleased,
        "the reservation was released; charge what was sent all the same",
    ),
    Status.HOLD_EXPIRED: (errors.HoldExpired, "the reservation expired, and what its expiry did stands"),
    Status.TOO_MANY_GRANTS: (
        errors.TooManyGrants,
        f"the account has {GRANTS_PER_ACCOUNT_MAX} active grants; give more credits in fewer",
    ),
    Status.TOO_MANY_SCOPES: (
        errors.TooManyGrants,
        f"the account has active grants of {SCOPES_PER_ACCOUNT_MAX} different scopes; take one of these",
    ),
    Status.BALANCE_OVERFLOW: (errors.BalanceOverflow, "a sum of the account would pass 2^53 credits"),
    Status.CHARGE_NOT_FOUND: (
        errors.ChargeNotFound,
        "the account has no such charge: it was denied or never made, or so long ago that it is forgotten",
    ),
    Status.GRANT_NOT_FOUND: (errors.GrantNotFound, "the account has no such grant"),
    Status.GRANT_ALREADY_REVOKED: (
        errors.GrantAlreadyRevoked,
        "the grant was revoked with another choice of claw_back, and that stands",
    ),
    Status.HOLD_STILL_OPEN: (errors.HoldStillOpen, "the reservation is still open: commit or release it first"),
    Status.ID_TOO_OLD: (
        errors.IdTooOld,
        "event_time lies further back than charges are remembered, so it may have been charged before",
    ),
    Status.BATCH_NOT_APPLIED: (
        errors.BatchNotApplied,
        "another operation of the batch failed or was denied, so this call did not carry it out",
    ),
}

_BY_STATUS_AND_VALUE: dict[Status, tuple[type[errors.OperationError], str, str]] = {
    Status.OVERAGE_REJECTED: (
        errors.OverageRejected,
        "only {} credits are held, and the account's overage policy is REJECT; the reservation stays open",
        "held",
    ),
    Status.REFUND_EXCEEDS_CAPTURED: (
        errors.RefundExceedsCaptured,
        "only {} credits are left to refund of what was captured",
        "refundable",
    ),
    Status.INSUFFICIENT_CREDITS: (
        errors.InsufficientCredits,
        "the wallet has {} credits to move, fewer than asked for",
        "available",
    ),
}
"""Those whose reply names a number: the message it completes, and the name it has in the metadata."""

_BY_STATUS_AND_ACCOUNT: dict[Status, tuple[type[errors.OperationError], str]] = {
    Status.ACCOUNT_NOT_FOUND: (errors.AccountNotFound, "there is no account {}"),
    Status.ACCOUNT_CLOSED: (errors.AccountClosed, "account {} is closed, for good"),
    Status.ACCOUNT_NOT_SELF_FUNDED: (
        errors.AccountNotSelfFunded,
        "the usage of {} is paid from above: only between accounts with funding OWN can credits be moved",
    ),
}
"""Those whose reply names the account that they are about."""

_BY_CODE: dict[str, tuple[type[errors.OperationError], str]] = {
    "READONLY": (errors.StoreReadOnly, "the store is a replica"),
    "MISCONF": (errors.StoreReadOnly, "the store cannot write to its disk"),
    "NOREPLICAS": (errors.StoreReadOnly, "the store lacks the replicas that it waits for"),
    "OOM": (errors.StoreFull, "the store's memory is full; reservations can still be committed and released"),
    "BUSY": (errors.StoreUnavailable, "the store is busy with a script"),
    "LOADING": (errors.StoreUnavailable, "the store is loading its data"),
    "TRYAGAIN": (errors.StoreUnavailable, "the store is moving the account to another node"),
    "MASTERDOWN": (errors.StoreUnavailable, "the store waits for its primary"),
}

_REFUSALS = frozenset({"NOAUTH", "WRONGPASS", "NOPERM", "NOPROTO", "MOVED", "ASK", "CLUSTERDOWN", "CROSSSLOT"})


def ids_of(operation: object) -> dict[str, str]:
    """Return the ids of an operation, by which its caller may ask again."""
    return {name: value for name in _ID_FIELDS if (value := getattr(operation, name, ""))}


def from_status(reply: Fields, operation: object) -> errors.OperationError:
    """Return the error that a function's reply stands for; it left no effect."""
    status = Status(reply[0])
    ids = ids_of(operation)
    if status is Status.INSUFFICIENT_CREDITS and isinstance(operation, Transfer):
        ids["shortfall"] = str(operation.credits - reply[1])
    if status in _BY_STATUS_AND_ACCOUNT:
        kind, message = _BY_STATUS_AND_ACCOUNT[status]
        return kind(message.format(reply[1]), **(ids | {"account_id": reply[1]}))
    if status in _BY_STATUS_AND_VALUE:
        kind, message, name = _BY_STATUS_AND_VALUE[status]
        return kind(message.format(reply[1]), **ids, **{name: str(reply[1])})
    if status is Status.ACCOUNT_NOT_EMPTY:
        message = f"accounts below it that are not closed: {reply[1]}; open reservations: {reply[2]}"
        return errors.AccountNotEmpty(message, **ids, children=str(reply[1]), open_reservations=str(reply[2]))
    if status is Status.PARENT_NOT_FOUND:
        return errors.ParentNotFound(f"there is no account {reply[1]}: create it first", **ids, parent_id=reply[1])
    if status is Status.EXPIRE_TIME_PAST:
        return errors.InvalidField("expire_time", "must be later than effective_time and than now by the store's clock")
    if status in {Status.TOO_MANY_GRANTS, Status.TOO_MANY_SCOPES} and isinstance(operation, Transfer):
        ids["account_id"] = operation.target_account_id
    if status is Status.TOO_MANY_GRANTS:
        ids["maximum"] = str(GRANTS_PER_ACCOUNT_MAX)
    kind, message = _BY_STATUS[status]
    return kind(message, **ids)


def from_store(error: StoreError, operation: object, *, writes: bool) -> errors.OperationError | StoreError:
    """Return the error to give for a failure of the store; what is a defect of ours comes back as it is."""
    ids = ids_of(operation)
    reply = error.reply if isinstance(error, StoreAccessRefused) else error
    if isinstance(reply, ReplyError) and reply.code in _BY_CODE:
        kind, message = _BY_CODE[reply.code]
        return kind(message, **ids)
    refused = isinstance(reply, ReplyError) and reply.code in _REFUSALS
    if refused or isinstance(error, StoreAccessRefused | StoreUnfit):
        return errors.StoreMisconfigured("the store refuses this sidecar; its log says why", **ids)
    if isinstance(error, StoreUnreachable) or (isinstance(error, OutcomeUnknown) and not writes):
        return errors.StoreUnavailable("the store cannot be reached; nothing was done", **ids)
    if isinstance(error, OutcomeUnknown):
        message = "the store's answer was lost: it may have been done or not; ask again with the same id to learn which"
        return errors.UnknownOutcome(message, **ids)
    return error

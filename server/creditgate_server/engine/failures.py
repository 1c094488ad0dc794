"""What the store said or failed to say, as errors of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, SCOPES_PER_ACCOUNT_MAX
from creditgate_server.engine import errors
from creditgate_server.store.errors import OutcomeUnknown, ReplyError, StoreAccessRefused, StoreUnreachable
from creditgate_server.store.statuses import Status

if TYPE_CHECKING:
    from creditgate_server.store.errors import StoreError
    from creditgate_server.store.records import Fields

_ID_FIELDS = ("account_id", "reservation_id", "charge_id", "grant_id")

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
}

_BY_CODE: dict[str, tuple[type[errors.OperationError], str]] = {
    "READONLY": (errors.StoreReadOnly, "the store is a replica"),
    "MISCONF": (errors.StoreReadOnly, "the store cannot write to its disk"),
    "NOREPLICAS": (errors.StoreReadOnly, "the store lacks the replicas that it waits for"),
    "OOM": (errors.StoreFull, "the store's memory is full; reservations can still be committed and released"),
    "BUSY": (errors.StoreUnavailable, "the store is busy with a script"),
    "LOADING": (errors.StoreUnavailable, "the store is loading its data"),
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
    if status is Status.ACCOUNT_NOT_FOUND:
        missing: str = reply[1]
        return errors.AccountNotFound(f"there is no account {missing}", **(ids | {"account_id": missing}))
    if status is Status.PARENT_NOT_FOUND:
        return errors.ParentNotFound(f"there is no account {reply[1]}: create it first", **ids, parent_id=reply[1])
    if status is Status.EXPIRE_TIME_PAST:
        return errors.InvalidField("expire_time", "must be later than effective_time and than now by the store's clock")
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
    if isinstance(error, StoreAccessRefused) or (isinstance(reply, ReplyError) and reply.code in _REFUSALS):
        return errors.StoreMisconfigured("the store refuses this sidecar; its log says why", **ids)
    if isinstance(error, StoreUnreachable) or (isinstance(error, OutcomeUnknown) and not writes):
        return errors.StoreUnavailable("the store cannot be reached; nothing was done", **ids)
    if isinstance(error, OutcomeUnknown):
        message = "the store's answer was lost: it may have been done or not; ask again with the same id to learn which"
        return errors.UnknownOutcome(message, **ids)
    return error

"""The terms of the interface as enumerations; their numbers equal those of `proto/creditgate/v1`.

Those that a price depends on (`Channel`, `Direction`, `Priority`, `Encoding`) are in `creditgate.pricing`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class Term(IntEnum):
    """An enumeration of which a newer server may know more members than this library.

    A number that is not known here becomes a value of its own, called `UNRECOGNIZED_n`, so that an answer can still
    be read, and sent on.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, int):
            return None
        unrecognized = int.__new__(cls, value)
        unrecognized._name_ = f"UNRECOGNIZED_{value}"
        unrecognized._value_ = value
        return unrecognized


class Decision(Term):
    """What was decided about a usage. MONITORED: allowed only because an account is in MONITOR mode."""

    ALLOWED = 1
    ALLOWED_PARTIAL = 2
    ALLOWED_MONITORED = 3
    DENIED = 4

    @property
    def allows(self) -> bool:
        """Whether something may be sent. What is not recognised allows nothing."""
        return self in _ALLOWING


_ALLOWING = frozenset({Decision.ALLOWED, Decision.ALLOWED_PARTIAL, Decision.ALLOWED_MONITORED})


class DenialReason(Term):
    """Why a usage was denied; `creditgate.errors` has a class for each."""

    INSUFFICIENT_CREDITS = 1
    LIMIT_REACHED = 2
    FLOOR = 3
    INBOUND_LIMIT = 4
    ACCOUNT_SUSPENDED = 5
    ACCOUNT_CLOSED = 6
    TOO_MANY_SEGMENTS = 7
    NO_RATE = 8


class ReservationState(Term):
    """Where a hold stands: PENDING until it is settled, once."""

    PENDING = 1
    COMMITTED = 2
    RELEASED = 3
    EXPIRED = 4


class ExpiryAction(Term):
    """What becomes of a hold that nobody settles in time: its credits are given back, or captured."""

    RELEASE = 1
    COMMIT = 2


class SettledBy(Term):
    """Who settled a hold: its caller, or time."""

    CALLER = 1
    EXPIRY = 2


class Pot(Term):
    """Which part of an account credits are drawn from: the wallet pays, the limit only caps."""

    WALLET = 1
    LIMIT = 2


class AccountStatus(Term):
    """Whether an account may be used. SUSPENDED denies Reserve and outbound Charge only; CLOSED is for good."""

    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3


class Funding(Term):
    """Who pays for an account's usage: its own wallet, or the nearest account above it whose funding is OWN."""

    OWN = 1
    PARENT = 2


class Enforcement(Term):
    """What an account does when its wallet or limit does not cover a usage: deny, only say so, or nothing."""

    ENFORCE = 1
    MONITOR = 2
    OFF = 3


class LateCommit(Term):
    """What becomes of a commit whose hold has expired: it is charged at the frozen price, or refused."""

    ACCEPT = 1
    REJECT = 2


class Overage(Term):
    """What a commit takes beyond what its hold holds: all, what the enforcing levels still have, or nothing."""

    ALLOW = 1
    CAP = 2
    REJECT = 3


class Interval(Term):
    """How long a plan's period is; months and years are those of the calendar."""

    DAY = 1
    WEEK = 2
    MONTH = 3
    YEAR = 4


class RollOver(Term):
    """How much of what a plan's period leaves outlives it; the rest expires."""

    NONE = 1
    ALL = 2
    CAPPED = 3


class GrantKind(Term):
    """Where the credits of a grant come from. An ALLOTMENT caps usage and pays for nothing."""

    PLAN = 1
    ROLLOVER = 2
    PURCHASED = 3
    PROMOTIONAL = 4
    ADJUSTMENT = 5
    ALLOTMENT = 6


class GrantState(Term):
    """Where a grant stands. PENDING waits for its effective time; of a MOVED one all that remained was transferred."""

    LIVE = 1
    PENDING = 2
    EXHAUSTED = 3
    EXPIRED = 4
    REVOKED = 5
    MOVED = 6


class GrantVerdict(Term):
    """What a grant does for a usage: it pays, it need not, or it cannot."""

    PAYS = 1
    NOT_NEEDED = 2
    OTHER_CHANNEL = 3
    OTHER_REGION = 4
    NOT_BEGUN = 5
    NOTHING_LEFT = 6
    OTHER_PAYER = 7
    NOT_ENFORCED = 8


class ServingStatus(Term):
    """What the standard health service (`grpc.health.v1.Health`) says of a server or of one of its services."""

    UNKNOWN = 0
    SERVING = 1
    NOT_SERVING = 2
    SERVICE_UNKNOWN = 3

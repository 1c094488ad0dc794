"""The terms of the ledger as enumerations; their numbers equal those of the proto and of `lua/terms.lua`."""

from __future__ import annotations

from enum import IntEnum

GRANTS_PER_ACCOUNT_MAX = 100
"""Active grants of one account; a further one is refused before anything is written (`grants.ACTIVE_MAX` in Lua)."""

SCOPES_PER_ACCOUNT_MAX = 16
"""Distinct scopes of one account's active grants; each is a sum kept beside the balance (`grants.SCOPES_MAX`)."""


class AccountStatus(IntEnum):
    """Whether an account takes part in decisions."""

    ACTIVE = 1
    SUSPENDED = 2
    CLOSED = 3


class Funding(IntEnum):
    """Who pays for an account's usage: its own wallet, or the nearest account upward whose funding is OWN."""

    OWN = 1
    PARENT = 2


class Enforcement(IntEnum):
    """How an account's own wallet and limit bind: deny, only say so, or leave them untouched."""

    ENFORCE = 1
    MONITOR = 2
    OFF = 3


class LateCommit(IntEnum):
    """What happens to a commit of a hold that expired and was given back."""

    ACCEPT = 1
    REJECT = 2


class Overage(IntEnum):
    """What a commit takes beyond what its hold holds: all, what the enforcing levels still have, or nothing."""

    ALLOW = 1
    CAP = 2
    REJECT = 3


class GrantKind(IntEnum):
    """Where credits came from. ALLOTMENT caps a level and never pays; all others pay from the wallet."""

    PLAN = 1
    ROLLOVER = 2
    PURCHASED = 3
    PROMOTIONAL = 4
    ADJUSTMENT = 5
    ALLOTMENT = 6


class GrantState(IntEnum):
    """The life of a grant. PENDING waits for its effective time; EXHAUSTED has nothing left to draw or give back.

    REVOKED was taken back by an operator; MOVED was transferred with all that remained of it.
    """

    LIVE = 1
    PENDING = 2
    EXHAUSTED = 3
    EXPIRED = 4
    REVOKED = 5
    MOVED = 6


class ReservationState(IntEnum):
    """The life of a hold: PENDING until it is settled, exactly once."""

    PENDING = 1
    COMMITTED = 2
    RELEASED = 3
    EXPIRED = 4


class ExpiryAction(IntEnum):
    """What the end of a hold's time does with it: give it back, or charge what was never reported."""

    RELEASE = 1
    COMMIT = 2


class SettledBy(IntEnum):
    """Who ended a hold."""

    CALLER = 1
    EXPIRY = 2


class Interval(IntEnum):
    """How long a plan's period is."""

    DAY = 1
    WEEK = 2
    MONTH = 3
    YEAR = 4


class RollOver(IntEnum):
    """How much of what a period leaves outlives it."""

    NONE = 1
    ALL = 2
    CAPPED = 3


class Pot(IntEnum):
    """The two separate things in an account that a usage may draw on."""

    WALLET = 1
    LIMIT = 2


class Decision(IntEnum):
    """The answer to an authorization. A denial is an answer, not an error."""

    ALLOWED = 1
    ALLOWED_PARTIAL = 2
    ALLOWED_MONITORED = 3
    DENIED = 4


class DenialReason(IntEnum):
    """Why a usage was denied."""

    INSUFFICIENT_CREDITS = 1
    LIMIT_REACHED = 2
    FLOOR = 3
    INBOUND_LIMIT = 4
    ACCOUNT_SUSPENDED = 5
    ACCOUNT_CLOSED = 6
    TOO_MANY_SEGMENTS = 7
    NO_RATE = 8


class GrantVerdict(IntEnum):
    """What a grant does for a usage."""

    PAYS = 1
    NOT_NEEDED = 2
    OTHER_CHANNEL = 3
    OTHER_REGION = 4
    NOT_BEGUN = 5
    NOTHING_LEFT = 6
    OTHER_PAYER = 7
    NOT_ENFORCED = 8

"""Decisions about a usage, and what became of its credits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from creditgate.answers.balances import Balance
from creditgate.pricing import Encoding
from creditgate.terms import Decision, DenialReason, ReservationState


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why a usage was denied, by which account, and how many credits are short there (0: credits would not help).

    `next_credit_time` is when the next grant of its wallet begins, or of its limit where that is what binds, whether or
    not it will suffice (None: there is none, or credits would not help).
    """

    reason: DenialReason
    account_id: str
    shortfall: int
    next_credit_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheaperSpelling:
    """The whole body spelt in GSM-7, for less. `text` is content: show it, never store or log it."""

    text: str = field(repr=False)
    segments: int
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a usage costs for all its recipients, and how that was found.

    `segments` and `characters` are of one recipient's body, or as the caller stated them, else 0. Where no body was
    counted, `encoding` is None and `characters_left_in_segment` 0. `characters_left_in_segment` is what the last
    segment still takes: septets of GSM-7, code units of UCS-2. `forced_ucs2` are the distinct characters outside GSM-7,
    at most 16.
    """

    credits: int
    encoding: Encoding | None
    segments: int
    characters: int
    characters_left_in_segment: int
    rate_card_id: str
    rate_card_version: int
    rule: str
    forced_ucs2: tuple[str, ...]
    cheaper_spelling: CheaperSpelling | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What every decision says. `denial` is set when DENIED and when ALLOWED_MONITORED."""

    decision: Decision
    denial: Denial | None
    balance: Balance

    @property
    def allowed(self) -> bool:
        """Whether something may be sent: all of it, some recipients, or all because nobody enforces."""
        return self.decision.allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted(Decided):
    """The answer to Quote: what a Reserve would answer now."""

    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Decided):
    """The answer to Reserve.

    `state` and `expire_time` are None when DENIED. `credits` are held for `recipients_granted` recipients; `cost` is
    that of all who were asked for. A replay may be settled already.
    """

    reservation_id: str
    state: ReservationState | None
    credits: int
    recipients_granted: int
    cost: Cost | None
    expire_time: datetime | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Charged(Decided):
    """The answer to Charge: `credits` were captured."""

    charge_id: str
    credits: int
    cost: Cost | None
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """The answer to Commit: `credits` were captured, `overage` of them beyond what was held.

    `shortfall` was used and could not be taken: what the account's overage policy CAP left out, or what a late report
    says beyond what its hold's expiry has captured. What was not used went back to live grants (`restored`) or is gone
    with grants that have ended (`expired`). `state` is COMMITTED, or, of a commit that keeps the hold open, PENDING.
    `late`: the hold had expired. One that was given back then is taken anew at the frozen price; of one that was
    captured then nothing more is taken.
    """

    state: ReservationState
    credits: int
    restored: int
    expired: int
    overage: int
    shortfall: int
    debt_repaid: int
    balance: Balance
    replayed: bool
    late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """The answer to Release: what went back to live grants, and what is gone with grants that have ended."""

    state: ReservationState
    restored: int
    expired: int
    debt_repaid: int
    balance: Balance
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Extended:
    """The answer to Extend: when the hold expires now."""

    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refunded:
    """The answer to Refund: `credits` of what was captured were given back, and what became of them.

    `restored` came back to the payer's wallet, `debt_repaid` of it as less debt; `expired` is gone with grants that
    have ended or were revoked. The rest is what an account in MONITOR mode or OFF had let through: nobody had paid it.
    """

    credits: int
    restored: int
    expired: int
    debt_repaid: int
    balance: Balance
    replayed: bool

"""Why a usage is decided as it is: who pays, which grants, which limits, which rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from creditgate.answers.authorizations import Cost, Denial
from creditgate.answers.balances import Balance, GrantBalance, LevelBalance
from creditgate.answers.reservations import Reservation
from creditgate.terms import Decision, Enforcement, GrantVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantExplanation:
    """One grant: what it gives to the usage (`credits`), or why it gives nothing."""

    grant: GrantBalance
    verdict: GrantVerdict
    credits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitExplanation:
    """One account's limit: what it leaves, and how many credits the usage needs beyond that (0: it fits).

    `counts` is False where the account's enforcement is OFF, or the usage is inbound and its limit does not count that.
    """

    account_id: str
    enforcement: Enforcement
    counts: bool
    limit_left: int
    shortfall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RateExplanation:
    """Which rule of which rate card prices the usage."""

    rate_card_id: str
    rate_card_version: int
    rule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to Explain: how a usage would be decided now and why, or how a reservation was paid.

    For a usage, `cost` and `decision` are what a Quote answers, and `denial` says why not; for a reservation all three
    are None, and `reservation` has it. `payer_id` is whose wallet pays. `levels` are the account and those above it,
    `grants` those of all their wallets, each in burn order, and `limits` those that there are; leaf first, all of them.
    `rate` is None where no rule matches. `credits_short` are missing at the level that binds. `next_credit_time` is
    when the next grant that may pay for it begins, with `next_credits` (None and 0: there is none).
    """

    cost: Cost | None
    decision: Decision | None
    denial: Denial | None
    balance: Balance
    payer_id: str
    levels: tuple[LevelBalance, ...]
    grants: tuple[GrantExplanation, ...]
    limits: tuple[LimitExplanation, ...]
    rate: RateExplanation | None
    credits_short: int
    next_credit_time: datetime | None
    next_credits: int
    reservation: Reservation | None

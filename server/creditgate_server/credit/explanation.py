"""Why a usage is decided as it is: which grants pay for it, why others cannot, and what each limit leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from creditgate.pricing.usage import Direction
from creditgate_server.credit.terms import Enforcement, GrantKind, GrantState, GrantVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from creditgate.pricing.usage import Usage
    from creditgate_server.credit.outcomes import Authorization, Balance, Grant, Level, Reservation, Standing


@dataclass(frozen=True, slots=True)
class GrantExplanation:
    """One grant tried, in burn order: what it gives to the usage (`credits`), or why it gives nothing."""

    grant: Grant
    verdict: GrantVerdict
    credits: int


@dataclass(frozen=True, slots=True)
class LimitExplanation:
    """One level's limit: what it leaves for the usage, and how many credits are short there.

    `counts` is False where the limit is switched OFF, or does not count inbound usage.
    """

    account_id: str
    enforcement: Enforcement
    counts: bool
    limit_left: int
    shortfall: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer to Explain.

    `authorization` is what a Quote of the usage (a Charge, if inbound) would answer now; `reservation` the one asked
    about (None: a usage was). `next_credit_ms` is when grants next begin that may pay for the usage, and `next_credits`
    what they bring together; 0: none are pending.
    """

    balance: Balance
    levels: tuple[Level, ...]
    grants: tuple[GrantExplanation, ...]
    limits: tuple[LimitExplanation, ...]
    next_credit_ms: int
    next_credits: int
    authorization: Authorization | None = None
    reservation: Reservation | None = None


def explain_usage(usage: Usage, authorization: Authorization, standing: Standing) -> Explanation:
    """Say why a usage is decided as `authorization` has it, by what stood then."""
    credits_ = authorization.price.credits if authorization.price else 0
    starting = [
        grant
        for grant in standing.grants
        if _misfit(grant, usage) is None and grant.state is GrantState.PENDING and _is_payers(grant, standing)
    ]
    next_ms = min((grant.effective_ms for grant in starting), default=0)
    return Explanation(
        balance=authorization.balance or standing.balance,
        levels=standing.levels,
        grants=tuple(_grants(usage, credits_, standing)),
        limits=tuple(_limits(usage, credits_, standing)),
        next_credit_ms=next_ms,
        next_credits=sum(grant.amount for grant in starting if grant.effective_ms == next_ms),
        authorization=authorization,
    )


def explain_reservation(reservation: Reservation, standing: Standing) -> Explanation:
    """Say what a reservation was made of; what each grant gave is in its draws."""
    return Explanation(
        balance=standing.balance,
        levels=standing.levels,
        grants=(),
        limits=(),
        next_credit_ms=0,
        next_credits=0,
        reservation=reservation,
    )


def _is_payers(grant: Grant, standing: Standing) -> bool:
    return grant.account_id == standing.balance.payer_id and grant.kind is not GrantKind.ALLOTMENT


def _misfit(grant: Grant, usage: Usage) -> GrantVerdict | None:
    """Return what of a grant's scope does not admit a usage."""
    if grant.scope.channels and usage.channel not in grant.scope.channels:
        return GrantVerdict.OTHER_CHANNEL
    if grant.scope.regions and usage.region not in grant.scope.regions:
        return GrantVerdict.OTHER_REGION
    return None


def _grants(usage: Usage, credits_: int, standing: Standing) -> Iterator[GrantExplanation]:
    """Try the wallets' grants of all levels in the order in which they are listed, which is the burn order."""
    enforcement = {level.account_id: level.settings.enforcement for level in standing.levels}
    left = credits_
    for grant in standing.grants:
        if grant.kind is GrantKind.ALLOTMENT:
            continue
        verdict = _misfit(grant, usage)
        if not _is_payers(grant, standing):
            verdict = GrantVerdict.OTHER_PAYER
        elif enforcement[grant.account_id] is Enforcement.OFF:
            verdict = GrantVerdict.NOT_ENFORCED
        elif verdict is None and grant.state is GrantState.PENDING:
            verdict = GrantVerdict.NOT_BEGUN
        elif verdict is None and grant.remaining == 0:
            verdict = GrantVerdict.NOTHING_LEFT
        elif verdict is None and left == 0:
            verdict = GrantVerdict.NOT_NEEDED
        gives = min(left, grant.remaining) if verdict is None else 0
        left -= gives
        yield GrantExplanation(grant, verdict or GrantVerdict.PAYS, gives)


def _limits(usage: Usage, credits_: int, standing: Standing) -> Iterator[LimitExplanation]:
    for level in standing.levels:
        if level.limit_left is None:
            continue
        left = sum(
            grant.remaining
            for grant in standing.grants
            if grant.account_id == level.account_id
            and grant.kind is GrantKind.ALLOTMENT
            and grant.state is GrantState.LIVE
            and _misfit(grant, usage) is None
        )
        counts = level.settings.enforcement is not Enforcement.OFF and (
            usage.direction is Direction.OUTBOUND or level.settings.limit_counts_inbound
        )
        shortfall = max(0, credits_ - left) if counts else 0
        yield LimitExplanation(level.account_id, level.settings.enforcement, counts, left, shortfall)

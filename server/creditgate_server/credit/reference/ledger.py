"""The model as a whole: one organisation, priced by one rate card, whose clock moves when it is told to."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import Denied as Unpriced
from creditgate.pricing.rate_cards import Price, price
from creditgate.pricing.usage import Direction, InvalidUsage, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.reference import accounts, decisions, grants, plans, refunds, settlements
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.records import (
    NEVER_MS,
    Account,
    Charge,
    Denied,
    Grant,
    Hold,
    KeptOpen,
    Organisation,
    Refund,
    Refused,
    Windows,
)
from creditgate_server.credit.terms import Decision, GrantState, ReservationState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from creditgate.pricing.rate_cards import RateCard

Operation = (
    ask.Batched
    | ask.GrantCredits
    | ask.RevokeGrant
    | ask.Transfer
    | ask.CreateAccount
    | ask.UpdateAccount
    | ask.CloseAccount
    | ask.SetPlan
)

Outcome = (
    told.Authorization
    | told.Settlement
    | told.Extension
    | told.Refunded
    | told.Granted
    | told.Revoked
    | told.Transferred
    | told.Closed
    | told.PlanSet
    | told.Account
    | tuple[told.Account, bool]
)

Kept = TypeVar("Kept", Hold, Charge, Denied, KeptOpen, Refund)

NOT_APPLIED: Final = "BATCH_NOT_APPLIED"
"""The reason for which an operation of an atomic batch was aborted that would have passed alone."""


class ReferenceLedger:
    """One organisation. Every usage must have a rate on its card; times are milliseconds, like the store's."""

    def __init__(self, now_ms: int, card: RateCard = DEFAULT_RATE_CARD, windows: Windows | None = None) -> None:
        """Begin at `now_ms` with no account."""
        self._card = card
        self.reached: Counter[Branch] = Counter()
        self.organisation = Organisation(now_ms, windows or Windows(), self.reached)

    def apply(self, operation: Operation) -> Outcome:  # noqa: PLR0911 — one for each kind of operation
        """Carry out an operation. Raises Refused, and then nothing has happened."""
        organisation = self.organisation
        match operation:
            case ask.GrantCredits():
                return grants.grant(organisation, operation)
            case ask.RevokeGrant():
                return grants.revoke(organisation, operation)
            case ask.Transfer():
                return grants.transfer(organisation, operation)
            case ask.CreateAccount():
                return accounts.create_account(organisation, operation)
            case ask.UpdateAccount():
                return accounts.update_account(organisation, operation)
            case ask.CloseAccount():
                return accounts.close_account(organisation, operation)
            case ask.SetPlan():
                return plans.set_plan(organisation, operation)
            case _:
                return self._authorize(operation)

    def _authorize(self, operation: ask.Batched) -> Outcome:  # noqa: PLR0911 — one for each kind of operation
        organisation = self.organisation
        match operation:
            case ask.Quote():
                return decisions.quote(organisation, operation, self._price(operation.traffic.usage))
            case ask.Reserve():
                return decisions.reserve(organisation, operation, self._price(operation.traffic.usage))
            case ask.Charge():
                return decisions.charge(organisation, operation, self._price(operation.traffic.usage))
            case ask.Commit():
                return settlements.commit(organisation, operation, self._wanted(operation))
            case ask.Release():
                return settlements.release(organisation, operation)
            case ask.Extend():
                return settlements.extend(organisation, operation)
            case ask.Refund():
                return refunds.refund(organisation, operation)

    def batch(self, operations: Sequence[ask.Batched], *, atomic: bool) -> list[Outcome | Refused]:
        """Carry out operations in order; if `atomic`, all of them or none. A denial is no success then."""
        if not atomic:
            return [self._attempt(operation) for operation in operations]
        working = self.copy()
        answers = working.batch(operations, atomic=False)
        failed = [answer for answer in answers if _has_failed(answer)]
        if any(getattr(answer, "replayed", False) for answer in answers):
            self.reached[Branch.BATCH_WITH_REPLAY] += 1
        if not failed:
            self.reached[Branch.BATCH_APPLIED] += 1
            self.organisation = working.organisation
            return answers
        self.reached[Branch.BATCH_ABORTED] += 1
        for answer in failed:
            is_error = isinstance(answer, Refused)
            self.reached[Branch.BATCH_ABORTED_BY_ERROR if is_error else Branch.BATCH_ABORTED_BY_DENIAL] += 1
        pairs = zip(operations, answers, strict=True)
        return [answer if _has_failed(answer) else self._aborted(operation) for operation, answer in pairs]

    def copy(self) -> ReferenceLedger:
        """Return a ledger that stands as this one does and goes its own way from here; both count the same branches."""
        other = ReferenceLedger(self.organisation.now_ms, self._card)
        other.reached = self.reached
        other.organisation = deepcopy(self.organisation, {id(self.reached): self.reached})
        return other

    def pass_time(self, now_ms: int) -> int:
        """Let time pass and do what is due, in order; forget what is over. Returns how many things were due."""
        happened = 0
        renewed = Counter[str]()
        while (due := _next_due(self.organisation)) and due[0] <= now_ms:
            happened += 1
            thing = due[1]
            if isinstance(thing, Hold):
                settlements.expire(self.organisation, thing)
            elif isinstance(thing, Account):
                renewed[thing.account_id] += 1
                plans.end_period(self.organisation, thing)
            elif thing.state is GrantState.PENDING:
                grants.start(self.organisation, thing)
            else:
                grants.end(self.organisation, thing)
        self.organisation.now_ms = now_ms
        self.reached[Branch.RENEWED_SEVERAL_TIMES] += sum(count > 1 for count in renewed.values())
        _forget(self.organisation)
        return happened

    def _aborted(self, operation: ask.Batched) -> Outcome | Refused:
        """Answer what an aborted batch did not do; what had been done before the batch is true all the same."""
        answer = self.copy().batch([operation], atomic=False)[0]
        if not getattr(answer, "replayed", False):
            return Refused(NOT_APPLIED)
        self.reached[Branch.BATCH_ABORTED_BESIDE_REPLAY] += 1
        return answer

    def _attempt(self, operation: ask.Batched) -> Outcome | Refused:
        try:
            return self.apply(operation)
        except Refused as refusal:
            return refusal

    def _price(self, usage: Usage) -> Price:
        priced = price(self._card, usage)
        if isinstance(priced, Unpriced):
            raise TypeError(usage)
        return priced

    def _wanted(self, operation: ask.Commit) -> int | None:
        """Return the credits that a commit names, by the hold's own rate where it names a usage."""
        actual = operation.usage
        if actual is None:
            return operation.credits
        hold = settlements.find(self.organisation, operation.account_id, operation.reservation_id)
        held = hold.traffic
        for name in ("channel", "region", "priority"):
            stated = getattr(actual, name)
            if stated and stated != getattr(held, name):
                raise Refused("INVALID_FIELD")
        recipients = hold.first.recipients_granted if actual.recipient_count is None else actual.recipient_count
        if actual.size is None:
            return held.unit * recipients
        direction = Direction.INBOUND if held.is_inbound else Direction.OUTBOUND
        try:
            usage = Usage(held.channel, direction, actual.size, recipients, held.region, held.priority)
            return self._price(usage).credits
        except InvalidUsage:
            raise Refused("INVALID_FIELD") from None


def _has_failed(answer: Outcome | Refused) -> bool:
    if isinstance(answer, Refused):
        return True
    return isinstance(answer, told.Authorization) and answer.decision is Decision.DENIED


def _next_due(organisation: Organisation) -> tuple[int, Hold | Grant | Account] | None:
    due: list[tuple[int, Hold | Grant | Account]] = [
        (hold.expire_ms, hold) for hold in organisation.holds.values() if hold.state is ReservationState.PENDING
    ]
    for account in organisation.accounts.values():
        if account.plan:
            due.append((account.plan.end_ms, account))
        for grant in account.grants:
            if grant.state is GrantState.PENDING:
                due.append((grant.effective_ms, grant))
            elif account.plan and grant is account.plan.grant:
                continue  # it ends with its period
            elif grant.shown_state is GrantState.LIVE and grant.expire_ms != NEVER_MS:
                due.append((grant.expire_ms, grant))
    return min(due, key=lambda one: (one[0], *_place(one[1])), default=None)


def _place(thing: Hold | Grant | Account) -> tuple[str, float]:
    """Return what comes first of what is due at one moment: accounts before holds, each by id.

    Of an account its grants come first, by number, then the end of its plan's period.
    """
    if isinstance(thing, Hold):
        return f"h{thing.account_id}|{thing.reservation_id}", 0
    return f"g{thing.account_id}", thing.number if isinstance(thing, Grant) else inf


def _forget(organisation: Organisation) -> None:
    """Let go of ids whose window is over."""
    now_ms, reached = organisation.now_ms, organisation.reached
    for hold_id, hold in _over(organisation.holds, now_ms):
        is_settled = hold.state is not ReservationState.EXPIRED
        reached[Branch.SETTLED_FORGOTTEN if is_settled else Branch.EXPIRED_FORGOTTEN] += 1
        del organisation.holds[hold_id]
    for hold in organisation.holds.values():
        for commit_id, _ in _over(hold.kept_open, now_ms):
            reached[Branch.KEPT_OPEN_FORGOTTEN] += 1
            del hold.kept_open[commit_id]
    for charge_id, _ in _over(organisation.charges, now_ms):
        reached[Branch.CHARGE_FORGOTTEN] += 1
        del organisation.charges[charge_id]
    for charge_id, _ in _over(organisation.denials, now_ms):
        reached[Branch.DENIAL_FORGOTTEN] += 1
        del organisation.denials[charge_id]
    for refund_id, _ in _over(organisation.refunds, now_ms):
        reached[Branch.REFUND_FORGOTTEN] += 1
        del organisation.refunds[refund_id]


def _over(kept: Mapping[str, Kept], now_ms: int) -> list[tuple[str, Kept]]:
    return [(key, one) for key, one in kept.items() if one.forget_ms <= now_ms]

"""What a long history must have met: every answer to every operation, and every branch of the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.model.calls import Answer, Batch, Call

from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.terms import Decision

_OF_ACCOUNT = ("ACCOUNT_NOT_FOUND",)
_OF_HOLD = (*_OF_ACCOUNT, "RESERVATION_NOT_FOUND")
_OF_DECISION = (
    "ALLOWED",
    "ALLOWED_MONITORED",
    "INSUFFICIENT_CREDITS",
    "LIMIT_REACHED",
    "FLOOR",
    "ACCOUNT_SUSPENDED",
    "ACCOUNT_CLOSED",
    "ACCOUNT_NOT_FOUND",
)
_REFUSED_SETTLEMENTS = ("HOLD_ALREADY_COMMITTED", "HOLD_ALREADY_RELEASED", "HOLD_EXPIRED")

ANSWERS: dict[type, tuple[str, ...]] = {
    ask.Quote: _OF_DECISION,
    ask.Reserve: (*_OF_DECISION, "ALLOWED_PARTIAL", "replayed", "ID_REUSED", "granted after a denial"),
    ask.Charge: (*_OF_DECISION, "INBOUND_LIMIT", "replayed", "ID_REUSED", "ID_TOO_OLD", "denial replayed"),
    ask.Commit: (
        *_OF_HOLD,
        *_REFUSED_SETTLEMENTS,
        "COMMITTED",
        "PENDING",
        "EXPIRED",
        "replayed",
        "ID_REUSED",
        "OVERAGE_REJECTED",
        "ACCOUNT_CLOSED",
        "INVALID_FIELD",
    ),
    ask.Release: (*_OF_HOLD, "HOLD_ALREADY_COMMITTED", "HOLD_EXPIRED", "RELEASED", "replayed"),
    ask.Extend: (*_OF_HOLD, *_REFUSED_SETTLEMENTS, "done"),
    ask.Refund: (
        *_OF_HOLD,
        "done",
        "replayed",
        "CHARGE_NOT_FOUND",
        "HOLD_STILL_OPEN",
        "REFUND_EXCEEDS_CAPTURED",
        "ID_REUSED",
        "ACCOUNT_CLOSED",
    ),
    ask.GrantCredits: (
        *_OF_ACCOUNT,
        "done",
        "replayed",
        "ID_REUSED",
        "INVALID_FIELD",
        "ACCOUNT_CLOSED",
        "TOO_MANY_GRANTS",
    ),
    ask.RevokeGrant: (*_OF_ACCOUNT, "done", "replayed", "GRANT_NOT_FOUND", "GRANT_ALREADY_REVOKED", "ACCOUNT_CLOSED"),
    ask.Transfer: (
        *_OF_ACCOUNT,
        "done",
        "replayed",
        "ID_REUSED",
        "ACCOUNT_CLOSED",
        "ACCOUNT_NOT_SELF_FUNDED",
        "INSUFFICIENT_CREDITS",
        "TOO_MANY_GRANTS",
    ),
    ask.SetPlan: (*_OF_ACCOUNT, "done", "replayed", "ID_REUSED", "ACCOUNT_CLOSED", "TOO_MANY_GRANTS"),
    ask.CreateAccount: ("done", "replayed", "ACCOUNT_ALREADY_EXISTS", "PARENT_NOT_FOUND", "ACCOUNT_CLOSED"),
    ask.UpdateAccount: (*_OF_ACCOUNT, "done", "ACCOUNT_CLOSED"),
    ask.CloseAccount: (*_OF_ACCOUNT, "done", "replayed", "ACCOUNT_NOT_EMPTY"),
}
"""Answers to each operation that the ledger alone decides on. BALANCE_OVERFLOW is not among them: no amounts within the
bounds of a request get there in a million operations.
"""

BATCH_NOT_APPLIED = "BATCH_NOT_APPLIED"


class Coverage:
    """Counts what has been met."""

    def __init__(self, branches: Counter[Branch] | None = None) -> None:
        self.branches = Counter[Branch]() if branches is None else branches
        self.answers = Counter[tuple[type, str]]()
        self._denied = set[str]()

    def note(self, call: Call, answers: Sequence[Answer]) -> None:
        operations = call.operations if isinstance(call, Batch) else (call,)
        for operation, answer in zip(operations, answers, strict=True):
            self.answers[type(operation), self._name(operation, answer)] += 1

    def add(self, other: Coverage) -> None:
        self.branches.update(other.branches)
        self.answers.update(other.answers)

    def missing(self) -> list[str]:
        """Name what has not been met."""
        return [*self._missing()]

    def _missing(self) -> Iterator[str]:
        for kind, names in ANSWERS.items():
            yield from (f"{kind.__name__}: {name}" for name in names if not self.answers[kind, name])
        yield from (branch.name for branch in Branch if not self.branches[branch])
        if not any(name == BATCH_NOT_APPLIED for _, name in self.answers):
            yield BATCH_NOT_APPLIED

    def _name(self, operation: object, answer: Answer) -> str:
        if isinstance(answer, str):
            return answer
        if isinstance(answer, told.Authorization):
            return self._decision(operation, answer)
        if isinstance(answer, tuple):
            return "replayed" if answer[1] else "done"
        if getattr(answer, "replayed", False):
            return "replayed"
        return answer.state.name if isinstance(answer, told.Settlement) else "done"

    def _decision(self, operation: object, answer: told.Authorization) -> str:
        is_denied = answer.decision is Decision.DENIED
        if answer.replayed:
            return "denial replayed" if is_denied else "replayed"
        if isinstance(operation, ask.Reserve):
            if is_denied:
                self._denied.add(operation.reservation_id)
            elif operation.reservation_id in self._denied:
                return "granted after a denial"
        if answer.denial is not None and is_denied:
            return answer.denial.reason.name
        return answer.decision.name

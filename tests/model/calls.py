"""What a history is made of: operations, batches of them, and how each is put to an engine and to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.ledger import Operation, Outcome, ReferenceLedger
from creditgate_server.credit.reference.records import Refused
from creditgate_server.engine.engine import Engine
from creditgate_server.engine.errors import OperationError


@dataclass(frozen=True)
class Batch:
    """Operations that go in one request."""

    operations: tuple[ask.Batched, ...]
    atomic: bool


Call = Operation | Batch

Answer = Outcome | str
"""An outcome, or the reason of an error."""


async def on_engine(engine: Engine, call: Call) -> list[Answer]:
    """Return what the store answers: one answer, or one for each operation of a batch."""
    if isinstance(call, Batch):
        results = await engine.batch(call.operations, atomic=call.atomic)
        return [_or_reason(one) for one in results]
    try:
        return [await _ask(engine, call)]
    except OperationError as error:
        return [error.reason]


def _or_reason(result: Outcome | Exception) -> Answer:
    if isinstance(result, OperationError):
        return result.reason
    if isinstance(result, Exception):
        raise result
    return result


async def _ask(engine: Engine, operation: Operation) -> Outcome:  # noqa: C901, PLR0911 — one for each kind
    match operation:
        case ask.Quote() | ask.Reserve() | ask.Charge():
            return await engine.decide(operation)
        case ask.Commit() | ask.Release():
            return await engine.settle(operation)
        case ask.Extend():
            return await engine.extend(operation)
        case ask.Refund():
            return await engine.refund(operation)
        case ask.GrantCredits():
            return await engine.grant(operation)
        case ask.RevokeGrant():
            return await engine.revoke_grant(operation)
        case ask.Transfer():
            return await engine.transfer(operation)
        case ask.CreateAccount():
            return await engine.create_account(operation)
        case ask.UpdateAccount():
            return await engine.update_account(operation)
        case ask.CloseAccount():
            return await engine.close_account(operation)
        case ask.SetPlan():
            return await engine.set_plan(operation)


def on_model(model: ReferenceLedger, call: Call) -> list[Answer]:
    """Return what the model answers to the same."""
    if isinstance(call, Batch):
        answers = model.batch(call.operations, atomic=call.atomic)
        return [one.reason if isinstance(one, Refused) else one for one in answers]
    try:
        return [model.apply(call)]
    except Refused as refusal:
        return [refusal.reason]


def operations_of(calls: Sequence[Call]) -> int:
    """Count the operations of calls."""
    return sum(len(call.operations) if isinstance(call, Batch) else 1 for call in calls)

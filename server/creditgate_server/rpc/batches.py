"""Batches of operations, of `Batch` and of `Stream`: read, done and answered one by one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from creditgate.v1 import authorization_pb2 as pb
from creditgate_server.engine.errors import InvalidField
from creditgate_server.rpc.errors import error_of, failure_of
from creditgate_server.rpc.method import in_time, responding
from creditgate_server.rpc.parse.batch import check_operations, parse_atomic, parse_operations
from creditgate_server.rpc.parse.checks import InvalidRequest
from creditgate_server.rpc.render.batch import render_error, render_result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from creditgate_server.credit.operations import Batched
    from creditgate_server.rpc.calls import Call, Calls
    from creditgate_server.rpc.method import Method
    from creditgate_server.rpc.parse.batch import Item

TURN_OPERATIONS: Final = 64
"""Operations that are read or answered before other calls have their turn: some 2 ms."""


class DoBatch(Protocol):
    """Does operations in order; gives the outcome of each, or what its method would have raised."""

    async def __call__(self, operations: Sequence[Batched], *, atomic: bool) -> Sequence[object]:
        """Do all that stand alone, or (`atomic`) all or none."""


def batch_method(calls: Calls, do_batch: DoBatch) -> Method:
    """Make the method Batch."""

    async def respond(request: pb.BatchRequest, call: Call) -> bytes:
        results = await results_of(request.operations, call, do_batch, atomic=request.atomic)
        response = pb.BatchResponse(results=results).SerializeToString()
        call.answered(None, len(results))
        return response

    return responding(calls, pb.BatchRequest, respond)


async def results_of(
    operations: Sequence[pb.Operation], call: Call, do_batch: DoBatch, *, atomic: bool
) -> list[pb.Result]:
    """Do a batch and give its results in order. Raises InvalidRequest where it is wrong as a whole."""
    check_operations(operations)
    items = parse_atomic(operations) if atomic else await _parse(operations)
    valid = [item.operation for item in items if not isinstance(item.operation, InvalidRequest)]

    async def act(asked: Sequence[Batched]) -> Sequence[object]:
        return await do_batch(asked, atomic=atomic)

    outcomes = iter(await in_time(act, valid, call.remaining_s) if valid else ())
    results: list[pb.Result] = []
    for item in items:
        if len(results) % TURN_OPERATIONS == TURN_OPERATIONS - 1:
            await asyncio.sleep(0)
        if isinstance(item.operation, InvalidRequest):
            results.append(_failed(item, item.operation, call))
        elif isinstance(outcome := next(outcomes), Exception):
            results.append(_failed(item, outcome, call))
        else:
            call.did(item.method, outcome, item.operation)
            results.append(render_result(item.tag, item.operation, outcome))
    return results


async def _parse(operations: Sequence[pb.Operation]) -> list[Item]:
    items = parse_operations(operations[:TURN_OPERATIONS])
    while len(items) < len(operations):
        await asyncio.sleep(0)
        items += parse_operations(operations[len(items) : len(items) + TURN_OPERATIONS], len(items))
    return items


def _failed(item: Item, error: Exception, call: Call) -> pb.Result:
    if isinstance(error, InvalidField):
        error = InvalidField(f"{item.path}.{error.field}", error.message)
    failure = failure_of(error, item.operation)
    request_id = call.did_not(item.method, error, failure, item.operation)
    return render_error(item.tag, error_of(failure, request_id))

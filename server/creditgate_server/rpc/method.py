"""The adapter of every unary method: bytes to request, operation, outcome, response and bytes again.

Requests are decoded here and not by gRPC, which would answer UNKNOWN with the parser's words to bytes that it
cannot read; and it is faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from creditgate_server.rpc.calls import Call
from creditgate_server.rpc.errors import (
    DeadlineExceeded,
    MalformedRequest,
    failure_of,
    status_metadata,
)

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

    from creditgate_server.rpc.calls import Calls

CALL_S_MAX: Final = 30.0
"""How long a call may take that gives more time, or none: far longer than the store, asked again and again, should."""

REPLY_S: Final = 0.02
"""How long before its deadline a call is answered that it has passed, so that the caller hears why from us."""

_Request = TypeVar("_Request", bound=Message)
_Operation = TypeVar("_Operation")
_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class Method:
    """A method's name, and the coroutine function that answers its calls."""

    name: str
    answer: Callable[[bytes, ServicerContext[bytes, bytes]], Awaitable[bytes]]


def unary(
    calls: Calls,
    request_type: type[_Request],
    parse: Callable[[_Request], _Operation],
    act: Callable[[_Operation], Awaitable[_Outcome]],
    render: Callable[[_Operation, _Outcome], Message],
) -> Method:
    """Make the method that `request_type` is named for: `parse` validates, `act` asks the engine, `render` answers.

    Whatever is raised on the way becomes one of our errors. Only cancellation goes through: the caller has left.
    """
    name = request_type.DESCRIPTOR.name.removesuffix("Request")
    calls.metrics.expect_calls(name)

    async def answer(data: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        with Call(calls, name, context) as call:
            try:
                calls.check_open()
                call.operation = operation = parse(_decode(request_type, data))
                outcome = await _in_time(act, operation, context.time_remaining())
                response = render(operation, outcome).SerializeToString()
                call.answered(outcome)
            except Exception as error:  # noqa: BLE001 (the boundary: nothing else may reach gRPC, or the caller)
                failure = failure_of(error, call.operation)
                request_id = call.failed(error, failure)
            else:
                return response
            # Not within `try`, for it raises what must not be caught; within `with`, for the call is not over yet.
            return await context.abort(failure.code, failure.message, status_metadata(failure, request_id))

    return Method(name, answer)


def handler_of(service: str, methods: Iterable[Method]) -> grpc.GenericRpcHandler:
    """Make what a server needs to route the calls of a service, named in full, to its methods."""
    return grpc.method_handlers_generic_handler(
        service, {method.name: grpc.unary_unary_rpc_method_handler(method.answer) for method in methods}
    )


def _decode(request_type: type[_Request], data: bytes) -> _Request:
    try:
        return request_type.FromString(data)
    except DecodeError:
        raise MalformedRequest(request_type.DESCRIPTOR.full_name) from None


async def _in_time(
    act: Callable[[_Operation], Awaitable[_Outcome]], operation: _Operation, remaining_s: float | None
) -> _Outcome:
    limit_s = CALL_S_MAX
    if remaining_s is not None:
        limit_s = min(limit_s, max(remaining_s - REPLY_S, remaining_s / 2))
    try:
        async with asyncio.timeout(limit_s):
            return await act(operation)
    except TimeoutError:
        raise DeadlineExceeded from None

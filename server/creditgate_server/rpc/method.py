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
    """A method's name, and what answers its calls: bytes in, bytes out."""

    name: str
    handler: grpc.RpcMethodHandler[bytes, bytes]


def unary(
    calls: Calls,
    request_type: type[_Request],
    parse: Callable[[_Request], _Operation],
    act: Callable[[_Operation], Awaitable[_Outcome]],
    render: Callable[[_Operation, _Outcome], Message],
) -> Method:
    """Make the method that `request_type` is named for: `parse` validates, `act` asks the engine, `render` answers."""

    async def respond(request: _Request, call: Call) -> bytes:
        call.operation = operation = parse(request)
        outcome = await in_time(act, operation, call.remaining_s)
        response = render(operation, outcome).SerializeToString()
        call.answered(outcome)
        return response

    return responding(calls, request_type, respond)


def responding(
    calls: Calls, request_type: type[_Request], respond: Callable[[_Request, Call], Awaitable[bytes]]
) -> Method:
    """Make the method that `request_type` is named for; `respond` gives the answer's bytes, and tells the call of it.

    Whatever is raised on the way becomes one of our errors. Only cancellation goes through: the caller has left.
    """
    name = method_name(request_type)
    calls.metrics.expect_calls(name)

    async def answer(data: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        with Call(calls, name, context) as call:
            try:
                calls.check_open()
                return await respond(decode(request_type, data), call)
            except Exception as error:  # noqa: BLE001 (the boundary: nothing else may reach gRPC, or the caller)
                failure = failure_of(error, call.operation)
                request_id = call.failed(error, failure)
            # Not within `try`, for it raises what must not be caught; within `with`, for the call is not over yet.
            return await context.abort(failure.code, failure.message, status_metadata(failure, request_id))

    return Method(name, grpc.unary_unary_rpc_method_handler(answer))


def handler_of(service: str, methods: Iterable[Method]) -> grpc.GenericRpcHandler:
    """Make what a server needs to route the calls of a service, named in full, to its methods."""
    return grpc.method_handlers_generic_handler(service, {method.name: method.handler for method in methods})


def method_name(request_type: type[Message]) -> str:
    """Return the name of the method that a type of requests belongs to."""
    return request_type.DESCRIPTOR.name.removesuffix("Request")


def decode(request_type: type[_Request], data: bytes) -> _Request:
    """Read a request's bytes. Raises MalformedRequest."""
    try:
        return request_type.FromString(data)
    except DecodeError:
        raise MalformedRequest(request_type.DESCRIPTOR.full_name) from None


def limit_s(remaining_s: float, reply_s: float) -> float:
    """Return how much of its caller's time a call may take, to be answered before that is over."""
    return max(remaining_s - reply_s, remaining_s / 2)


async def in_time(
    act: Callable[[_Operation], Awaitable[_Outcome]], operation: _Operation, remaining_s: float | None
) -> _Outcome:
    """Act, within the time that the caller gives and CALL_S_MAX. Raises DeadlineExceeded."""
    try:
        async with asyncio.timeout(
            CALL_S_MAX if remaining_s is None else min(CALL_S_MAX, limit_s(remaining_s, REPLY_S))
        ):
            return await act(operation)
    except TimeoutError:
        raise DeadlineExceeded from None

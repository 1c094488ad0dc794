"""`creditgate.testing.TestClock`: lets tests move the ledger's time forward, on a server run with `--test-clock` alone.

Its one method takes milliseconds and answers by how many the ledger's time is ahead now. It speaks messages of
`google.protobuf`, and reflection does not show it: it is for `creditgate.testing` and no part of the interface.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf.message import DecodeError
from google.protobuf.wrappers_pb2 import Int64Value

from creditgate_server.rpc.calls import caller_of
from creditgate_server.rpc.errors import MalformedRequest, failure_of, status_metadata
from creditgate_server.rpc.parse.checks import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grpc.aio import ServicerContext

    from creditgate_server.store.ledger import Ledger

SERVICE: Final = "creditgate.testing.TestClock"

STEP_MS_MAX: Final = 10 * 366 * 24 * 60 * 60 * 1000
"""Longest step: ten years, beyond any grant that a test makes and far from what a time can be."""


def test_clock_handlers(ledger: Ledger) -> Sequence[grpc.GenericRpcHandler]:
    """Make what a server needs to route calls here: nothing where the ledger heeds no test clock."""
    if not ledger.test_clock:
        return ()

    async def advance(data: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        try:
            ahead_ms = await ledger.advance_test_clock(_step_ms(data))
        except Exception as error:  # noqa: BLE001 (the boundary: nothing else may reach gRPC, or the caller)
            failure = failure_of(error, None)
        else:
            return Int64Value(value=ahead_ms).SerializeToString()
        metadata = status_metadata(failure, caller_of(context.invocation_metadata()).request_id)
        return await context.abort(failure.code, failure.message, metadata)

    return (grpc.method_handlers_generic_handler(SERVICE, {"Advance": grpc.unary_unary_rpc_method_handler(advance)}),)


def _step_ms(data: bytes) -> int:
    try:
        step_ms = Int64Value.FromString(data).value
    except DecodeError:
        raise MalformedRequest(Int64Value.DESCRIPTOR.full_name) from None
    if not 0 <= step_ms <= STEP_MS_MAX:
        raise InvalidRequest((("value", f"must be 0 to {STEP_MS_MAX:,} milliseconds"),))
    return step_ms

"""`grpc.health.v1.Health`: whether calls can be served right now, overall and per service.

Written here because the packaged servicer is told of changes where ours looks at what is, and because its
watches outlive a drain: a stopping server would wait for them to the last.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from creditgate_server.readiness import State
from creditgate_server.rpc.calls import caller_of
from creditgate_server.rpc.errors import MalformedRequest, failure_of, status_metadata

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grpc.aio import ServicerContext

    from creditgate_server.readiness import Readiness

SERVICE: Final = "grpc.health.v1.Health"

LOOK_INTERVAL_S: Final = 0.2
"""How soon a watcher learns of a change."""

_Response = health_pb2.HealthCheckResponse

# The method List, and so its messages, came with grpcio-health-checking 1.73.
_ListResponse: Any = getattr(health_pb2, "HealthListResponse", None)


class Health:
    """Answers for the server as a whole (the empty name) and for each service: they share one store."""

    def __init__(self, services: Sequence[str], readiness: Readiness) -> None:
        """Answer for `services`. With a drain all watches end."""
        self._names = frozenset(("", *services))
        self._readiness = readiness

    def handler(self) -> grpc.GenericRpcHandler:
        """Make what a server needs to route calls here."""
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
            "Check": grpc.unary_unary_rpc_method_handler(self._check),
            "Watch": grpc.unary_stream_rpc_method_handler(self._watch),
        }
        if _ListResponse is not None:
            methods["List"] = grpc.unary_unary_rpc_method_handler(self._list)
        return grpc.method_handlers_generic_handler(SERVICE, methods)

    async def _check(self, data: bytes, context: ServicerContext[bytes, bytes]) -> bytes:
        status = self._status(await _service_of(data, context))
        if status == _Response.SERVICE_UNKNOWN:
            await context.abort(grpc.StatusCode.NOT_FOUND, "this server has no such service")
        return _Response(status=status).SerializeToString()

    async def _list(self, _: bytes, __: ServicerContext[bytes, bytes]) -> bytes:
        statuses = {name: _Response(status=self._status(name)) for name in self._names}
        listed: bytes = _ListResponse(statuses=statuses).SerializeToString()
        return listed

    async def _watch(self, data: bytes, context: ServicerContext[bytes, bytes]) -> None:
        service = await _service_of(data, context)
        told = None
        while True:
            is_last = self._readiness.state is State.DRAINING
            status = self._status(service)
            if status != told:
                await context.write(_Response(status=status).SerializeToString())
                told = status
            if is_last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._readiness.wait_for_drain()

    def _status(self, service: str) -> int:
        if service not in self._names:
            return _Response.SERVICE_UNKNOWN
        return _Response.SERVING if self._readiness.state is State.SERVING else _Response.NOT_SERVING


async def _service_of(data: bytes, context: ServicerContext[bytes, bytes]) -> str:
    try:
        return health_pb2.HealthCheckRequest.FromString(data).service
    except DecodeError:
        failure = failure_of(MalformedRequest("grpc.health.v1.HealthCheckRequest"), None)
    metadata = status_metadata(failure, caller_of(context.invocation_metadata()).request_id)
    return await context.abort(failure.code, failure.message, metadata)

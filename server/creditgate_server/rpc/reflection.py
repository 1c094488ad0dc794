"""Reflection: grpcurl and its like learn the services from the server itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import grpc
from google.protobuf.message import DecodeError
from grpc_reflection.v1alpha import reflection, reflection_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES: Final = ("grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1.ServerReflection")
"""Version 1 has the same messages under another name, and is what newer tools ask for first."""


def reflection_handlers(services: Sequence[str]) -> tuple[grpc.GenericRpcHandler, ...]:
    """Show `services`, named in full, with all that their descriptors refer to."""
    servicer = reflection.aio.ReflectionServicer(service_names=(*services, NAMES[0]))
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=_decode,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return tuple(grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method}) for name in NAMES)


def _decode(data: bytes) -> reflection_pb2.ServerReflectionRequest:
    """Take bytes that are no request for one that asks nothing, which is answered INVALID_ARGUMENT in its place."""
    try:
        return reflection_pb2.ServerReflectionRequest.FromString(data)
    except DecodeError:
        return reflection_pb2.ServerReflectionRequest()

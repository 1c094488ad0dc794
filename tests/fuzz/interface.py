"""Every method that a server answers, and the types of what goes in and comes out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2


@dataclass(frozen=True)
class Method:
    """A method: its path, its types, and whether a call of it sends or receives more than one message."""

    path: str
    request: type[Message]
    response: type[Message]
    streams_requests: bool
    streams_responses: bool

    @property
    def name(self) -> str:
        """Its name, such as Reserve."""
        return self.path.rpartition("/")[2]

    @property
    def is_ours(self) -> bool:
        """Whether it is of our interface, not of gRPC's own."""
        return self.path.startswith("/creditgate.v1.")

    def can_decode(self, data: bytes) -> bool:
        """Tell whether bytes are a request."""
        try:
            self.read_request(data)
        except DecodeError:
            return False
        return True

    def read_request(self, data: bytes) -> Any:  # noqa: ANN401 (its fields are the method's)
        """Read a request. Raises DecodeError."""
        return self.request.FromString(data)

    def read_response(self, data: bytes) -> Any:  # noqa: ANN401 (as above)
        """Read a response. Raises DecodeError."""
        return self.response.FromString(data)


def _methods() -> dict[str, Method]:
    found = {}
    for file in (authorization_pb2, accounts_pb2, credits_pb2, rate_cards_pb2, health_pb2, reflection_pb2):
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                found[path] = Method(
                    path,
                    GetMessageClass(method.input_type),
                    GetMessageClass(method.output_type),
                    method.client_streaming,
                    method.server_streaming,
                )
    # Version 1 has the same messages under another name.
    first = found["/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"]
    path = first.path.replace("v1alpha", "v1")
    return found | {path: replace(first, path=path)}


METHODS: Final = _methods()
"""All of them, by path."""


def our(name: str) -> Method:
    """Give a method of our interface by its name, such as Reserve."""
    (method,) = (method for method in METHODS.values() if method.is_ours and method.name == name)
    return method

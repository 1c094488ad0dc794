"""What a server shows of itself: every method of the interface, and nothing that does not work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message import Message
from grpc_reflection.v1alpha import reflection_pb2

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2

if TYPE_CHECKING:
    from tests.rpc.conftest import Api

SERVICES = {
    service.full_name: service
    for file in (authorization_pb2, accounts_pb2, credits_pb2, rate_cards_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
}
METHODS = {f"{service.name}/{method.name}": method for service in SERVICES.values() for method in service.methods}
STREAM = "AuthorizationService/Stream"
STANDARD = {"grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}


def reflect(channel: grpc.Channel, version: str, *requests: Message | bytes) -> Iterator[Any]:
    call: grpc.StreamStreamMultiCallable[bytes, Any] = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    sent = (each if isinstance(each, bytes) else each.SerializeToString() for each in requests)
    return iter(call(sent, timeout=20))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_an_empty_request_by_itself(name: str, api: Api) -> None:
    if name in {"AccountService/ListAccounts", "RateCardService/ListRateCards"}:
        api.send(name, b"")  # an empty request asks for the first page
        return
    if name == STREAM:
        # A stream of one frame is on the wire what a unary call is; a frame is refused by its answer.
        answer = authorization_pb2.StreamResponse.FromString(api.send(name, b""))
        assert answer.error.reason == "INVALID_FIELD"
        return

    refusal = api.refusal(name, b"")

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert refusal.violations


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\n\x02\xff\xfe", b"\n\x03\xed\xa0\x80"])
@pytest.mark.parametrize("name", METHODS)
def test_every_method_refuses_bytes_that_it_cannot_read(name: str, data: bytes, api: Api) -> None:
    if name in {"RateCardService/ListRateCards", STREAM} and data.startswith(b"\n"):
        data = b"\x12" + data[1:]  # its first text or message is field 2

    refusal = api.refusal(name, data)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert refusal.metadata["message_type"] == METHODS[name].input_type.full_name


def test_an_unknown_method_is_unimplemented(api: Api) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        api.send("AuthorizationService/Nonsense", b"")

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_lists_the_services(version: str, api: Api) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    (answer,) = reflect(api.channel, version, request)

    listed = {service.name for service in answer.list_services_response.service}
    assert listed == SERVICES.keys() | STANDARD


def test_reflection_describes_all_that_a_call_needs(api: Api) -> None:
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="creditgate.v1.AuthorizationService")

    (answer,) = reflect(api.channel, "v1", request)

    files = [FileDescriptorProto.FromString(each) for each in answer.file_descriptor_response.file_descriptor_proto]
    names = {file.name for file in files}
    assert "creditgate/v1/authorization.proto" in names
    assert {dependency for file in files for dependency in file.dependency} <= names


def test_reflection_answers_bytes_that_it_cannot_read_in_their_place(api: Api) -> None:
    request = reflection_pb2.ServerReflectionRequest(list_services="")

    first, second = reflect(api.channel, "v1alpha", b"\xff", request)

    assert first.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert second.list_services_response.service

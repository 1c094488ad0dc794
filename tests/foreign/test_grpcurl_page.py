"""docs/grpcurl.md calls every method that a server has, and no other; that it all runs is tested as of every page."""

from __future__ import annotations

import re

from google.protobuf.descriptor import FileDescriptor
from grpc_health.v1 import health_pb2
from tests.acceptance.pages import Page

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2

PAGE = Page("docs/grpcurl.md")

FILES: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (authorization_pb2, accounts_pb2, credits_pb2, rate_cards_pb2, health_pb2)
)

METHODS = {
    f"{service.full_name}/{method.name}"
    for file in FILES
    for service in file.services_by_name.values()
    for method in service.methods
}


def called_by(tool: str) -> set[str]:
    """The methods that the page calls by a tool."""
    commands = "".join(block.code for block in PAGE.blocks if block.language == "bash" and block.code.startswith(tool))
    return set(re.findall(r"\b(?:creditgate|grpc)(?:\.\w+)+/\w+", commands))


def test_grpcurl_calls_every_method() -> None:
    assert called_by("grpcurl ") == METHODS


def test_grpcurl_looks_around_by_reflection() -> None:
    commands = "".join(block.code for block in PAGE.blocks if block.first_line.startswith("grpcurl "))

    assert " list\n" in commands
    assert " describe creditgate.v1." in commands


def test_buf_curl_calls_both_kinds_of_methods() -> None:
    called = called_by("buf curl ")

    assert called <= METHODS
    assert {"creditgate.v1.AuthorizationService/Reserve", "creditgate.v1.AuthorizationService/Stream"} <= called

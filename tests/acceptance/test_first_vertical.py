"""The first vertical: what any gRPC tool, the command line and `verify` say of one server is one story.

The command line opens the accounts. Calls are made as grpcurl makes them: JSON in and out, and nothing known of the
interface but what the server's reflection tells.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.json_format import MessageToDict, Parse
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from tests.acceptance.conftest import Run, serving

CallJson = Callable[[str, object], dict[str, Any]]

RESERVE = "creditgate.v1.AuthorizationService/Reserve"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def target(directory: Path) -> Iterator[str]:
    """Where a server of this module serves, with its data in a directory that is known."""
    with serving(directory) as address:
        yield address


@pytest.fixture
def tell(creditgate: Run, target: str) -> Callable[..., dict[str, Any]]:
    """Run a command that must succeed, and give its answer."""

    def run(*words: str) -> dict[str, Any]:
        ran = creditgate(*words, "--json", CREDITGATE_TARGET=target)
        assert ran.returncode == 0, ran.stderr
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer

    return run


@pytest.fixture
def call_json(target: str) -> Iterator[CallJson]:
    with grpc.insecure_channel(target) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))

        def serialize(message: Message) -> bytes:
            return message.SerializeToString()

        def call(path: str, body: object) -> dict[str, Any]:
            service, method = path.split("/")
            described = pool.FindServiceByName(service).methods_by_name[method]
            request = Parse(json.dumps(body), GetMessageClass(described.input_type)())
            answered = GetMessageClass(described.output_type).FromString
            return MessageToDict(channel.unary_unary(f"/{path}", serialize, answered)(request, timeout=10))

        yield call


def test_a_newcomer_opens_an_account_grants_credits_and_reserves_them_through_reflection(
    tell: Callable[..., dict[str, Any]], call_json: CallJson
) -> None:
    tell("accounts", "create", "acme")
    tell("grant", "acme", "1000")

    reserved = call_json(RESERVE, {"account_id": "acme", "usage": {"channel": "CHANNEL_SMS", "body": "hello"}})

    said = {name: reserved[name] for name in ("decision", "state", "credits")}
    assert said == {"decision": "DECISION_ALLOWED", "state": "RESERVATION_STATE_PENDING", "credits": "1"}
    standing = tell("balance", "acme")
    expected = {"account_id": "acme", "available": 999, "reserved": 1, "debt": 0}
    assert {name: standing[name] for name in expected} == expected


def test_what_was_reserved_through_reflection_is_committed_on_the_command_line(
    tell: Callable[..., dict[str, Any]], call_json: CallJson, organisation: str, directory: Path
) -> None:
    tell("accounts", "create", organisation)
    tell("grant", organisation, "1000")
    # 200 characters of GSM-7, and so two segments.
    usage = {"channel": "CHANNEL_SMS", "body": "So schön. " * 20, "recipient": "+491711234567"}

    reserved = call_json(RESERVE, {"account_id": organisation, "usage": usage})
    committed = tell("commit", organisation, reserved["reservationId"])

    assert (committed["state"], committed["credits"]) == ("COMMITTED", 2)
    assert tell("balance", organisation)["available"] == 998
    assert tell("verify", "--data-dir", str(directory / "data"))["conserved"] is True


def test_what_nobody_can_pay_for_is_denied_with_what_is_short(
    tell: Callable[..., dict[str, Any]], call_json: CallJson, organisation: str
) -> None:
    tell("accounts", "create", organisation)
    tell("grant", organisation, "1")

    denied = call_json(RESERVE, {"account_id": organisation, "usage": {"channel": "CHANNEL_SMS", "segments": 3}})

    assert denied["decision"] == "DECISION_DENIED"
    assert denied["denial"] == {
        "reason": "DENIAL_REASON_INSUFFICIENT_CREDITS",
        "accountId": organisation,
        "shortfall": "2",
    }

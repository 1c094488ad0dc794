"""Time that tests may move: on a server that was told so, and on no other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.wrappers_pb2 import Int64Value
from tests.rpc.conftest import api_of, failed

if TYPE_CHECKING:
    from tests.rpc.conftest import Api

    from creditgate.testing import Server

PATH = "/creditgate.testing.TestClock/Advance"


def advance(api: Api, data: bytes) -> bytes:
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = api.channel.unary_unary(PATH)
    return call(data, timeout=20)


def test_a_server_for_real_credits_has_no_such_method(api: Api) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        advance(api, b"")

    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Int64Value(value=-1).SerializeToString(), "INVALID_FIELD"),
        (Int64Value(value=2**63 - 1).SerializeToString(), "INVALID_FIELD"),
        (b"\xff", "MALFORMED_REQUEST"),
    ],
    ids=["backwards", "beyond-all-time", "unreadable"],
)
def test_time_goes_forward_by_bounded_steps(creditgate_server: Server, data: bytes, reason: str) -> None:
    with api_of(creditgate_server.target) as api, pytest.raises(grpc.RpcError) as raised:
        advance(api, data)

    refusal = failed(raised.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


def test_the_answer_is_how_far_it_is_ahead(creditgate_server: Server) -> None:
    with api_of(creditgate_server.target) as api:
        before = Int64Value.FromString(advance(api, b"")).value
        after = Int64Value.FromString(advance(api, Int64Value(value=1500).SerializeToString())).value

    assert after - before == 1500

"""Limits of the transport: what is beyond them fails alone, and our own client stays within them."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING

import grpc
import pytest
from tests.operations.observing import PATIENCE_S
from tests.rpc.conftest import Api, ServerProcess, reserve_request

from creditgate import _channel
from creditgate.v1 import authorization_pb2
from creditgate_server.rpc.server import OPTIONS, PING_INTERVAL_MS_MIN, REQUEST_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
"""Types of frames (RFC 9113, 6)."""

PINGS = 10

ENHANCE_YOUR_CALM = 11
"""The error code of a GOAWAY to somebody who asks too much (RFC 9113, 7)."""


def frame(kind: int, payload: bytes = b"") -> bytes:
    """Write a frame of the connection, not of a stream."""
    return struct.pack(">I", len(payload))[1:] + bytes((kind, 0)) + struct.pack(">I", 0) + payload


def frames(connection: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Read types and payloads of frames until the connection ends."""
    with connection.makefile("rb") as stream:
        while header := stream.read(9):
            yield header[3], stream.read(int.from_bytes(header[:3], "big"))


def test_a_request_that_is_too_large_fails_alone(api: Api, organisation: str) -> None:
    api.open_account(organisation, 5)
    states: list[grpc.ChannelConnectivity] = []
    api.channel.subscribe(states.append)
    requests: SimpleQueue[authorization_pb2.StreamRequest] = SimpleQueue()
    answers = api.authorization.Stream(iter(requests.get, None), timeout=PATIENCE_S)
    operation = authorization_pb2.Operation(reserve=reserve_request(organisation, "r"))

    requests.put(authorization_pb2.StreamRequest(operations=[operation]))
    first = next(answers).results[0]
    for size in (REQUEST_BYTES_MAX + 1, 3 * REQUEST_BYTES_MAX):
        with pytest.raises(grpc.RpcError) as raised:
            api.send("AuthorizationService/Reserve", b"\0" * size)
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    requests.put(authorization_pb2.StreamRequest(operations=[operation]))
    second = next(answers).results[0]
    answers.cancel()

    assert (first.reserve.replayed, second.reserve.replayed) == (False, True)
    assert set(states) <= {grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING} | {
        grpc.ChannelConnectivity.READY
    }


def test_a_request_of_the_largest_size_is_read(api: Api) -> None:
    refusal = api.refusal("AuthorizationService/Reserve", b"\xff" * REQUEST_BYTES_MAX)

    assert refusal.reason == "MALFORMED_REQUEST"


@contextmanager
def connected(target: str) -> Iterator[tuple[socket.socket, Iterator[tuple[int, bytes]]]]:
    """Open a connection as HTTP/2 does; give it, and the frames that come."""
    host, _, port = target.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
        connection.sendall(PREFACE + frame(SETTINGS))
        yield connection, frames(connection)


def test_who_pings_too_often_is_told_to_calm_down(server: ServerProcess) -> None:
    with connected(server.target) as (connection, answers):
        connection.sendall(PINGS * frame(PING, b"too soon"))

        farewell = next(payload for kind, payload in answers if kind == GOAWAY)

    assert int.from_bytes(farewell[4:8], "big") == ENHANCE_YOUR_CALM
    assert farewell[8:] == b"too_many_pings"


async def test_how_often_is_too_often_is_ours_to_say() -> None:
    options = [(name, 0 if value == PING_INTERVAL_MS_MIN else value) for name, value in OPTIONS]
    server = grpc.aio.server(options=options)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    def ping_twice() -> list[int]:
        with connected(f"127.0.0.1:{port}") as (connection, answers):
            told = (kind for kind, _ in answers if kind in {PING, GOAWAY})
            # A farewell follows the answers to what came with it.
            connection.sendall(PINGS * frame(PING, b"too soon"))
            first = list(islice(told, PINGS))
            connection.sendall(frame(PING, b"too soon"))
            return [*first, next(told)]

    assert await asyncio.to_thread(ping_twice) == [PING] * (PINGS + 1)
    await server.stop(None)


def test_our_client_pings_more_seldom_than_that() -> None:
    assert PING_INTERVAL_MS_MIN <= _channel.KEEPALIVE_TIME_MS * 2 / 3

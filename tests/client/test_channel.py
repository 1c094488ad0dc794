"""What gRPC does of itself: which server a call goes to, what keeps a connection alive, and what is not repeated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest
from tests.client.conftest import FakeServer
from tests.client.http2 import Kind, Seen, refusing_server, tapped

from creditgate import _channel, aio, errors
from creditgate._channel import KEEPALIVE_TIME_MS, OPTIONS, Options, options_of
from creditgate.retries import ONE_ATTEMPT
from creditgate_server.rpc import server as rpc_server

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker

PINGS = {"grpc.keepalive_time_ms", "grpc.http2.min_ping_interval_without_data_ms"}
"""Options of either side that say how often there are pings."""


@pytest.fixture
def servers() -> Iterator[list[FakeServer]]:
    with ExitStack() as stack:
        started = [FakeServer("127.0.0.1:0") for _ in range(2)]
        for each in started:
            each.start()
            stack.callback(each.stop)
        yield started


def target_of(servers: list[FakeServer]) -> str:
    return f"ipv4:{','.join(each.address for each in servers)}"


def test_several_servers_are_used_in_turn(servers: list[FakeServer], make_client: ClientMaker) -> None:
    client = make_client(target_of(servers))

    while not all(len(each.calls("Quote")) >= 2 for each in servers):
        client.quote("acme", segments=1)
        assert len(servers[0].received) + len(servers[1].received) < 100


def test_a_server_that_does_not_serve_is_left_out(servers: list[FakeServer], make_client: ClientMaker) -> None:
    servers[0].say(serves=False)
    client = make_client(target_of(servers))

    for _ in range(20):
        client.quote("acme", segments=1)

    assert [len(each.calls("Quote")) for each in servers] == [0, 20]


def test_a_server_that_ceases_to_serve_is_left_alone(servers: list[FakeServer], make_client: ClientMaker) -> None:
    client = make_client(target_of(servers[:1] * 2))
    client.quote("acme", segments=1)

    servers[0].say(serves=False)

    # Until the client has heard of it, calls go on.
    with suppress(errors.Unavailable):
        while True:
            client.quote("acme", segments=1, timeout_s=0.1)
    with pytest.raises(errors.Unavailable, match=r"^no server at ipv4:.* serves now: their store is away"):
        client.quote("acme", segments=1, timeout_s=0.1)
    with pytest.raises(errors.Unavailable):
        client.health()


@pytest.mark.parametrize(
    "target",
    ["127.0.0.1:50051", "[::1]:50051", "ipv4:10.0.0.1:50051", "ipv6:[::1]:50051", "unix:/run/creditgate.sock"],
)
def test_one_server_says_itself_what_is_wrong(target: str) -> None:
    assert options_of(target) == OPTIONS


@pytest.mark.parametrize(
    "target", ["creditgate.internal:50051", "dns:///creditgate:50051", "ipv4:10.0.0.1:1,10.0.0.2:1"]
)
def test_a_name_may_stand_for_several_servers(target: str) -> None:
    assert dict(options_of(target))["grpc.service_config"] == _channel.SERVICE_CONFIG


async def test_grpc_repeats_nothing_of_itself() -> None:
    seen = Seen()
    async with refusing_server(seen) as address, aio.Client(address, retries=ONE_ATTEMPT) as client:
        with pytest.raises(errors.CallFailed):
            await client.quote("acme", segments=1)

    assert seen.by_client[Kind.HEADERS] == 1


def hurried(options: Options, factor: int) -> Options:
    """Options by which pings come, or may come, so much sooner."""
    return tuple((name, int(value) // factor if name in PINGS else value) for name, value in options)


async def test_an_idle_connection_is_kept_alive_and_its_server_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    # Both sides as they are, but for time, which passes 200 times as fast.
    monkeypatch.setattr(_channel, "OPTIONS", hurried(OPTIONS, 200))
    server, seen = FakeServer("127.0.0.1:0", hurried(rpc_server.OPTIONS, 200)), Seen()
    server.start()
    try:
        async with tapped(server.address, seen) as address, aio.Client(address) as client:
            await client.quote("acme", segments=1)
            # One measures bandwidth; gRPC sends no more than one a second, and a server hangs up on the third too many.
            await seen.until(lambda: seen.by_client[Kind.PING] >= 5)
            await client.quote("acme", segments=1)
    finally:
        server.stop()

    assert seen.by_server[Kind.GOAWAY] == 0


def test_pings_are_no_more_frequent_than_the_server_allows() -> None:
    assert KEEPALIVE_TIME_MS >= 1.25 * rpc_server.PING_INTERVAL_MS_MIN

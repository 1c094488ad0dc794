"""Health: it follows the engine, and ends with a drain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2

from creditgate_server.readiness import Readiness
from creditgate_server.rpc.health import Health

Response = health_pb2.HealthCheckResponse


class Engine:
    """An engine as far as health knows one."""

    available = True


@asynccontextmanager
async def serving(health: Health) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((health.handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(None)


def method(channel: grpc.aio.Channel, name: str) -> grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary(f"/grpc.health.v1.Health/{name}")


async def check(channel: grpc.aio.Channel, service: str) -> int:
    request = health_pb2.HealthCheckRequest(service=service)
    return Response.FromString(await method(channel, "Check")(request.SerializeToString())).status


async def watch(channel: grpc.aio.Channel, service: str) -> AsyncIterator[int]:
    request = health_pb2.HealthCheckRequest(service=service)
    call: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/grpc.health.v1.Health/Watch")
    async for answer in call(request.SerializeToString()):
        yield Response.FromString(answer).status


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def readiness(engine: Engine) -> Readiness:
    readiness = Readiness()
    readiness.follow(lambda: engine.available)
    return readiness


@pytest.fixture
def health(readiness: Readiness) -> Health:
    return Health(["creditgate.v1.CreditService"], readiness)


@pytest.mark.parametrize("service", ["", "creditgate.v1.CreditService"])
async def test_health_follows_the_engine(health: Health, engine: Engine, readiness: Readiness, service: str) -> None:
    async with serving(health) as channel:
        assert await check(channel, service) == Response.SERVING
        engine.available = False
        assert await check(channel, service) == Response.NOT_SERVING
        engine.available = True
        assert await check(channel, service) == Response.SERVING
        readiness.drain()
        assert await check(channel, service) == Response.NOT_SERVING


async def test_a_server_that_starts_does_not_serve_yet() -> None:
    async with serving(Health([], Readiness())) as channel:
        assert await check(channel, "") == Response.NOT_SERVING


async def test_an_unknown_service_is_not_found(health: Health) -> None:
    async with serving(health) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await check(channel, "other")

    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_all_services_are_listed(health: Health) -> None:
    async with serving(health) as channel:
        listed = health_pb2.HealthListResponse.FromString(await method(channel, "List")(b""))  # type: ignore[attr-defined]

    assert {name: response.status for name, response in listed.statuses.items()} == {
        "": Response.SERVING,
        "creditgate.v1.CreditService": Response.SERVING,
    }


async def test_bytes_that_are_no_request_are_refused(health: Health) -> None:
    async with serving(health) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await method(channel, "Check")(b"\xff")

    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_watcher_is_told_of_changes_until_the_drain(
    health: Health, engine: Engine, readiness: Readiness
) -> None:
    async with serving(health) as channel, asyncio.timeout(20):
        told = watch(channel, "")
        assert await anext(told) == Response.SERVING
        engine.available = False
        assert await anext(told) == Response.NOT_SERVING
        engine.available = True
        assert await anext(told) == Response.SERVING
        readiness.drain()
        assert [status async for status in told] == [Response.NOT_SERVING]


async def test_a_watcher_of_an_unknown_service_is_told_so(health: Health) -> None:
    async with serving(health) as channel, asyncio.timeout(20):
        assert await anext(watch(channel, "other")) == Response.SERVICE_UNKNOWN

"""SIGTERM under load: health says so first, calls under way are answered, and nothing is left behind."""

from __future__ import annotations

import asyncio
from itertools import count

import grpc.aio
from grpc_health.v1 import health_pb2
from tests.faults.audit import assert_conserved, used_by
from tests.faults.conftest import Connect, RunServer
from tests.faults.decisions import CREDITS, Kind, Request, ask, open_organisation
from tests.faults.processes import PATIENT, ServerProcess, eventually

from creditgate import ServingStatus, aio
from creditgate.errors import OutcomeUnknown, Overloaded, Unavailable

CALLERS = 32


class Callers:
    """Callers who charge until they are refused."""

    def __init__(self, client: aio.Client, organisation: str) -> None:
        self._client = client
        self._organisation = organisation
        self.told: list[Request] = []
        self.refused: list[Unavailable] = []
        self.serving_meanwhile = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as callers:
            for caller in range(CALLERS):
                callers.create_task(self._call(caller))

    async def _call(self, caller: int) -> None:
        for number in count():
            request = Request(Kind.CHARGE, f"{caller}-{number}", 1 + number % 3)
            try:
                await ask(self._client, self._organisation, request)
            except Overloaded:
                # A slow disk is not what this is about.
                continue
            except Unavailable as refusal:
                self.refused.append(refusal)
                self.serving_meanwhile |= await serves(self._client)
                return
            self.told.append(request)


async def serves(client: aio.Client) -> bool:
    """Tell whether a server says that it serves; one that is gone says nothing."""
    try:
        return await client.health() is ServingStatus.SERVING
    except Unavailable:
        return False


async def watch_health(server: ServerProcess) -> list[int]:
    """Follow health until the server ends the watch."""
    async with grpc.aio.insecure_channel(server.target) as channel:
        watch = channel.unary_stream(
            "/grpc.health.v1.Health/Watch",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        return [answer.status async for answer in watch(health_pb2.HealthCheckRequest())]


async def test_sigterm_under_load_answers_every_call_that_was_taken_and_leaves_nothing_behind(
    run_server: RunServer, connect: Connect, organisation: str
) -> None:
    server = await run_server(*PATIENT)
    await open_organisation(connect(server), organisation)
    callers = Callers(connect(server, once=True), organisation)
    running = asyncio.create_task(callers.run())
    watching = asyncio.create_task(watch_health(server))
    await eventually(lambda: len(callers.told) > 10 * CALLERS)
    server.process.terminate()
    await running
    assert await watching == [ServingStatus.SERVING, ServingStatus.NOT_SERVING]
    assert await server.wait() == 0
    assert server.store_has_ended()
    # Whoever was refused could have known.
    assert not callers.serving_meanwhile
    # Nobody was left in the dark: who was refused was never taken.
    assert [refusal.reason for refusal in callers.refused if isinstance(refusal, OutcomeUnknown)] == []

    await server.start()
    client = connect(server)
    assert (await client.get_balance(organisation)).balance.available == CREDITS - used_by(callers.told)
    await assert_conserved(server, organisation)

"""A store that is not there: a start fails at once and says why; a server that runs waits for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Command, Connect, RunServer
from tests.faults.decisions import Kind, Request, ask, open_organisation
from tests.faults.processes import ServerProcess, eventually, has_status

from creditgate import ServingStatus
from creditgate.errors import Unavailable
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore


async def failed_start(directory: Path, url: str) -> str:
    """Start a server that must not serve; give what it said."""
    server = ServerProcess(directory, redis_url=url)
    await server.spawn()
    assert await server.wait() != 0
    assert " serves on " not in server.log
    return server.log


async def test_a_start_without_a_store_fails_and_says_so(place: Path) -> None:
    assert f"unix://{place}/nobody cannot be reached" in await failed_start(place, f"unix://{place}/nobody")


async def test_a_start_with_a_wrong_password_fails_says_so_and_keeps_it_secret(
    place: Path, external_store: EmbeddedStore, command: Command
) -> None:
    await command("CONFIG", "SET", "requirepass", "right")
    path = external_store.url.removeprefix("unix://")
    said = await failed_start(place, f"unix://:wrong-secret@{path}")
    assert "put the right user and password into its address" in said
    assert "wrong-secret" not in said


async def test_while_the_store_is_away_nothing_happens_and_health_follows_it_there_and_back(
    place: Path, run_server: RunServer, connect: Connect, organisation: str
) -> None:
    store = EmbeddedStore(place / "store", durability=Durability.MEMORY)
    async with store:
        server = await run_server(redis_url=store.url)
        client, once = connect(server), connect(server, once=True)
        await open_organisation(client, organisation)
        await ask(client, organisation, Request(Kind.RESERVE, "held", 7))

    new = [Request(Kind.RESERVE, "new", 5), Request(Kind.CHARGE, "new", 5), Request(Kind.COMMIT, "held", 7)]
    for request in new:
        with pytest.raises(Unavailable) as raised:
            await ask(once, organisation, request)
        assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "STORE_UNREACHABLE")
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))

    async with store:
        await eventually(lambda: has_status(client, ServingStatus.SERVING))
        for request in new:
            assert not (await ask(client, organisation, request)).replayed
        await assert_conserved(server, organisation)

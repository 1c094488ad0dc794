"""A store that answers and refuses: every call says so and has no effect, and all is well again when the store is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Command, Connect
from tests.faults.decisions import CREDITS, Kind, Request, ask, open_organisation
from tests.faults.processes import ServerProcess, eventually, has_status

from creditgate import ServingStatus, aio
from creditgate.errors import Unavailable
from creditgate_server.store.connections import StoreConnections

NEW = [
    Request(Kind.RESERVE, "new", 5),
    Request(Kind.CHARGE, "new", 5),
    Request(Kind.GRANT, "new", 5),
    Request(Kind.COMMIT, "held", 7),
]


@dataclass(frozen=True)
class Fault:
    """What an operator does to a store, the reason that calls then give, and how it is undone."""

    reason: str
    begin: tuple[tuple[str | int, ...], ...]
    end: tuple[tuple[str | int, ...], ...]


READ_ONLY = Fault("STORE_READ_ONLY", (("REPLICAOF", "127.0.0.1", 1),), (("REPLICAOF", "NO", "ONE"),))

TOO_FEW_REPLICAS = Fault(
    "STORE_READ_ONLY",
    (("CONFIG", "SET", "min-replicas-to-write", 1),),
    (("CONFIG", "SET", "min-replicas-to-write", 0),),
)

NO_RIGHTS = Fault(
    "STORE_MISCONFIGURED",
    (("ACL", "SETUSER", "default", "-fcall"),),
    (("ACL", "SETUSER", "default", "+@all"),),
)

NEW_PASSWORD = Fault(
    "STORE_MISCONFIGURED",
    # Connections that were let in stay so; the operator's is spared.
    (("CONFIG", "SET", "requirepass", "changed"), ("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")),
    (("CONFIG", "SET", "requirepass", ""),),
)


@pytest.mark.parametrize(
    "fault",
    [READ_ONLY, TOO_FEW_REPLICAS, NO_RIGHTS, NEW_PASSWORD],
    ids=["read-only", "too few replicas", "no rights", "password"],
)
async def test_a_store_that_refuses_is_named_and_health_follows_it_there_and_back(
    fault: Fault, external_server: ServerProcess, command: Command, connect: Connect, organisation: str
) -> None:
    client, once = connect(external_server), connect(external_server, once=True)
    await open_organisation(client, organisation)
    await ask(client, organisation, Request(Kind.RESERVE, "held", 7))

    for words in fault.begin:
        await command(*words)
    for request in NEW:
        with pytest.raises(Unavailable) as raised:
            await ask(once, organisation, request)
        assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", fault.reason)
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))

    for words in fault.end:
        await command(*words)
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    for request in NEW:
        assert not (await ask(once, organisation, request)).replayed
    await assert_conserved(external_server, organisation)
    assert external_server.process.returncode is None


async def test_flushed_functions_are_loaded_again_and_no_caller_notices(
    external_server: ServerProcess, command: Command, connect: Connect, organisation: str
) -> None:
    once = connect(external_server, once=True)
    await open_organisation(once, organisation)
    for turn in range(20):
        await command("FUNCTION", "FLUSH")
        await send(once, organisation, f"{turn}")
    assert (await once.get_balance(organisation)).balance.available == CREDITS - 40
    await assert_conserved(external_server, organisation)


async def test_functions_that_are_flushed_all_the_time_delay_calls_and_no_more(
    external_server: ServerProcess, command: Command, connect: Connect, organisation: str
) -> None:
    client = connect(external_server)
    await open_organisation(client, organisation)

    async def flush() -> None:
        while True:
            await command("FUNCTION", "FLUSH")

    flushing = asyncio.create_task(flush())
    await asyncio.gather(*(send(client, organisation, f"{n}") for n in range(100)))
    flushing.cancel()
    await asyncio.wait((flushing,))
    assert (await client.get_balance(organisation)).balance.available == CREDITS - 200
    await assert_conserved(external_server, organisation)


async def send(client: aio.Client, organisation: str, id_: str) -> None:
    """Reserve three credits and use two."""
    await ask(client, organisation, Request(Kind.RESERVE, id_, 3))
    await ask(client, organisation, Request(Kind.COMMIT, id_, 2))


async def test_a_store_that_is_busy_with_a_script_is_waited_for(
    external_server: ServerProcess, command: Command, connect: Connect, organisation: str
) -> None:
    client, once = connect(external_server), connect(external_server, once=True)
    await open_organisation(client, organisation)
    await command("CONFIG", "SET", "busy-reply-threshold", 1)
    busy = asyncio.create_task(endless_script(external_server.store_url))

    async def is_busy() -> bool:
        try:
            await once.quote(organisation, segments=1)
        except Unavailable as refusal:
            return refusal.reason == "STORE_UNREACHABLE"
        return False

    await eventually(is_busy)
    with pytest.raises(Unavailable) as raised:
        await once.reserve(organisation, reservation_id="one", segments=5)
    assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", "STORE_UNREACHABLE")
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))
    await command("SCRIPT", "KILL")
    await busy
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    assert not (await once.reserve(organisation, reservation_id="one", segments=5)).replayed
    assert (await client.get_balance(organisation)).balance.reserved == 5
    await assert_conserved(external_server, organisation)


async def endless_script(url: str) -> None:
    """Keep a store busy until somebody kills the script."""
    connections = StoreConnections(url, connections=1, reply_timeout_s=20)
    await connections.execute([("EVAL", "while true do end", 0)])
    await connections.close()

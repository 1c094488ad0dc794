"""A store whose memory is full: what would need room is refused, and what is held can be settled."""

from __future__ import annotations

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Command, Connect
from tests.faults.decisions import CREDITS, Kind, Request, ask, open_organisation
from tests.faults.processes import ServerProcess

from creditgate import ReservationState, ServingStatus
from creditgate.errors import StoreFull

NEED_ROOM = [
    Request(Kind.RESERVE, "new", 5),
    Request(Kind.CHARGE, "new", 5),
    Request(Kind.GRANT, "new", 5),
]


async def test_a_full_store_refuses_new_decisions_and_settles_open_holds(
    external_server: ServerProcess, command: Command, connect: Connect, organisation: str
) -> None:
    client = connect(external_server)
    await open_organisation(client, organisation)
    for id_ in ("sent", "failed"):
        await ask(client, organisation, Request(Kind.RESERVE, id_, 10))
    await command("CONFIG", "SET", "maxmemory", 1)

    for request in NEED_ROOM:
        with pytest.raises(StoreFull) as raised:
            await ask(client, organisation, request)
        assert (raised.value.code, raised.value.reason) == ("RESOURCE_EXHAUSTED", "STORE_FULL")
    committed = await ask(client, organisation, Request(Kind.COMMIT, "sent", 7))
    released = await ask(client, organisation, Request(Kind.RELEASE, "failed", 10))
    assert (committed.credits, committed.state) == (7, ReservationState.COMMITTED)
    assert (released.credits, released.state) == (10, ReservationState.RELEASED)
    balance = (await client.get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 7, 0)
    assert await client.health() is ServingStatus.SERVING

    await command("CONFIG", "SET", "maxmemory", 0)
    for request in NEED_ROOM:
        assert not (await ask(client, organisation, request)).replayed
    await assert_conserved(external_server, organisation)

"""The function libraries in a store: one of each version that works on it, and no more than a few of all there were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.errors import StoreError
from creditgate_server.store.ledger import Lane, Ledger, Request
from creditgate_server.store.library import LIBRARIES_MAX, Library, assemble, bodies, library
from creditgate_server.store.records import pack


def version(number: int) -> Library:
    """Make the library of another version, which differs by a comment."""
    texts = bodies()
    return assemble(texts | {"rights": f"{texts['rights']}-- {number}\n"})


async def loaded(connections: StoreConnections) -> set[str]:
    """Name the libraries in a store."""
    (found,) = await connections.execute([("FUNCTION", "LIST")])
    assert isinstance(found, list)
    return {name.decode() for _, name, *_ in found}


async def start(connections: StoreConnections, functions: Library) -> Ledger:
    """Do what a sidecar of a version does at its start."""
    ledger = Ledger(connections, functions=functions)
    await ledger.prepare()
    return ledger


async def decides(ledger: Ledger) -> bool:
    """Tell whether a function that writes can be called."""
    request = Request(ledger.key_of("acme"), Lane.SETTLE, "release", pack("acme", "unknown"))
    (reply,) = await ledger.send([request])
    assert not isinstance(reply, StoreError), reply
    return bool(reply[0] == "ACCOUNT_NOT_FOUND")


async def test_versions_come_and_go_and_the_latest_stay(own_connections: StoreConnections) -> None:
    versions = [version(number) for number in range(LIBRARIES_MAX + 2)]
    for each in versions:
        await start(own_connections, each)
        # The same again is no other version.
        await start(own_connections, each)
    assert await loaded(own_connections) == {each.name for each in versions[-LIBRARIES_MAX:]}

    # One that is started again counts as the latest.
    await start(own_connections, versions[-LIBRARIES_MAX])
    await start(own_connections, library())
    assert await loaded(own_connections) == {
        library().name,
        versions[-LIBRARIES_MAX].name,
        *(each.name for each in versions[2 - LIBRARIES_MAX :]),
    }


async def test_a_sidecar_whose_functions_were_deleted_loads_them_again_and_nobody_notices(
    own_connections: StoreConnections,
) -> None:
    first = await start(own_connections, version(0))
    for number in range(1, LIBRARIES_MAX + 1):
        await start(own_connections, version(number))
    assert version(0).name not in await loaded(own_connections)

    assert await decides(first)
    assert version(0).name in await loaded(own_connections)
    assert len(await loaded(own_connections)) == LIBRARIES_MAX


async def test_libraries_of_others_are_let_be(own_connections: StoreConnections) -> None:
    code = "#!lua name=somebodys\nredis.register_function('theirs', function() return 1 end)"
    await own_connections.execute([("FUNCTION", "LOAD", code)])
    for number in range(LIBRARIES_MAX + 1):
        await start(own_connections, version(number))
    assert "somebodys" in await loaded(own_connections)
    assert len(await loaded(own_connections)) == LIBRARIES_MAX + 1


@pytest.fixture
async def clerk(own_connections: StoreConnections, place: Path) -> AsyncIterator[StoreConnections]:
    """A user who may load functions and not delete them."""
    await own_connections.execute([("ACL", "SETUSER", "clerk", "on", ">pass", "~cg:*", "+@all", "-function|delete")])
    connections = StoreConnections(f"unix://clerk:pass@{place}/store/store.sock", connections=1, reply_timeout_s=5)
    yield connections
    await connections.close()


async def test_a_user_who_may_not_delete_functions_works_all_the_same(
    clerk: StoreConnections, own_connections: StoreConnections
) -> None:
    for number in range(LIBRARIES_MAX + 1):
        assert await decides(await start(clerk, version(number)))
    assert len(await loaded(own_connections)) == LIBRARIES_MAX + 1

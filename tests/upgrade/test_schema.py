"""A store of another schema is refused at the start with what to do, and left alone by whoever worked on it before."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest
from tests.faults.processes import eventually, has_status
from tests.upgrade.conftest import Connect, Serve
from tests.upgrade.records import Records, take_records
from tests.upgrade.versions import OURS, Server

from creditgate import ServingStatus, aio, errors
from creditgate.pricing import Rule, Unit
from creditgate_server.store import layout
from creditgate_server.store.connections import Command, StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreUnfit
from creditgate_server.store.keys import account_key, partition_of
from creditgate_server.store.layout import SCHEMA_VERSION, Layout
from creditgate_server.store.ledger import Lane, Ledger, Request
from creditgate_server.store.records import pack

OTHERS = {
    SCHEMA_VERSION - 1: ("an older creditgate wrote it", "start that one again, or give an empty store"),
    SCHEMA_VERSION + 1: ("a newer creditgate wrote it", "start that one again, or give another store"),
}


async def ask(connections: StoreConnections, *command: str | int) -> object:
    (reply,) = await connections.execute([command])
    assert not isinstance(reply, Exception), reply
    return reply


async def write_schema(connections: StoreConnections, schema: int) -> None:
    await ask(connections, "HSET", "cg:meta", "schema", schema, "partitions", layout.PARTITIONS)


async def contents(connections: StoreConnections) -> tuple[Records, object]:
    """Return all that a version could write: the records, and the functions."""
    taken = await take_records(connections)
    return Records(0, taken.records), await ask(connections, "FUNCTION", "LIST")


@pytest.mark.parametrize("schema", OTHERS)
async def test_another_schema_is_refused_with_what_to_do_and_nothing_is_written(
    schema: int, own_store: EmbeddedStore, own_connections: StoreConnections
) -> None:
    await write_schema(own_connections, schema)
    before = await contents(own_connections)
    who, remedy = OTHERS[schema]

    for words in (("serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"), ("verify",)):
        ran = OURS.command(*words, "--redis-url", own_store.url)
        assert ran.returncode == 4
        assert ran.stdout == ""
        assert ran.stderr.count("\n") == 1
        for part in (who, remedy, f"schema version {schema},", f"works on {SCHEMA_VERSION} alone"):
            assert part in ran.stderr

    ran = OURS.command("doctor", "--json", "--redis-url", own_store.url)
    assert ran.returncode == 1
    (problem,) = [check for check in json.loads(ran.stdout)["checks"] if check["status"] == "problem"]
    assert who in problem["finding"]
    assert remedy in problem["remedy"]
    assert await contents(own_connections) == before


async def test_what_is_no_layout_is_refused_as_that(own_connections: StoreConnections) -> None:
    await ask(own_connections, "HSET", "cg:meta", "schema", "one", "partitions", "many")
    with pytest.raises(StoreUnfit, match="cg:meta holds no numbers"):
        await Ledger(own_connections).prepare()
    await ask(own_connections, "HSET", "cg:meta", "schema", SCHEMA_VERSION, "partitions", 0)
    with pytest.raises(StoreUnfit, match="cg:meta holds no numbers"):
        await Ledger(own_connections).prepare()
    await ask(own_connections, "DEL", "cg:meta")
    await ask(own_connections, "HSET", "cg:meta", "schema", SCHEMA_VERSION)
    # Somebody was stopped half way.
    assert await layout.look(own_connections) is None
    await Ledger(own_connections).prepare()
    assert await layout.look(own_connections) == Layout(SCHEMA_VERSION, layout.PARTITIONS)


async def test_a_store_keeps_the_partitions_that_it_was_laid_out_with(own_connections: StoreConnections) -> None:
    partitions = layout.PARTITIONS // 2
    await ask(own_connections, "HSET", "cg:meta", "schema", SCHEMA_VERSION, "partitions", partitions)
    ledger = Ledger(own_connections)
    await ledger.prepare()

    roots = [f"organisation-{number}" for number in range(100)]
    assert [ledger.key_of(root) for root in roots] == [
        account_key(partition_of(root, partitions), root) for root in roots
    ]


RULES = [Rule(name="all", unit=Unit.MESSAGE, credits_per_unit=1)]

CHANGES: dict[str, tuple[Command, Command]] = {
    "newer": (
        ("HSET", "cg:meta", "schema", SCHEMA_VERSION + 1),
        ("HSET", "cg:meta", "schema", SCHEMA_VERSION),
    ),
    "other partitions": (
        ("HSET", "cg:meta", "partitions", layout.PARTITIONS // 2),
        ("HSET", "cg:meta", "partitions", layout.PARTITIONS),
    ),
    "gone": (
        ("DEL", "cg:meta"),
        ("HSET", "cg:meta", "schema", SCHEMA_VERSION, "partitions", layout.PARTITIONS),
    ),
}
"""What may happen to a layout, and how it is undone."""


CALLS: tuple[Callable[[aio.Client], Awaitable[object]], ...] = (
    lambda c: c.reserve("acme", reservation_id="new", segments=1),
    lambda c: c.commit("acme", "held"),
    lambda c: c.grant("acme", 5, grant_id="new"),
    lambda c: c.get_balance("acme"),
    lambda c: c.put_rate_card("new", RULES),
)


@pytest.fixture
def server(own_store: EmbeddedStore, serve: Serve) -> Server:
    return serve(OURS, on=own_store.url)


@pytest.fixture
async def client(server: Server, connect: Connect) -> aio.Client:
    client = connect(server)
    await client.create_account("acme")
    await client.grant("acme", 10, grant_id="first")
    await client.reserve("acme", reservation_id="held", segments=3, ttl=3600.0)
    return client


async def test_a_server_whose_store_is_laid_out_anew_leaves_service_and_writes_nothing_until_that_is_undone(
    client: aio.Client, own_connections: StoreConnections
) -> None:
    for begin, end in CHANGES.values():
        await own_connections.execute([begin])
        await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))
        before = await contents(own_connections)
        for call in CALLS:
            with pytest.raises(errors.StoreMisconfigured):
                await call(client)
        assert await contents(own_connections) == before

        await own_connections.execute([end])
        await eventually(lambda: has_status(client, ServingStatus.SERVING))
        assert (await client.get_balance("acme")).balance.reserved == 3
    assert (await client.commit("acme", "held")).credits == 3


@pytest.fixture
async def ledger(own_connections: StoreConnections) -> Ledger:
    ledger = Ledger(own_connections)
    await ledger.prepare()
    return ledger


async def test_functions_that_somebody_deleted_when_he_changed_the_schema_do_not_come_back(
    ledger: Ledger, own_connections: StoreConnections
) -> None:
    release = Request(ledger.key_of("acme"), Lane.SETTLE, "release", pack("acme", "held"))
    await write_schema(own_connections, SCHEMA_VERSION + 1)
    await ask(own_connections, "FUNCTION", "FLUSH")
    # Nobody has probed since.
    (reply,) = await ledger.send([release])
    assert isinstance(reply, StoreUnfit)
    assert await ask(own_connections, "FUNCTION", "LIST") == []
    # From now on it is known without asking.
    with pytest.raises(StoreUnfit):
        await ledger.send([release])

"""A store that answers as a cluster's node does, or loses its functions half way, or makes no sense at all.

A proxy gives these answers in the store's name: no store can be made to give all of them, at the moment that matters.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect, RunServer
from tests.faults.decisions import CREDITS, Kind, Request, ask, open_organisation
from tests.faults.processes import PATIENCE_S, PATIENT, ServerProcess, eventually, has_status
from tests.faults.proxy import AnsweringProxy, Words

from creditgate import ServingStatus
from creditgate.errors import Unavailable
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreError
from creditgate_server.store.ledger import Lane, Ledger
from creditgate_server.store.ledger import Request as StoreRequest

NEW = [
    Request(Kind.RESERVE, "new", 5),
    Request(Kind.CHARGE, "new", 5),
    Request(Kind.GRANT, "new", 5),
    Request(Kind.COMMIT, "held", 7),
]

FUNCTION_MISSING = b"-ERR Function not found\r\n"


@pytest.fixture
async def proxy(place: Path, store: EmbeddedStore) -> AsyncIterator[AnsweringProxy]:
    proxy = AnsweringProxy(place / "proxy", Path(store.url.removeprefix("unix://")))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.fixture
async def server(run_server: RunServer, proxy: AnsweringProxy) -> ServerProcess:
    """A server that knows the store by the proxy's address."""
    return await run_server(*PATIENT, redis_url=proxy.url)


@pytest.fixture
async def ledger(proxy: AnsweringProxy) -> AsyncIterator[Ledger]:
    """The ledger behind the proxy, its functions loaded."""
    connections = StoreConnections(proxy.url, reply_timeout_s=PATIENCE_S)
    ledger = Ledger(connections)
    await ledger.prepare()
    yield ledger
    await connections.close()


def calls_function(words: Words) -> bool:
    return words[0] in (b"FCALL", b"FCALL_RO")


def refuse_functions(words: Words, error: str) -> bytes | None:
    """Refuse what a node refuses that does not have the key: whatever names one."""
    return f"-{error}\r\n".encode() if calls_function(words) else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a store says instead of doing anything, and the reason that calls then give."""

    error: str
    reason: str


REFUSALS = [
    Refusal("MOVED 7 127.0.0.1:7001", "STORE_MISCONFIGURED"),
    Refusal("ASK 7 127.0.0.1:7001", "STORE_MISCONFIGURED"),
    Refusal("CLUSTERDOWN The cluster is down", "STORE_MISCONFIGURED"),
    Refusal("TRYAGAIN Multiple keys request during rehashing of slot", "STORE_UNREACHABLE"),
    Refusal("LOADING Valkey is loading the dataset in memory", "STORE_UNREACHABLE"),
    Refusal("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "STORE_UNREACHABLE"),
    Refusal("BUSY Valkey is busy running a script.", "STORE_UNREACHABLE"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.error.partition(" ")[0])
async def test_an_answer_that_nothing_was_done_is_passed_on_and_what_follows_the_fault_is_decided_again(
    refusal: Refusal, proxy: AnsweringProxy, server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client, once = connect(server), connect(server, once=True)
    await open_organisation(client, organisation)
    await ask(client, organisation, Request(Kind.RESERVE, "held", 7))

    proxy.answer = lambda words: refuse_functions(words, refusal.error)
    for request in NEW:
        with pytest.raises(Unavailable) as raised:
            await ask(once, organisation, request)
        assert (raised.value.code, raised.value.reason) == ("UNAVAILABLE", refusal.reason)
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))

    proxy.answer = lambda _: None
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    # The first of each: the refused ones left nothing. And the server is the one that was refused.
    for request in NEW:
        assert not (await ask(once, organisation, request)).replayed
    assert server.process.returncode is None
    await assert_conserved(server, organisation)


@pytest.mark.parametrize("loading", ["-READONLY You can't write against a read only replica.\r\n", None])
async def test_where_some_functions_of_a_pipeline_ran_only_the_others_learn_that_loading_them_failed(
    loading: str | None, proxy: AnsweringProxy, ledger: Ledger, organisation: str
) -> None:
    def of(root_id: str) -> StoreRequest:
        return StoreRequest(ledger.key_of(root_id), Lane.READ, "get_account", records.pack(root_id))

    lost = f"{organisation}-lost"

    def lose_one(words: Words) -> bytes | None:
        if words[0] == b"FUNCTION":
            # What is no reply at all ends the connection: nobody knows whether they were loaded.
            return loading.encode() if loading else b"nonsense\r\n"
        return FUNCTION_MISSING if calls_function(words) and ledger.key_of(lost).encode() in words else None

    proxy.answer = lose_one
    ran, missed = await ledger.send([of(organisation), of(lost)])
    assert not isinstance(ran, StoreError), ran
    assert isinstance(missed, StoreError), missed
    # The function that was missed has to be loaded once, and the one that ran is not called again.
    assert proxy.answered == 2

    proxy.answer = lambda _: None
    assert not any(isinstance(reply, StoreError) for reply in await ledger.send([of(organisation), of(lost)]))


async def test_functions_lost_by_one_call_of_a_pipeline_are_loaded_for_it_alone(
    proxy: AnsweringProxy, ledger: Ledger, organisation: str
) -> None:
    called = []

    def lose_once(words: Words) -> bytes | None:
        if not calls_function(words):
            return None
        called.append(words[3])
        return FUNCTION_MISSING if called == [words[3]] else None

    proxy.answer = lose_once
    ids = [organisation, f"{organisation}-other"]
    keys = [ledger.key_of(root_id) for root_id in ids]
    requests = [
        StoreRequest(key, Lane.READ, "get_account", records.pack(root_id))
        for key, root_id in zip(keys, ids, strict=True)
    ]
    assert not any(isinstance(reply, StoreError) for reply in await ledger.send(requests))
    assert called == [key.encode() for key in (*keys, keys[0])]


async def test_an_answer_that_makes_no_sense_is_logged_takes_the_server_out_of_service_and_is_got_over(
    proxy: AnsweringProxy, server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client, once = connect(server), connect(server, once=True)
    await open_organisation(once, organisation)

    # The watch of the store counts rate cards.
    proxy.answer = lambda words: b"+nonsense\r\n" if words[0] == b"HLEN" else None
    await eventually(lambda: has_status(client, ServingStatus.NOT_SERVING))
    (lost,) = server.logged("store_lost")
    assert (lost["level"], lost["exception_type"]) == ("error", "ValueError")
    # Whoever asks all the same is served.
    assert not (await ask(once, organisation, Request(Kind.CHARGE, "meanwhile", 5))).replayed

    proxy.answer = lambda _: None
    await eventually(lambda: has_status(client, ServingStatus.SERVING))
    assert (await client.get_balance(organisation)).balance.available == CREDITS - 5

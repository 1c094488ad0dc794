"""The thin path to a store: order, errors as values, and what is said when the store fails."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from creditgate_server.store.connections import CONNECTIONS, StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import OutcomeUnknown, ReplyError, StoreAccessRefused, StoreUnreachable

Connect = Callable[..., StoreConnections]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]
FakeStore = Callable[[Callable[[list[bytes]], bytes | None]], Awaitable[str]]
Serve = Callable[..., Awaitable[str]]

REPLY_TIMEOUT_S = 0.1
BOUND_S = 2.0
"""Within this every call must have answered: far beyond the timeout, for machines that are busy."""


def code_of(reply: object) -> str:
    assert isinstance(reply, ReplyError)
    return reply.code


# What is answered


async def test_replies_come_in_the_order_of_their_commands(store: EmbeddedStore, connect: Connect) -> None:
    connections = connect(store.url)
    commands: list[tuple[str | bytes | int, ...]] = [("ECHO", f"{n}") for n in range(1000)]
    assert await connections.execute(commands) == [b"%d" % n for n in range(1000)]


async def test_words_are_text_bytes_or_whole_numbers_and_replies_bytes_numbers_lists_or_nothing(
    store: EmbeddedStore, connect: Connect, organisation: str
) -> None:
    assert await connect(store.url).execute(
        [
            ("RPUSH", organisation, "é", b"\x00\r\n", 2**53),
            ("LRANGE", organisation, 0, -1),
            ("GET", f"{organisation}:absent"),
        ]
    ) == [3, ["é".encode(), b"\x00\r\n", b"9007199254740992"], None]


async def test_no_commands_give_no_replies(connect: Connect, tmp_path: Path) -> None:
    assert await connect(f"unix://{tmp_path}/absent").execute([]) == []


async def test_an_error_reply_is_a_value_in_its_place(
    store: EmbeddedStore, connect: Connect, organisation: str
) -> None:
    replies = await connect(store.url).execute(
        [
            ("SET", organisation, "text"),
            ("EVALSHA", "0" * 40, 0),
            ("LPUSH", organisation, 1),
            ("NO-SUCH-COMMAND",),
            ("FCALL", "no_such_function", 0),
            ("GET", organisation),
        ]
    )
    assert [code_of(reply) for reply in replies[1:-1]] == ["NOSCRIPT", "WRONGTYPE", "ERR", "ERR"]
    assert str(replies[4]) == "ERR Function not found"
    assert (replies[0], replies[-1]) == (b"OK", b"text")


async def test_a_full_store_answers_oom(embedded: EmbeddedStore, connect: Connect) -> None:
    connections = connect(embedded.url)
    _, reply = await connections.execute([("CONFIG", "SET", "maxmemory", 1), ("SET", "balance", 17)])
    assert code_of(reply) == "OOM"


async def test_a_replica_answers_readonly(serve: Serve, connect: Connect) -> None:
    url = await serve("--replicaof", "127.0.0.1", "1")
    (reply,) = await connect(url).execute([("SET", "balance", 17)])
    assert code_of(reply) == "READONLY"


async def test_an_object_that_is_no_word_is_a_mistake_of_the_caller(store: EmbeddedStore, connect: Connect) -> None:
    with pytest.raises(TypeError):
        await connect(store.url).execute([("ECHO", object())])  # type: ignore[list-item]


async def test_there_are_never_more_connections_than_allowed(embedded: EmbeddedStore, connect: Connect) -> None:
    connections = connect(embedded.url, reply_timeout_s=5)
    await asyncio.gather(*(connections.execute([("ECHO", "x")]) for _ in range(200)))
    (clients,) = await connections.execute([("CLIENT", "LIST")])
    assert isinstance(clients, bytes)
    assert len(clients.splitlines()) == CONNECTIONS


# What was not sent


async def test_an_absent_store_is_unreachable(connect: Connect, tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/absent", "redis://127.0.0.1:1"):
        with pytest.raises(StoreUnreachable, match="cannot be reached"):
            await connect(url).execute([("PING",)])


async def test_a_store_that_is_loading_is_unreachable(fake_store: FakeStore, connect: Connect) -> None:
    url = await fake_store(lambda _: b"-LOADING server is loading the dataset in memory\r\n")
    with pytest.raises(StoreUnreachable, match="loading") as unreachable:
        await connect(url).execute([("PING",)])
    assert not isinstance(unreachable.value, StoreAccessRefused)


async def test_a_store_that_starts_loading_on_an_open_connection_is_unreachable(
    fake_store: FakeStore, connect: Connect
) -> None:
    url = await fake_store(lambda words: b"+PONG\r\n" if words == [b"PING"] else b"-LOADING a full copy\r\n")
    with pytest.raises(StoreUnreachable):
        await connect(url).execute([("GET", "balance"), ("GET", "balance")])


@pytest.fixture(params=["unix", "redis"])
async def guarded(request: pytest.FixtureRequest, serve: Serve, unused_tcp_port: int) -> Callable[[str], str]:
    """Run a store with passwords; give the address for `user:password@`."""
    users = ("--requirepass", "secret", "--user", "worker", "on", "+@all", "~*", ">pass")
    url = await serve(*users, "--port", f"{unused_tcp_port}")
    place = f"127.0.0.1:{unused_tcp_port}" if request.param == "redis" else url.removeprefix("unix://")
    return lambda user: f"{request.param}://{user}{place}"


@pytest.mark.parametrize(("user", "code"), [("worker:wrong@", "WRONGPASS"), (":wrong@", "WRONGPASS"), ("", "NOAUTH")])
async def test_a_wrong_or_missing_password_is_refused_access(
    user: str, code: str, guarded: Callable[[str], str], connect: Connect
) -> None:
    with pytest.raises(StoreAccessRefused) as refused:
        await connect(guarded(user)).execute([("SET", "balance", 17)])
    assert refused.value.reply.code == code
    assert "wrong@" not in str(refused.value)


@pytest.mark.parametrize("user", ["worker:pass@", ":secret@"])
async def test_the_right_password_is_let_in(user: str, guarded: Callable[[str], str], connect: Connect) -> None:
    assert await connect(guarded(user)).execute([("PING",)]) == [b"PONG"]


async def test_a_store_with_too_many_clients_is_unreachable(serve: Serve, connect: Connect) -> None:
    url = await serve("--maxclients", "1")
    first = connect(url)
    await first.execute([("PING",)])
    with pytest.raises(StoreUnreachable):
        await connect(url).execute([("SET", "balance", 17)])
    assert await first.execute([("GET", "balance")]) == [None]


async def test_when_all_connections_are_in_use_the_wait_is_bounded_and_nothing_is_sent(
    embedded: EmbeddedStore, connect: Connect
) -> None:
    assert embedded.pid is not None
    connections = connect(embedded.url, connections=1, reply_timeout_s=REPLY_TIMEOUT_S)
    await connections.execute([("PING",)])
    os.kill(embedded.pid, signal.SIGSTOP)
    in_use, *waiting = await asyncio.gather(
        *(connections.execute([("INCR", "count")]) for _ in range(20)), return_exceptions=True
    )
    os.kill(embedded.pid, signal.SIGCONT)
    assert isinstance(in_use, OutcomeUnknown)
    assert {type(outcome) for outcome in waiting} == {StoreUnreachable}
    assert await connect(embedded.url, reply_timeout_s=5).execute([("GET", "count")]) == [b"1"]


async def test_a_connection_that_opens_slower_than_replies_may_take_is_opened_in_the_end(
    embedded: EmbeddedStore, connect: Connect
) -> None:
    assert embedded.pid is not None
    connections = connect(embedded.url, connections=1, reply_timeout_s=REPLY_TIMEOUT_S, connect_timeout_s=20)
    os.kill(embedded.pid, signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(StoreUnreachable):
            await connections.execute([("INCR", "count")])
    os.kill(embedded.pid, signal.SIGCONT)
    assert await connections.execute([("INCR", "count")]) == [1]


async def test_closed_connections_send_nothing(store: EmbeddedStore, connect: Connect) -> None:
    connections = connect(store.url)
    await connections.execute([("PING",)])
    await connections.close()
    await connections.close()
    with pytest.raises(StoreUnreachable, match="closed on this side"):
        await connections.execute([("PING",)])


async def test_closing_waits_for_the_call_under_way(embedded: EmbeddedStore, connect: Connect) -> None:
    connections = connect(embedded.url, reply_timeout_s=5)
    call = asyncio.create_task(connections.execute([("BLPOP", "never", "0.1")]))
    await asyncio.sleep(0)
    await connections.close()
    assert await call == [None]


# What nobody knows


async def test_a_frozen_store_leaves_the_outcome_unknown_within_the_bound_and_serves_when_thawed(
    embedded: EmbeddedStore, connect: Connect
) -> None:
    assert embedded.pid is not None
    connections = connect(embedded.url, reply_timeout_s=REPLY_TIMEOUT_S)
    await connections.execute([("PING",)])
    os.kill(embedded.pid, signal.SIGSTOP)
    started_s = time.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"no answer within 0\.1 s"):
        await connections.execute([("INCR", "count")])
    with pytest.raises(StoreUnreachable):
        await connections.execute([("INCR", "count")])
    assert REPLY_TIMEOUT_S < time.monotonic() - started_s < BOUND_S
    os.kill(embedded.pid, signal.SIGCONT)
    connections = connect(embedded.url, reply_timeout_s=5)
    assert await connections.execute([("GET", "count")]) == [b"1"]


@pytest.mark.parametrize(
    "answer", [b"$5\r\nhal", b"+OK\r\n", b"?garbage\r\n", None], ids=["half", "one of two", "garbage", "closed"]
)
async def test_a_pipeline_without_all_its_replies_leaves_the_outcome_unknown_and_is_sent_once(
    answer: bytes | None, fake_store: FakeStore, connect: Connect
) -> None:
    received: list[list[bytes]] = []

    def reply(words: list[bytes]) -> bytes | None:
        if words == [b"PING"]:
            return b"+PONG\r\n"
        received.append(words)
        return answer if len(received) == 1 else b""

    connections = connect(await fake_store(reply), reply_timeout_s=REPLY_TIMEOUT_S)
    with pytest.raises(OutcomeUnknown):
        await connections.execute([("INCR", "a"), ("INCR", "b")])
    assert received == [[b"INCR", b"a"], [b"INCR", b"b"]][: len(received)]


# What goes on


@pytest.mark.parametrize("killed", ["connection", "store"])
async def test_the_first_call_after_an_idle_connection_died_succeeds(
    killed: str, embedded: EmbeddedStore, connect: Connect, eventually: Eventually
) -> None:
    connections = connect(embedded.url, reply_timeout_s=5)
    assert await connections.execute([("INCR", "count")]) == [1]
    if killed == "store":
        assert embedded.pid is not None
        os.kill(embedded.pid, signal.SIGKILL)
        await eventually(lambda: embedded.restarts == 1)
    else:
        await connect(embedded.url).execute([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
        await asyncio.sleep(0)
    assert await connections.execute([("INCR", "count")]) == [2]


async def test_a_connection_that_was_idle_for_long_is_opened_anew(
    embedded: EmbeddedStore, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = connect(embedded.url, connections=1)
    (first,) = await connections.execute([("CLIENT", "ID")])
    assert await connections.execute([("CLIENT", "ID")]) == [first]
    monkeypatch.setattr("creditgate_server.store.connections.IDLE_MAX_S", 0)
    assert await connections.execute([("CLIENT", "ID")]) != [first]


async def test_a_caller_that_is_cancelled_leaves_its_commands_and_the_connection_in_order(
    embedded: EmbeddedStore, connect: Connect
) -> None:
    connections = connect(embedded.url, connections=1, reply_timeout_s=5)
    (identity,) = await connections.execute([("CLIENT", "ID")])
    for turns in range(8):
        call = asyncio.create_task(connections.execute([("INCR", "count")]))
        for _ in range(turns):
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.wait((call,))
    last, same = await connections.execute([("GET", "count"), ("CLIENT", "ID")])
    assert last == b"7"  # the one that was cancelled before its first step sent nothing
    assert same == identity

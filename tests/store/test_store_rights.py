"""Rights: a user who may not do all that the library does is refused at the start, before anything is half done."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from creditgate_server.credit import operations as ask
from creditgate_server.engine.engine import Engine
from creditgate_server.store.checks import check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import ReplyError, StoreUnfit
from creditgate_server.store.ledger import Ledger
from creditgate_server.store.library import bodies

Connect = Callable[..., StoreConnections]
Serve = Callable[..., Awaitable[str]]

REMEDIES = ("~cg:*", "+@read", "+@write", "+time", "+ping", "+info", "+fcall", "+fcall_ro", "+function|load")
"""The rights that refusals tell an operator to give."""

BODIES = bodies()
CALLED = sorted({name for body in BODIES.values() for name in re.findall(r'\bcall\("([A-Z]+)"', body)})
WRITES = ["HDEL", "HSET", "INCRBY", "SET", "XADD", "ZADD", "ZREM"]


@pytest.fixture
async def user(serve: Serve, connect: Connect) -> tuple[StoreConnections, StoreConnections]:
    """A user who has the rights of the remedies, and one who may change them."""
    url = await serve("--user", "clerk", "on", ">pass", *REMEDIES)
    return connect(url.replace("unix://", "unix://clerk:pass@"), reply_timeout_s=5), connect(url)


async def change(owner: StoreConnections, *rights: str) -> None:
    assert await owner.execute([("ACL", "SETUSER", "clerk", *rights)]) == [b"OK"]


async def test_the_remedies_are_all_that_a_user_needs(user: tuple[StoreConnections, StoreConnections]) -> None:
    clerk, _ = user
    await check_store(clerk, Durability.MEMORY)
    ledger = Ledger(clerk)
    await ledger.prepare()
    async with Engine(ledger) as engine:
        await engine.create_account(ask.CreateAccount("acme", ask.AccountSettings()))
        await engine.grant(ask.GrantCredits("acme", "g1", 5))
        assert (await engine.get_account("acme")).balance.available == 5
    await ledger.probe()


@pytest.mark.parametrize("command", [*WRITES, "GET", "HGET", "ZRANGE", "TIME"])
async def test_a_user_who_lacks_a_command_is_refused_by_its_name(
    command: str, user: tuple[StoreConnections, StoreConnections]
) -> None:
    clerk, owner = user
    await change(owner, f"-{command.lower()}")
    with pytest.raises(StoreUnfit) as unfit:
        await Ledger(clerk).prepare()
    (problem,) = unfit.value.problems
    assert f"may not use {command} on keys cg:*" in problem.problem


async def test_keys_that_may_only_be_read_are_not_enough(user: tuple[StoreConnections, StoreConnections]) -> None:
    clerk, owner = user
    await Ledger(clerk).prepare()
    await change(owner, "resetkeys", "%R~cg:{*", "~cg:[^{]*", "~cg:{0}:")
    with pytest.raises(StoreUnfit) as unfit:
        await Ledger(clerk).prepare()
    assert "HSET" in str(unfit.value)


async def test_a_right_that_is_taken_away_later_is_seen_by_the_probe_which_leaves_nothing(
    user: tuple[StoreConnections, StoreConnections],
) -> None:
    clerk, owner = user
    ledger = Ledger(clerk)
    await ledger.prepare()
    await ledger.probe()
    before = await owner.execute([("KEYS", "*")])
    await change(owner, "-xadd")
    with pytest.raises(ReplyError, match="XADD"):
        await ledger.probe()
    assert await owner.execute([("KEYS", "*")]) == before
    await change(owner, "+xadd")
    await ledger.probe()


def test_every_command_that_the_library_gives_is_asked_for() -> None:
    assert set(WRITES) < set(CALLED)
    asked = set(re.findall(r'\{ "([A-Z]+)"', BODIES["rights"]))
    assert asked == set(CALLED)

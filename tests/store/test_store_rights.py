"""Rights: a user who may not do all that the library does is refused at the start, before anything is half done."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

import pytest

from creditgate_server.credit import operations as ask
from creditgate_server.engine.engine import Engine
from creditgate_server.store.checks import RIGHTS_PROBES, check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import ReplyError, StoreUnfit
from creditgate_server.store.ledger import Ledger
from creditgate_server.store.library import bodies

Connect = Callable[..., StoreConnections]
Serve = Callable[..., Awaitable[str]]

RIGHTS = ("~cg:*", "+@read", "+@write", "+time", "+ping", "+info", *RIGHTS_PROBES.values())
"""The rights of a user who has all that is needed."""

BODIES = bodies()
CALLED = sorted({name for body in BODIES.values() for name in re.findall(r'\bcall\("([A-Z]+)"', body)})
WRITES = ["HDEL", "HSET", "INCRBY", "SET", "XADD", "ZADD", "ZREM"]


@pytest.fixture
async def user(serve: Serve, connect: Connect) -> tuple[StoreConnections, StoreConnections]:
    """A user who has the rights that are needed, and one who may change them."""
    url = await serve("--user", "clerk", "on", ">pass", *RIGHTS)
    return connect(url.replace("unix://", "unix://clerk:pass@"), reply_timeout_s=5), connect(url)


async def change(owner: StoreConnections, *rights: str) -> None:
    assert await owner.execute([("ACL", "SETUSER", "clerk", *rights)]) == [b"OK"]


async def work_as(clerk: StoreConnections) -> int:
    """Do as a sidecar does from its start; return what is left of five credits."""
    await check_store(clerk, Durability.MEMORY)
    ledger = Ledger(clerk)
    await ledger.prepare()
    async with Engine(ledger) as engine:
        await engine.create_account(ask.CreateAccount("acme", ask.AccountSettings()))
        await engine.grant(ask.GrantCredits("acme", "g1", 5))
        await ledger.probe()
        await ledger.sweep("acme", 1)
        return (await engine.get_account("acme")).balance.available


async def test_the_rights_that_a_refusal_tells_to_give_are_all_that_is_needed(serve: Serve, connect: Connect) -> None:
    url = await serve("--user", "clerk", "on", ">pass")
    clerk = connect(url.replace("unix://", "unix://clerk:pass@"), reply_timeout_s=5)
    with pytest.raises(StoreUnfit) as unfit:
        await work_as(clerk)
    (problem,) = unfit.value.problems
    rights = [word for word in problem.remedy.split() if word.startswith(("~", "+"))]
    await change(connect(url), *rights)
    assert await work_as(clerk) == 5


@pytest.mark.parametrize("right", RIGHTS_PROBES.values())
async def test_a_right_without_which_no_function_can_be_called_is_named(
    right: str, user: tuple[StoreConnections, StoreConnections]
) -> None:
    clerk, owner = user
    await change(owner, right.replace("+", "-"))
    with pytest.raises(StoreUnfit) as unfit:
        await work_as(clerk)
    assert [problem.remedy for problem in unfit.value.problems] == [f"ACL SETUSER with {right}"]


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

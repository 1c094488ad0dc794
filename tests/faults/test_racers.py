"""Many callers, two servers, one account: never a credit more than there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect
from tests.faults.processes import ServerProcess

from creditgate import Decision, aio, operations
from creditgate.answers import Reserved
from creditgate.errors import BatchNotApplied, CallFailed
from creditgate.operations import Operation

CALLERS = 64
CREDITS = 1000


Reserve = Callable[[aio.Client, str, str], Awaitable[Sequence[Reserved | CallFailed]]]
"""Reserves a credit or some, with ids that begin as told, and gives the answers."""


async def alone(client: aio.Client, organisation: str, id_: str) -> Sequence[Reserved | CallFailed]:
    return [await client.reserve(organisation, reservation_id=id_, segments=1)]


async def in_batches(client: aio.Client, organisation: str, id_: str) -> Sequence[Reserved | CallFailed]:
    return await client.batch(pair(organisation, id_))


async def all_or_none(client: aio.Client, organisation: str, id_: str) -> Sequence[Reserved | CallFailed]:
    return await client.batch(pair(organisation, id_), atomic=True)


def pair(organisation: str, id_: str) -> list[Operation[Reserved]]:
    return [operations.reserve(organisation, reservation_id=f"{id_}-{half}", segments=1) for half in "ab"]


def is_allowed(answer: Reserved | CallFailed) -> bool:
    assert not isinstance(answer, CallFailed) or isinstance(answer, BatchNotApplied), answer
    return isinstance(answer, Reserved) and answer.decision is Decision.ALLOWED


@pytest.mark.parametrize("reserve", [alone, in_batches, all_or_none], ids=lambda reserve: reserve.__name__)
async def test_of_64_racers_for_1000_credits_through_two_servers_exactly_1000_are_allowed(
    reserve: Reserve, servers: list[ServerProcess], connect: Connect, organisation: str
) -> None:
    clients = [connect(server) for server in servers]
    await clients[0].create_account(organisation)
    await clients[0].grant(organisation, CREDITS)
    allowed = 0

    async def race(caller: int, client: aio.Client) -> None:
        nonlocal allowed
        for number in count():
            answers = await reserve(client, organisation, f"{caller}-{number}")
            allowed += sum(map(is_allowed, answers))
            if not all(map(is_allowed, answers)) or allowed > CREDITS:
                return

    async with asyncio.TaskGroup() as racers:
        for caller in range(CALLERS):
            racers.create_task(race(caller, clients[caller % 2]))
    assert allowed == CREDITS
    balance = (await clients[0].get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (0, CREDITS)
    await assert_conserved(servers[0], organisation)

"""Many callers, two servers, one account: never a credit more than there is."""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import count

from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect
from tests.faults.processes import ServerProcess

from creditgate import Decision, aio

CALLERS = 64
CREDITS = 1000


async def test_of_64_racers_for_1000_credits_through_two_servers_exactly_1000_are_allowed(
    servers: list[ServerProcess], connect: Connect, organisation: str
) -> None:
    clients = [connect(server) for server in servers]
    await clients[0].create_account(organisation)
    await clients[0].grant(organisation, CREDITS)
    decisions: Counter[Decision] = Counter()

    async def race(caller: int, client: aio.Client) -> None:
        for number in count():
            answer = await client.reserve(organisation, reservation_id=f"{caller}-{number}", segments=1)
            decisions[answer.decision] += 1
            if not answer.allowed or decisions[Decision.ALLOWED] > CREDITS:
                return

    async with asyncio.TaskGroup() as racers:
        for caller in range(CALLERS):
            racers.create_task(race(caller, clients[caller % 2]))
    assert decisions == {Decision.ALLOWED: CREDITS, Decision.DENIED: CALLERS}
    balance = (await clients[0].get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (0, CREDITS)
    await assert_conserved(servers[0], organisation)

"""Requests that arrive more than once, in any order, through any server: one effect for each id."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence

from tests.faults.audit import assert_conserved, granted_by, used_by
from tests.faults.conftest import Connect
from tests.faults.decisions import CREDITS, Answer, Kind, Request, ask, open_organisation
from tests.faults.processes import ServerProcess

from creditgate import aio

MESSAGES = 150
COPIES_MAX = 5
CONCURRENT = 32


async def send_copies(
    clients: Sequence[aio.Client], organisation: str, requests: Sequence[Request]
) -> dict[Request, list[Answer]]:
    """Send every request one to five times, shuffled, each copy through a server of chance."""
    copies = [request for request in requests for _ in range(random.randint(1, COPIES_MAX))]
    random.shuffle(copies)
    waiting = iter(copies)
    answers = defaultdict(list)

    async def work() -> None:
        for request in waiting:
            answers[request].append(await ask(random.choice(clients), organisation, request))

    async with asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENT):
            workers.create_task(work())
    return answers


async def test_every_request_sent_up_to_five_times_and_shuffled_has_one_effect(
    servers: list[ServerProcess], connect: Connect, organisation: str
) -> None:
    clients = [connect(server) for server in servers]
    await open_organisation(clients[0], organisation)
    holds = [Request(Kind.RESERVE, f"{n}", 1 + n % 7) for n in range(MESSAGES)]
    decided = [
        *holds,
        *(Request(Kind.CHARGE, f"{n}", 1 + n % 5) for n in range(MESSAGES)),
        *(Request(Kind.GRANT, f"{n}", 1 + n % 3) for n in range(50)),
    ]
    settled = [Request(random.choice((Kind.COMMIT, Kind.RELEASE)), hold.id, hold.credits) for hold in holds]
    # What settles a hold can only come after it; among themselves all of them are shuffled.
    for requests in (decided, settled):
        for request, answers in (await send_copies(clients, organisation, requests)).items():
            assert [answer.replayed for answer in answers].count(False) == 1, request
            assert {answer.credits for answer in answers} == {request.credits}, request
    balance = (await clients[0].get_balance(organisation)).balance
    expected = CREDITS + granted_by(decided) - used_by([*decided, *settled])
    assert (balance.available, balance.reserved, balance.debt) == (expected, 0, 0)
    await assert_conserved(servers[0], organisation)

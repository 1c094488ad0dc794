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

from creditgate import Funding, aio

MESSAGES = 150
COPIES_MAX = 5
CONCURRENT = 32
GRANTS = 20


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
    captured = [Request(Kind.CAPTURE, hold.id, 1) for hold in holds]
    settled = [Request(random.choice((Kind.COMMIT, Kind.RELEASE)), hold.id, hold.credits - 1) for hold in holds]
    refunded = [Request(Kind.REFUND, hold.id, 1) for hold in holds]
    # What is done to a hold can only come after it; among themselves all of a phase are shuffled.
    for requests in (decided, captured, settled, refunded):
        for request, answers in (await send_copies(clients, organisation, requests)).items():
            assert [answer.replayed for answer in answers].count(False) == 1, request
            assert {answer.credits for answer in answers} == {request.credits}, request
    balance = (await clients[0].get_balance(organisation)).balance
    expected = CREDITS + granted_by(decided) - used_by([*decided, *captured, *settled, *refunded])
    assert (balance.available, balance.reserved, balance.debt) == (expected, 0, 0)
    await assert_conserved(servers[0], organisation)


async def test_every_transfer_and_revocation_sent_up_to_five_times_has_one_effect(
    servers: list[ServerProcess], connect: Connect, organisation: str
) -> None:
    clients = [connect(server) for server in servers]
    branch = f"{organisation}/branch"
    await open_organisation(clients[0], organisation)
    await clients[0].create_account(branch, funding=Funding.OWN)
    for n in range(GRANTS):
        await clients[0].grant(branch, 1 + n, grant_id=f"{n}", priority=n)

    async def transfer(n: int) -> tuple[str, int, bool]:
        moved = await random.choice(clients).transfer(organisation, branch, 1 + n, transfer_id=f"{n}")
        return f"transfer {n}", moved.credits, moved.replayed

    async def revoke(n: int) -> tuple[str, int, bool]:
        revoked = await random.choice(clients).revoke_grant(branch, f"{n}")
        return f"revocation {n}", revoked.revoked, revoked.replayed

    requests = [(call, n) for n in range(GRANTS) for call in (transfer, revoke)]
    copies = [request for request in requests for _ in range(random.randint(1, COPIES_MAX))]
    random.shuffle(copies)
    told = defaultdict(list)
    for name, credits_, replayed in await asyncio.gather(*(call(n) for call, n in copies)):
        told[name].append((credits_, replayed))
    for name, answers in told.items():
        assert {credits_ for credits_, _ in answers} == {1 + int(name.split()[1])}, name
        assert [replayed for _, replayed in answers].count(False) == 1, name
    moved = sum(range(1, GRANTS + 1))
    assert (await clients[0].get_balance(branch)).balance.available == moved
    assert (await clients[0].get_balance(organisation)).balance.available == CREDITS - moved
    await assert_conserved(servers[0], organisation)

"""Connections to the store cut before, during and after the reply: no crossed reply, and no second effect."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.faults.audit import assert_conserved, used_by
from tests.faults.conftest import Connect, RunServer
from tests.faults.decisions import CREDITS, Kind, Request, ask, open_organisation
from tests.faults.processes import PATIENT
from tests.faults.proxy import Cut, CuttingProxy

from creditgate import aio
from creditgate.errors import OutcomeUnknown, Unavailable
from creditgate_server.store.embedded import EmbeddedStore

CONCURRENT = 32
STORM = [
    request
    for n in range(1, 201)
    # The credits of a request are its own: an answer to another one would show.
    for request in (Request(Kind.RESERVE, f"{n}", 2 * n), Request(Kind.CHARGE, f"{n}", 2 * n + 1))
]


@pytest.fixture
async def proxy(place: Path, store: EmbeddedStore) -> AsyncIterator[CuttingProxy]:
    proxy = CuttingProxy(place / "proxy", Path(store.url.removeprefix("unix://")))
    await proxy.start()
    yield proxy
    await proxy.stop()


@pytest.mark.parametrize("cut", Cut, ids=lambda cut: cut.value)
async def test_a_cut_tells_the_truth_about_the_outcome(
    cut: Cut, proxy: CuttingProxy, run_server: RunServer, connect: Connect, organisation: str
) -> None:
    server = await run_server(*PATIENT, redis_url=proxy.url)
    client, once = connect(server), connect(server, once=True)
    await open_organisation(client, organisation)
    first, second = Request(Kind.RESERVE, "first", 3), Request(Kind.CHARGE, "second", 4)
    proxy.fault = lambda request: cut if b"cg_decide" in request else None
    if cut is Cut.AFTER:
        assert not (await ask(once, organisation, first)).replayed
        assert not (await ask(once, organisation, second)).replayed
    else:
        for request in (first, second):
            with pytest.raises(OutcomeUnknown) as raised:
                await ask(once, organisation, request)
            assert request.id in raised.value.metadata.values()
    assert proxy.cuts == 2
    proxy.fault = lambda _: None
    for request in (first, second):
        assert (await ask(once, organisation, request)).replayed is (cut is not Cut.BEFORE)
    balance = (await client.get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 7, 3)


async def test_in_a_storm_of_cuts_every_call_gets_its_own_answer_and_has_one_effect(
    proxy: CuttingProxy, run_server: RunServer, connect: Connect, organisation: str
) -> None:
    server = await run_server(*PATIENT, redis_url=proxy.url)
    client, once = connect(server), connect(server, once=True)
    await open_organisation(client, organisation)
    proxy.fault = lambda _: random.choice(list(Cut)) if random.random() < 0.3 else None
    waiting = iter(STORM)

    async def work() -> None:
        for request in waiting:
            await repeat(once, organisation, request)

    async with asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENT):
            workers.create_task(work())
    assert proxy.cuts > 20
    proxy.fault = lambda _: None
    balance = (await client.get_balance(organisation)).balance
    held = sum(request.credits for request in STORM if request.kind is Kind.RESERVE)
    assert (balance.available, balance.reserved) == (CREDITS - used_by(STORM) - held, held)
    await assert_conserved(server, organisation)


async def repeat(client: aio.Client, organisation: str, request: Request) -> None:
    """Ask until there is an answer, which must be the request's own, and new unless an outcome was unknown."""
    may_have_happened, answer = False, None
    while answer is None:
        try:
            answer = await ask(client, organisation, request)
        except Unavailable as failure:
            may_have_happened |= isinstance(failure, OutcomeUnknown)
    assert answer.credits == request.credits
    assert not answer.replayed or may_have_happened

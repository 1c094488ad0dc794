"""No reply ever reaches the wrong caller, whatever is cancelled, frozen or cut."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Callable

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import OutcomeUnknown, StoreUnreachable

Connect = Callable[..., StoreConnections]

STORM_S = 3.0
CALLERS = 32


async def echo(connections: StoreConnections, caller: int, first: int) -> str:
    """Have a few words echoed, perhaps leave before the answer, and name what came of it."""
    words = [f"{caller}:{first + n}" for n in range(random.randint(1, 20))]
    call = asyncio.create_task(connections.execute([("ECHO", word) for word in words]))
    if random.random() < 0.3:
        asyncio.get_running_loop().call_later(random.uniform(0, 0.004), call.cancel)
    try:
        replies = await call
    except (asyncio.CancelledError, OutcomeUnknown, StoreUnreachable) as error:
        return type(error).__name__
    assert replies == [word.encode() for word in words]
    return "answered"


async def test_replies_never_cross_in_a_storm_of_cancels_freezes_and_cuts(
    embedded: EmbeddedStore, connect: Connect
) -> None:
    connections = connect(embedded.url, reply_timeout_s=0.05)
    control = connect(embedded.url, connections=1, reply_timeout_s=5)
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + STORM_S
    outcomes: Counter[str] = Counter()

    async def call(caller: int) -> None:
        first = 0
        while loop.time() < ends_s:
            outcomes[await echo(connections, caller, first)] += 1
            first += 20

    async def disturb() -> None:
        assert embedded.pid is not None
        while loop.time() < ends_s:
            await asyncio.sleep(0.1)
            await control.execute([("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")])
            await asyncio.sleep(0.1)
            os.kill(embedded.pid, signal.SIGSTOP)
            await asyncio.sleep(0.08)
            os.kill(embedded.pid, signal.SIGCONT)

    async with asyncio.TaskGroup() as storm:
        storm.create_task(disturb())
        for caller in range(CALLERS):
            storm.create_task(call(caller))
    # The storm was one: each thing that may happen did, and calls were answered all the same.
    assert outcomes["answered"] > 200
    assert set(outcomes) == {"answered", "CancelledError", "OutcomeUnknown", "StoreUnreachable"}

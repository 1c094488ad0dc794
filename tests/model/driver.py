"""Histories by chance alone, as many as one likes: groups of organisations that live at once, one after the other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from random import Random

from tests.model.clock import Clock, TooSlow
from tests.model.coverage import Coverage
from tests.model.history import SWEEP_AFTER, History
from tests.model.sidecars import Sidecars
from tests.model.steps import goes_alone
from tests.model.stories import LAST_STORIES, STORIES

from creditgate_server.store.keys import partition_of
from creditgate_server.verification import verify

ORGANISATIONS = 3
"""Organisations of a group; the first two share a partition."""

OPERATIONS = 900
"""Operations of a group, after which its organisations are left."""

ROUNDS_OF_A_TICK = 12
"""Bursts after which time must go on, whatever chance says."""


class Failure(Exception):
    """Store and model differ, or one of them breaks an invariant; the text tells how it came to that.

    `operations` is how many the group of organisations had done by then.
    """

    def __init__(self, message: str, operations: int = 0) -> None:
        super().__init__(message)
        self.operations = operations


class Group:
    """Organisations on one store at one time."""

    def __init__(self, sidecars: Sidecars, seed: int, clock: Clock) -> None:
        self.sidecars = sidecars
        self.seed = seed
        self.clock = clock
        self.histories = [
            History(sidecars, root, clock, Random(f"{seed}/{at}"))
            for at, root in enumerate(_roots(seed, sidecars.ledger.partitions))
        ]
        self.rounds = 0

    @property
    def operations(self) -> int:
        return sum(history.operations for history in self.histories)

    async def run(self, operations: int) -> None:
        """Go on until so many operations have been done. Raises Failure."""
        await self.go_on(0)
        for at, history in enumerate(self.histories):
            self.clock.bursts += 1
            await self.attempt(history, history.take(history.steps.opening(), self.sidecars.engines[0]))
            # Consecutive seeds begin with all stories in turn, and end with one of the last.
            story = STORIES[(self.seed * ORGANISATIONS + at) % len(STORIES)]
            history.steps.planned.extend(story(history.steps))
        await self.round()
        while self.operations < operations:
            await self.pass_time()
            await self.round()
        last = self.histories[0].steps
        last.planned.clear()
        last.planned.extend(LAST_STORIES[self.seed % len(LAST_STORIES)](last))
        while last.planned:
            if ticks := last.awaited_ticks():
                await self.go_on(ticks)
            await self.round()
        for history in self.histories:
            await self.attempt(history, history.close())

    async def pass_time(self) -> None:
        """Let time pass if a story waits for it, if chance wants it, or if nothing else has for long."""
        ticks = self.histories[0].steps.ticks()
        for history in self.histories:
            ticks = max(ticks, history.steps.awaited_ticks())
        if ticks or self.rounds == ROUNDS_OF_A_TICK:
            await self.go_on(ticks or 1)

    async def round(self) -> None:
        """Let something happen to every organisation at once."""
        self.rounds += 1
        self.clock.bursts += 1
        try:
            async with asyncio.TaskGroup() as tasks:
                for history in self.histories:
                    tasks.create_task(self.attempt(history, self._burst(history)))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None

    async def _burst(self, history: History) -> None:
        steps = history.steps
        if steps.chance(30):
            await history.sweep()
        if not steps.planned and steps.chance(6):
            steps.planned.extend(steps.pick(STORIES)(steps))
        is_planned = bool(steps.planned)
        calls = steps.burst()
        if not is_planned and steps.chance(15) and calls and not goes_alone(calls[0]):
            await history.race(calls[0], calls[0] if steps.chance(2) else calls[-1])
        else:
            await history.take(calls, steps.pick(self.sidecars.engines))

    async def go_on(self, ticks: int) -> None:
        """Let time pass in the store and in the models; leave what falls due to be noticed, or sweep it."""
        self.rounds = 0
        self.clock.go_on(ticks)
        now_ms = await self.sidecars.now_ms(self.histories[0].root)
        await self.sidecars.ledger.advance_test_clock(self.clock.start_ms - now_ms)
        for history in self.histories:
            happened = history.pass_time()
            if happened > SWEEP_AFTER:
                await self.attempt(history, history.quote_unswept())
            if happened > SWEEP_AFTER or history.steps.chance(3):
                await self.attempt(history, history.sweep())

    async def attempt(self, history: History, step: Awaitable[None]) -> None:
        """Await what happens to an organisation; an exception is a failure, which tells of its latest past."""
        try:
            await step
        except TooSlow:
            raise
        except Exception as error:
            raise Failure(
                f"seed {self.seed}, organisation {history.root}, after {history.operations} operations:\n"
                f"{type(error).__name__}: {error}\nthe latest bursts:\n{history.describe()}",
                self.operations,
            ) from error


def _roots(seed: int, partitions: int) -> list[str]:
    roots = [_root(seed)]
    while len(roots) < ORGANISATIONS:
        root = _root(seed)
        shares = partition_of(root, partitions) == partition_of(roots[0], partitions)
        if len(roots) > 1 or shares:
            roots.append(root)
    return roots


def _root(seed: int) -> str:
    return f"m{seed}-{secrets.token_hex(4)}"


async def run(
    sidecars: Sidecars,
    seed: int,
    operations: int,
    coverage: Coverage,
    *,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> int:
    """Run groups of organisations, the first from `seed`, the next from `seed + 1`; returns the seed that is next.

    Raises Failure.
    """
    done = 0
    while done < operations:
        group = Group(sidecars, seed, Clock(await sidecars.now_ms("any")))
        seed += 1
        try:
            await group.run(min(OPERATIONS, operations - done))
        except TooSlow:
            continue
        for history in group.histories:
            coverage.add(history.coverage)
        done += group.operations
        on_progress(done)
    return seed


async def check_store(sidecars: Sidecars) -> None:
    """Hold the store to its own invariants. Raises Failure."""
    report = await verify(sidecars.ledger)
    if report.breaches or report.unsettled:
        raise Failure("\n".join(map(str, (*report.breaches, *report.unsettled))))

"""Any sequence of operations, through two sidecars, repeated, swept or not: every answer is the model's.

Hypothesis tells histories that it can shorten; `test_random_operations.py` tells more of them, and longer ones.
"""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, assume, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from tests.model.clock import Clock, TooSlow
from tests.model.comparison import Differs
from tests.model.history import SWEEP_AFTER, History
from tests.model.sidecars import Sidecars, open_sidecars
from tests.model.steps import Steps, goes_alone
from tests.model.stories import STORIES
from tests.model.story import Story

from creditgate_server.store.embedded import EmbeddedStore

EXAMPLES = int(os.environ.get("CREDITGATE_MODEL_EXAMPLES", "40"))
"""Histories to try; each has some 100 operations."""

SEED = int(os.environ.get("CREDITGATE_MODEL_SEED", "") or secrets.randbits(32))
"""Makes the histories; a failure names it."""

PHASES = (Phase.generate, Phase.shrink) if os.environ.get("CREDITGATE_MODEL_SHRINK") else (Phase.generate,)
"""Finding the shortest history with a difference takes minutes: on command only."""

seeds = st.integers(0, 2**24)


class Histories(RuleBasedStateMachine):
    """One organisation, in the store and in the model."""

    runner: asyncio.Runner
    sidecars: Sidecars

    @initialize(chance=seeds)
    def begin(self, chance: int) -> None:
        self.run(self.open(chance))

    async def open(self, chance: int) -> None:
        clock = Clock(await self.sidecars.now_ms("any"))
        self.history = History(self.sidecars, f"many-{secrets.token_hex(6)}", clock, Random(chance))
        await self.move_time(0)
        await self.history.take(self.history.steps.opening(), self.sidecars.engines[0])

    @rule(chance=seeds, calls=st.integers(1, 8), engine=st.integers(0, 1))
    def go_on(self, chance: int, calls: int, engine: int) -> None:
        steps = self.reseeded(chance)
        self.run(self.history.take(steps.burst()[:calls], self.sidecars.engines[engine]))

    @rule(chance=seeds)
    def race(self, chance: int) -> None:
        steps = self.reseeded(chance)
        first, *others = [call for call in steps.chosen() if not goes_alone(call)] or [steps.reserve()]
        self.run(self.history.race(first, others[0] if others else first))

    @rule(chance=seeds, story=st.sampled_from(STORIES))
    def tell(self, chance: int, story: Callable[[Steps], Story]) -> None:
        steps = self.reseeded(chance)
        if not steps.planned:
            steps.planned.extend(story(steps))

    @rule(chance=seeds, sweeps=st.booleans())
    def pass_time(self, chance: int, *, sweeps: bool) -> None:
        steps = self.reseeded(chance)
        self.run(self.move_time(steps.awaited_ticks() or steps.ticks() or 1, sweeps=sweeps))

    def teardown(self) -> None:
        if hasattr(self, "history"):
            self.run(self.history.close())

    async def move_time(self, ticks: int, *, sweeps: bool = False) -> None:
        clock = self.history.clock
        clock.go_on(ticks)
        await self.sidecars.ledger.advance_test_clock(clock.start_ms - await self.sidecars.now_ms("any"))
        if self.history.pass_time() > SWEEP_AFTER or sweeps:
            await self.history.sweep()

    def reseeded(self, chance: int) -> Steps:
        self.history.steps.random.seed(chance)
        self.history.clock.bursts += 1
        return self.history.steps

    def run(self, step: Coroutine[None, None, None]) -> None:
        try:
            self.runner.run(step)
        except TooSlow:
            assume(False)  # noqa: FBT003 — this history tells nothing
        except Differs as difference:
            difference.add_note(f"the latest bursts:\n{self.history.describe()}")
            raise


def test_every_answer_is_the_models(store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = settings(
        max_examples=EXAMPLES,
        stateful_step_count=30,
        phases=PHASES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        monkeypatch.setattr(Histories, "runner", runner, raising=False)
        sidecars = runner.run(stack.enter_async_context(open_sidecars(store.url)))
        monkeypatch.setattr(Histories, "sidecars", sidecars, raising=False)
        try:
            run_state_machine_as_test(seed(SEED)(Histories), settings=chosen)
        except BaseException as error:
            again = f"CREDITGATE_MODEL_EXAMPLES={EXAMPLES} CREDITGATE_MODEL_SEED={SEED}"
            error.add_note(f"again: {again}; and the shortest history like it: CREDITGATE_MODEL_SHRINK=1 {again}")
            raise
        finally:
            runner.run(stack.aclose())

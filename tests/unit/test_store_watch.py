"""The watch of a store: what it refuses counts at once, saying nothing only when it has lasted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from creditgate_server.engine import watch
from creditgate_server.engine.watch import StoreWatch
from creditgate_server.store.clock import StoreClock
from creditgate_server.store.errors import (
    OutcomeUnknown,
    ReplyError,
    StoreAccessRefused,
    StoreError,
    StoreUnreachable,
)

SILENT = OutcomeUnknown("redis://host", "no answer within 0.25 s")
AWAY = StoreUnreachable("redis://host", "connection refused")

TURNS = 20
"""Looks at a store after which whatever it says has had its effect."""


class Store:
    """A store as far as the watch knows one: `problem` befalls every look, `late_s` is how long we do not run then."""

    def __init__(self) -> None:
        self.clock = StoreClock()
        self.heard = 0
        self.problem: Exception | None = None
        self.late_s = 0.0
        self.is_busy = False
        self.looks = 0

    async def probe(self) -> None:
        """Be looked at."""
        self.looks += 1
        time.sleep(self.late_s)  # noqa: ASYNC251 (that is the point)
        if self.problem is None or self.is_busy:
            self.heard += 1
        if self.problem is not None:
            raise self.problem

    async def refresh(self) -> None:
        """Have no new rate cards."""

    async def be_looked_at(self, times: int = TURNS) -> None:
        """Wait for so many more looks."""
        enough = self.looks + times
        await until(lambda: self.looks >= enough)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look a hundred times as often as a server does, and be as much less patient."""
    monkeypatch.setattr(watch, "WATCH_INTERVAL_S", watch.WATCH_INTERVAL_S / 100)
    monkeypatch.setattr(watch, "SILENCE_S_MAX", watch.SILENCE_S_MAX / 100)
    monkeypatch.setattr(watch, "TICK_S", watch.TICK_S / 100)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@asynccontextmanager
async def following(store: Store) -> AsyncIterator[StoreWatch]:
    """Follow a store that is of use at first."""
    followed = StoreWatch(store, store)
    followed.available = True
    task = asyncio.create_task(followed.follow())
    try:
        yield followed
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (what is waited for announces nothing)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("problem", [SILENT, AWAY])
async def test_a_store_that_says_nothing_is_lost_only_after_some_looks_and_comes_back(
    problem: StoreError, store: Store, logs: list[Any]
) -> None:
    async with following(store) as followed:
        store.problem = problem
        await store.be_looked_at(3)
        assert followed.available
        await until(lambda: not followed.available)
        store.problem = None
        await until(lambda: followed.available)

    assert [line["event"] for line in logs] == ["store_lost", "store_back"]
    assert logs[0]["store_error"] == str(problem)


async def test_one_answer_ends_a_silence(store: Store, logs: list[Any]) -> None:
    async with following(store) as followed:
        for _ in range(TURNS):
            store.problem = SILENT
            await store.be_looked_at(1)
            store.problem = None
            await store.be_looked_at(2)
        assert followed.available

    assert logs == []


async def test_a_store_that_answers_others_meanwhile_is_not_silent(store: Store, logs: list[Any]) -> None:
    async with following(store) as followed:
        store.problem, store.is_busy = SILENT, True
        await store.be_looked_at()
        assert followed.available

    assert logs == []


async def test_while_this_process_did_not_run_it_could_not_hear(store: Store) -> None:
    async with following(store) as followed:
        store.problem, store.late_s = SILENT, watch.SILENCE_S_MAX * 2
        await store.be_looked_at(2)
        assert followed.available


@pytest.mark.parametrize(
    "problem",
    [
        ReplyError("READONLY", "You can't write against a read only replica."),
        StoreAccessRefused("redis://host", ReplyError("WRONGPASS", "invalid")),
        ValueError("a rate card that cannot be read"),
    ],
)
async def test_a_store_that_refuses_is_lost_at_once(problem: Exception, store: Store, logs: list[Any]) -> None:
    async with following(store) as followed:
        store.problem = problem
        await store.be_looked_at(1)
        await until(lambda: not followed.available)
        assert store.looks <= 3
        store.problem = None
        await until(lambda: followed.available)

    assert [line["event"] for line in logs] == ["store_lost", "store_back"]


async def test_a_clock_that_steps_is_told_of_once_and_again_when_it_agrees(store: Store, logs: list[Any]) -> None:
    async with following(store):
        store.clock.disagreement_ms = 5_000
        await store.be_looked_at()
        store.clock.disagreement_ms = 0
        await store.be_looked_at(2)

    assert [line["event"] for line in logs] == ["store_clock_stepped", "store_clock_agrees"]

"""The sweeper: all partitions, bounded work, and no giving up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from creditgate_server.jobs.sweeper import ROOTS_MAX, SWEEPS_MAX, Sweeper
from creditgate_server.metrics import Metrics
from creditgate_server.store.errors import StoreUnreachable
from creditgate_server.store.ledger import SWEEP_MAX, Due


class LedgerWithDueThings:
    """A ledger in which so many things are due of each organisation; it may fail a number of times first."""

    def __init__(self, due: dict[int, dict[str, int]], failures: list[Exception] | None = None) -> None:
        self.partitions = 4
        self.left = due
        self.failures = failures or []
        self.calls: Counter[str] = Counter()
        self.changed = asyncio.Event()

    async def due(self, partition: int, count: int) -> Due:
        """Answer from the table."""
        assert count == ROOTS_MAX
        if self.failures:
            raise self.failures.pop()
        roots = [root for root, left in self.left.get(partition, {}).items() if left]
        return Due(tuple(roots), 1500 * len(roots), open_holds=7)

    async def sweep(self, root_id: str, count: int) -> tuple[int, bool]:
        """Take from the table."""
        assert count == SWEEP_MAX
        self.calls[root_id] += 1
        for roots in self.left.values():
            if root_id in roots:
                ended = min(count, roots[root_id])
                roots[root_id] -= ended
                self.changed.set()
                return ended, roots[root_id] > 0
        raise AssertionError(root_id)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """Lines that were logged."""
    with capture_logs() as lines:
        yield lines


async def test_a_turn_ends_all_that_is_due_in_every_partition(metrics: Metrics) -> None:
    ledger = LedgerWithDueThings({0: {"a": 1}, 3: {"b": 2 * SWEEP_MAX + 1, "c": SWEEP_MAX}})

    await Sweeper(ledger, metrics, 1).sweep_all()

    assert ledger.left == {0: {"a": 0}, 3: {"b": 0, "c": 0}}
    assert ledger.calls == {"a": 1, "b": 3, "c": 1}
    shown = generate_latest(metrics.registry).decode()
    assert f"creditgate_swept_total {3 * SWEEP_MAX + 2}.0" in shown
    assert "creditgate_sweeper_lag_seconds 3.0" in shown
    assert "creditgate_open_holds 28.0" in shown


async def test_the_lag_is_0_when_nothing_is_due(metrics: Metrics) -> None:
    metrics.sweeper_lag_seconds.set(9)

    await Sweeper(LedgerWithDueThings({}), metrics, 1).sweep_all()

    assert "creditgate_sweeper_lag_seconds 0.0" in generate_latest(metrics.registry).decode()


async def test_one_organisation_cannot_keep_a_turn_from_ending(metrics: Metrics) -> None:
    ledger = LedgerWithDueThings({0: {"huge": 10**9}, 1: {"small": 1}})

    await Sweeper(ledger, metrics, 1).sweep_all()

    assert ledger.calls == {"huge": SWEEPS_MAX, "small": 1}


async def test_the_sweeper_goes_on_after_a_store_that_was_away_and_after_a_defect(
    metrics: Metrics, logs: list[Any]
) -> None:
    away = StoreUnreachable("redis://host", "it is away")
    failures = [KeyError("a defect"), away, away, away]
    ledger = LedgerWithDueThings({2: {"a": 1}}, failures)

    async with Sweeper(ledger, metrics, 0.001), asyncio.timeout(10):
        await ledger.changed.wait()
        while len(logs) < 3:  # noqa: ASYNC110 (the line comes when the turn ends)
            await asyncio.sleep(0.001)

    assert ledger.left == {2: {"a": 0}}
    assert [(line["event"], line["log_level"], line.get("failures")) for line in logs] == [
        ("sweep_failed", "warning", None),
        ("sweep_failed", "error", None),
        ("sweep_resumed", "info", 3),
    ]
    assert "creditgate_sweep_failures_total 4.0" in generate_latest(metrics.registry).decode()

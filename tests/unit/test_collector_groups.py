"""Groups of operations in the collector: what counts against its bounds is operations, not requests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest

from creditgate_server.engine.collector import BATCH_MAX, PIPELINES_MAX, Collector, CollectorSettings
from creditgate_server.engine.errors import Overloaded
from creditgate_server.store.ledger import Group, Lane, Reply, Request

if TYPE_CHECKING:
    from creditgate_server.store.ledger import Ledger

pytestmark = pytest.mark.timeout(10)

SIZE = 64
PATIENT = CollectorSettings(interval_s=0, wait_max_s=60)


def group(size: int = SIZE) -> Group:
    return Group("key", Lane.BATCH, (("charge", b""),) * size)


def single(name: str = "charge") -> Request:
    return Request("key", Lane.DECIDE, name, b"")


class SlowLedger:
    """A ledger that answers pipelines when it is told to."""

    def __init__(self) -> None:
        self.pipelines: list[int] = []
        self.may_answer = asyncio.Event()

    async def send(self, requests: Sequence[Request | Group]) -> list[Reply]:
        self.pipelines.append(sum(request.size for request in requests))
        await self.may_answer.wait()
        return [[] for _ in requests]


@pytest.fixture
def ledger() -> SlowLedger:
    return SlowLedger()


def collect(ledger: SlowLedger, settings: CollectorSettings = PATIENT) -> tuple[Collector, list[int]]:
    """Return a collector, and the sizes of its pipelines as they end."""
    sizes: list[int] = []
    collector = Collector(cast("Ledger", ledger), settings, on_batch=lambda size, _: sizes.append(size))
    return collector, sizes


async def test_a_pipeline_carries_a_bounded_number_of_operations_in_however_few_groups(ledger: SlowLedger) -> None:
    collector, sizes = collect(ledger)
    ledger.may_answer.set()
    answers = [collector.submit(group()) for _ in range(3 * BATCH_MAX // SIZE)]
    await asyncio.gather(*answers)
    assert ledger.pipelines == [BATCH_MAX] * 3
    assert sorted(sizes) == ledger.pipelines


async def test_a_single_operation_behind_groups_waits_for_no_more_than_a_pipeline(ledger: SlowLedger) -> None:
    collector, _ = collect(ledger)
    ledger.may_answer.set()
    groups = [collector.submit(group()) for _ in range(BATCH_MAX // SIZE)]
    await collector.submit(single())
    assert ledger.pipelines == [BATCH_MAX, 1]
    await asyncio.gather(*groups)


async def test_operations_of_groups_count_among_those_that_may_wait(ledger: SlowLedger) -> None:
    collector, _ = collect(ledger, CollectorSettings(waiting_max=2 * SIZE, wait_max_s=60))
    answers = [collector.submit(group()), collector.submit(group())]
    assert collector.waiting == 2 * SIZE
    with pytest.raises(Overloaded):
        collector.submit(single())
    ledger.may_answer.set()
    await asyncio.gather(*answers)
    assert collector.waiting == 0


async def test_groups_that_waited_too_long_wait_no_more(ledger: SlowLedger) -> None:
    collector, _ = collect(ledger, CollectorSettings(interval_s=0, wait_max_s=0))
    under_way = [collector.submit(group(BATCH_MAX)) for _ in range(PIPELINES_MAX)]
    late = [collector.submit(group()), collector.submit(single())]
    told = await asyncio.gather(*late, return_exceptions=True)
    assert [type(answer) for answer in told] == [Overloaded, Overloaded]
    assert collector.waiting == 0
    ledger.may_answer.set()
    await asyncio.gather(*under_way)

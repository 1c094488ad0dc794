"""The sweeper ends what is due and nobody touches: holds and grants whose time is over.

Decisions do the same for the accounts they meet, so nothing waits for the sweeper to be right; it keeps idle
accounts' balances fresh, and frees the store's memory. Several sweepers, one in each sidecar, do no harm.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, Self

import structlog

from creditgate_server.store.errors import ReplyError, StoreError
from creditgate_server.store.ledger import SWEEP_MAX, Due

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from creditgate_server.metrics import Metrics

JITTER: Final = 0.2
"""Intervals vary by so much either way, so that sidecars that were started together do not sweep together."""

ROOTS_MAX: Final = 100
"""Organisations of one partition swept in one turn, the most overdue first."""

SWEEPS_MAX: Final = 20
"""Calls for one organisation in one turn; what is left waits for the next."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class DueLedger(Protocol):
    """What the sweeper needs of a ledger."""

    partitions: int

    async def due(self, partition: int, count: int) -> Due:
        """Return what is due of a partition, up to `count` organisations."""
        ...

    async def sweep(self, root_id: str, count: int) -> tuple[int, bool]:
        """End up to `count` things that are due; return how many, and whether more are."""
        ...


class Sweeper:
    """Sweeps all partitions once an interval, while its context is entered."""

    def __init__(self, ledger: DueLedger, metrics: Metrics, interval_s: float) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._interval_s = interval_s
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="sweeper")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End; a sweep that is under way in the store goes on there."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def sweep_all(self) -> None:
        """Take one turn over all partitions. Raises StoreError."""
        found = [await self._sweep_partition(partition) for partition in range(self._ledger.partitions)]
        self._metrics.sweeper_lag_seconds.set(max(due.lag_ms for due in found) / 1000)
        self._metrics.open_holds.set(sum(due.open_holds for due in found))

    async def _run(self) -> None:
        """Take a turn an interval, whatever befalls: a store that is away comes back, and a defect must be seen.

        Of turns that the store breaks off one after the other the first is logged, and the end.
        """
        failures = 0
        while True:
            await asyncio.sleep(self._interval_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311 (no secret)
            try:
                await self.sweep_all()
            except StoreError as error:
                self._metrics.sweep_failures.inc()
                failures += 1
                if failures == 1:
                    _log.warning("sweep_failed", store_error=str(error))
            except Exception as error:  # noqa: BLE001 (nobody else would look at it)
                self._metrics.sweep_failures.inc()
                _log.error("sweep_failed", exc_info=error)
            else:
                if failures:
                    _log.info("sweep_resumed", failures=failures)
                failures = 0

    async def _sweep_partition(self, partition: int) -> Due:
        """Sweep what is due of a partition, and return what was."""
        due = await self._ledger.due(partition, ROOTS_MAX)
        for root_id in due.roots:
            try:
                await self._sweep_root(root_id)
            except ReplyError as error:
                self._metrics.sweep_failures.inc()
                _log.error("sweep_failed", organisation=root_id, store_error=str(error))
        return due

    async def _sweep_root(self, root_id: str) -> None:
        """Sweep an organisation. Raises ReplyError where something of it cannot be read, which concerns no other."""
        for _ in range(SWEEPS_MAX):
            ended, more = await self._ledger.sweep(root_id, SWEEP_MAX)
            self._metrics.swept.inc(ended)
            if not more:
                break

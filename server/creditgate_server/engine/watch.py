"""The watch of the store: whether it is of use, which rate cards others have put, and what its clock shows."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from creditgate_server.store.errors import OutcomeUnknown, StoreAccessRefused, StoreError, StoreUnreachable

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from creditgate_server.store.clock import StoreClock

WATCH_INTERVAL_S: Final = 0.5
"""How often the store is asked whether it answers: a new rate card serves everywhere, and health follows, so soon."""

SILENCE_S_MAX: Final = 2.0
"""How long the store may say nothing at all before it counts as lost.

A busy machine lets the store, or us, wait longer than the store's time-out now and then. That costs calls their answer;
a server that left service for it would only put its load upon the next.
"""

TICK_S: Final = 0.05
"""What a turn of waiting counts for, however long it took: while we do not run, we cannot hear."""

CLOCK_SAID_S: Final = 60.0
"""How often it is logged that the store's clock is not what it should be."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class WatchedLedger(Protocol):
    """What the watch needs of a ledger."""

    clock: StoreClock

    @property
    def heard(self) -> int:
        """How many pipelines the store has carried out and answered."""
        ...

    async def probe(self) -> None:
        """Do what a settlement does, without one, and look at the store's clock. Raises StoreError as it would."""
        ...


class WatchedCards(Protocol):
    """What the watch needs of the rate cards."""

    async def refresh(self) -> None:
        """Read the versions that were added since. Raises StoreError."""
        ...


class StoreWatch:
    """Follows a store. What it refuses takes it out of use at once, saying nothing only after SILENCE_S_MAX."""

    def __init__(self, ledger: WatchedLedger, cards: WatchedCards) -> None:
        """Watch a ledger's store and its rate cards; until the first look it counts as of no use."""
        self.available = False
        self._ledger = ledger
        self._cards = cards
        self._clock_said_s = -math.inf

    async def follow(self) -> None:
        """Look at the store, again and again."""
        silent_s = 0.0
        while True:
            await asyncio.sleep(WATCH_INTERVAL_S)
            heard_before = self._ledger.heard
            error, waited_s = await self._look()
            is_silent = _is_silence(error) and self._ledger.heard == heard_before
            silent_s = silent_s + WATCH_INTERVAL_S + waited_s if is_silent else 0.0
            if error is None:
                self._see(available=True)
            elif not _is_silence(error) or silent_s >= SILENCE_S_MAX:
                self._see(available=False, error=error)

    async def _look(self) -> tuple[BaseException | None, float]:
        """Ask the store; return what is wrong, if anything is, and how long we could have heard an answer."""
        asking = asyncio.create_task(self._ask())
        waited_s = 0.0
        try:
            while not asking.done():
                await asyncio.wait((asking,), timeout=TICK_S)
                waited_s += TICK_S
        finally:
            asking.cancel()
        return asking.exception(), waited_s

    async def _ask(self) -> None:
        await self._ledger.probe()
        self._see_clock()
        await self._cards.refresh()

    def _see(self, *, available: bool, error: BaseException | None = None) -> None:
        """Note whether the store is of use, and log when that changes."""
        if available != self.available:
            why = {"store_error": str(error)} if isinstance(error, StoreError) else {"exc_info": error}
            _log.log(logging.INFO if available else logging.ERROR, "store_back" if available else "store_lost", **why)
        self.available = available

    def _see_clock(self) -> None:
        """Log that the store's clock has been set, again each minute while it disagrees, and when it agrees again."""
        ahead_ms, now_s = self._ledger.clock.disagreement_ms, time.monotonic()
        if ahead_ms and now_s - self._clock_said_s >= CLOCK_SAID_S:
            _log.error(
                "store_clock_stepped",
                ahead_ms=ahead_ms,
                consequence="holds and grants end late, until the clocks agree or this server is started anew",
            )
            self._clock_said_s = now_s
        elif not ahead_ms and self._clock_said_s > -math.inf:
            _log.info("store_clock_agrees")
            self._clock_said_s = -math.inf


def _is_silence(error: BaseException | None) -> bool:
    """Whether the store has said nothing; one that refuses a connection in words of its own has."""
    return isinstance(error, StoreUnreachable | OutcomeUnknown) and not isinstance(error, StoreAccessRefused)

"""A coarse clock that store and model share, although the store's goes on by itself while a history is told.

Operations happen at the beginning of a tick, give or take `GRID_MS` for as long as they take; what they let fall due is
placed, on that grid, between two ticks. So whether something is due is never in doubt, and neither is the order of what
is. No window of the ledger (10 minutes, 1, 24 and 48 hours, 7 days) is near a whole number of ticks, nor is one that
begins where things fall due.

What falls due some half hours after an operation, as the periods of plans do that are anchored to none but their own
beginning, meets nothing that is placed. Where it would meet the beginning of a tick, that tick is left out.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable

TICK_MS = 1_000_000
GRID_MS = 10_000

HALF_HOUR_MS = 1_800_000

PLACES_MS = tuple(at for at in range(200_000, 500_000, GRID_MS) if at % math.gcd(TICK_MS, HALF_HOUR_MS))
"""Where things may fall due within one tick: on the grid, but for where half hours lead to from its beginning."""

TICKS_OF_WINDOWS = (1, 4, 87, 173)
"""Ticks after which the window of a denial, a settled hold, an expired one, a charge is over."""


class TooSlow(Exception):
    """The machine was so slow that store and model may rightly differ about what time it is."""


class Clock:
    """Time as the model has it, and which places of it are taken."""

    def __init__(self, now_ms: int) -> None:
        self.begin_ms = now_ms - now_ms % TICK_MS + TICK_MS
        self.start_ms = self.begin_ms
        self.bursts = 0
        self._taken = Counter[int]()
        self._avoided: list[Callable[[int], bool]] = []
        self._ticked_s = time.monotonic()

    @property
    def now_ms(self) -> int:
        """The model's time: bursts of operations of one tick are a millisecond apart."""
        return self.start_ms + self.bursts

    def go_on(self, ticks: int) -> None:
        self.start_ms += ticks * TICK_MS
        while any(is_avoided(self.start_ms) for is_avoided in self._avoided):
            self.start_ms += TICK_MS
        self.bursts = 0
        self._ticked_s = time.monotonic()

    def avoid(self, is_avoided: Callable[[int], bool]) -> None:
        """Leave out the ticks of whose beginning this is true, from now on."""
        self._avoided.append(is_avoided)

    def check(self) -> None:
        """Raise TooSlow when this tick has taken longer than the grid allows."""
        if time.monotonic() - self._ticked_s > GRID_MS / 1000 - 1:
            raise TooSlow

    def place(self, ticks: int) -> int:
        """Return a time of its own between the tick that is so far ahead and the one before."""
        tick_ms = self.start_ms + (ticks - 1) * TICK_MS
        while self._taken[tick_ms] == len(PLACES_MS):
            tick_ms += TICK_MS
        self._taken[tick_ms] += 1
        return tick_ms + PLACES_MS[self._taken[tick_ms] - 1]

    def between(self, ticks: int) -> int:
        """Return the middle of a tick, before or ahead, for what only needs to be older or younger than a window."""
        return self.start_ms + ticks * TICK_MS + TICK_MS // 2


def on_grid(time_ms: int) -> int:
    """Return what store and model agree on of a time."""
    return time_ms - time_ms % GRID_MS

"""The store's clock, held against our own: a step of it must not end what is held before its time.

Only the store's clock moves money. But it is a wall clock, which may be set; so every call says what time we expect it
to be, by a clock of ours that is never set. Where the two are far apart nothing ends before both say so, until they
agree again, or this process starts anew and takes the store's for true.
"""

from __future__ import annotations

import time
from typing import Final

TOLERANCE_MS: Final = 2_000
"""How far the store's time may be from what we expect (`work.CLOCK_TOLERANCE_MS`): more than an answer is ever late."""

SLEW_MS: Final = 10
"""How far what we expect follows the store at each observation: two a second follow a clock that is 2 % fast."""

_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Never set, and where the system knows it, counting on while the machine sleeps, as the store's does."""


def own_ms() -> float:
    """Return milliseconds of our own clock."""
    return time.clock_gettime(_CLOCK) * 1000


class StoreClock:
    """What the store's clock should show, from what it showed before."""

    def __init__(self) -> None:
        """Expect nothing until the first observation."""
        self._offset_ms: float | None = None
        self.disagreement_ms = 0
        """How far the store's clock is ahead of what we expect (negative: behind); 0 within tolerance."""

    def observe(self, store_ms: float, sent_ms: float, received_ms: float) -> None:
        """Learn what the store's clock showed between two moments of ours; if these lie far apart, little."""
        least, most = store_ms - received_ms, store_ms - sent_ms
        if most - least > TOLERANCE_MS:
            return
        if self._offset_ms is None:
            self._offset_ms = (least + most) / 2
        gap_ms = min(max(self._offset_ms, least), most) - self._offset_ms
        agrees = abs(gap_ms) <= TOLERANCE_MS
        self.disagreement_ms = 0 if agrees else round(gap_ms)
        if agrees:
            self._offset_ms += min(max(gap_ms, -SLEW_MS), SLEW_MS)

    def expected_ms(self, now_ms: float) -> int:
        """Return what the store's clock should show at a moment of ours, 0 before anything is known."""
        return 0 if self._offset_ms is None else int(now_ms + self._offset_ms)

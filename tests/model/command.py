"""`scripts/model`: many operations on store and model, in as many processes as wanted, each with a store of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import secrets
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from queue import Empty

import structlog
from tests.model.coverage import Coverage
from tests.model.driver import Failure, check_store, run
from tests.model.mutations import MUTATIONS, hunt_all
from tests.model.sidecars import open_sidecars, own_store

OPERATIONS = 100_000

OPERATIONS_TO_MEET_ALL = 20_000
"""In so many, everything there is should be met."""

OPERATIONS_PER_STORE = 50_000
"""Then the store is replaced by a new one: it remembers ids for hours of real time."""

SEEDS_PER_PROCESS = 1_000_000

REPORT_EVERY_S = 10.0


@dataclass(frozen=True)
class Progress:
    """What a process has done so far; at its end with what it met, or with what went wrong."""

    process: int
    operations: int
    coverage: Coverage | None = None
    failure: str = ""


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/model", description=__doc__)
    parser.add_argument("--operations", type=int, default=OPERATIONS, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of the first group of organisations (by chance)")
    parser.add_argument("--processes", type=int, default=1, help="each with a store of its own (%(default)s)")
    parser.add_argument("--mutations", action="store_true", help="check instead that every seeded fault is found")
    chosen = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if chosen.seed is None else chosen.seed
    say(f"seed {seed}")
    if chosen.mutations:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
        survivors = asyncio.run(hunt_all(MUTATIONS, seed, lambda hunt: say(str(hunt))))
        say(f"{len(MUTATIONS) - len(survivors)} of {len(MUTATIONS)} faults found")
        return 1 if survivors else 0
    return _run_all(seed, chosen.operations, chosen.processes)


def _run_all(seed: int, operations: int, processes: int) -> int:
    context = multiprocessing.get_context("spawn")
    reports: Queue[Progress] = context.Queue()
    share = -(-operations // processes)
    workers = [
        context.Process(target=_work, args=(at, seed + at * SEEDS_PER_PROCESS, share, reports), daemon=True)
        for at in range(processes)
    ]
    for worker in workers:
        worker.start()
    try:
        return _follow(reports, workers, share * processes)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


def _follow(reports: Queue[Progress], workers: Sequence[BaseProcess], operations: int) -> int:
    """Print how far the processes are, until all have ended or one has failed."""
    began_s = said_s = time.monotonic()
    done = dict.fromkeys(range(len(workers)), 0)
    coverage, ended = Coverage(), 0
    while ended < len(workers):
        try:
            report = reports.get(timeout=REPORT_EVERY_S)
        except Empty:
            if any(worker.exitcode for worker in workers):
                say("a process ended without a word")
                return 1
            continue
        done[report.process] = report.operations
        if report.failure:
            say(report.failure)
            return 1
        if report.coverage is not None:
            coverage.add(report.coverage)
            ended += 1
        if time.monotonic() - said_s > REPORT_EVERY_S or ended == len(workers):
            said_s = time.monotonic()
            total = sum(done.values())
            say(f"{total:,} of {operations:,} operations, {total / (said_s - began_s):,.0f}/s")
    say("no difference")
    if operations >= OPERATIONS_TO_MEET_ALL and coverage.missing():
        say(f"not met: {', '.join(coverage.missing())}")
    return 0


def _work(process: int, seed: int, operations: int, reports: Queue[Progress]) -> None:
    try:
        coverage = asyncio.run(_compare(process, seed, operations, reports))
        reports.put(Progress(process, operations, coverage))
    except Failure as failure:
        reports.put(Progress(process, 0, failure=str(failure)))
    except Exception:  # noqa: BLE001 — whatever it is, whoever waits must hear of it
        reports.put(Progress(process, 0, failure=traceback.format_exc()))


async def _compare(process: int, seed: int, operations: int, reports: Queue[Progress]) -> Coverage:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    coverage = Coverage()
    for before in range(0, operations, OPERATIONS_PER_STORE):

        def tell(done: int, before: int = before) -> None:
            reports.put(Progress(process, before + done))

        async with own_store() as url, open_sidecars(url) as sidecars:
            share = min(OPERATIONS_PER_STORE, operations - before)
            seed = await run(sidecars, seed, share, coverage, on_progress=tell)
            await check_store(sidecars)
    return coverage


if __name__ == "__main__":
    sys.exit(main())

"""`scripts/fuzz`: odd and broken messages to every method of a server, each answer judged."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
import time
from collections.abc import Sequence

from tests.fuzz.campaign import Fault, Tally, fuzzed_server, run

MESSAGES = 100_000

REPORT_EVERY_S = 10.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 1 where the server has failed."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--messages", type=int, default=MESSAGES, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="what makes them (by chance)")
    chosen = parser.parse_args(arguments)
    seed = secrets.randbelow(10**9) if chosen.seed is None else chosen.seed
    say(f"seed {seed}")
    began_s = said_s = time.monotonic()

    def progress(tally: Tally) -> None:
        nonlocal said_s
        if time.monotonic() - said_s > REPORT_EVERY_S:
            said_s = time.monotonic()
            say(f"{tally.sent:,} of {chosen.messages:,} messages, {tally.sent / (said_s - began_s):,.0f}/s")

    async def fuzz() -> Tally:
        async with fuzzed_server() as server:
            return await run(server, seed, chosen.messages, progress)

    try:
        tally = asyncio.run(fuzz())
    except Fault as fault:
        say(str(fault))
        return 1
    say(summary(tally))
    say(f"no fault in {time.monotonic() - began_s:.0f} s")
    return 0


def summary(tally: Tally) -> str:
    """Say what was sent and what came back."""
    sent = tally.requests + tally.not_requests
    answers = ", ".join(f"{what} {times:,}" for what, times in tally.met.most_common())
    return (
        f"{sent.total():,} messages to {len(sent)} methods: {tally.requests.total():,} requests, "
        f"{tally.not_requests.total():,} that are none\n"
        f"answers, of operations and frames too: {answers}\n"
        f"{tally.effects:,} effects, each of which its caller was told"
    )


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Five thousand odd and broken messages: each is answered as documented, and whatever is refused has done nothing.

`scripts/fuzz` does the same with as many as one has time for.
"""

from __future__ import annotations

import os
import secrets

from tests.fuzz.campaign import fuzzed_server, run
from tests.fuzz.interface import METHODS

MESSAGES = 5000

SEED = int(os.environ.get("CREDITGATE_FUZZ_SEED", "") or secrets.randbelow(10**9))
"""Makes the messages; a failure names it."""


async def test_no_message_is_answered_otherwise_than_documented_or_does_what_nobody_was_told() -> None:
    async with fuzzed_server() as server:
        tally = await run(server, SEED, MESSAGES)

    # It has been tried at all: every method with and without requests, and the ledger has done some of what was asked.
    assert tally.requests.keys() == tally.not_requests.keys() == METHODS.keys(), f"seed {SEED}"
    assert tally.requests.total() == tally.not_requests.total() == MESSAGES / 2
    assert tally.effects > MESSAGES / 50, f"seed {SEED}"
    assert {"OK", "MALFORMED_REQUEST", "INVALID_FIELD", "ACCOUNT_NOT_FOUND", "ID_REUSED"} <= tally.met.keys()

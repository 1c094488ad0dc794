"""Twenty thousand operations by chance, on a store of their own: no difference, and everything that there is was met.

`scripts/model` does the same with as many as one has time for.
"""

from __future__ import annotations

import os
import secrets

from tests.model.coverage import Coverage
from tests.model.driver import check_store, run
from tests.model.sidecars import open_sidecars, own_store

OPERATIONS = 20_000

SEED = int(os.environ.get("CREDITGATE_MODEL_SEED", "") or secrets.randbelow(10**9))
"""Makes the operations; a failure names it."""


async def test_store_and_model_never_differ_and_every_branch_is_met() -> None:
    coverage = Coverage()
    async with own_store() as url, open_sidecars(url) as sidecars:
        await run(sidecars, SEED, OPERATIONS, coverage)
        await check_store(sidecars)
    assert coverage.missing() == [], f"seed {SEED}"

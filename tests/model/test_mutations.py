"""The comparison of store and model notices faults: it finds those that are put into the ledger's functions on purpose.

Here some of them, by chance; `scripts/model --mutations` looks for all.
"""

from __future__ import annotations

import os
import secrets
from random import Random

import pytest
from tests.model.mutation import Mutation
from tests.model.mutations import MUTATIONS, hunt_all

FAULTS = 4
"""Faults to look for; each takes about a second, a rare one some twenty."""

SEED = int(os.environ.get("CREDITGATE_MODEL_SEED", "") or secrets.randbelow(10**9))
"""Chooses the faults and makes the operations; a failure names it."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.file}: {mutation.meaning}")
def test_what_a_fault_replaces_stands_in_the_functions_exactly_once(mutation: Mutation) -> None:
    mutation.apply()


@pytest.mark.timeout(600)
async def test_faults_are_found() -> None:
    chosen = Random(SEED).sample(MUTATIONS, FAULTS)
    assert await hunt_all(chosen, SEED) == [], f"seed {SEED}"

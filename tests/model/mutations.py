"""Faults put into the ledger's functions one at a time: store and model must come to differ over every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.model.coverage import Coverage
from tests.model.driver import Failure, run
from tests.model.mutation import Mutation
from tests.model.mutations_of_credits import MUTATIONS_OF_CREDITS
from tests.model.mutations_of_operations import MUTATIONS_OF_OPERATIONS
from tests.model.sidecars import open_sidecars, own_store

MUTATIONS: tuple[Mutation, ...] = (*MUTATIONS_OF_CREDITS, *MUTATIONS_OF_OPERATIONS)

OPERATIONS_MAX = 40_000
"""Operations without a difference after which a fault counts as not found."""

MUTATIONS_PER_STORE = 20


@dataclass(frozen=True)
class Hunt:
    """How the search for a fault ended: whether it was found, and after about how many operations."""

    mutation: Mutation
    is_found: bool
    operations: int

    def __str__(self) -> str:
        how = f"found in {self.operations:,} operations" if self.is_found else "NOT FOUND"
        return f"{how:>30}  {self.mutation.file}: {self.mutation.meaning}"


async def hunt_all(
    mutations: Sequence[Mutation], seed: int, on_end: Callable[[Hunt], None] = lambda _hunt: None
) -> list[Mutation]:
    """Look for every fault; returns those that were not found. Raises NotFoundOnce before it begins."""
    libraries = [mutation.apply() for mutation in mutations]
    survivors: list[Mutation] = []
    for start in range(0, len(mutations), MUTATIONS_PER_STORE):
        async with own_store() as url:
            for at in range(start, min(start + MUTATIONS_PER_STORE, len(mutations))):
                mutation, done = mutations[at], [0]
                async with open_sidecars(url, libraries[at]) as sidecars:
                    try:
                        await run(sidecars, seed, OPERATIONS_MAX, Coverage(), on_progress=done.append)
                    except Failure as failure:
                        on_end(Hunt(mutation, is_found=True, operations=done[-1] + failure.operations))
                    else:
                        survivors.append(mutation)
                        on_end(Hunt(mutation, is_found=False, operations=done[-1]))
    return survivors

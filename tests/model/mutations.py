"""Faults put into the ledger's functions one at a time: store and model must come to differ over every one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.model.coverage import Coverage
from tests.model.driver import Failure, run
from tests.model.mutation import Mutation
from tests.model.mutations_of_credits import MUTATIONS_OF_CREDITS
from tests.model.mutations_of_operations import MUTATIONS_OF_OPERATIONS
from tests.model.mutations_of_plans import MUTATIONS_OF_PLANS
from tests.model.sidecars import open_sidecars, own_store

from creditgate_server.store.library import Library

MUTATIONS: tuple[Mutation, ...] = (*MUTATIONS_OF_CREDITS, *MUTATIONS_OF_OPERATIONS, *MUTATIONS_OF_PLANS)

OPERATIONS_MAX = 40_000
"""Operations without a difference after which a fault counts as not found."""


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
    for mutation, library in zip(mutations, libraries, strict=True):
        hunt = await _hunt(mutation, library, seed)
        on_end(hunt)
        if not hunt.is_found:
            survivors.append(mutation)
    return survivors


async def _hunt(mutation: Mutation, library: Library, seed: int) -> Hunt:
    done = [0]
    async with own_store() as url, open_sidecars(url, library) as sidecars:
        try:
            await run(sidecars, seed, OPERATIONS_MAX, Coverage(), on_progress=done.append)
        except Failure as failure:
            return Hunt(mutation, is_found=True, operations=done[-1] + failure.operations)
    return Hunt(mutation, is_found=False, operations=done[-1])

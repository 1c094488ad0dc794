"""What can be wrong with a request, one thing above the other: mend the first, and the next is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.rpc.scenes import Scene

AnyRequest = Any
"""A request of some method, with the fields that it has."""


def _nothing(*_: object) -> None: ...


@dataclass(frozen=True)
class Rung:
    """One thing that is wrong: `name` is what docs/errors.md calls it, `field` the wrong field where that matters.

    `happen` changes the scene, `spoil` the request. `denial` is the reason where it is denied and not refused.
    """

    name: str
    spoil: Callable[[AnyRequest, Scene], None] = _nothing
    happen: Callable[[Scene], None] = _nothing
    field: str = ""
    denial: int = 0

    @property
    def reason(self) -> str:
        """The reason that is told for it; "denial" for a denial."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True)
class Ladder:
    """The call of a method that succeeds, once `stage` has been set, and what can be wrong with it, the first first."""

    method: str
    request: Callable[[Scene], AnyRequest]
    rungs: Sequence[Rung]
    stage: Callable[[Scene], None] = _nothing

    def __str__(self) -> str:
        """Name it by its method and what tells it from the method's others."""
        return f"{self.method}: {', '.join(rung.name for rung in self.rungs)}"

    def prepared(self, scene: Scene, first: int) -> bytes:
        """Let everything from a rung on be wrong, and give the request."""
        self.stage(scene)
        rungs = (*ALWAYS, *self.rungs)[first:]
        for rung in reversed(rungs):
            rung.happen(scene)
        request = self.request(scene)
        for rung in reversed(rungs):
            rung.spoil(request, scene)
        data: bytes = request.SerializeToString()
        return data + b"\xff" if rungs and rungs[0] is MALFORMED else data


def names_account(request: AnyRequest) -> AnyRequest:
    """Give the message that names the account: the request, or the account in it."""
    return request.account if "account" in request.DESCRIPTOR.fields_by_name else request


def _no_id(request: AnyRequest, _: Scene) -> None:
    """Put what cannot be an id into the place of one."""
    holder = names_account(request)
    for name in ("account_id", "parent_id", "rate_card_id", "page_size"):
        if name in holder.DESCRIPTOR.fields_by_name:
            setattr(holder, name, -1 if name == "page_size" else "No Id")
            return


MALFORMED: Final = Rung("MALFORMED_REQUEST")
INVALID: Final = Rung("INVALID_FIELD", _no_id)

ALWAYS: Final = (MALFORMED, INVALID)
"""What can be wrong with every request, before anything else."""

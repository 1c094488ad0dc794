"""The function library: assembled from `lua/`, named by its content, so that versions can serve side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES: Final = (
    "modules",
    "terms",
    "codec",
    "work",
    "due",
    "grants",
    "life",
    "plans",
    "returns",
    "usage",
    "holds",
    "authorizations",
    "settlements",
    "refunds",
    "accounts",
    "giving",
    "reads",
    "audit",
    "rights",
    "register",
)
"""Files of `lua/` in order: a function must be defined before `register` names it."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library's source and the names of its functions, which are global in the store and so carry the hash."""

    source: str
    digest: str

    @property
    def decide(self) -> str:
        """Operations that need room: refused by a full store."""
        return f"cg_decide_{self.digest}"

    @property
    def settle(self) -> str:
        """Operations that end holds: carried out by a full store too."""
        return f"cg_settle_{self.digest}"

    @property
    def batch(self) -> str:
        """Operations of one organisation in order; an account's wait for the one that must be repeated."""
        return f"cg_batch_{self.digest}"

    @property
    def atomic(self) -> str:
        """Operations of one organisation, all or none."""
        return f"cg_atomic_{self.digest}"

    @property
    def rights(self) -> str:
        """The commands that its caller lacks the right to."""
        return f"cg_rights_{self.digest}"

    @property
    def sweep(self) -> str:
        """End what is due of one organisation."""
        return f"cg_sweep_{self.digest}"

    @property
    def read(self) -> str:
        """Operations that write nothing."""
        return f"cg_read_{self.digest}"


def bodies() -> dict[str, str]:
    """Return the text of each file of the library by its name, in order."""
    folder = files("creditgate_server.store") / "lua"
    return {name: (folder / f"{name}.lua").read_text("utf-8") for name in MODULES}


def assemble(texts: Mapping[str, str]) -> Library:
    """Make a library of the texts of its files, in their order."""
    code = "\n".join(texts.values())
    digest = blake2b(code.encode(), digest_size=6).hexdigest()
    return Library(source=f"#!lua name=creditgate_{digest}\n{code.replace('@HASH@', digest)}", digest=digest)


@cache
def library() -> Library:
    """Return the library of this version."""
    return assemble(bodies())

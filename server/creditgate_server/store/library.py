"""The function library: assembled from `lua/`, named by its content, so that versions can serve side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Final

MODULES: Final = (
    "modules",
    "terms",
    "codec",
    "work",
    "due",
    "grants",
    "usage",
    "holds",
    "authorizations",
    "settlements",
    "administration",
    "reads",
    "audit",
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
    def sweep(self) -> str:
        """End what is due of one organisation."""
        return f"cg_sweep_{self.digest}"

    @property
    def read(self) -> str:
        """Operations that write nothing."""
        return f"cg_read_{self.digest}"


@cache
def library() -> Library:
    """Assemble the library."""
    folder = files("creditgate_server.store") / "lua"
    bodies = [(folder / f"{name}.lua").read_text("utf-8") for name in MODULES]
    code = "\n".join(bodies)
    digest = blake2b(code.encode(), digest_size=6).hexdigest()
    return Library(source=f"#!lua name=creditgate_{digest}\n{code.replace('@HASH@', digest)}", digest=digest)

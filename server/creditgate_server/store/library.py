"""The function library: assembled from `lua/`, named by its content, so that versions can serve side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from creditgate_server.store import keys
from creditgate_server.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from creditgate_server.store.connections import StoreConnections

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

LIBRARIES_MAX: Final = 4
"""Libraries left in a store, some 0.5 MB each: more than one deploy with its way back has in use at once."""


@dataclass(frozen=True, slots=True)
class Library:
    """A library's source and the names of its functions, which are global in the store and so carry the hash."""

    source: str
    digest: str

    @property
    def name(self) -> str:
        """What the store calls it."""
        return library_name(self.digest)

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


def library_name(digest: str) -> str:
    """Return what the store calls the library of a digest."""
    return f"creditgate_{digest}"


def bodies() -> dict[str, str]:
    """Return the text of each file of the library by its name, in order."""
    folder = files("creditgate_server.store") / "lua"
    return {name: (folder / f"{name}.lua").read_text("utf-8") for name in MODULES}


def assemble(texts: Mapping[str, str]) -> Library:
    """Make a library of the texts of its files, in their order."""
    code = "\n".join(texts.values())
    digest = blake2b(code.encode(), digest_size=6).hexdigest()
    return Library(source=f"#!lua name={library_name(digest)}\n{code.replace('@HASH@', digest)}", digest=digest)


@cache
def library() -> Library:
    """Return the library of this version."""
    return assemble(bodies())


async def load(connections: StoreConnections, functions: Library) -> None:
    """Load a library; beyond LIBRARIES_MAX, delete those that were loaded longest ago.

    A sidecar that still works with one of these meets "function not found", which ran nothing, and loads it again. A
    store that refuses to note or to delete keeps them. Raises StoreError where it refuses the library itself.
    """
    loaded, _, _, oldest, _ = await connections.execute(
        (
            ("FUNCTION", "LOAD", "REPLACE", functions.source),
            ("LREM", keys.LIBRARIES, 0, functions.digest),
            ("LPUSH", keys.LIBRARIES, functions.digest),
            ("LRANGE", keys.LIBRARIES, LIBRARIES_MAX, -1),
            ("LTRIM", keys.LIBRARIES, 0, LIBRARIES_MAX - 1),
        )
    )
    if isinstance(loaded, StoreError):
        raise loaded
    if isinstance(oldest, list):
        await connections.execute([("FUNCTION", "DELETE", library_name(digest.decode())) for digest in oldest])

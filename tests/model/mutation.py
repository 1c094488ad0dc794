"""A fault that may be put into the ledger's functions."""

from __future__ import annotations

from dataclasses import dataclass

from creditgate_server.store.library import Library, assemble, bodies


class NotFoundOnce(Exception):
    """The text that a mutation replaces stands in its file not exactly once: the list must follow the functions."""


@dataclass(frozen=True)
class Mutation:
    """A text of one file of the function library, what stands there instead, and what that means."""

    file: str
    old: str
    new: str
    meaning: str

    def apply(self) -> Library:
        """Return the library with this fault in it. Raises NotFoundOnce."""
        texts = bodies()
        count = texts[self.file].count(self.old)
        if count != 1:
            raise NotFoundOnce(f"{self.file}.lua has it {count} times: {self.old!r} ({self.meaning})")
        return assemble(texts | {self.file: texts[self.file].replace(self.old, self.new)})

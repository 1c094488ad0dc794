"""What an audit has read and found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from creditgate_server.credit.invariants import Breach

NAMED_MAX: Final = 1_000
"""Breaches, and accounts that were too busy, which a report names: a ruined store must not fill our memory too."""


@dataclass(slots=True)
class Report:
    """What was read and what was found.

    `unsettled` accounts changed too fast for something of theirs, or of all below them, to be read at one moment. Where
    there are more breaches or unsettled accounts than are named, `unnamed` counts those.
    """

    accounts: int = 0
    grants: int = 0
    open_holds: int = 0
    journal_entries: int = 0
    breaches: list[Breach] = field(default_factory=list)
    unsettled: list[str] = field(default_factory=list)
    unnamed: int = 0

    @property
    def conserved(self) -> bool:
        """Whether every invariant that could be checked holds."""
        return not self.breaches

    def add(self, breaches: Iterable[Breach]) -> None:
        """Note what does not hold."""
        for breach in breaches:
            if len(self.breaches) < NAMED_MAX:
                self.breaches.append(breach)
            else:
                self.unnamed += 1

    def include(self, found: Report) -> None:
        """Note what was found apart, once it is certain."""
        self.add(found.breaches)
        self.unnamed += found.unnamed

    def leave_unsettled(self, account_id: str) -> None:
        """Note that something of an account could not be checked."""
        if len(self.unsettled) < NAMED_MAX:
            self.unsettled.append(account_id)
        else:
            self.unnamed += 1

"""Rate cards: every version there is, kept in memory, and the newest of each that prices what comes."""

from __future__ import annotations

from time import time_ns
from typing import TYPE_CHECKING, Final

import structlog

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import RateCard
from creditgate_server.engine.errors import Overloaded, RateCardNotFound
from creditgate_server.engine.failures import from_store
from creditgate_server.store.errors import StoreError
from creditgate_server.store.rate_cards import StoredRateCard, pack_rate_card, unpack_rate_card

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import FilteringBoundLogger

    from creditgate.pricing.rules import Rule
    from creditgate_server.store.ledger import Ledger

DEFAULT_CARD_ID: Final = DEFAULT_RATE_CARD.id
"""The card of an account that names none, and none above it does."""

CARDS_AT_ONCE: Final = 20
"""Versions read from the store at once: the loop serves others between two reads."""

PUTS_MAX: Final = 50
"""How often a put tries for the next version while others take it."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


class RateCards:
    """All versions of all cards. Versions are never changed or removed, so a copy is only ever behind, never wrong.

    Only whoever restores a backup removes some.
    """

    def __init__(self, ledger: Ledger) -> None:
        """Keep the cards of a ledger's store; `refresh` reads them."""
        self._ledger = ledger
        self._count = -1
        self._names: set[bytes] = set()
        self._versions: dict[tuple[str, int], StoredRateCard] = {}
        self._newest: dict[str, StoredRateCard] = {}

    async def install_default(self) -> None:
        """Read all cards, and put the package's default card where there is none yet."""
        await self.refresh()
        if not self._taken(DEFAULT_CARD_ID):
            await self.put(DEFAULT_CARD_ID, DEFAULT_RATE_CARD.rules)

    async def refresh(self) -> None:
        """Read the versions that were added since, here or by another sidecar, a bounded number at a time.

        One that this version of the package cannot read, which a newer sidecar put, is left out: the version before
        it goes on pricing here.
        """
        count = await self._ledger.rate_cards_count()
        if count == self._count:
            return
        names_now = await self._ledger.rate_card_names()
        if count < self._count:
            self._forget()
        unknown = [name for name in names_now if name not in self._names]
        for at in range(0, len(unknown), CARDS_AT_ONCE):
            names = unknown[at : at + CARDS_AT_ONCE]
            for name, packed in zip(names, await self._ledger.rate_cards(names), strict=True):
                self._names.add(name)
                try:
                    self._keep(unpack_rate_card(packed))
                except (ValueError, TypeError) as error:
                    _log.error("rate_card_unreadable", rate_card=name.decode(), error=str(error))
        self._count = count

    def _forget(self) -> None:
        """Forget all: fewer than before are a backup's, and what it does not have may be put anew with other rules."""
        self._names.clear()
        self._versions.clear()
        self._newest.clear()

    def _keep(self, stored: StoredRateCard) -> None:
        card = stored.card
        self._versions[card.id, card.version] = stored
        if card.id not in self._newest or self._newest[card.id].card.version < card.version:
            self._newest[card.id] = stored

    def known(self, card_id: str) -> RateCard | None:
        """Return the version of a card that prices now, None where `newest` must ask the store for it."""
        stored = self._newest.get(card_id)
        return stored.card if stored else None

    async def newest(self, card_id: str) -> RateCard:
        """Return the version of a card that prices now. Raises RateCardNotFound."""
        return (await self.get(card_id, 0)).card

    async def get(self, card_id: str, version: int) -> StoredRateCard:
        """Return a version of a card, 0 for the newest. Raises RateCardNotFound.

        What is not known here may have been put by another sidecar since the last refresh, so the store is asked.
        """
        stored = self._find(card_id, version)
        if stored is None:
            try:
                await self.refresh()
            except StoreError as error:
                raise from_store(error, None, writes=False) from error
            stored = self._find(card_id, version)
        if stored is None:
            raise RateCardNotFound(
                f"there is no rate card {card_id}" + (f" of version {version}" if version else ""),
                rate_card_id=card_id,
                version=str(version),
            )
        return stored

    def _find(self, card_id: str, version: int) -> StoredRateCard | None:
        return self._versions.get((card_id, version)) if version else self._newest.get(card_id)

    def _taken(self, card_id: str) -> int:
        """Return the highest version that a card has in the store, whether it can be read here or not; 0 for none."""
        named = (name.decode().rpartition("@") for name in self._names)
        return max((int(version) for known_id, _, version in named if known_id == card_id), default=0)

    def all_newest(self) -> list[StoredRateCard]:
        """Return the newest version of every card, by id."""
        return [self._newest[card_id] for card_id in sorted(self._newest)]

    async def put(self, card_id: str, rules: Sequence[Rule]) -> tuple[StoredRateCard, bool]:
        """Add a version with these rules; the newest one answers (and True) if it has the very same.

        Raises InvalidRateCard, and Overloaded where too many put at once. Racing puts get versions one after the other.
        """
        for _ in range(PUTS_MAX):
            await self.refresh()
            newest = self._newest.get(card_id)
            version = self._taken(card_id) + 1
            card = RateCard(card_id, version, tuple(rules))
            if newest and newest.card.version == version - 1 and newest.card.rules == card.rules:
                return newest, True
            stored = StoredRateCard(card, time_ns() // 1_000_000)
            if await self._ledger.add_rate_card(card_id, version, pack_rate_card(stored)):
                await self.refresh()
                return stored, False
        raise Overloaded(f"others keep putting rate card {card_id}; ask again", rate_card_id=card_id)

"""Readiness: whether a server should be given calls, said alike over gRPC and HTTP."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class State(StrEnum):
    """How a server stands."""

    STARTING = "starting"
    SERVING = "serving"
    STORE_LOST = "its store is of no use"
    DRAINING = "draining"


class Readiness:
    """How a server stands: it starts, serves while its store is of use, and drains."""

    def __init__(self) -> None:
        """Begin with the start."""
        self._is_store_up: Callable[[], bool] | None = None
        self._draining = asyncio.Event()

    @property
    def state(self) -> State:
        """How the server stands; may be read from any thread."""
        if self._draining.is_set():
            return State.DRAINING
        if self._is_store_up is None:
            return State.STARTING
        return State.SERVING if self._is_store_up() else State.STORE_LOST

    def follow(self, is_store_up: Callable[[], bool]) -> None:
        """End the start: from now on the store decides."""
        self._is_store_up = is_store_up

    def drain(self) -> None:
        """Say DRAINING from now on."""
        self._draining.set()

    async def wait_for_drain(self) -> None:
        """Wait until the server drains."""
        await self._draining.wait()

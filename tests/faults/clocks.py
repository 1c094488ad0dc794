"""Clocks that leap, of processes with `store_clock.c` between them and their system."""

from __future__ import annotations

import mmap
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.faults.processes import PATIENCE_S, eventually

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.information import parse_information
from creditgate_server.store.layout import PARTITIONS

TURNS: Final = 3
"""Turns of the sweeper after which it has certainly seen all that it takes for due: the first may be half over."""


class Clocks:
    """The clocks that a process with the shim reads."""

    def __init__(self, directory: Path) -> None:
        with (directory / "clock_offsets").open("r+b") as file:
            self._offsets = mmap.mmap(file.fileno(), 16)

    def set(self, *, wall_s: int = 0, boot_s: int = 0) -> None:
        """Set the wall clock, and the time since boot, so much ahead of the true one, or behind it."""
        struct.pack_into("=qq", self._offsets, 0, wall_s, boot_s)

    def close(self) -> None:
        """Let go of them."""
        self._offsets.close()


class LeapingStore:
    """A store, the clock that it reads, and a connection to it."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._clocks = Clocks(directory)
        self._connections = StoreConnections(url, connections=1, reply_timeout_s=PATIENCE_S)

    async def close(self) -> None:
        """Let go of it."""
        await self._connections.close()
        self._clocks.close()

    async def leap_to(self, offset_s: int) -> None:
        """Set the clock so much ahead of the true time, or behind it, and wait until the store goes by it."""
        self._clocks.set(wall_s=offset_s)

        async def goes_by_it() -> bool:
            (reply,) = await self._connections.execute([("TIME",)])
            assert isinstance(reply, list)
            return abs(int(reply[0]) - datetime.now(UTC).timestamp() - offset_s) < PATIENCE_S

        await eventually(goes_by_it)

    async def is_swept(self) -> None:
        """Wait for the sweeper to look for what is due now, in each partition and more than once."""
        enough = await self._reads() + TURNS * PARTITIONS

        async def has_been_read() -> bool:
            return await self._reads() >= enough

        await eventually(has_been_read)

    async def _reads(self) -> int:
        (reply,) = await self._connections.execute([("INFO", "commandstats")])
        read = parse_information(reply).get("cmdstat_fcall_ro", "calls=0")
        return int(read.partition(",")[0].removeprefix("calls="))

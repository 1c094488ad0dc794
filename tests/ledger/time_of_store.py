"""What time it is for the ledger, as tests need it to place beginnings and ends."""

from __future__ import annotations

from creditgate_server.store.clock import StoreClock, own_ms
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.keys import clock_key


async def ledger_time_ms(connections: StoreConnections, partition: int) -> int:
    """Return the store's time plus what the test clock of a partition is ahead of it."""
    time, ahead_ms = await connections.execute([("TIME",), ("GET", clock_key(partition))])
    assert isinstance(time, list)
    assert isinstance(ahead_ms, bytes | None)
    return int(time[0]) * 1000 + int(time[1]) // 1000 + int(ahead_ms or 0)


async def clock_ahead(connections: StoreConnections, ahead_ms: int) -> StoreClock:
    """Return a clock that expects a time so far ahead of what the store's shows."""
    (time,) = await connections.execute([("TIME",)])
    assert isinstance(time, list)
    clock, at_ms = StoreClock(), own_ms()
    clock.observe(int(time[0]) * 1000 + int(time[1]) / 1000 + ahead_ms, at_ms, at_ms)
    return clock

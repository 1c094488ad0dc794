"""The records of a ledger, taken out of a store and put into another as they are; for them no time has passed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from creditgate_server.store.connections import Command, StoreConnections
from creditgate_server.store.errors import StoreError
from creditgate_server.store.keys import LIBRARIES, clock_key
from creditgate_server.store.layout import PARTITIONS

_NOT_RECORDS: Final = {LIBRARIES.encode(), *(clock_key(partition).encode() for partition in range(PARTITIONS))}
"""Keys that belong to the store, not to the ledger in it."""

_READ: Final[dict[str, tuple[str, tuple[str | int, ...]]]] = {
    "string": ("GET", ()),
    "hash": ("HGETALL", ()),
    "zset": ("ZRANGE", (0, -1, "WITHSCORES")),
    "stream": ("XRANGE", ("-", "+")),
}
"""How a key of each type is read: the command, and what follows the key."""


@dataclass(frozen=True, slots=True)
class Record:
    """A key with all that it holds, as the store tells it; bytes stand as characters of Latin-1."""

    key: str
    type: str
    value: Any
    ttl_ms: int
    """How long it has to live; -1: for good."""


@dataclass(frozen=True, slots=True)
class Records:
    """All records of a store, and what time it was for them, in milliseconds since 1970."""

    time_ms: int
    records: tuple[Record, ...]

    def as_document(self) -> dict[str, Any]:
        """Return them as JSON holds them."""
        return asdict(self)


def read_records(document: dict[str, Any]) -> Records:
    """Read what `as_document` made."""
    return Records(document["time_ms"], tuple(Record(**record) for record in document["records"]))


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write a document so that a change of it can be reviewed."""
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="ascii")


async def take_records(connections: StoreConnections) -> Records:
    """Read all records of a store, whose test clock may be ahead."""
    (names,) = await _ask(connections, ("KEYS", "*"))
    keys = sorted(set(names) - _NOT_RECORDS)
    records = []
    for key in keys:
        type_, ttl_ms = await _ask(connections, ("TYPE", key), ("PTTL", key))
        command, rest = _READ[_plain(type_)]
        (value,) = await _ask(connections, (command, key, *rest))
        records.append(Record(_plain(key), _plain(type_), _plain(value), ttl_ms))
    return Records(await _time_ms(connections), tuple(records))


async def put_records(connections: StoreConnections, taken: Records) -> None:
    """Put records into an empty store, and set its test clock to the time that it was for them."""
    await _ask(connections, *(command for record in taken.records for command in _writes(record)))
    ahead_ms = taken.time_ms - await _time_ms(connections)
    await _ask(connections, *(("SET", clock_key(partition), ahead_ms) for partition in range(PARTITIONS)))


def _writes(record: Record) -> Iterator[Command]:
    key, value = record.key, _raw(record.value)
    match record.type:
        case "string":
            yield ("SET", key, value)
        case "hash":
            yield ("HSET", key, *value)
        case "zset":
            yield ("ZADD", key, *(word for at in range(0, len(value), 2) for word in (value[at + 1], value[at])))
        case "stream":
            yield from (("XADD", key, entry_id, *fields) for entry_id, fields in value)
    if record.ttl_ms >= 0:
        yield ("PEXPIRE", key, record.ttl_ms)


async def _time_ms(connections: StoreConnections) -> int:
    """Return the ledger's time, which is the same in all partitions."""
    time, ahead_ms = await _ask(connections, ("TIME",), ("GET", clock_key(0)))
    return int(time[0]) * 1000 + int(time[1]) // 1000 + int(ahead_ms or 0)


async def _ask(connections: StoreConnections, *commands: Command) -> list[Any]:
    replies = await connections.execute(commands)
    refusals = [reply for reply in replies if isinstance(reply, StoreError)]
    assert refusals == []
    return replies


def _plain(reply: Any) -> Any:  # noqa: ANN401 (whatever a store replies)
    if isinstance(reply, list):
        return [_plain(each) for each in reply]
    return reply.decode("latin-1")


def _raw(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return [_raw(each) for each in value]
    return value.encode("latin-1")

"""JSON documents of what the server answers: the interface's field names, whatever Python calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum

from creditgate.answers import Cost, Draw

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Document = dict[str, Json]


def document_of(record: object) -> Document:
    """Return the document of a record."""
    if not is_dataclass(record):
        raise TypeError(f"{type(record).__name__} is no record")
    document = {field.name: json_of(getattr(record, field.name)) for field in fields(record)}
    match record:
        case Cost():
            # Hints are a message of their own in the interface, and absent where there are none.
            notes = {name: document.pop(name) for name in ("forced_ucs2", "cheaper_spelling")}
            document["notes"] = notes if record.forced_ucs2 else None
        case Draw():
            document["grants"] = [{"grant_id": grant_id, "credits": amount} for grant_id, amount in record.grants]
    return document


def json_of(value: object) -> Json:
    """Return a value as JSON: amounts as numbers, times of RFC 3339, durations in seconds, enums by name."""
    match value:
        case IntEnum():
            return value.name
        case None | bool() | int() | str():
            return value
        case datetime() | timedelta():
            return _time(value)
        case Mapping():
            return {str(key): json_of(entry) for key, entry in value.items()}
        case Iterable():
            return [json_of(entry) for entry in value]
        case _:
            return document_of(value)


def _time(time: datetime | timedelta) -> str:
    """Write times and durations as protobuf does in JSON: in UTC, and as `3600s`, to the millisecond where need be."""
    if isinstance(time, datetime):
        return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
    seconds, rest = divmod(time, timedelta(seconds=1))
    return f"{seconds}.{rest // timedelta(milliseconds=1):03}s" if rest else f"{seconds}s"

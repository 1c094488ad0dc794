"""Makes messages out of what callers say, and refuses what none can carry; pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.errors import InvalidRequest, Violation

Made = TypeVar("Made", bound=Message)


def new_id() -> str:
    """Make an id for a caller who has none. Nothing depends on the order of ids, so chance alone (UUID 4) will do."""
    return str(uuid.uuid4())


def made(kind: type[Made], path: str = "", /, **fields: object) -> Made:
    """Make a message; None leaves a field unset. A value that its field cannot carry is an `InvalidRequest`."""
    try:
        return kind(**fields)
    except ValueError:
        for field, value in fields.items():
            _check_carried(kind, path, field, value)
        raise


def duration(given: timedelta | float | None) -> Duration | None:
    """Make a duration of a timedelta or of seconds; nothing of nothing."""
    if given is None:
        return None
    message = Duration()
    message.FromTimedelta(given if isinstance(given, timedelta) else timedelta(seconds=given))
    return message


def timestamp(field: str, given: datetime | None) -> Timestamp | None:
    """Make a timestamp of an aware time; nothing of nothing. Its field is named where it is not aware."""
    if given is None:
        return None
    if given.tzinfo is None:
        raise invalid(field, "must have a time zone, such as datetime.now(UTC) has")
    message = Timestamp()
    message.FromDatetime(given)
    return message


def invalid(field: str, description: str) -> InvalidRequest:
    """Make the error that the server would answer to a field that is wrong."""
    error = InvalidRequest(f"{field} {description}", code="INVALID_ARGUMENT", reason="INVALID_FIELD")
    error.violations = (Violation(field, description),)
    return error


def check_names(fields: Mapping[str, object], known: frozenset[str]) -> None:
    """Refuse keywords that are not `known`, as Python refuses them where they are spelt out."""
    for name in fields:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}")


def _check_carried(kind: type[Message], path: str, field: str, value: object) -> None:
    try:
        kind(**{field: value})
    except UnicodeError:
        # Without the cause, which keeps the whole text and would carry it into logs.
        raise invalid(path + field, "must be valid Unicode, without lone surrogates") from None
    except ValueError as error:
        raise invalid(path + field, "is far out of bounds") from error

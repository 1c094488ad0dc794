"""Page tokens: a position in a listing, opaque to callers, checked when it comes back."""

from __future__ import annotations

import base64

import msgpack

from creditgate_server.engine.errors import InvalidField


def token(*position: int | str) -> str:
    """Encode where the next page begins."""
    return base64.urlsafe_b64encode(msgpack.packb(position)).decode("ascii")


def position(page_token: str, *first: int | str) -> list[int | str]:
    """Decode a token, or return `first` for an empty one.

    Raises InvalidField for what no listing whose positions look like `first` has given out.
    """
    if not page_token:
        return list(first)
    try:
        fields = msgpack.unpackb(base64.urlsafe_b64decode(page_token.encode("ascii")))
    except ValueError:
        fields = None
    if not isinstance(fields, list) or list(map(type, fields)) != list(map(type, first)):
        raise InvalidField("page_token", "must be a next_page_token of the same listing, or empty")
    return fields

"""The text that the store's INFO command answers with, as fields."""

from __future__ import annotations

from typing import cast

from creditgate_server.store.errors import ReplyError


def parse_information(reply: object) -> dict[str, str]:
    """Read the `name:value` lines of an INFO reply; an error reply is raised as the ReplyError it is."""
    if isinstance(reply, ReplyError):
        raise reply
    lines = cast("bytes", reply).decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))

"""Addresses of stores: what may stand in them, how connections are made from one, and how one is shown."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import cast
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import AbstractConnection, Connection, parse_url

from creditgate_server.store.errors import StoreUrlInvalid

SCHEMES = ("redis", "rediss", "unix")

TLS_PARAMETERS = frozenset(
    {"ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile"}
)
"""What the query of a `rediss://` address may hold: how the store proves who it is, and how we do."""

_DATABASE_PATH = re.compile(r"(/\d*)?")


def safe_url(url: str) -> str:
    """Show an address without user, password and query.

    All before the last `@` is masked, not just what parses as a password: one with a bare `/` or `?` does
    not.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        return "(not an address)"
    _, at, place = rest.rpartition("@")
    return f"{scheme}://{'***@' if at else ''}{re.split('[?#]', place)[0]}"


def connection_factory(url: str, *, connect_timeout_s: float) -> Callable[[], AbstractConnection]:
    """Give a function that makes unopened connections to an address.

    Raises StoreUrlInvalid, which says what is wrong; parts that would be ignored are wrong too.
    """
    problem = _problem_of(url)
    if problem is not None:
        raise StoreUrlInvalid(safe_url(url), problem)
    options: dict[str, object] = {**parse_url(url)}
    make = cast("Callable[..., AbstractConnection]", options.pop("connection_class", Connection))
    return partial(
        make,
        **options,
        socket_connect_timeout=connect_timeout_s,
        # A batch is bounded as a whole by who sends it; a clock for each reply would only cost.
        socket_timeout=None,
        protocol=2,
        # None sends no CLIENT SETINFO, which guarded stores refuse.
        driver_info=None,
    )


def _problem_of(url: str) -> str | None:
    """Say what is wrong with an address; not in the parser's words, which may quote a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "it cannot be read; special characters of a password are written as %XX"
    problem = None
    if parts.scheme not in SCHEMES:
        problem = "it must start with redis://, rediss:// or unix://"
    elif parts.scheme == "unix" and (host or not parts.path):
        problem = "a socket is written unix:///path/to/socket"
    elif parts.scheme != "unix" and not host:
        problem = "it names no host"
    elif parts.scheme != "unix" and not _DATABASE_PATH.fullmatch(parts.path):
        problem = "only a database number may follow the host; special characters are written as %XX"
    elif parts.fragment:
        problem = "a # is written as %23"
    elif parts.query and (parts.scheme != "rediss" or not TLS_PARAMETERS.issuperset(parse_qs(parts.query))):
        problem = f"its query may only hold {', '.join(sorted(TLS_PARAMETERS))}, and only after rediss://"
    return problem

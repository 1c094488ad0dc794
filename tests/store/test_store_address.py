"""Addresses of stores: which are refused, and that none gives a secret away."""

from __future__ import annotations

import pytest

from creditgate_server.store.address import connection_factory, safe_url
from creditgate_server.store.errors import StoreUrlInvalid

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("unix:///run/store.sock", "unix:///run/store.sock"),
        (f"redis://user:{SECRET}@host:6379", "redis://***@host:6379"),
        (f"redis://{SECRET}@host", "redis://***@host"),
        (f"redis://:{SECRET}/with?odd#signs@host", "redis://***@host"),
        (f"rediss://host?ssl_keyfile={SECRET}", "rediss://host"),
        (f"http://user:{SECRET}@host", "(not an address)"),
        (SECRET, "(not an address)"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert safe_url(url) == shown


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("localhost:6379", "must start with redis://"),
        ("http://localhost", "must start with redis://"),
        ("redis://", "names no host"),
        ("redis://host:port", "cannot be read"),
        ("redis://host/zero", "only a database number"),
        (f"redis://:{SECRET}/part@host:6379", "cannot be read"),
        (f"redis://user:12/{SECRET}@host", "only a database number"),
        ("redis://host/0?retry_on_timeout=yes", "query may only hold"),
        (f"redis://host?password={SECRET}", "query may only hold"),
        ("rediss://host?ssl_chipers=all", "query may only hold"),
        ("redis://host#1", "%23"),
        ("unix://run/store.sock", "unix:///path/to/socket"),
        ("unix://", "unix:///path/to/socket"),
    ],
)
def test_an_address_that_cannot_be_meant_is_refused_without_its_secrets(url: str, problem: str) -> None:
    with pytest.raises(StoreUrlInvalid) as refused:
        connection_factory(url, connect_timeout_s=1)
    assert problem in str(refused.value)
    assert SECRET not in str(refused.value)
    assert refused.value.__cause__ is None


def test_user_password_database_and_certificates_reach_the_connection() -> None:
    connection = connection_factory(
        f"rediss://user:{SECRET}%2F@host:7000/3?ssl_cert_reqs=none&ssl_check_hostname=false",
        connect_timeout_s=1,
    )()
    assert (connection.username, connection.password, connection.db) == ("user", f"{SECRET}/", 3)
    assert SECRET not in repr(connection)

"""Fixtures for pytest: a real server on a store of its own, for the tests of what uses Creditgate.

In the `conftest.py` of the top directory:

```python
pytest_plugins = ["creditgate.testing"]
```

Then, for a function `remind` that sends by `client.authorize(…)`:

```python
def test_a_reminder_is_paid(creditgate_client, creditgate_account):
    remind(creditgate_client, creditgate_account, "+14155550100")

    assert creditgate_client.get_balance(creditgate_account).balance.available == 999


def test_nobody_is_reminded_without_credits(creditgate_client, new_creditgate_account):
    with pytest.raises(creditgate.errors.InsufficientCredits):
        remind(creditgate_client, new_creditgate_account(credits=0), "+14155550100")
```

It needs pytest, and the server: `pip install 'creditgate[server]'`. That is a process that runs `creditgate serve` on
an embedded store: it starts in about a second when a test first asks for it, and serves all tests of the session, which
keep apart by organisations of their own. Other test frameworks have `running_server`, which the fixture uses too.

There is no assertion in here that pytest should rewrite (PYTEST_DONT_REWRITE), so it may be imported before that.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Protocol

import pytest

from creditgate.client import Client
from creditgate.testing._clock import Clock
from creditgate.testing._server import Server, ServerNotStarted, running_server

__all__ = [
    "AccountMaker",
    "Clock",
    "Server",
    "ServerNotStarted",
    "creditgate_account",
    "creditgate_client",
    "creditgate_clock",
    "creditgate_server",
    "new_creditgate_account",
    "running_server",
]


class AccountMaker(Protocol):
    """Makes the root account of a new organisation, and gives its id."""

    def __call__(self, credits: int = 1000) -> str:  # noqa: A002 -- the interface's word
        """Give it so many credits, which never expire; 0 for none."""
        ...


@pytest.fixture(scope="session")
def creditgate_server() -> Iterator[Server]:
    """A server for all tests of the session; `target` is its address."""
    with running_server() as server:
        yield server


@pytest.fixture
def creditgate_client(creditgate_server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client of the server. Until the test ends, every `Client()` that is made without a target is one too."""
    monkeypatch.setenv("CREDITGATE_TARGET", creditgate_server.target)
    with Client() as client:
        yield client


@pytest.fixture
def new_creditgate_account(creditgate_client: Client) -> AccountMaker:
    """Make accounts that no other test uses: `new_creditgate_account(credits=3)`."""

    def make(credits: int = 1000) -> str:  # noqa: A002 -- the interface's word
        account_id = f"org-{secrets.token_hex(6)}"  # not from `random`, whose seed plugins set
        creditgate_client.create_account(account_id)
        if credits:
            creditgate_client.grant(account_id, credits)
        return account_id

    return make


@pytest.fixture
def creditgate_account(new_creditgate_account: AccountMaker) -> str:
    """The id of an account with 1,000 credits, which no other test uses."""
    return new_creditgate_account()


@pytest.fixture
def creditgate_clock(creditgate_server: Server) -> Iterator[Clock]:
    """The server's clock, for a test that lets time pass. It stays where the test has moved it."""
    with Clock(creditgate_server.target) as clock:
        yield clock

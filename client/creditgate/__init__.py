"""Creditgate's client library: ask, before a message is sent, whether its account can pay for it.

>>> import creditgate
>>> client = creditgate.Client()
>>> with client.authorize("acme/field", body="Your table is ready", recipient="+14155550100"):
...     print("to the carrier")  # an exception in here gives the credits back
to the carrier

`creditgate.aio.Client` is the same for asyncio, and `creditgate.authorized` a decorator for task queues. What calls
answer is in `creditgate.answers`, what they raise in `creditgate.errors`, and what a batch is made of in
`creditgate.operations`. `creditgate.testing` has fixtures for pytest. `segments(body)` counts the segments of a text as
the server does:

>>> creditgate.segments("Your table is ready 👍").forced_ucs2
('👍',)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from creditgate import answers, errors
from creditgate.pricing import Channel, Direction, Encoding, Priority
from creditgate.pricing import count_segments as segments
from creditgate.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    GrantVerdict,
    Interval,
    LateCommit,
    Overage,
    Pot,
    ReservationState,
    RollOver,
    ServingStatus,
    SettledBy,
)

if TYPE_CHECKING:
    from creditgate import aio, operations
    from creditgate.client import Client, Hold
    from creditgate.retries import RetryPolicy
    from creditgate.tasks import authorized

__all__ = [
    "AccountStatus",
    "Channel",
    "Client",
    "Decision",
    "DenialReason",
    "Direction",
    "Encoding",
    "Enforcement",
    "ExpiryAction",
    "Funding",
    "GrantKind",
    "GrantState",
    "GrantVerdict",
    "Hold",
    "Interval",
    "LateCommit",
    "Overage",
    "Pot",
    "Priority",
    "ReservationState",
    "RetryPolicy",
    "RollOver",
    "ServingStatus",
    "SettledBy",
    "__version__",
    "aio",
    "answers",
    "authorized",
    "errors",
    "operations",
    "segments",
]

__version__: str


def __getattr__(name: str) -> object:
    """Import what needs gRPC, or reads the installed version, when it is first used.

    Pricing needs neither, and a server sets what gRPC reads at its import before it imports it.
    """
    match name:
        case "Client" | "Hold":
            value: object = getattr(importlib.import_module("creditgate.client"), name)
        case "aio" | "operations":
            value = importlib.import_module(f"creditgate.{name}")
        case "RetryPolicy":
            value = importlib.import_module("creditgate.retries").RetryPolicy
        case "authorized":
            value = importlib.import_module("creditgate.tasks").authorized
        case "__version__":
            value = importlib.import_module("importlib.metadata").version("creditgate")
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value

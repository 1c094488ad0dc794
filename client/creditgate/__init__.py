"""Creditgate's client library: ask, before a message is sent, whether its account can pay for it.

```python
with creditgate.Client() as client, client.authorize("acme/field", body=text, recipient=number) as hold:
    send(text, number)
```

`creditgate.aio.Client` is the same for asyncio. What calls answer is in `creditgate.answers`, what they raise in
`creditgate.errors`, and what a batch is made of in `creditgate.operations`. `segments(body)` counts the segments of a
text as the server does.
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
    from creditgate.client import Client
    from creditgate.retries import RetryPolicy

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
        case "Client":
            value: object = importlib.import_module("creditgate.client").Client
        case "aio" | "operations":
            value = importlib.import_module(f"creditgate.{name}")
        case "RetryPolicy":
            value = importlib.import_module("creditgate.retries").RetryPolicy
        case "__version__":
            value = importlib.import_module("importlib.metadata").version("creditgate")
        case _:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value

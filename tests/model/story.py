"""What stories are made of: short ones that chance would hardly tell, about where rules begin and end.

What comes of them the model says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.model.calls import Call
from tests.model.steps import Steps

from creditgate.pricing.usage import Channel, Credits, Direction, Priority, Usage
from creditgate_server.credit import operations as ask

Story = Sequence[Callable[[], Sequence[Call]] | int]
"""Bursts one after the other; a number is ticks that pass between them."""

FIRST = -9
"""A priority that burns before any other."""


def usage(credits_: int, *, priority: Priority = Priority.TRANSACTIONAL, is_inbound: bool = False) -> ask.Traffic:
    direction = Direction.INBOUND if is_inbound else Direction.OUTBOUND
    return ask.Traffic(Usage(Channel.SMS, direction, Credits(credits_), priority=priority))


def new_account(steps: Steps, **settings: Any) -> tuple[str, Call]:  # noqa: ANN401 — as many kinds as settings
    """Return the id of an account below the root, and the call that opens it."""
    account_id = f"{steps.root}/{steps.new_id('s')}"
    return account_id, ask.CreateAccount(account_id, ask.AccountSettings(**settings))

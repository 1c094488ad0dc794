"""The ids that a server knows, for completion: quickly or not at all, and no more than people can look through."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable
from itertools import islice
from typing import Final

from creditgate import Client
from creditgate.errors import CallFailed
from creditgate.retries import ONE_ATTEMPT

TIMEOUT_S: Final = 1.0
"""Longer than that nobody waits for a list after a keystroke."""

IDS_MAX: Final = 500
"""Ids that are looked through: those of one page."""


def accounts(arguments: Namespace, prefix: str) -> list[str]:
    """Return accounts: those below the account that was typed so far, or the first there are."""
    with _client(arguments) as client:
        found = client.list_accounts(prefix.rpartition("/")[0], page_size=IDS_MAX)
        return _first(each.account.account_id for each in found)


def holds(arguments: Namespace, _: str) -> list[str]:
    """Return the open holds of the account that was typed, the next ones to expire."""
    with _client(arguments) as client:
        found = client.list_reservations(arguments.account_id, page_size=IDS_MAX)
        return _first(each.reservation_id for each in found)


def grants(arguments: Namespace, _: str) -> list[str]:
    """Return the grants of the account that was typed, newest first."""
    with _client(arguments) as client:
        return _first(each.grant_id for each in client.list_grants(arguments.account_id, page_size=IDS_MAX))


def rate_cards(arguments: Namespace, _: str) -> list[str]:
    """Return the rate cards."""
    with _client(arguments) as client:
        return _first(each.rate_card_id for each in client.list_rate_cards(page_size=IDS_MAX))


def _client(arguments: Namespace) -> Client:
    return Client(arguments.target, timeout_s=TIMEOUT_S, retries=ONE_ATTEMPT)


def _first(ids: Iterable[str]) -> list[str]:
    """Return as many as are looked through; where no server answers, or there is no such account, there are none."""
    try:
        return list(islice(ids, IDS_MAX))
    except CallFailed:
        return []

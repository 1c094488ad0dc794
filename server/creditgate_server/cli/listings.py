"""What all commands that list things have in common: whose things they are, and how many are shown."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

from creditgate import Client
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Sentence, Text, Tone

PAGE_SIZE: Final = 500
"""Items that a list asks for at once: the most there may be."""

_Item = TypeVar("_Item")


def page_size(limit: int | None) -> int:
    """Return how many items to ask for at once: one more than are shown tells whether there are more."""
    return PAGE_SIZE if limit is None else min(limit + 1, PAGE_SIZE)


def candidates(items: Iterable[_Item], limit: int | None) -> Iterable[_Item]:
    """Return no more items than could be shown, and one that tells that there are more."""
    return items if limit is None else islice(items, limit + 1)


def first(items: Iterable[_Item], limit: int | None) -> tuple[list[_Item], list[Sentence]]:
    """Return the first items, and what tells people that there are more."""
    found = list(candidates(items, limit))
    if limit is None or len(found) <= limit:
        return found, []
    return found[:limit], [Sentence(Text(f"There are more: these are the first {limit:,}.", Tone.QUIET))]


def named_accounts(arguments: Namespace) -> list[str]:
    """Return the accounts that were named, by position or with --account, each once; none means all there are."""
    by_flag: list[str] = arguments.accounts or []
    if arguments.account_id is None:
        return list(dict.fromkeys(by_flag))
    if by_flag:
        raise CommandFailed(ExitCode.USAGE, "name the account either first or with --account")
    return [arguments.account_id]


def outermost(account_ids: Iterable[str]) -> Iterator[str]:
    """Leave out accounts that lie below another one: what includes those below has them already."""
    above = ""
    for account_id in sorted(account_ids, key=lambda each: each.split("/")):
        if not above or not account_id.startswith(f"{above}/"):
            above = account_id
            yield account_id


def organisations(client: Client) -> Iterator[str]:
    """Iterate over the ids of all root accounts."""
    for account_id in all_accounts(client):
        if "/" not in account_id:
            yield account_id


def all_accounts(client: Client, parent_id: str = "") -> Iterator[str]:
    """Iterate over the ids of all accounts, or of those below one."""
    for each in client.list_accounts(parent_id, page_size=PAGE_SIZE):
        yield each.account.account_id


def shown_while_read(items: Iterable[_Item], output: Output, noun: str) -> Iterator[_Item]:
    """Iterate over items, and show how many there were so far, where that takes long."""
    with output.progress(f"reading {noun}") as on_progress:
        for done, item in enumerate(items, 1):
            yield item
            on_progress(done, None)

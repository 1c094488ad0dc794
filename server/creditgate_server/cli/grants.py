"""`grants`: what was given, by whom, and what became of it."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable, Iterator

from creditgate import Client
from creditgate.answers import CreditGrant
from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.grant_views import grant_facts, grants_table
from creditgate_server.cli.listings import (
    PAGE_SIZE,
    all_accounts,
    candidates,
    first,
    named_accounts,
    outermost,
    page_size,
    shown_while_read,
)
from creditgate_server.cli.output import Output


def grants(arguments: Namespace, output: Output) -> ExitCode:
    """List grants, newest first, or show all of one."""
    with connect(arguments) as client:
        if arguments.grant_id is not None:
            grant = _one(client, arguments.account_id, arguments.grant_id)
            output.answer({"grant": document_of(grant)}, [grant_facts(grant)])
            return ExitCode.DONE
        named = named_accounts(arguments)
        found, more = first(_grants(client, named, arguments, output), arguments.limit)
        have_ended = not found and any(
            next(client.list_grants(account_id, include_ended=True, page_size=1), None) for account_id in named
        )
    table = grants_table(found, of_one=len(named) == 1 and not arguments.below, have_ended=have_ended)
    output.answer({"grants": json_of(found)}, [table, *more])
    return ExitCode.DONE


def _one(client: Client, account_id: str, grant_id: str) -> CreditGrant:
    """Find a grant among all of its account: the interface lists grants, and has no question for one."""
    for each in client.list_grants(account_id, include_ended=True, page_size=PAGE_SIZE):
        if each.grant_id == grant_id:
            return each
    remedy = f"`creditgate grants {account_id} --ended` lists those that there are"
    raise CommandFailed(ExitCode.FAILED, f"grant {grant_id}: {account_id} has no such grant; {remedy}")


def _grants(client: Client, named: list[str], arguments: Namespace, output: Output) -> Iterable[CreditGrant]:
    """Read the grants of the accounts that were named, or of all."""
    found: list[CreditGrant] = []
    for account_id in shown_while_read(_asked(client, named, below=arguments.below), output, "accounts"):
        of_account = client.list_grants(account_id, include_ended=arguments.ended, page_size=page_size(arguments.limit))
        found += candidates(of_account, arguments.limit)
    return sorted(found, key=lambda each: str(json_of(each.create_time)), reverse=True)


def _asked(client: Client, named: list[str], *, below: bool) -> Iterator[str]:
    if not named:
        yield from all_accounts(client)
    elif below:
        for account_id in outermost(named):
            yield account_id
            yield from all_accounts(client, account_id)
    else:
        yield from named

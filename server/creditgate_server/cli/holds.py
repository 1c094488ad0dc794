"""`holds`: what is held and not settled yet."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterable

from creditgate import Client
from creditgate.answers import Reservation
from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.listings import (
    candidates,
    first,
    named_accounts,
    organisations,
    outermost,
    page_size,
    shown_while_read,
)
from creditgate_server.cli.output import Output
from creditgate_server.cli.reservation_views import holds_table, reservation_views


def holds(arguments: Namespace, output: Output) -> ExitCode:
    """List open holds, soonest expiry first, or show one, open or settled."""
    with connect(arguments) as client:
        if arguments.reservation_id is not None:
            reservation = client.get_reservation(arguments.account_id, arguments.reservation_id)
            output.answer({"reservation": document_of(reservation)}, reservation_views(reservation))
            return ExitCode.DONE
        named = named_accounts(arguments)
        found, more = first(_open_holds(client, named, arguments, output), arguments.limit)
    table = holds_table(found, may_be_below=bool(named) and not arguments.below)
    output.answer({"reservations": json_of(found)}, [table, *more])
    return ExitCode.DONE


def _open_holds(client: Client, named: list[str], arguments: Namespace, output: Output) -> Iterable[Reservation]:
    """Read the holds of the accounts that were named, or of all organisations."""
    below = arguments.below or not named
    account_ids = outermost(named) if arguments.below else named or organisations(client)
    found: list[Reservation] = []
    for account_id in shown_while_read(account_ids, output, "accounts"):
        of_account = client.list_reservations(
            account_id, include_descendants=below, page_size=page_size(arguments.limit)
        )
        found += candidates(of_account, arguments.limit)
    return sorted(found, key=lambda each: str(json_of(each.expire_time)))

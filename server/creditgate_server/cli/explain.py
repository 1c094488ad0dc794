"""`explain`: why a usage is decided as it is, or how a reservation was paid."""

from __future__ import annotations

from argparse import Namespace

from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import document_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.explanation_views import explained
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.options import usage_fields
from creditgate_server.cli.output import Output
from creditgate_server.cli.reservation_views import paid


def explain(arguments: Namespace, output: Output) -> ExitCode:
    """Explain a usage or a reservation. A denial is what was asked about, and no reason for another exit status."""
    usage = usage_fields(arguments)
    if arguments.reservation_id is None and not usage:
        raise CommandFailed(ExitCode.USAGE, "say what to explain: a size, such as --body TEXT, or a reservation's id")
    if arguments.reservation_id is not None and usage:
        raise CommandFailed(ExitCode.USAGE, "a reservation has its usage: leave out the options that describe one")
    with connect(arguments) as client:
        explanation = client.explain(arguments.account_id, reservation_id=arguments.reservation_id, **usage)
    reservation = explanation.reservation
    views = explained(explanation) if reservation is None else paid(reservation)
    output.answer(document_of(explanation), views)
    return ExitCode.DONE

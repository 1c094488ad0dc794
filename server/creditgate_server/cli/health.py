"""`health`: asks whether the server serves."""

from __future__ import annotations

from argparse import Namespace

from creditgate.errors import CallFailed
from creditgate.terms import ServingStatus
from creditgate_server.cli.connection import connect
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import line_of
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Sentence, Text, Tone


def health(arguments: Namespace, output: Output) -> ExitCode:
    """Ask whether the server serves. A server that does not answer does not: whoever restarts it knows 0 and 1 only."""
    with connect(arguments) as client:
        try:
            status = client.health()
        except CallFailed as failure:
            output.document({"target": client.target, "status": ServingStatus.UNKNOWN.name})
            output.problem(line_of(failure, arguments))
            return ExitCode.NEGATIVE
    is_serving = status is ServingStatus.SERVING
    words = (
        f"{client.target} is serving"
        if is_serving
        else f"{client.target} is not serving: its store does not answer, or it stops"
    )
    output.answer(
        {"target": client.target, "status": status.name},
        [Sentence(Text(words, Tone.GOOD if is_serving else Tone.BAD))],
    )
    return ExitCode.DONE if is_serving else ExitCode.NEGATIVE

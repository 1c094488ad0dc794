"""`serve`: runs the server, or shows how it would run."""

from __future__ import annotations

import json
from argparse import Namespace

from creditgate_server.app import run
from creditgate_server.cli.documents import json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.output import Output
from creditgate_server.cli.store_access import settings_of
from creditgate_server.cli.views import Sentence, Text
from creditgate_server.settings import shown


def serve(arguments: Namespace, output: Output) -> ExitCode:
    """Run the server until it is told to end."""
    settings = settings_of(arguments)
    if arguments.print_config:
        values = shown(settings)
        views = [Sentence(Text(_toml_line(name, value))) for name, value in values.items()]
        output.answer({name: json_of(value) for name, value in values.items()}, views)
        return ExitCode.DONE
    return ExitCode.DONE if run(settings) == 0 else ExitCode.FAILED


def _toml_line(name: str, value: object) -> str:
    """Write a setting as in creditgate.toml, whose plain values look as in JSON; what is not set is a comment."""
    return f"# {name} is not set" if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}"

"""`serve`: runs the server, or shows how it would run."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping

from creditgate_server.app import run
from creditgate_server.cli.documents import json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.output import Output
from creditgate_server.cli.store_access import settings_and_origins_of
from creditgate_server.settings import shown


def serve(arguments: Namespace, output: Output) -> ExitCode:
    """Run the server until it is told to end."""
    settings, origins = settings_and_origins_of(arguments)
    if arguments.print_config:
        values = shown(settings)
        document = {name: json_of(value) for name, value in values.items()}
        output.source(document, _toml({name: _toml_line(name, value) for name, value in values.items()}, origins))
        return ExitCode.DONE
    return ExitCode.DONE if run(settings) == 0 else ExitCode.FAILED


def _toml(lines: Mapping[str, str], origins: Mapping[str, str]) -> str:
    """Write settings, with a comment where those that were given stand."""
    width = max(map(len, lines.values()))
    written = (f"{line:{width}}  # {origins[name]}" if name in origins else line for name, line in lines.items())
    return "".join(f"{line}\n" for line in written)


def _toml_line(name: str, value: object) -> str:
    """Write a setting as in creditgate.toml, whose plain values look as in JSON; what is not set is a comment."""
    return f"# {name} is not set" if value is None else f"{name} = {json.dumps(value, ensure_ascii=False)}"

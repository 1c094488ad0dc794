"""The entry point of the command `creditgate`: runs what was typed, and turns whatever happens into an exit status."""

from __future__ import annotations

import importlib
import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Final, cast

from creditgate.errors import CallFailed
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed, error_document, exit_code_of, how_to_repeat, line_of
from creditgate_server.cli.output import Output
from creditgate_server.cli.parser import make_parser

_Handler = Callable[[Namespace, Output], ExitCode]

OWN_PACKAGES: Final = frozenset({"creditgate", "creditgate_server"})
"""A module of another package that is missing belongs to the extra `server`."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, by default the one of this process; return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character gets its number, not a traceback.
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = make_parser()
    arguments, unknown = parser.parse_known_args(argv)
    if unknown:
        # By the command's own parser, which shows the options that there are.
        arguments.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    if arguments.version:
        sys.stdout.write(f"creditgate {importlib.import_module('creditgate').__version__}\n")
        return ExitCode.DONE
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    try:
        exit_code = _run(arguments, Output(as_json=arguments.json))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough, as `head` has. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    return exit_code


def _run(arguments: Namespace, output: Output) -> ExitCode:
    try:
        return _handler(arguments.handler)(arguments, output)
    except CommandFailed as failed:
        output.document(error_document(failed))
        for line in failed.lines:
            output.problem(line)
        return failed.exit_code
    except CallFailed as failure:
        line = line_of(failure) + how_to_repeat(arguments, failure)
        output.document(error_document(failure))
        output.problem(line)
        return exit_code_of(failure)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in OWN_PACKAGES:
            raise
        output.problem(
            f"this needs the package {missing.name}, which comes with the server: pip install 'creditgate[server]'"
        )
        return ExitCode.FAILED
    except KeyboardInterrupt:
        output.problem("interrupted" + how_to_repeat(arguments, None))
        return ExitCode.INTERRUPTED


def _handler(name: str) -> _Handler:
    module, function = name.split(":")
    return cast("_Handler", getattr(importlib.import_module(f"creditgate_server.cli.{module}"), function))


if __name__ == "__main__":
    sys.exit(main())

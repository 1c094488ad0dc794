"""Runs what was typed, and turns whatever happens into an exit status."""

from __future__ import annotations

import importlib
import io
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO, cast

from creditgate.errors import CallFailed
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed, error_document, exit_code_of, how_to_repeat, line_of
from creditgate_server.cli.output import AnswerLost, Output, write_answer
from creditgate_server.cli.parser import make_parser

_Handler = Callable[[Namespace, Output], ExitCode]

OWN_PACKAGES: Final = frozenset({"creditgate", "creditgate_server"})
"""A module of another package that is missing belongs to the extra `server`."""

COMPLETES: Final = "_ARGCOMPLETE"
"""The variable by which a shell says that it wants to know how a command may go on."""


def run(argv: Sequence[str] | None = None) -> int:
    """Run a command, by default the one of this process; return its exit status."""
    sys.stdout, sys.stderr = map(_usable, (sys.stdout, sys.stderr))
    try:
        exit_code = _run(argv)
        write_answer("")  # what argparse has written may still be on its way
    except BrokenPipeError:
        _drop_output()
        return ExitCode.PIPE_CLOSED
    except AnswerLost as lost:
        _drop_output()
        Output.problem(str(lost))
        return ExitCode.FAILED
    return exit_code


def _usable(stream: TextIO | None) -> TextIO:
    """Return a standard stream in a form that takes any text. One that was closed from the start takes it too."""
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, io.TextIOWrapper):
        # A terminal that cannot show a character gets its number, not a traceback.
        stream.reconfigure(errors="backslashreplace")
    return stream


def _drop_output() -> None:
    """Let what could not be written go nowhere: Python would complain once more when it closes standard output."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(argv: Sequence[str] | None) -> int:
    parser = make_parser()
    if COMPLETES in os.environ:
        importlib.import_module("creditgate_server.cli.completion").complete(parser)
    try:
        arguments, unknown = parser.parse_known_args(argv)
        if unknown:
            # By the command's own parser, which knows the options that there are.
            arguments.parser.refuse(unknown)
    except SystemExit as ended:  # argparse has shown help, or what is wrong
        return int(ended.code or 0)
    if arguments.version:
        sys.stdout.write(f"creditgate {importlib.import_module('creditgate').__version__}\n")
        return ExitCode.DONE
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return ExitCode.USAGE
    return _carry_out(arguments, Output(as_json=arguments.json))


def _carry_out(arguments: Namespace, output: Output) -> ExitCode:
    try:
        return _handler(arguments.handler)(arguments, output)
    except CommandFailed as failed:
        output.document(error_document(failed))
        for line in failed.lines:
            output.problem(line)
        return failed.exit_code
    except CallFailed as failure:
        output.document(error_document(failure))
        output.problem(line_of(failure, arguments) + how_to_repeat(arguments, failure))
        return exit_code_of(failure)
    except AnswerLost as lost:
        raise AnswerLost(f"{lost}{how_to_repeat(arguments, None)}") from lost
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] in OWN_PACKAGES:
            raise
        words = f"this needs the package {missing.name}, which comes with the server: pip install 'creditgate[server]'"
        output.document(error_document(CommandFailed(ExitCode.FAILED, words)))
        output.problem(words)
        return ExitCode.FAILED
    except KeyboardInterrupt:
        output.problem("interrupted" + how_to_repeat(arguments, None))
        return ExitCode.INTERRUPTED


def _handler(name: str) -> _Handler:
    module, function = name.split(":")
    try:
        loaded = importlib.import_module(f"creditgate_server.cli.{module}")
    except ModuleNotFoundError:
        raise
    except Exception as error:  # gRPC's and protobuf's refusals of generated code have no common base
        raise CommandFailed(ExitCode.FAILED, f"{error}; `creditgate doctor` says what to do") from error
    return cast("_Handler", getattr(loaded, function))

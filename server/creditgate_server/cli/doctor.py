"""`doctor`: looks at everything that a server and its clients need here, and says what to do about what is wrong."""

from __future__ import annotations

import importlib
import platform
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Final

from creditgate_server.cli.diagnosis import Check, Status
from creditgate_server.cli.documents import Document
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Sentence, Table, Text, Tone, counted

_TONES: Final[Mapping[Status, Tone]] = {
    Status.OK: Tone.GOOD,
    Status.NOTE: Tone.QUIET,
    Status.WARNING: Tone.WARNING,
    Status.PROBLEM: Tone.BAD,
}


def doctor(arguments: Namespace, output: Output) -> ExitCode:
    """Make all checks. Only problems make the exit status 1."""
    checks = list(_checks(arguments))
    problems = sum(check.status is Status.PROBLEM for check in checks)
    document: Document = {
        "healthy": problems == 0,
        "checks": [
            {"name": each.name, "status": each.status.value, "finding": each.finding, "remedy": each.remedy}
            for each in checks
        ],
    }
    rows = [(each.name, Text(each.status.value, _TONES[each.status]), each.finding, each.remedy) for each in checks]
    output.answer(document, [Table(("Check", "Result", "Finding", "What to do"), rows), _summary(problems)])
    return ExitCode.NEGATIVE if problems else ExitCode.DONE


def _checks(arguments: Namespace) -> Iterator[Check]:
    packages = _packages()
    yield packages
    if packages.status is Status.OK:  # all others need them
        server: Callable[[Namespace], Check] = importlib.import_module("creditgate_server.cli.doctor_client").server
        yield server(arguments)
        yield from _server_checks(arguments)


def _packages() -> Check:
    """Load what talks to a server: generated code refuses versions older than those it was generated with."""
    versions = ", ".join(f"{package} {version(package)}" for package in ("creditgate", "grpcio", "protobuf"))
    found = f"Python {platform.python_version()}, {versions}"
    try:
        importlib.import_module("creditgate.v1.authorization_pb2_grpc")
    except Exception as error:  # noqa: BLE001 -- gRPC's and protobuf's refusals have no common base
        return Check("packages", Status.PROBLEM, f"{found}: {error}", "pip install --upgrade creditgate")
    return Check("packages", Status.OK, found)


def _server_checks(arguments: Namespace) -> Iterable[Check]:
    """Make the checks that need the packages of the server, where these are installed."""
    try:
        module = importlib.import_module("creditgate_server.cli.doctor_server")
    except ModuleNotFoundError as missing:
        finding = f"the package {missing.name} is not installed: neither settings nor store were looked at"
        return [Check("server packages", Status.NOTE, finding, "to run a server: pip install 'creditgate[server]'")]
    checks: Iterator[Check] = module.checks(arguments)
    return checks


def _summary(problems: int) -> Sentence:
    return Sentence(Text(counted(problems, "problem"), Tone.BAD) if problems else Text("no problems", Tone.GOOD))

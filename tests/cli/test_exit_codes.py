"""The exit status of a command, one by one: what scripts rely on, and nothing of Python on the way out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment_of

import creditgate_server
from creditgate import errors
from creditgate_server.cli.exit_codes import MEANINGS, ExitCode
from creditgate_server.cli.failures import exit_code_of
from creditgate_server.cli.parser import make_parser

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer

COMMAND = [sys.executable, "-m", "creditgate_server"]


def test_help_tells_every_exit_status() -> None:
    lines = make_parser().format_help().partition("exit status:\n")[2].partition("\n\n")[0]
    told = dict(re.findall(r"^  (\d+) +((?:.|\n {7})+)", lines, re.MULTILINE))

    assert {int(status): " ".join(words.split()) for status, words in told.items()} == MEANINGS


def test_0_is_allowed(ask: Command, funded: str) -> None:
    assert ask("quote", funded, "--segments", "100").status == 0


def test_1_is_denied(ask: Command, funded: str) -> None:
    assert ask("quote", funded, "--segments", "101").status == 1


@pytest.mark.parametrize("words", [("reserve", "acme"), ("balance", "NO ID")], ids=["by us", "by the server"])
def test_2_is_a_wrong_command(ask: Command, words: tuple[str, ...]) -> None:
    assert ask(*words).status == 2


@pytest.mark.parametrize("words", [("balance", "acme"), ("verify", "--redis-url", "redis://127.0.0.1:1")])
def test_3_is_that_nobody_answered(run: Command, words: tuple[str, ...]) -> None:
    target = () if words[0] == "verify" else ("--target", "127.0.0.1:1")

    assert run(*words, *target).status == 3


def test_4_is_refused(ask: Command, organisation: str) -> None:
    assert ask("balance", organisation).status == 4


def test_5_is_not_now(
    serve: Callable[..., RunningServer], freeze_store: Callable[[RunningServer], None], organisation: str, run: Command
) -> None:
    server = serve("--durability", "memory")
    assert run("accounts", "create", organisation, "--target", server.target).status == 0
    freeze_store(server)

    ran = run("grant", organisation, "5", "--id", "order-1", "--target", server.target)

    assert ran.status == 5
    assert "--id order-1" in ran.err


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (errors.Unavailable("no store", reason="STORE_UNREACHABLE"), ExitCode.NOT_NOW),
        (errors.Overloaded("too much", reason="OVERLOADED"), ExitCode.NOT_NOW),
        (errors.StoreFull("full", reason="STORE_FULL"), ExitCode.NOT_NOW),
        (errors.OutcomeUnknown("lost", reason="OUTCOME_UNKNOWN"), ExitCode.NOT_NOW),
        (errors.Unavailable("refused"), ExitCode.UNREACHABLE),
        (errors.DeadlineExceeded("silent"), ExitCode.UNREACHABLE),
        (errors.InvalidRequest("wrong"), ExitCode.USAGE),
        (errors.IdReused("other content", reason="ID_REUSED"), ExitCode.FAILED),
        (errors.InternalError("a defect", reason="INTERNAL"), ExitCode.FAILED),
    ],
    ids=str,
)
def test_every_failure_has_its_status(failure: errors.CallFailed, status: ExitCode) -> None:
    assert exit_code_of(failure) is status


def test_130_is_interrupted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        words = ["grant", "acme", "5", "--target", target, "--id", "order-1"]
        process = subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE, text=True)
        with silent.accept()[0]:  # it asks, so it is beyond its start
            process.send_signal(signal.SIGINT)
            error = process.communicate()[1]

    assert process.returncode == 130
    assert error.splitlines() == ["creditgate: interrupted; to learn whether it was done, repeat it with --id order-1"]


@pytest.mark.parametrize("module", ["creditgate.errors", "creditgate_server.cli.accounts", "grpc"])
def test_an_interrupted_start_has_no_traceback(module: str) -> None:
    code = f"""
import sys

class Interrupted:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupted())
from creditgate_server.__main__ import main
sys.exit(main(["balance", "acme"]))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "creditgate: interrupted\n")


@pytest.mark.parametrize("words", [("rates",), ("rates", "--json"), ("--help",), ("rates", "check", "no file")])
def test_141_is_a_reader_that_has_left(server: RunningServer, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [*COMMAND, *words],
        env=environment_of({"TARGET": server.target}),
        stdout=writer,
        stderr=writer if "check" in words else subprocess.PIPE,
        check=False,
    )
    os.close(writer)

    assert (ran.returncode, ran.stderr or b"") == (141, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here: a full disk was not tried")
def test_an_answer_that_cannot_be_written_is_no_success(server: RunningServer, organisation: str, ask: Command) -> None:
    ask("accounts", "create", organisation)
    words = ["grant", organisation, "5", "--id", "order-1"]
    with Path("/dev/full").open("wb") as full:
        ran = subprocess.run(
            [*COMMAND, *words],
            env=environment_of({"TARGET": server.target}),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ran.returncode == 4
    assert ran.stderr == (
        "creditgate: standard output cannot be written: No space left on device;"
        " to learn whether it was done, repeat it with --id order-1\n"
    )


@pytest.mark.parametrize("stream", [1, 2])
def test_a_stream_that_is_closed_is_nobody_s_concern(server: RunningServer, stream: int) -> None:
    ran = subprocess.run(
        ["bash", "-c", f'exec "$@" {stream}>&-', "bash", *COMMAND, "rates"],
        env=environment_of({"TARGET": server.target}),
        capture_output=True,
        check=False,
    )

    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_missing_package_is_a_document_where_json_was_asked_for(
    without_packages: Callable[..., list[str]],
) -> None:
    words = without_packages("redis yaml", "rates", "check", "card.yaml", "--json")

    ran = subprocess.run(words, capture_output=True, text=True, check=False)

    assert ran.returncode == 4
    assert "creditgate[server]" in ran.stdout


def test_next_to_nothing_is_loaded_before_an_interrupt_is_heeded() -> None:
    code = """
import sys
before = set(sys.modules)
import creditgate_server.__main__
print(*sorted(set(sys.modules) - before))
"""
    path = {**os.environ, "PYTHONPATH": str(Path(creditgate_server.__file__).parents[1])}

    ran = subprocess.run([sys.executable, "-S", "-c", code], env=path, capture_output=True, text=True, check=True)

    assert ran.stdout.split() == ["__future__", "creditgate_server", "creditgate_server.__main__"]

"""`completion`: shells complete commands, options, values and ids, and wait for no more than they need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.conftest import environment_of
from tests.cli.terminal import Terminal

from creditgate_server.cli import known_ids
from creditgate_server.cli.parser import SHELLS

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer

START = {
    "bash": ("bash", "--noprofile", "--norc", "-i"),
    "zsh": ("zsh", "-f", "-i"),
}

TEACH = {
    "bash": 'eval "$(creditgate completion bash)"',
    "zsh": "autoload -Uz compinit && compinit -u -D; source <(creditgate completion zsh)",
}
"""What stands in the start file of a shell."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One in which the command is found by its name, as where it is installed."""
    directory = tmp_path_factory.mktemp("bin")
    program = directory / "creditgate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m creditgate_server "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    home = {"HOME": str(directory), "XDG_CONFIG_HOME": str(directory), "INPUTRC": os.devnull}
    return {**environment_of({}), **home, "PATH": f"{directory}:{os.environ['PATH']}"}


@pytest.mark.parametrize("shell", START)
def test_a_shell_completes_what_is_typed(
    shell: str, environment: dict[str, str], server: RunningServer, ask: Command, organisation: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here: its completion was not tried")
    ask("accounts", "create", organisation, f"{organisation}/field")

    with Terminal(START[shell], {**environment, "CREDITGATE_TARGET": server.target}, 200) as terminal:
        terminal.type(f"{TEACH[shell]}; PS1='rea''dy> '\n")  # typed otherwise than it is shown when the shell waits
        terminal.wait_for("ready> ")
        terminal.type("creditgate acco\t")
        terminal.wait_for("accounts ")
        terminal.type("upd\t")
        terminal.wait_for("update ")
        terminal.type(f"{organisation}/f\t")
        terminal.wait_for("field ")
        terminal.type("--enf\t")
        terminal.wait_for("--enforcement ")
        terminal.type("mon\t")
        terminal.wait_for("monitor ")
        terminal.type("\n")
        terminal.wait_for("updated")  # the last line of the answer: what was completed is a command that works

    assert ask("accounts", "show", f"{organisation}/field", "--json").document["account"]["enforcement"] == "MONITOR"


def test_fish_completes_what_is_typed(environment: dict[str, str], server: RunningServer, ask: Command) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not here: its completion was not tried")
    del ask
    lines = ("creditgate acco", "creditgate grant acme 5 --ki", "creditgate rates show def")
    script = "creditgate completion fish | source;" + "".join(f"complete -C '{line}';" for line in lines)

    out = subprocess.run(
        ["fish", "--no-config", "-c", script],
        env={**environment, "CREDITGATE_TARGET": server.target},
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert [line.split()[0] for line in out.splitlines()] == ["accounts", "--kind", "default"]


Complete = Callable[..., set[str]]


@pytest.fixture
def complete() -> Complete:
    """Ask the command, as shells do, how a line may go on."""

    def complete(line: str, *python: str, **settings: str) -> set[str]:
        asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "COMP_LINE": line, "COMP_POINT": str(len(line))}
        reader, writer = os.pipe()
        command = ["bash", "-c", f'exec 8>&{writer}; exec "$@"', "bash", sys.executable, *python]
        ended = subprocess.run(
            command if python else [*command, "-m", "creditgate_server"],
            env={**environment_of(settings), **asked},
            pass_fds=[writer],
            capture_output=True,
            check=True,
        )
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as answers:
            found = {word.strip() for word in answers.read().split("\n")}
        assert ended.stdout == b""
        return found - {""}

    return complete


@pytest.mark.parametrize(
    ("line", "words"),
    [
        pytest.param("creditgate hea", {"health"}, id="command"),
        pytest.param("creditgate rates ", {"list", "show", "put", "check"}, id="action"),
        pytest.param("creditgate plan se", {"set"}, id="action that may be left out"),
        pytest.param("creditgate plan acme --ti", {"--timeout"}, id="option without an action"),
        pytest.param("creditgate plan set acme 5 --every ", {"day", "week", "month", "year"}, id="interval"),
        pytest.param("creditgate plan set acme 5 --roll-over ", {"none", "all"}, id="cap or word"),
        pytest.param("creditgate plan set acme 5 --time-zone Europe/Berl", {"Europe/Berlin"}, id="time zone"),
        pytest.param("creditgate extend acme 1 --t", {"--target", "--timeout", "--ttl"}, id="option"),
        pytest.param("creditgate accounts update acme --overage ", {"allow", "cap", "reject", "inherit"}, id="value"),
        pytest.param("creditgate accounts update acme --floor ", {"none"}, id="number or word"),
        pytest.param("creditgate completion ", set(SHELLS), id="shell"),
        pytest.param("creditgate grant acme ", set(), id="amount"),
    ],
)
def test_words_that_stand_in_the_grammar(complete: Complete, line: str, words: set[str]) -> None:
    assert complete(line, TARGET="127.0.0.1:1") == words


def test_ids_that_the_server_knows(complete: Complete, ask: Command, funded: str, server: RunningServer) -> None:
    ask("accounts", "create", f"{funded}/field", f"{funded}/sales")
    ask("reserve", funded, "--segments", "1", "--id", "message-1")

    def known(line: str) -> set[str]:
        return complete(f"creditgate {line}", TARGET=server.target)

    assert known(f"balance {funded}") == {funded, f"{funded}/field", f"{funded}/sales"}
    assert known(f"balance {funded}/f") == {f"{funded}/field"}
    assert known(f"transfer {funded} {funded}/s") == {f"{funded}/sales"}
    assert known(f"grants --account {funded}/f") == {f"{funded}/field"}
    assert known(f"plan {funded}/s") == known(f"plan show {funded}/s") == {f"{funded}/sales"}
    assert known(f"commit {funded} ") == {"message-1"}
    assert known(f"revoke {funded} ") == {"first"}
    assert known("rates show d") == {"default"}


def test_no_more_accounts_are_looked_through_than_may_be_meant(
    ask: Command, funded: str, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask("accounts", "create", f"{funded}/field", f"{funded}/sales")
    monkeypatch.setattr(known_ids, "IDS_MAX", 2)

    assert known_ids.accounts(Namespace(target=server.target), f"{funded}/s") == [f"{funded}/field", f"{funded}/sales"]
    assert len(known_ids.accounts(Namespace(target=server.target), "")) == 2


def test_without_a_server_there_are_no_ids(complete: Complete) -> None:
    assert complete("creditgate balance a", TARGET="127.0.0.1:1") == set()


def test_files_are_completed_where_a_file_is_asked_for(
    complete: Complete, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rates.yaml").touch()
    monkeypatch.chdir(tmp_path)

    assert complete("creditgate rates check ra") == {"rates.yaml"}
    assert complete("creditgate balance ra", TARGET="127.0.0.1:1") == set()


@pytest.mark.parametrize("line", ["creditgate acco", "creditgate grant acme 5 --kind "])
def test_completing_what_stands_in_the_grammar_loads_next_to_nothing(complete: Complete, line: str) -> None:
    code = """
import sys
for heavy in ("grpc", "google", "rich", "redis", "yaml", "structlog"):
    sys.modules[heavy] = None  # an import of it fails
from creditgate_server.__main__ import main
main(["creditgate"])
"""

    assert complete(line, "-c", code) != set()


def test_where_nothing_fits_no_files_are_offered(run: Command) -> None:
    assert " -o default" not in run("completion", "bash").out


def test_the_script_is_a_document_where_json_was_asked_for(run: Command) -> None:
    script = run("completion", "bash").out

    assert run("completion", "bash", "--json").document == {"shell": "bash", "script": script}


def test_an_unknown_shell_is_a_usage_error(run: Command) -> None:
    ran = run("completion", "ksh")

    assert ran.status == 2
    assert "bash" in ran.err


def test_without_the_package_it_says_what_to_install(without_packages: Callable[..., Sequence[str]]) -> None:
    ran = subprocess.run(
        without_packages("argcomplete rich", "completion", "bash"), capture_output=True, text=True, check=False
    )

    assert ran.returncode == 4
    assert "pip install 'creditgate[server]'" in ran.stderr

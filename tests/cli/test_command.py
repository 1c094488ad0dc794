"""What all commands share: the grammar, the exit status, and one line for what went wrong."""

from __future__ import annotations

import importlib
import shlex
import socket
import subprocess
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from creditgate import __version__, errors
from creditgate_server.cli.failures import how_to_repeat, line_of
from creditgate_server.cli.parser import make_parser

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer


def parsers(parser: ArgumentParser, name: str = "creditgate") -> Iterator[tuple[str, ArgumentParser]]:
    """Name every command and action with its parser."""
    yield name, parser
    for action in parser._actions:  # noqa: SLF001 (argparse tells nobody else)
        if isinstance(action, _SubParsersAction):
            for word, inner in action.choices.items():
                yield from parsers(inner, f"{name} {word}")


ALL = dict(parsers(make_parser()))


@pytest.fixture
def nobody_s_address() -> Iterator[str]:
    """An address where nobody listens, and nobody can: the port is bound, and that is all."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{holder.getsockname()[1]}"


def test_every_command_has_a_function_that_runs_it() -> None:
    handlers = {name: parser.get_default("handler") for name, parser in ALL.items() if name != "creditgate"}

    for name, handler in handlers.items():
        module, function = handler.split(":")
        assert callable(getattr(importlib.import_module(f"creditgate_server.cli.{module}"), function)), name


def test_every_command_offers_json() -> None:
    without = [name for name, parser in ALL.items() if "  --json " not in parser.format_help()]

    assert without == []


def test_all_commands_that_are_promised_exist() -> None:
    promised = (
        "serve demo quote reserve commit release extend charge refund grant revoke transfer grants holds balance"
        " accounts plan rates explain verify health doctor completion"
    )

    assert {f"creditgate {word}" for word in promised.split()} <= ALL.keys()


def examples(parser: ArgumentParser) -> list[list[str]]:
    """The words of the commands that a help text shows."""
    shown = (parser.epilog or "").partition("examples:\n")[2].replace("\\\n", "")
    return [shlex.split(line, comments=True) for line in shown.splitlines()]


@pytest.mark.parametrize("name", [name for name, parser in ALL.items() if examples(parser)])
def test_the_examples_of_a_command_can_be_typed_as_they_are(name: str) -> None:
    for words in examples(ALL[name]):
        arguments = make_parser().parse_args(words[1:])
        assert arguments.parser.prog == name


def test_help_fits_a_terminal_of_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    for name, parser in ALL.items():
        too_long = [line for line in parser.format_help().splitlines() if len(line) > 80]
        assert too_long == [], name


def test_tells_its_version(run: Command) -> None:
    assert run("--version").out == f"creditgate {__version__}\n"


def test_no_command_is_a_usage_error_that_shows_what_there_is(run: Command) -> None:
    ran = run()

    assert (ran.status, ran.out) == (2, "")
    assert "balance" in ran.err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        pytest.param(("blance", "acme"), "there is no command 'blance'; did you mean balance?", id="command"),
        pytest.param(("BALANCE", "acme"), "there is no command 'BALANCE'; did you mean balance?", id="capitals"),
        pytest.param(("accounts", "crate"), "there is no action 'crate'; did you mean create?", id="action"),
        pytest.param(
            ("plan", "sho", "acme"), "there is no action 'sho'; did you mean show?", id="where one may be missing"
        ),
        pytest.param(("balance", "acme", "--jsn"), "arguments: --jsn; did you mean --json?", id="option"),
        pytest.param(("grant", "a", "5", "--expire=9d"), "--expire=9d; did you mean --expires?", id="with a value"),
        pytest.param(("help",), "did you mean --help?", id="an option as a command"),
        pytest.param(
            ("rates", "frob"), "there is no action 'frob'; there are list, show, put, check", id="nothing like"
        ),
        pytest.param(("balance", "acme", "--frob"), "arguments: --frob", id="no option like it"),
        pytest.param(("balance", "acme", "other"), "arguments: other", id="too many words"),
        pytest.param(("balance",), "required: ACCOUNT", id="too few words"),
        pytest.param(("plan",), "required: [ACTION] ACCOUNT", id="neither an action nor what it is about"),
    ],
)
def test_a_misspelt_word_is_a_usage_error_that_says_what_may_be_meant(
    run: Command, words: tuple[str, ...], hint: str
) -> None:
    ran = run(*words)

    assert ran.status == 2
    assert ran.err.endswith(f"{hint}\n")


def test_json_and_the_server_may_be_said_first(run: Command, ask: Command, funded: str, server: RunningServer) -> None:
    said_last = ask("balance", funded, "--json").document

    assert run("--target", server.target, "--json", "balance", funded).document == said_last


def test_options_may_stand_before_and_behind_an_action(ask: Command, funded: str) -> None:
    before = ask("accounts", "--json", "show", funded)
    behind = ask("accounts", "show", funded, "--json")

    assert before.document == behind.document


def test_no_server_is_said_in_one_line(run: Command, nobody_s_address: str) -> None:
    ran = run("reserve", "acme", "--body", "hello", "--target", nobody_s_address)

    assert (ran.status, ran.out) == (3, "")
    assert ran.err.startswith(
        f"creditgate: no Creditgate server at {nobody_s_address}: start one with `creditgate serve`"
    )
    assert ran.err.endswith("Connection refused)\n")
    assert len(ran.err.splitlines()) == 1


def test_a_web_address_is_no_target(run: Command) -> None:
    ran = run("balance", "acme", "--target", "http://127.0.0.1:50051")

    assert (ran.status, len(ran.err.splitlines())) == (2, 1)
    assert "must be host:port" in ran.err


def test_an_unknown_option_shows_those_of_its_command(run: Command) -> None:
    ran = run("accounts", "show", "acme", "--jsn")

    assert ran.status == 2
    assert ran.err.startswith("usage: creditgate accounts show ")
    assert ran.err.endswith("unrecognized arguments: --jsn; did you mean --json?\n")


def test_a_failure_is_a_document_where_json_was_asked_for(run: Command, nobody_s_address: str) -> None:
    ran = run("balance", "acme", "--target", nobody_s_address, "--json")

    assert ran.status == 3
    assert ran.document["error"]["code"] == "UNAVAILABLE"


def test_a_server_that_does_not_answer_in_time_is_unreachable(run: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        ran = run("grant", "acme", "5", "--target", target, "--timeout", "1s", "--id", "order-1")

    assert ran.status == 3
    assert len(ran.err.splitlines()) == 1


def test_health_of_a_server_that_serves(ask: Command) -> None:
    ran = ask("health", "--json")

    assert ran.status == 0
    assert ran.document["status"] == "SERVING"


def test_health_of_no_server_exits_1(run: Command, nobody_s_address: str) -> None:
    ran = run("health", "--target", nobody_s_address, "--json")

    assert ran.status == 1
    assert ran.document == {"target": nobody_s_address, "status": "UNKNOWN"}


def test_target_is_the_flag_before_the_environment(
    ask: Command, nobody_s_address: str, monkeypatch: pytest.MonkeyPatch, server: RunningServer
) -> None:
    monkeypatch.setenv("CREDITGATE_TARGET", nobody_s_address)

    assert ask("health").status == 1
    assert ask("health", "--target", server.target).status == 0


def test_an_unknown_outcome_tells_how_to_learn_it() -> None:
    arguments = make_parser().parse_args(["grant", "acme", "5", "--expires", "2026-12-31"])
    arguments.operation_id = "order-1"

    hint = how_to_repeat(arguments, errors.OutcomeUnknown("lost"))

    assert hint.endswith("--id order-1 --expires 2026-12-31T00:00:00Z")
    repeated = make_parser().parse_args(["grant", "acme", "5", *hint.partition(" with ")[2].split()])
    assert repeated.expires == arguments.expires


def test_an_unknown_change_of_plan_is_repeated_with_the_same_anchor() -> None:
    arguments = make_parser().parse_args(
        ["plan", "set", "acme", "5", "--every", "day", "--anchor", "3d", "--id", "o-1"]
    )

    hint = how_to_repeat(arguments, errors.OutcomeUnknown("lost"))

    assert hint.endswith(f"--id o-1 --anchor {arguments.anchor:%Y-%m-%dT%H:%M:%SZ}")


def test_an_unknown_outcome_of_a_part_is_learnt_by_its_own_id() -> None:
    words = ["commit", "acme", "msg-1", "--keep-open", "--commit-id", "part-1"]

    hint = how_to_repeat(make_parser().parse_args(words), errors.OutcomeUnknown("lost"))

    assert hint.endswith("--commit-id part-1")


@pytest.mark.parametrize("failure", [errors.Unavailable("no effect"), errors.IdReused("other content")])
def test_a_known_outcome_needs_no_hint(failure: errors.CallFailed) -> None:
    assert how_to_repeat(Namespace(operation_id="order-1"), failure) == ""


def test_a_defect_of_the_server_is_named_by_its_request() -> None:
    failure = errors.InternalError("a defect", reason="INTERNAL", metadata={"request_id": "0192f3c1"})

    assert "0192f3c1" in line_of(failure, Namespace())


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        (["--help"], {"grpc", "rich", "redis", "asyncio", "google"}),
        (["balance", "acme", "--json", "--target", "127.0.0.1:1"], {"rich", "redis", "structlog", "yaml", "uvloop"}),
    ],
)
def test_a_command_imports_only_what_it_needs(words: list[str], packages: set[str]) -> None:
    code = f"""
import sys
from creditgate_server.__main__ import main
try:
    main({words!r})
finally:
    print("imported:", *({packages!r} & sys.modules.keys()))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout

    assert out.splitlines()[-1] == "imported:"


def test_without_rich_all_is_json(server: RunningServer, without_packages: Callable[..., list[str]]) -> None:
    ran = subprocess.run(
        without_packages("rich", "accounts", "list", "--target", server.target),
        capture_output=True,
        text=True,
        check=True,
    )

    assert ran.stdout.startswith("{")


@pytest.mark.parametrize("words", [("rates", "check", "card.yaml"), ("verify",), ("serve",), ("demo",)])
def test_what_needs_the_server_s_packages_says_what_to_install(
    words: tuple[str, ...], without_packages: Callable[..., list[str]]
) -> None:
    ran = subprocess.run(without_packages("redis yaml", *words), capture_output=True, text=True, check=False)

    assert ran.returncode == 4
    assert "pip install 'creditgate[server]'" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1

"""docs/command-line.md says what there is: its tables are those of the parser, of the exit codes and of the checks."""

from __future__ import annotations

import re
from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from creditgate_server.cli.diagnosis import CHECKS
from creditgate_server.cli.exit_codes import MEANINGS, ExitCode
from creditgate_server.cli.parser import SHELLS, make_parser

PAGE = (Path(__file__).resolve().parents[2] / "docs/command-line.md").read_text(encoding="utf-8")


def table(heading: str) -> list[list[str]]:
    """The cells of the table whose first column has this heading, row by row."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(f"| {heading} |"))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        rows.append([cell.strip().replace(r"\|", "|") for cell in cells])
    return rows


def commands(parser: ArgumentParser) -> Iterator[list[str]]:
    """What is typed for each command and action that does something of its own, and its purpose."""
    for action in parser._actions:  # noqa: SLF001 (argparse tells nobody else)
        if isinstance(action, _SubParsersAction):
            purposes = {each.dest: each.help for each in action._choices_actions}  # noqa: SLF001 (likewise)
            for word, inner in action.choices.items():
                if actions := list(commands(inner)):
                    yield from actions
                else:
                    yield [f"`{synopsis(inner)}`", purposes[word] or ""]


def synopsis(parser: ArgumentParser) -> str:
    words = parser.usage or " ".join(["%(prog)s", *positionals(parser)])
    return words.replace("%(prog)s", parser.prog.removeprefix("creditgate ")).replace(" [option ...]", "")


def positionals(parser: ArgumentParser) -> Sequence[str]:
    named = [action for action in parser._actions if not action.option_strings]  # noqa: SLF001 (likewise)
    return [f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar) for action in named]


def test_every_command_is_in_the_table_with_its_purpose() -> None:
    assert table("command") == list(commands(make_parser()))


def test_every_exit_status_is_in_the_table() -> None:
    assert MEANINGS.keys() == set(ExitCode)
    assert table("status") == [[str(int(each)), MEANINGS[each]] for each in ExitCode]


def test_every_check_of_doctor_is_in_the_table() -> None:
    assert table("check") == [[each.name, each.looks_at, each.remedy] for each in CHECKS]


def test_every_shell_is_in_the_table() -> None:
    assert [row[0] for row in table("shell")] == list(SHELLS)


@pytest.mark.parametrize("variable", re.findall(r"^  ([A-Z_]+)\b", str(make_parser().epilog), re.MULTILINE))
def test_every_variable_that_help_names_is_in_the_table(variable: str) -> None:
    assert any(f"`{variable}" in row[0] for row in table("variable"))

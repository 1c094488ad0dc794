"""What the grammars of all commands are made of."""

from __future__ import annotations

import sys
from argparse import (
    SUPPRESS,
    Action,
    ArgumentError,
    ArgumentParser,
    RawDescriptionHelpFormatter,
    _SubParsersAction,
)
from collections.abc import Sequence
from typing import TYPE_CHECKING

from creditgate_server.cli.suggestions import suggestion
from creditgate_server.cli.values import duration_s, positive_number


class CommandParser(ArgumentParser):
    """A parser that says what may have been meant where a command, an action or an option is none."""

    default_action: str = ""
    """The action that is meant where something else stands in its place; none unless it is set."""

    def _get_values(self, action: Action, arg_strings: list[str]) -> object:
        """Put the default action before words that begin with none, unless it may be a misspelt one of two."""
        if isinstance(action, _SubParsersAction) and self.default_action:
            first, *others = arg_strings
            if first not in action.choices and not (others and not others[0].startswith("-")):
                arg_strings = [self.default_action, *arg_strings]
        return super()._get_values(action, arg_strings)

    def _check_value(self, action: Action, value: object) -> None:
        """Refuse a command that there is not. argparse has no other place to say it better than by listing all."""
        if not isinstance(action, _SubParsersAction):
            super()._check_value(action, value)
        elif value not in action.choices:
            # Some ask for `help` as others do for `--help`.
            known = [*action.choices, *self._option_string_actions]
            hint = suggestion(str(value), known) or f"; there are {', '.join(action.choices)}"
            raise ArgumentError(None, f"there is no {action.dest} {value!r}{hint}")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print the help, and fail where that fails; argparse would hide it."""
        (file or sys.stdout).write(self.format_help())

    def refuse(self, unknown: Sequence[str]) -> None:
        """End the process for words that mean nothing to this command."""
        hints = [suggestion(word, self._option_string_actions) for word in unknown if word.startswith("-")]
        self.error(f"unrecognized arguments: {' '.join(unknown)}{''.join(hints[:1])}")


if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    Commands = _SubParsersAction[CommandParser]


def add(commands: Commands, name: str, handler: str, purpose: str, examples: str = "") -> CommandParser:
    """Add a command, with the options that all commands have. `examples` are lines that can be typed as they are."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(handler=handler, parser=parser)
    add_json(parser)
    return parser


def add_json(parser: ArgumentParser) -> None:
    """Add the choice of how answers look."""
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help="print JSON instead of tables")


def add_target(parser: ArgumentParser) -> None:
    """Add the server to ask."""
    parser.add_argument(
        "--target",
        default=SUPPRESS,
        metavar="ADDRESS",
        help="the server, host:port or unix:path; default: CREDITGATE_TARGET, else 127.0.0.1:50051",
    )


def add_client(commands: Commands, name: str, handler: str, purpose: str, examples: str = "") -> CommandParser:
    """Add a command that asks a server."""
    parser = add(commands, name, handler, purpose, examples)
    add_target(parser)
    parser.add_argument(
        "--timeout",
        dest="timeout_s",
        type=duration_s,
        default=SUPPRESS,
        metavar="DURATION",
        help="how long an answer may take",
    )
    return parser


def account_id(parser: ArgumentParser, explanation: str = "the account, such as acme or acme/field") -> None:
    """Add the account that a command is about."""
    parser.add_argument("account_id", metavar="ACCOUNT", help=explanation)


def reservation_id(parser: ArgumentParser) -> None:
    """Add the hold that a command is about."""
    parser.add_argument("reservation_id", metavar="ID", help="the reservation's id")


def operation_id(parser: ArgumentParser, explanation: str, flag: str = "--id") -> None:
    """Add the id of what a command does, by which it can be repeated."""
    parser.add_argument(flag, dest="operation_id", metavar="ID", help=explanation)
    parser.set_defaults(id_flag=flag)


def journal(parser: ArgumentParser, actor: str, *, reference: str = "") -> None:
    """Add what is noted beside an administrator's deed."""
    parser.add_argument("--actor", default="", metavar="NAME", help=f"{actor}, for the journal")
    if reference:
        parser.add_argument("--reference", default="", metavar="TEXT", help=reference)
    parser.add_argument("--note", default="", metavar="TEXT", help="a remark")


def filters(parser: ArgumentParser, explanation: str) -> None:
    """Add which accounts a list is about, and how much of it is wanted."""
    parser.add_argument("account_id", nargs="?", metavar="ACCOUNT", help=explanation)
    parser.add_argument(
        "--account",
        dest="accounts",
        action="append",
        metavar="ACCOUNT",
        help="the same as ACCOUNT, but may be repeated",
    )
    parser.add_argument("--below", action="store_true", help="list those of accounts below it too")
    limit(parser)


def limit(parser: ArgumentParser) -> None:
    """Add how long a list may be."""
    parser.add_argument("--limit", type=positive_number, metavar="N", help="list the first N; default: all")

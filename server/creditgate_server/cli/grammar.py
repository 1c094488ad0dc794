"""What the grammars of all commands are made of."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING

from creditgate_server.cli.values import duration_s

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    Commands = _SubParsersAction[ArgumentParser]


def add(commands: Commands, name: str, handler: str, purpose: str, examples: str = "") -> ArgumentParser:
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
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help="print JSON instead of tables")
    return parser


def add_client(commands: Commands, name: str, handler: str, purpose: str, examples: str = "") -> ArgumentParser:
    """Add a command that asks a server."""
    parser = add(commands, name, handler, purpose, examples)
    parser.add_argument(
        "--target",
        default=SUPPRESS,
        metavar="ADDRESS",
        help="the server, host:port or unix:path; default: CREDITGATE_TARGET, else 127.0.0.1:50051",
    )
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

"""The grammar of the command line: every command, its options, and the function that runs it.

Functions are named, not imported: `--help` needs none of them, and a command only its own.
"""

from __future__ import annotations

from argparse import RawDescriptionHelpFormatter
from textwrap import wrap
from typing import TYPE_CHECKING, Final

from creditgate.retries import DEFAULT_TIMEOUT_S
from creditgate_server.cli.account_grammar import add_account_commands, add_credit_commands
from creditgate_server.cli.authorization_grammar import add_authorization_commands
from creditgate_server.cli.diagnosis import CHECKS
from creditgate_server.cli.exit_codes import MEANINGS, ExitCode
from creditgate_server.cli.grammar import CommandParser, add, add_client, add_json, add_target, limit
from creditgate_server.cli.options import server_options, store_options
from creditgate_server.cli.plan_grammar import add_plan_commands
from creditgate_server.cli.values import whole_number

DESCRIPTION: Final = """\
Decides, before a message is sent, whether the sender's account can pay for it.
`serve` runs a server, `demo` shows one at work; most other commands ask the
one at --target."""

EPILOG: Final = """\
exit status:
{statuses}
output:
  Answers are tables, on a terminal or not. With --json, and wherever the
  package `rich` is not installed, they are one JSON document with the field
  names of the interface: a record stands under its noun, a list is an array
  under the plural, amounts are numbers, times RFC 3339, and null is what is not
  set. What went wrong is a line on standard error, and with --json a document
  {{"error": ...}} too. All times are in UTC.

environment:
  CREDITGATE_TARGET    the server to ask, unless --target says
  CREDITGATE_*         settings of the server: see `creditgate serve --help`
  NO_COLOR, COLUMNS    print without colours; the width of tables
"""

if TYPE_CHECKING:
    from creditgate_server.cli.grammar import Commands

COMPLETION_EXAMPLES: Final = """\
  creditgate completion bash  # ~/.bashrc: eval "$(creditgate completion bash)"
  creditgate completion zsh   # ~/.zshrc: source <(creditgate completion zsh)
  creditgate completion fish  # config.fish: creditgate completion fish | source
"""

SHELLS: Final = ("bash", "zsh", "fish")

HELP_WIDTH: Final = 79
"""Columns of what help does not wrap by itself."""

HEALTH_TIMEOUT_S: Final = 2.0
"""Less than what whoever restarts unhealthy servers waits for the command."""


def make_parser() -> CommandParser:
    """Make the parser.

    It leaves in the namespace, besides options, the `handler` to call (`module:function`) and the command's `parser`.
    """
    parser = CommandParser(
        prog="creditgate",
        usage="%(prog)s [option ...] COMMAND ...",
        description=DESCRIPTION,
        epilog=EPILOG.format(statuses="".join(_item(str(int(each)), MEANINGS[each], 5) for each in ExitCode)),
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Options that stand on several levels have their defaults here: an inner default would undo what was said outside.
    parser.set_defaults(json=False, target=None, timeout_s=DEFAULT_TIMEOUT_S, parser=parser)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    add_json(parser)
    add_target(parser)
    commands = parser.add_subparsers(prog=parser.prog, metavar="COMMAND", dest="command", title="commands")
    _add_server_commands(commands)
    add_authorization_commands(commands)
    add_credit_commands(commands)
    add_plan_commands(commands)
    add_account_commands(commands)
    _add_rate_commands(commands)
    _add_care_commands(commands)
    _add_completion(commands)
    return parser


def _add_server_commands(commands: Commands) -> None:
    serve = add(
        commands, "serve", "serve:serve", "run the server, with a store of its own unless --redis-url names one"
    )
    serve.add_argument("--print-config", action="store_true", help="print the settings, secrets masked, and exit")
    server_options(serve)
    demo = add(
        commands, "demo", "demo:demo", "send messages through a real server, and show what becomes of the credits"
    )
    demo.add_argument(
        "file", nargs="?", metavar="FILE", help="text, CSV or TSV with a message column; default: a sample of ours"
    )


def _add_rate_commands(commands: Commands) -> None:
    rates = add_client(commands, "rates", "rates:list_all", "list, show, check and put rate cards")
    inner = rates.add_subparsers(prog=rates.prog, metavar="ACTION", dest="action", title="actions")
    rates.usage = "%(prog)s [option ...] [ACTION ...]"
    rates.set_defaults(limit=None)
    limit(add_client(inner, "list", "rates:list_all", "list the rate cards (the default)"))
    show = add_client(inner, "show", "rates:show", "show the rules of a rate card")
    show.add_argument("rate_card_id", metavar="ID")
    show.add_argument(
        "--card-version", type=whole_number, default=0, metavar="N", help="this version; default: the newest"
    )
    put = add_client(inner, "put", "rate_files:put", "store a rate card from YAML, as a new version")
    check = add(inner, "check", "rate_files:check", "check a rate card in YAML, without a server")
    for command in (put, check):
        command.add_argument("file", metavar="FILE", help="the YAML file; - reads standard input")


def _add_care_commands(commands: Commands) -> None:
    verify = add(commands, "verify", "verify:verify", "read the whole store, and check that no credit was lost or made")
    store_options(verify)
    health = add_client(commands, "health", "health:health", "ask whether the server serves")
    health.set_defaults(timeout_s=HEALTH_TIMEOUT_S)
    doctor = add_client(
        commands, "doctor", "doctor:doctor", "check this machine, the settings, the store and the server"
    )
    store_options(doctor)
    items = "".join(_item(check.name, check.looks_at, 16) for check in CHECKS)
    doctor.epilog = f"checks; each says what to do about what it finds:\n{items}"


def _item(name: str, words: str, width: int) -> str:
    """Write an item of a list for `--help`: a name, and beside it words in lines of less than 80 columns."""
    (first, *others) = wrap(words, HELP_WIDTH - width - 2)
    return "".join([f"  {name:<{width}}{first}\n", *(f"  {'':<{width}}{line}\n" for line in others)])


def _add_completion(commands: Commands) -> None:
    completion = add(
        commands,
        "completion",
        "completion:completion",
        "print what lets a shell complete commands, options and ids",
        COMPLETION_EXAMPLES,
    )
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help=f"one of {', '.join(SHELLS)}")

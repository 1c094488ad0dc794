"""The grammar of the command line: every command, its options, and the function that runs it.

Functions are named, not imported: `--help` needs none of them, and a command only its own.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Final

from creditgate.retries import DEFAULT_TIMEOUT_S
from creditgate_server.cli.account_grammar import add_account_commands, add_credit_commands
from creditgate_server.cli.authorization_grammar import add_authorization_commands
from creditgate_server.cli.grammar import add, add_client
from creditgate_server.cli.options import server_options, store_options
from creditgate_server.cli.values import whole_number

DESCRIPTION: Final = """\
Decides, before a message is sent, whether the sender's account can pay for it.
`serve` runs a server, `demo` shows one at work; most other commands ask the
one at --target."""

EPILOG: Final = """\
exit status:
  0  done, or allowed
  1  the answer is no: denied, not serving, not conserved, a check failed
  2  the command, or a value in it, is wrong
  3  no server answered
  4  anything else went wrong

output:
  Answers are tables, on a terminal or not. With --json, and wherever the
  package `rich` is not installed, they are one JSON document with the field
  names of the interface: amounts are numbers, times RFC 3339, and null is what
  is not set. What went wrong is a line on standard error, and with --json a
  document {"error": ...} too. All times are in UTC.

environment:
  CREDITGATE_TARGET   the server to ask, unless --target says
  CREDITGATE_*        settings of the server: see `creditgate serve --help`
  NO_COLOR, COLUMNS   print without colours; the width of tables
"""

DOCTOR_EPILOG: Final = """\
checks, each with what to do:
  packages        Python, gRPC and protobuf have versions that work together
  server          the one at --target serves
  settings        flags, CREDITGATE_* variables and creditgate.toml hold nothing
                  but options, with right values
  store program   a Valkey or Redis is installed for the embedded store
  data directory  it, or where it will be, can be written and has room
  listen          the address is free, or a server of ours has it; likewise
                  metrics_listen
  store           its version, role, eviction, rights and persistence suit the
                  ledger and the durability asked for
  clock           the store's, by which holds expire, agrees with this machine's
"""

if TYPE_CHECKING:
    from creditgate_server.cli.grammar import Commands

HEALTH_TIMEOUT_S: Final = 2.0
"""Less than what whoever restarts unhealthy servers waits for the command."""


def make_parser() -> ArgumentParser:
    """Make the parser.

    It leaves in the namespace, besides options, the `handler` to call (`module:function`) and the command's `parser`.
    """
    parser = ArgumentParser(
        prog="creditgate",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # Options that stand on several levels have their defaults here: an inner default would undo what was said outside.
    parser.set_defaults(json=False, target=None, timeout_s=DEFAULT_TIMEOUT_S, parser=parser)
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND", dest="command", title="commands")
    _add_server_commands(commands)
    add_authorization_commands(commands)
    add_credit_commands(commands)
    add_account_commands(commands)
    _add_rate_commands(commands)
    _add_care_commands(commands)
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
    inner = rates.add_subparsers(metavar="ACTION", dest="action", title="actions")
    add_client(inner, "list", "rates:list_all", "list the rate cards (the default)")
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
    doctor.epilog = DOCTOR_EPILOG

"""The grammar of the command line: every command, its options, and the function that runs it.

Functions are named, not imported: `--help` needs none of them, and a command only its own.
"""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from typing import TYPE_CHECKING, Final

from creditgate.retries import DEFAULT_TIMEOUT_S
from creditgate.terms import ExpiryAction, GrantKind
from creditgate_server.cli.options import (
    account_settings,
    actual_usage,
    channels,
    choice,
    server_options,
    store_options,
    usage,
)
from creditgate_server.cli.values import duration_s, point_in_time, region, whole_number

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
    from argparse import _SubParsersAction

    _Commands = _SubParsersAction[ArgumentParser]

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
    _add_authorization_commands(commands)
    _add_credit_commands(commands)
    _add_account_commands(commands)
    _add_rate_commands(commands)
    _add_care_commands(commands)
    return parser


def _add_server_commands(commands: _Commands) -> None:
    serve = _add(
        commands, "serve", "serve:serve", "run the server, with a store of its own unless --redis-url names one"
    )
    serve.add_argument("--print-config", action="store_true", help="print the settings, secrets masked, and exit")
    server_options(serve)
    demo = _add(
        commands, "demo", "demo:demo", "send messages through a real server, and show what becomes of the credits"
    )
    demo.add_argument(
        "file", nargs="?", metavar="FILE", help="text, CSV or TSV with a message column; default: a sample of ours"
    )


def _add_authorization_commands(commands: _Commands) -> None:
    quote = _add_client(commands, "quote", "authorizations:quote", "price a usage, and say whether it would be allowed")
    _account_id(quote)
    usage(quote)
    reserve = _add_client(commands, "reserve", "authorizations:reserve", "hold the credits of a usage")
    _account_id(reserve)
    usage(reserve)
    _operation_id(reserve, "the reservation's id, such as the message's; default: a new one")
    reserve.add_argument("--ttl", type=duration_s, metavar="DURATION", help="how long to hold: 1s to 7d; default 60s")
    reserve.add_argument(
        "--partial", action="store_true", help="hold for as many recipients as can be paid, rather than deny"
    )
    choice(reserve, "--expiry-action", ExpiryAction, "what becomes of a hold that nobody settles", ExpiryAction.RELEASE)
    commit = _add_client(commands, "commit", "authorizations:commit", "capture what was really used of a hold")
    _account_id(commit)
    commit.add_argument("reservation_id", metavar="ID", help="the reservation's id")
    actual_usage(commit)
    release = _add_client(commands, "release", "authorizations:release", "give a hold back, because nothing was sent")
    _account_id(release)
    release.add_argument("reservation_id", metavar="ID", help="the reservation's id")
    release.add_argument("--reason", default="", help="why nothing was sent, for the journal")
    charge = _add_client(commands, "charge", "authorizations:charge", "take the credits of a usage in one step")
    _account_id(charge)
    usage(charge, direction_required=True)
    _operation_id(charge, "the charge's id, such as the provider's for the message; default: a new one")
    holds = _add_client(commands, "holds", "authorizations:holds", "list open holds, or show one with its provenance")
    _account_id(holds)
    holds.add_argument("reservation_id", nargs="?", metavar="ID", help="show this one, open or settled not long ago")
    holds.add_argument("--below", action="store_true", help="list those of the accounts below it too")


def _add_credit_commands(commands: _Commands) -> None:
    grant = _add_client(commands, "grant", "credits:grant", "give credits to an account")
    _account_id(grant)
    grant.usage = "%(prog)s ACCOUNT CREDITS [option ...]"
    grant.add_argument("credits", type=whole_number, metavar="CREDITS", help="how many: 1 to 10^12")
    choice(
        grant,
        "--kind",
        GrantKind,
        "where they come from; an allotment limits, and pays for nothing",
        GrantKind.PURCHASED,
    )
    grant.add_argument("--effective", type=point_in_time, metavar="WHEN", help="when they begin; default: at once")
    grant.add_argument(
        "--expires", type=point_in_time, metavar="WHEN", help="when they end: 2026-12-31, 90d, ...; default: never"
    )
    grant.add_argument(
        "--priority", type=whole_number, default=0, metavar="N", help="place in the burn order, lower first; default 0"
    )
    channels(grant, "pay only for this channel; may be repeated")
    grant.add_argument(
        "--region",
        action="append",
        default=[],
        type=region,
        help="pay only for this country, such as US; may be repeated",
    )
    _operation_id(grant, "the grant's id, such as an invoice line's; default: a new one")
    grant.add_argument("--actor", default="", help="who gives them, for the journal")
    grant.add_argument("--reference", default="", help="what they stand for elsewhere, such as an invoice")
    grant.add_argument("--note", default="", help="a remark")
    grants = _add_client(
        commands, "grants", "credits:grants", "list the grants of an account, and what is left of each"
    )
    _account_id(grants)
    grants.add_argument("--ended", action="store_true", help="list those that are used up or expired too")
    balance = _add_client(
        commands, "balance", "accounts:balance", "show what an account can spend, and out of which grants"
    )
    _account_id(balance)


def _add_account_commands(commands: _Commands) -> None:
    accounts = _add_client(commands, "accounts", "accounts:list_all", "list, create, show and update accounts")
    accounts.set_defaults(parent_id="")
    inner = accounts.add_subparsers(metavar="ACTION", dest="action", title="actions")
    listing = _add_client(inner, "list", "accounts:list_all", "list accounts with their balances (the default)")
    listing.add_argument("parent_id", nargs="?", default="", metavar="PARENT", help="only those below this one")
    create = _add_client(
        inner, "create", "accounts:create", "create accounts; one that exists with these settings is left"
    )
    create.usage = "%(prog)s ID [ID ...] [option ...]"
    create.add_argument("account_ids", nargs="+", metavar="ID", help="such as acme, or acme/field below it")
    account_settings(create)
    show = _add_client(inner, "show", "accounts:show", "show the settings of an account")
    _account_id(show)
    update = _add_client(inner, "update", "accounts:update", "change settings of an account")
    update.usage = "%(prog)s ACCOUNT [option ...]"
    _account_id(update)
    account_settings(update)


def _add_rate_commands(commands: _Commands) -> None:
    rates = _add_client(commands, "rates", "rates:list_all", "list, show, check and put rate cards")
    inner = rates.add_subparsers(metavar="ACTION", dest="action", title="actions")
    _add_client(inner, "list", "rates:list_all", "list the rate cards (the default)")
    show = _add_client(inner, "show", "rates:show", "show the rules of a rate card")
    show.add_argument("rate_card_id", metavar="ID")
    show.add_argument(
        "--card-version", type=whole_number, default=0, metavar="N", help="this version; default: the newest"
    )
    put = _add_client(inner, "put", "rate_files:put", "store a rate card from YAML, as a new version")
    check = _add(inner, "check", "rate_files:check", "check a rate card in YAML, without a server")
    for command in (put, check):
        command.add_argument("file", metavar="FILE", help="the YAML file; - reads standard input")


def _add_care_commands(commands: _Commands) -> None:
    verify = _add(
        commands, "verify", "verify:verify", "read the whole store, and check that no credit was lost or made"
    )
    store_options(verify)
    health = _add_client(commands, "health", "health:health", "ask whether the server serves")
    health.set_defaults(timeout_s=HEALTH_TIMEOUT_S)
    doctor = _add_client(
        commands, "doctor", "doctor:doctor", "check this machine, the settings, the store and the server"
    )
    store_options(doctor)
    doctor.epilog = DOCTOR_EPILOG


def _add(commands: _Commands, name: str, handler: str, purpose: str) -> ArgumentParser:
    """Add a command, with the options that all commands have."""
    parser = commands.add_parser(
        name,
        help=purpose,
        description=f"{purpose[0].upper()}{purpose[1:]}.",
        formatter_class=RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(handler=handler, parser=parser)
    parser.add_argument("--json", action="store_true", default=SUPPRESS, help="print JSON instead of tables")
    return parser


def _add_client(commands: _Commands, name: str, handler: str, purpose: str) -> ArgumentParser:
    """Add a command that asks a server."""
    parser = _add(commands, name, handler, purpose)
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


def _account_id(parser: ArgumentParser) -> None:
    parser.add_argument("account_id", metavar="ACCOUNT", help="the account, such as acme or acme/field")


def _operation_id(parser: ArgumentParser, explanation: str) -> None:
    parser.add_argument("--id", dest="operation_id", help=explanation)

"""The grammar of the hot path by hand, from `quote` to `holds`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.terms import ExpiryAction
from creditgate_server.cli.grammar import account_id, add_client, filters, operation_id, reservation_id
from creditgate_server.cli.options import actual_usage, choice, usage
from creditgate_server.cli.values import duration_s, time_past, whole_number

if TYPE_CHECKING:
    from creditgate_server.cli.grammar import Commands

QUOTE_EXAMPLES: Final = """\
  creditgate quote acme/field --body 'Your table is ready'
  creditgate quote acme --segments 2 --recipients 500 --priority bulk
"""

EXPLAIN_EXAMPLES: Final = """\
  creditgate explain acme/field --body 'Your table is ready' --to +14155550100
  creditgate explain acme/field --segments 2 --recipients 500
  creditgate explain acme/field message-1
"""

RESERVE_EXAMPLES: Final = """\
  creditgate reserve acme/field --body 'Your table is ready' --id message-1
  creditgate reserve acme --segments 1 --recipients 500 --partial --ttl 2h
"""

COMMIT_EXAMPLES: Final = """\
  creditgate commit acme/field message-1
  creditgate commit acme/field message-1 --segments 2
  creditgate commit acme campaign-7 --recipients 40 --keep-open --commit-id 1
  creditgate commit acme campaign-7 --credits 0    # no more: give the rest back
"""

RELEASE_EXAMPLES: Final = """\
  creditgate release acme/field message-1 --reason 'no such number'
"""

EXTEND_EXAMPLES: Final = """\
  creditgate extend acme campaign-7 --ttl 2h
"""

CHARGE_EXAMPLES: Final = """\
  creditgate charge acme/field --body 'Thanks!' --direction inbound --id reply-1
  creditgate charge acme --channel voice --seconds 61 --direction outbound \\
    --id call-9 --event-time 2h
"""

REFUND_EXAMPLES: Final = """\
  creditgate refund acme/field message-1
  creditgate refund acme --charge call-9 --credits 1 --id refund-9
"""

HOLDS_EXAMPLES: Final = """\
  creditgate holds --limit 20
  creditgate holds acme --below
  creditgate holds acme/field message-1
"""


def add_authorization_commands(commands: Commands) -> None:
    """Add what asks for credits, and what settles them."""
    _add_questions(commands)
    _add_reserve(commands)
    _add_settlements(commands)
    _add_charge_and_refund(commands)
    _add_holds(commands)


def _add_questions(commands: Commands) -> None:
    quote = add_client(
        commands,
        "quote",
        "authorizations:quote",
        "price a usage, and say whether it would be allowed",
        QUOTE_EXAMPLES,
    )
    account_id(quote)
    usage(quote)
    explain = add_client(
        commands,
        "explain",
        "explain:explain",
        "say who pays for a usage, with which grants, and why not with others",
        EXPLAIN_EXAMPLES,
    )
    account_id(explain)
    explain.add_argument("reservation_id", nargs="?", metavar="ID", help="say it of this reservation instead")
    usage(explain, size_required=False)
    explain.usage = "%(prog)s ACCOUNT (ID | SIZE [option ...])"


def _add_reserve(commands: Commands) -> None:
    reserve = add_client(commands, "reserve", "authorizations:reserve", "hold the credits of a usage", RESERVE_EXAMPLES)
    account_id(reserve)
    usage(reserve)
    operation_id(reserve, "the reservation's id, such as the message's; default: a new one")
    reserve.add_argument("--ttl", type=duration_s, metavar="DURATION", help="how long to hold: 1s to 7d; default 60s")
    reserve.add_argument(
        "--partial", action="store_true", help="hold for as many recipients as can be paid, rather than deny"
    )
    choice(reserve, "--expiry-action", ExpiryAction, "what becomes of a hold that nobody settles", ExpiryAction.RELEASE)


def _add_settlements(commands: Commands) -> None:
    commit = add_client(
        commands, "commit", "authorizations:commit", "capture what was really used of a hold", COMMIT_EXAMPLES
    )
    account_id(commit)
    reservation_id(commit)
    actual_usage(commit)
    commit.add_argument("--keep-open", action="store_true", help="keep the rest held, for further commits")
    operation_id(
        commit, "with --keep-open: tells this commit from the hold's others; default: a new one", flag="--commit-id"
    )
    release = add_client(
        commands,
        "release",
        "authorizations:release",
        "give a hold back, because nothing (more) was sent",
        RELEASE_EXAMPLES,
    )
    account_id(release)
    reservation_id(release)
    release.add_argument("--reason", default="", metavar="TEXT", help="why nothing was sent, for the journal")
    extend = add_client(commands, "extend", "authorizations:extend", "let a hold expire later", EXTEND_EXAMPLES)
    extend.usage = "%(prog)s ACCOUNT ID --ttl DURATION [option ...]"
    account_id(extend)
    reservation_id(extend)
    extend.add_argument(
        "--ttl",
        type=duration_s,
        required=True,
        metavar="DURATION",
        help="how long from now on: 1s to 7d; never past 7 days from its creation",
    )


def _add_charge_and_refund(commands: Commands) -> None:
    charge = add_client(
        commands, "charge", "authorizations:charge", "take the credits of a usage in one step", CHARGE_EXAMPLES
    )
    account_id(charge)
    usage(charge, direction_required=True)
    operation_id(charge, "the charge's id, such as the provider's for the message; default: a new one")
    charge.add_argument(
        "--event-time",
        type=time_past,
        metavar="WHEN",
        help="when it happened: 2026-12-31T18:00:00Z, or 2h for two hours ago; what is over 48 hours old is refused",
    )
    refund = add_client(
        commands,
        "refund",
        "authorizations:refund",
        "give back what a settled reservation or a charge has captured",
        REFUND_EXAMPLES,
    )
    refund.usage = "%(prog)s ACCOUNT (ID | --charge ID) [option ...]"
    account_id(refund)
    target = refund.add_mutually_exclusive_group(required=True)
    target.add_argument("reservation_id", nargs="?", metavar="ID", help="the reservation's id")
    target.add_argument("--charge", dest="charge_id", metavar="ID", help="the charge's id")
    refund.add_argument(
        "--credits", type=whole_number, metavar="N", help="how many; default: all that is not refunded yet"
    )
    operation_id(refund, "the refund's id, such as the ticket's; default: a new one")


def _add_holds(commands: Commands) -> None:
    holds = add_client(
        commands,
        "holds",
        "holds:holds",
        "list open holds, soonest expiry first, or show one with its provenance",
        HOLDS_EXAMPLES,
    )
    holds.usage = "%(prog)s [ACCOUNT [ID]] [option ...]"
    filters(holds, "list those of this account; default: of all accounts")
    holds.add_argument("reservation_id", nargs="?", metavar="ID", help="show this one, open or settled not long ago")

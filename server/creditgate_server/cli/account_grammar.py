"""The grammar of the commands about accounts and their credits, from `accounts` to `transfer`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.terms import AccountStatus, GrantKind
from creditgate_server.cli.grammar import account_id, add_client, filters, journal, limit, operation_id
from creditgate_server.cli.options import account_settings, choice, scope
from creditgate_server.cli.values import choices, point_in_time, term, whole_number

if TYPE_CHECKING:
    from creditgate_server.cli.grammar import Commands

BALANCE_EXAMPLES: Final = """\
  creditgate balance acme/field
"""

GRANT_EXAMPLES: Final = """\
  creditgate grant acme 1000 --id invoice-7
  creditgate grant acme 50 --kind promotional --expires 90d --channel sms
  creditgate grant acme/field 400 --kind allotment
"""

GRANTS_EXAMPLES: Final = """\
  creditgate grants acme --ended
  creditgate grants acme invoice-7
  creditgate grants --account acme --below --limit 20
"""

REVOKE_EXAMPLES: Final = """\
  creditgate revoke acme invoice-7 --actor ann --note 'paid by mistake'
  creditgate revoke acme invoice-7 --claw-back
"""

TRANSFER_EXAMPLES: Final = """\
  creditgate transfer acme acme/venue-2 500 --actor ann
"""

LIST_EXAMPLES: Final = """\
  creditgate accounts list acme
  creditgate accounts list --short-of 100 --limit 20
"""

CREATE_EXAMPLES: Final = """\
  creditgate accounts create acme acme/field
  creditgate accounts create acme/venue-2 --funding own --overage cap
"""

UPDATE_EXAMPLES: Final = """\
  creditgate accounts update acme/field --status suspended
  creditgate accounts update acme --floor 100 --inbound-overdraft-limit none
"""

CLOSE_EXAMPLES: Final = """\
  creditgate accounts close acme/field
"""


def add_credit_commands(commands: Commands) -> None:
    """Add what gives, takes and moves credits, and what shows them."""
    _add_grant(commands)
    grants = add_client(
        commands,
        "grants",
        "grants:grants",
        "list grants, newest first, and what is left of each, or show one",
        GRANTS_EXAMPLES,
    )
    grants.usage = "%(prog)s [ACCOUNT [GRANT]] [option ...]"
    filters(grants, "list those of this account; default: of all accounts")
    grants.add_argument("grant_id", nargs="?", metavar="GRANT", help="show this one, and what became of its credits")
    grants.add_argument(
        "--ended", action="store_true", help="list those that are used up, expired, revoked or moved too"
    )
    revoke = add_client(commands, "revoke", "credits:revoke", "take back what remains of a grant", REVOKE_EXAMPLES)
    revoke.usage = "%(prog)s ACCOUNT GRANT [option ...]"
    account_id(revoke)
    revoke.add_argument("grant_id", metavar="GRANT", help="the grant's id")
    revoke.add_argument(
        "--claw-back", action="store_true", help="take what was spent of it from other grants of its kind"
    )
    journal(revoke, "who revokes it")
    transfer = add_client(
        commands, "transfer", "credits:transfer", "move credits from one account to another", TRANSFER_EXAMPLES
    )
    transfer.usage = "%(prog)s ACCOUNT TARGET CREDITS [option ...]"
    account_id(transfer, "the account that gives; its own wallet pays for it")
    transfer.add_argument(
        "target_account_id", metavar="TARGET", help="the account that receives, of the same organisation; likewise"
    )
    transfer.add_argument("credits", type=whole_number, metavar="CREDITS", help="how many: 1 to 10^12")
    operation_id(transfer, "the transfer's id; default: a new one")
    journal(transfer, "who moves them", reference="what the transfer stands for elsewhere")
    balance = add_client(
        commands,
        "balance",
        "accounts:balance",
        "show what an account can spend, and out of which grants",
        BALANCE_EXAMPLES,
    )
    account_id(balance)


def _add_grant(commands: Commands) -> None:
    grant = add_client(commands, "grant", "credits:grant", "give credits to an account", GRANT_EXAMPLES)
    account_id(grant)
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
    scope(grant)
    operation_id(grant, "the grant's id, such as an invoice line's; default: a new one")
    journal(grant, "who gives them", reference="what they stand for elsewhere, such as an invoice")


def _add_list(actions: Commands) -> None:
    listing = add_client(
        actions, "list", "accounts:list_all", "list accounts with their balances (the default)", LIST_EXAMPLES
    )
    listing.usage = "%(prog)s [PARENT] [option ...]"
    whose = listing.add_mutually_exclusive_group()
    whose.add_argument("parent_id", nargs="?", default="", metavar="PARENT", help="list those below this one")
    whose.add_argument(
        "--account",
        dest="accounts",
        action="append",
        metavar="ACCOUNT",
        help="list this one and those below it; may be repeated",
    )
    listing.add_argument(
        "--short-of",
        type=whole_number,
        metavar="N",
        help="list those that can spend less than N credits, by what is available to them and what their limits leave",
    )
    listing.add_argument(
        "--status",
        dest="with_status",  # what is there without `list` too must not be a setting of the other actions
        type=term(AccountStatus),
        metavar=choices(AccountStatus),
        help="list those of this status",
    )
    limit(listing)


def add_account_commands(commands: Commands) -> None:
    """Add `accounts` and its actions."""
    accounts = add_client(commands, "accounts", "accounts:list_all", "list, create, show, update and close accounts")
    accounts.usage = "%(prog)s [option ...] [ACTION ...]"
    accounts.set_defaults(parent_id="", accounts=None, short_of=None, with_status=None, limit=None)
    inner = accounts.add_subparsers(prog=accounts.prog, metavar="ACTION", dest="action", title="actions")
    _add_list(inner)
    create = add_client(
        inner,
        "create",
        "accounts:create",
        "create accounts; one that exists with these settings is left",
        CREATE_EXAMPLES,
    )
    create.usage = "%(prog)s ID [ID ...] [option ...]"
    create.add_argument("account_ids", nargs="+", metavar="ID", help="such as acme, or acme/field below it")
    account_settings(create)
    show = add_client(inner, "show", "accounts:show", "show the settings of an account")
    account_id(show)
    update = add_client(inner, "update", "accounts:update", "change settings of an account", UPDATE_EXAMPLES)
    update.usage = "%(prog)s ACCOUNT [option ...]"
    account_id(update)
    account_settings(update)
    close = add_client(
        inner,
        "close",
        "accounts:close",
        "end an account for good, with what remains of its credits and its debt",
        CLOSE_EXAMPLES,
    )
    account_id(close, "the account: without open holds, and without accounts below it that are not closed")

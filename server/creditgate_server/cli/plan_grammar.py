"""The grammar of `plan`: what an account is given each period."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.terms import Interval
from creditgate_server.cli.grammar import account_id, add_client, operation_id
from creditgate_server.cli.options import scope
from creditgate_server.cli.values import choices, duration_s, local_time, roll_over, term, whole_number

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from creditgate_server.cli.grammar import Commands

ACTION_OR_ACCOUNT: Final = "[ACTION] ACCOUNT"

SHOW_EXAMPLES: Final = """\
  creditgate plan acme
  creditgate plan show acme --json
"""

SET_EXAMPLES: Final = """\
  creditgate plan set acme 1000 --every month --anchor 2026-01-31
  creditgate plan set acme 2000 --every month --name pro --at-period-end
  creditgate plan set acme 500 --every week --roll-over 200 --roll-over-for 30d
"""

CANCEL_EXAMPLES: Final = """\
  creditgate plan cancel acme
  creditgate plan cancel acme --now --id order-17
"""


def add_plan_commands(commands: Commands) -> None:
    """Add `plan` and its actions; without one of them it shows the plan of the account that is named."""
    plan = add_client(
        commands, "plan", "plans:show", "show, set and cancel an account's plan: its credits of each period"
    )
    plan.usage = f"%(prog)s {ACTION_OR_ACCOUNT} [option ...]"
    plan.default_action = "show"
    actions = plan.add_subparsers(
        prog=plan.prog, metavar=ACTION_OR_ACCOUNT, dest="action", title="actions", required=True
    )
    show = add_client(
        actions,
        "show",
        "plans:show",
        "show an account's plan, and when the next credits come (the default)",
        SHOW_EXAMPLES,
    )
    account_id(show)
    _add_set(actions)
    cancel = add_client(
        actions,
        "cancel",
        "plans:cancel",
        "end an account's plan with its period, or at once",
        CANCEL_EXAMPLES,
    )
    cancel.usage = "%(prog)s ACCOUNT [option ...]"
    account_id(cancel)
    cancel.add_argument(
        "--now", action="store_true", help="end the present period too: what is left of it rolls over, or expires"
    )
    operation_id(cancel, "the change's id; default: a new one")


def _add_set(actions: Commands) -> None:
    new = add_client(
        actions, "set", "plans:set_plan", "give an account credits each period, or another plan", SET_EXAMPLES
    )
    new.usage = "%(prog)s ACCOUNT CREDITS --every INTERVAL [option ...]"
    account_id(new, "the account whose own wallet they fill")
    new.add_argument("credits", type=whole_number, metavar="CREDITS", help="how many each period: 1 to 10^9")
    new.add_argument(
        "--every", type=term(Interval), required=True, metavar=choices(Interval), help="how long a period is"
    )
    new.add_argument(
        "--name",
        dest="plan_id",
        metavar="ID",
        help="the plan's id, the reference of its grants; default: daily, weekly, monthly or yearly",
    )
    new.add_argument(
        "--anchor",
        type=local_time,
        metavar="WHEN",
        help="when a period ends, past or to come; a date begins by the clock of --time-zone; default: the beginning",
    )
    new.add_argument(
        "--time-zone",
        default="UTC",
        metavar="ZONE",
        help="by whose clock periods end, such as America/New_York; default UTC",
    )
    new.add_argument(
        "--priority", type=whole_number, default=0, metavar="N", help="place in the burn order, lower first; default 0"
    )
    scope(new)
    _add_roll_over(new)
    new.add_argument(
        "--at-period-end",
        action="store_true",
        help="begin when the present period ends; default: now, which ends the present one",
    )
    operation_id(new, "the change's id, such as an order's; default: a new one")


def _add_roll_over(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--roll-over",
        type=roll_over,
        default="none",
        metavar="{N,none,all}",
        help="how much of what a period leaves outlives it: N is the most; default none",
    )
    parser.add_argument(
        "--roll-over-for", type=duration_s, metavar="DURATION", help="for how long, such as 30d; default: for good"
    )
    parser.add_argument(
        "--roll-over-priority",
        type=whole_number,
        metavar="N",
        help="its place in the burn order; default: that of the plan",
    )

"""`plan`: what an account is given each period, and what of that outlives the period."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from creditgate.answers import Plan, PlanSet, Scope
from creditgate.terms import Interval
from creditgate_server.cli.authorization_views import balance_facts
from creditgate_server.cli.connection import connect, new_id
from creditgate_server.cli.documents import document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.output import Output
from creditgate_server.cli.plan_views import cancel_outcome, no_plan, plan_views, set_outcome
from creditgate_server.cli.views import Facts, Sentence, Text

NAMES: Final[Mapping[Interval, str]] = {
    Interval.DAY: "daily",
    Interval.WEEK: "weekly",
    Interval.MONTH: "monthly",
    Interval.YEAR: "yearly",
}
"""What a plan is called that is given no name."""


def show(arguments: Namespace, output: Output) -> ExitCode:
    """Show an account's plan in its present period, and what follows."""
    with connect(arguments) as client:
        current = client.get_plan(arguments.account_id)
    views = [no_plan(arguments.account_id)] if current is None else plan_views(arguments.account_id, current)
    output.answer({"current_plan": json_of(current)}, views)
    return ExitCode.DONE


def set_plan(arguments: Namespace, output: Output) -> ExitCode:
    """Give an account a plan, or another one."""
    arguments.operation_id = arguments.operation_id or new_id()
    arguments.anchor = _anchor(arguments)
    mode, cap = arguments.roll_over
    plan = Plan(
        plan_id=arguments.plan_id if arguments.plan_id is not None else NAMES[arguments.every],
        credits=arguments.credits,
        interval=arguments.every,
        anchor_time=arguments.anchor,
        time_zone=arguments.time_zone,
        priority=arguments.priority,
        scope=Scope(channels=tuple(arguments.channel), regions=tuple(arguments.region)),
        roll_over=mode,
        roll_over_cap=cap,
        roll_over_ttl=timedelta(seconds=arguments.roll_over_for) if arguments.roll_over_for is not None else None,
        roll_over_priority=arguments.roll_over_priority,
    )
    with connect(arguments) as client:
        answer = client.set_plan(
            arguments.account_id, plan, change_id=arguments.operation_id, at_period_end=arguments.at_period_end
        )
    outcome = set_outcome(arguments.account_id, plan, answer, at_period_end=arguments.at_period_end)
    _answer(arguments, output, answer, outcome)
    return ExitCode.DONE


def cancel(arguments: Namespace, output: Output) -> ExitCode:
    """End an account's plan with its period, or at once."""
    arguments.operation_id = arguments.operation_id or new_id()
    with connect(arguments) as client:
        answer = client.cancel_plan(
            arguments.account_id, change_id=arguments.operation_id, at_period_end=not arguments.now
        )
    _answer(arguments, output, answer, cancel_outcome(arguments.account_id, answer))
    return ExitCode.DONE


def _answer(arguments: Namespace, output: Output, answer: PlanSet, outcome: Text) -> None:
    current = answer.current_plan
    output.answer(
        {"change_id": arguments.operation_id, **document_of(answer)},
        [
            Sentence(outcome),
            Facts([("change", arguments.operation_id), ("repaid debt", answer.debt_repaid or None)]),
            *(plan_views(arguments.account_id, current) if current is not None else ()),
            balance_facts(answer.balance),
        ],
    )


def _anchor(arguments: Namespace) -> datetime | None:
    """Return the anchor that was said; one without a zone is by the clock of the account's."""
    anchor: datetime | None = arguments.anchor
    if anchor is None or anchor.tzinfo is not None:
        return anchor
    try:
        return anchor.replace(tzinfo=ZoneInfo(arguments.time_zone)).astimezone(UTC)
    except OverflowError:
        raise CommandFailed(ExitCode.USAGE, "--anchor must be in the years 1970 to 9997") from None
    except (LookupError, OSError, ValueError):
        hint = f"write --anchor with an offset, such as {anchor.isoformat()}Z, or correct the zone"
        raise CommandFailed(ExitCode.USAGE, f"--time-zone {arguments.time_zone!r} is not known here; {hint}") from None

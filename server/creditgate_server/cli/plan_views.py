"""How plans are shown to people."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from creditgate.answers import CurrentPlan, Plan, PlanSet
from creditgate.terms import RollOver
from creditgate_server.cli.authorization_views import Rows, again
from creditgate_server.cli.grant_views import scope_of
from creditgate_server.cli.values import UNITS_S
from creditgate_server.cli.views import Facts, Sentence, Text, Tone, Value, View, counted, text_of


def no_plan(account_id: str) -> Sentence:
    """Say that an account has no plan, and how it gets one."""
    remedy = f"`creditgate plan set {account_id} CREDITS --every month` gives it one"
    return Sentence(Text(f"{account_id} has no plan; {remedy}"))


def plan_views(account_id: str, current: CurrentPlan) -> Iterator[View]:
    """Show a plan in its present period, when the next credits come, and the plan that takes its place, if any."""
    ends = text_of(current.period_end_time).words
    following = None if current.cancelled else current.next_plan or current.plan
    next_credits = f"{following.credits:,} on {ends}" if following else "none, the plan is cancelled"
    if current.next_plan is not None:
        next_credits += f", of {current.next_plan.plan_id}"
    yield Facts(
        [
            ("account", account_id),
            *_terms(current.plan),
            ("period began", current.period_begin_time),
            ("period ends", current.period_end_time),
            ("its grant", current.grant_id),
            ("next credits", Text(next_credits, Tone.PLAIN if following else Tone.WARNING)),
        ],
        title=current.plan.plan_id,
    )
    if current.next_plan is not None:
        rows: Rows = [("begins", current.period_end_time), *_terms(current.next_plan)]
        yield Facts(rows, title=current.next_plan.plan_id)


def set_outcome(account_id: str, plan: Plan, answer: PlanSet, *, at_period_end: bool) -> Text:
    """Say in a line what a change of plan has done."""
    earlier, current = again(replayed=answer.replayed), answer.current_plan
    if current is None:
        return Text(f"{account_id} was given {_gives(plan)}{earlier}, and has no plan any more", Tone.WARNING)
    waits = at_period_end and current.next_plan is not None and current.next_plan.plan_id == plan.plan_id
    begins = f", from {text_of(current.period_end_time).words} on" if waits else ""
    return Text(f"{account_id} is given {_gives(plan)}{begins}{earlier}", Tone.GOOD)


def cancel_outcome(account_id: str, answer: PlanSet) -> Text:
    """Say in a line what has become of a plan that was to end."""
    earlier, current = again(replayed=answer.replayed), answer.current_plan
    if current is None:
        return Text(f"{account_id} has no plan now{earlier}", Tone.GOOD)
    if not current.cancelled:
        return Text(f"the plan of {account_id} was cancelled{earlier}, and set again since", Tone.WARNING)
    return Text(f"the plan of {account_id} ends on {text_of(current.period_end_time).words}{earlier}", Tone.GOOD)


def _terms(plan: Plan) -> Rows:
    return [
        ("gives", _gives(plan)),
        ("only for", scope_of(plan.scope)),
        ("priority", plan.priority or None),
        ("rolls over", _rolls_over(plan)),
        ("anchor", plan.anchor_time),
        ("time zone", plan.time_zone if plan.time_zone != "UTC" else None),
    ]


def _gives(plan: Plan) -> str:
    return f"{counted(plan.credits, 'credit')} every {text_of(plan.interval).words}"


def _rolls_over(plan: Plan) -> Value:
    """Say how much of what a period leaves outlives it, for how long, and when that is spent."""
    if plan.roll_over is RollOver.NONE:
        return Text("nothing", Tone.QUIET)
    most = f"at most {counted(plan.roll_over_cap, 'credit')}"
    much = most if plan.roll_over is RollOver.CAPPED else text_of(plan.roll_over).words
    life = "for good" if plan.roll_over_ttl is None else f"for {_written(plan.roll_over_ttl)}"
    differs = plan.roll_over_priority is not None and plan.roll_over_priority != plan.priority
    return f"{much}, {life}" + (f", with priority {plan.roll_over_priority}" if differs else "")


def _written(duration: timedelta) -> str:
    """Write a duration as it may be typed, in the largest unit that divides it."""
    seconds = round(duration.total_seconds())
    unit = max((unit for unit in UNITS_S if unit and seconds % UNITS_S[unit] == 0), key=UNITS_S.__getitem__)
    return f"{seconds // UNITS_S[unit]}{unit}"

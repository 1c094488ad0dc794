"""Answers about plans."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.v1 import plans_pb2 as pb
from creditgate_server.credit.terms import RollOver
from creditgate_server.rpc.render.common import render_balance, render_scope, render_time

if TYPE_CHECKING:
    from creditgate_server.credit.operations import PlanTerms, SetPlan
    from creditgate_server.credit.outcomes import Plan, PlanSet
    from creditgate_server.rpc.queries import GetAccount


def render_set_plan(_: SetPlan, outcome: PlanSet) -> pb.SetPlanResponse:
    """Render the answer to a change of plan."""
    return pb.SetPlanResponse(
        current_plan=_render_current(outcome.plan),
        debt_repaid=outcome.debt_repaid,
        balance=render_balance(outcome.balance),
        replayed=outcome.replayed,
    )


def render_get_plan(_: GetAccount, plan: Plan | None) -> pb.GetPlanResponse:
    """Render an account's plan."""
    return pb.GetPlanResponse(current_plan=_render_current(plan))


def _render_current(plan: Plan | None) -> pb.CurrentPlan | None:
    if plan is None:
        return None
    current = pb.CurrentPlan(
        plan=_render_plan(plan.terms),
        period_begin_time=render_time(plan.begin_ms),
        period_end_time=render_time(plan.end_ms),
        grant_id=plan.grant_id,
    )
    if plan.following is not None:
        current.next_plan.CopyFrom(_render_plan(plan.following))
    elif plan.ends:
        current.cancelled = True
    return current


def _render_plan(terms: PlanTerms) -> pb.Plan:
    rolls_over = terms.rollover is not RollOver.NONE
    return pb.Plan(
        plan_id=terms.plan_id,
        credits=terms.credits,
        interval=pb.Interval.ValueType(terms.interval),
        anchor_time=_render_anchor(terms.anchor_ms),
        time_zone=terms.time_zone,
        priority=terms.priority,
        scope=render_scope(terms.scope),
        roll_over=pb.RollOver.ValueType(terms.rollover),
        roll_over_cap=terms.rollover_cap,
        roll_over_ttl=_render_life(terms.rollover_life_ms),
        roll_over_priority=terms.rollover_priority if rolls_over else None,
    )


def _render_anchor(anchor_ms: int | None) -> Timestamp | None:
    """Render a time that may be the first moment of 1970."""
    if anchor_ms is None:
        return None
    seconds, milliseconds = divmod(anchor_ms, 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)


def _render_life(life_ms: int) -> Duration | None:
    """Render how long something lives; 0 is for good."""
    if not life_ms:
        return None
    seconds, milliseconds = divmod(life_ms, 1000)
    return Duration(seconds=seconds, nanos=milliseconds * 1_000_000)

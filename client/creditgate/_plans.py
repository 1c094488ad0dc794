"""Builds the requests about plans, and reads their answers; pure, and shared by both clients."""

from __future__ import annotations

from creditgate import _balances, _messages, answers
from creditgate.terms import Interval, RollOver
from creditgate.v1 import credits_pb2, plans_pb2


def set_plan(
    account_id: str, plan: answers.Plan | None, *, change_id: str | None, at_period_end: bool
) -> plans_pb2.SetPlanRequest:
    """Build a request of `AccountService.SetPlan`; it always has an id, so that it can be repeated."""
    return _messages.made(
        plans_pb2.SetPlanRequest,
        account_id=account_id,
        change_id=_messages.new_id() if change_id is None else change_id,
        plan=_message(plan) if plan else None,
        at_period_end=at_period_end,
    )


def get_plan(account_id: str) -> plans_pb2.GetPlanRequest:
    """Build a request of `AccountService.GetPlan`."""
    return _messages.made(plans_pb2.GetPlanRequest, account_id=account_id)


def plan_set(response: plans_pb2.SetPlanResponse) -> answers.PlanSet:
    """Read the answer to SetPlan."""
    return answers.PlanSet(
        current_plan=current_plan(response),
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def current_plan(response: plans_pb2.SetPlanResponse | plans_pb2.GetPlanResponse) -> answers.CurrentPlan | None:
    """Read the plan of an answer, None where the account has none."""
    if not response.HasField("current_plan"):
        return None
    message = response.current_plan
    return answers.CurrentPlan(
        plan=_plan(message.plan),
        period_begin_time=_balances.time(message.period_begin_time),
        period_end_time=_balances.time(message.period_end_time),
        grant_id=message.grant_id,
        next_plan=_plan(message.next_plan) if message.HasField("next_plan") else None,
        cancelled=message.cancelled,
    )


def _message(plan: answers.Plan) -> plans_pb2.Plan:
    scope = plan.scope
    return _messages.made(
        plans_pb2.Plan,
        "plan.",
        plan_id=plan.plan_id,
        credits=plan.credits,
        interval=plan.interval,
        anchor_time=_messages.timestamp("plan.anchor_time", plan.anchor_time),
        time_zone=plan.time_zone,
        priority=plan.priority,
        scope=_messages.made(credits_pb2.Scope, "plan.scope.", channels=scope.channels, regions=scope.regions),
        roll_over=plan.roll_over,
        roll_over_cap=plan.roll_over_cap,
        roll_over_ttl=_messages.duration(plan.roll_over_ttl),
        roll_over_priority=plan.roll_over_priority,
    )


def _plan(message: plans_pb2.Plan) -> answers.Plan:
    return answers.Plan(
        plan_id=message.plan_id,
        credits=message.credits,
        interval=Interval(message.interval),
        anchor_time=_balances.time(message.anchor_time),
        time_zone=message.time_zone,
        priority=message.priority,
        scope=_balances.scope(message.scope),
        roll_over=RollOver(message.roll_over),
        roll_over_cap=message.roll_over_cap,
        roll_over_ttl=message.roll_over_ttl.ToTimedelta() if message.HasField("roll_over_ttl") else None,
        roll_over_priority=message.roll_over_priority if message.HasField("roll_over_priority") else None,
    )

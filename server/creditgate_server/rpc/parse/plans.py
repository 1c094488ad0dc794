"""Plans: what an account is given each period."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from creditgate_server.credit.calendar import Cycle, InvalidCycle
from creditgate_server.credit.operations import PlanTerms, SetPlan
from creditgate_server.credit.terms import Interval, RollOver
from creditgate_server.rpc.parse.checks import NANOSECONDS_MAX, Checks
from creditgate_server.rpc.parse.credits import PRIORITY_MAX, parse_scope
from creditgate_server.rpc.queries import GetAccount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from creditgate.v1 import plans_pb2 as pb

PLAN_CREDITS_MAX: Final = 10**9
"""Credits of a period: what nine million periods may give still is an exact number."""

ROLL_OVER_PERIODS_MAX: Final = 50
"""Periods whose leavings live at once: each is a grant, and an account has a hundred at most."""

HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * HOUR_MS

_PERIOD_MS: Final[Mapping[Interval, int]] = {
    Interval.DAY: _DAY_MS,
    Interval.WEEK: 7 * _DAY_MS,
    Interval.MONTH: 28 * _DAY_MS,
    Interval.YEAR: 365 * _DAY_MS,
}

_PLAN_ID: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_INTERVALS: Final[Mapping[int, Interval]] = {int(term): term for term in Interval}
_ROLL_OVERS: Final[Mapping[int, RollOver]] = {int(term): term for term in RollOver}


def parse_set_plan(request: pb.SetPlanRequest) -> SetPlan:
    """Read a change of plan; one that is left out means none."""
    checks = Checks()
    change = SetPlan(
        account_id=checks.account_id("account_id", request.account_id),
        change_id=checks.operation_id("change_id", request.change_id),
        terms=_parse_plan(request.plan, checks) if request.HasField("plan") else None,
        at_period_end=request.at_period_end,
    )
    checks.finish()
    return change


def parse_get_plan(request: pb.GetPlanRequest) -> GetAccount:
    """Read a request for an account's plan."""
    checks = Checks()
    query = GetAccount(checks.account_id("account_id", request.account_id))
    checks.finish()
    return query


def _parse_plan(plan: pb.Plan, checks: Checks) -> PlanTerms:
    if not _PLAN_ID.fullmatch(plan.plan_id):
        rule = "must be 1 to 63 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        checks.refuse("plan.plan_id", rule if plan.plan_id else "is required")
    interval = checks.term("plan.interval", plan.interval, _INTERVALS)
    roll_over = checks.term("plan.roll_over", plan.roll_over, _ROLL_OVERS, RollOver.NONE)
    priority = checks.whole_number("plan.priority", plan.priority, -PRIORITY_MAX, PRIORITY_MAX)
    anchor_ms, time_zone = _parse_cycle(plan, interval, checks)
    return PlanTerms(
        plan_id=plan.plan_id,
        credits=checks.whole_number("plan.credits", plan.credits, 1, PLAN_CREDITS_MAX),
        interval=interval,
        anchor_ms=anchor_ms,
        time_zone=time_zone,
        priority=priority,
        scope=parse_scope("plan.scope", plan.scope, checks),
        rollover=roll_over,
        rollover_cap=_parse_cap(plan, roll_over, checks),
        rollover_life_ms=_parse_life_ms(plan, interval, roll_over, checks),
        rollover_priority=_parse_rolled_priority(plan, roll_over, priority, checks),
    )


def _parse_cycle(plan: pb.Plan, interval: Interval, checks: Checks) -> tuple[int | None, str]:
    """Read when periods end: the anchor, None for the first one's beginning, and the time zone."""
    anchor_ms = checks.time_ms("plan.anchor_time", plan.anchor_time) if plan.HasField("anchor_time") else None
    time_zone = plan.time_zone or "UTC"
    try:
        Cycle(interval, anchor_ms or 0, time_zone)
    except InvalidCycle as error:
        checks.refuse("plan.anchor_time" if error.field == "anchor_ms" else f"plan.{error.field}", error.rule)
    return anchor_ms, time_zone


def _parse_cap(plan: pb.Plan, roll_over: RollOver, checks: Checks) -> int:
    if roll_over is RollOver.CAPPED:
        return checks.whole_number("plan.roll_over_cap", plan.roll_over_cap, 1, PLAN_CREDITS_MAX)
    if plan.roll_over_cap:
        checks.refuse("plan.roll_over_cap", "must be left out unless roll_over is CAPPED")
    return 0


def _parse_life_ms(plan: pb.Plan, interval: Interval, roll_over: RollOver, checks: Checks) -> int:
    if not plan.HasField("roll_over_ttl"):
        return 0
    if roll_over is RollOver.NONE:
        checks.refuse("plan.roll_over_ttl", "must be left out where nothing rolls over")
        return 0
    ttl, most_ms = plan.roll_over_ttl, ROLL_OVER_PERIODS_MAX * _PERIOD_MS[interval]
    life_ms = ttl.seconds * 1000 + ttl.nanos // 1_000_000
    if not (0 <= ttl.nanos <= NANOSECONDS_MAX and HOUR_MS <= life_ms <= most_ms):
        most = f"{ROLL_OVER_PERIODS_MAX} periods, here {most_ms // _DAY_MS} days"
        checks.refuse("plan.roll_over_ttl", f"must be 1 hour to {most}; left out, it never ends")
    return life_ms


def _parse_rolled_priority(plan: pb.Plan, roll_over: RollOver, priority: int, checks: Checks) -> int:
    if roll_over is RollOver.NONE:
        if plan.HasField("roll_over_priority"):
            checks.refuse("plan.roll_over_priority", "must be left out where nothing rolls over")
        return 0
    if not plan.HasField("roll_over_priority"):
        return priority
    return checks.whole_number("plan.roll_over_priority", plan.roll_over_priority, -PRIORITY_MAX, PRIORITY_MAX)

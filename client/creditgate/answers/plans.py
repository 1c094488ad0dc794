"""Plans: what an account is given each period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from creditgate.answers.balances import Balance, Scope
from creditgate.terms import Interval, RollOver

EVERYTHING = Scope(channels=(), regions=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an account's wallet is given each period, and what of that outlives the period.

    `plan_id` has 1 to 63 of `a-z0-9._-`; `credits` are 1 to 10^9. Periods end at `anchor_time` (aware; None: when the
    first begins) and every whole interval from it, at the same time of day in `time_zone`, an IANA name. CAPPED needs a
    `roll_over_cap`, 1 to 10^9. What rolled over lives for `roll_over_ttl`, at most 50 periods; None: it never ends.
    Lower priorities, -1,000 to 1,000, burn first; `roll_over_priority` None is that of the plan.
    """

    plan_id: str
    credits: int
    interval: Interval
    anchor_time: datetime | None = None
    time_zone: str = "UTC"
    priority: int = 0
    scope: Scope = EVERYTHING
    roll_over: RollOver = RollOver.NONE
    roll_over_cap: int = 0
    roll_over_ttl: timedelta | None = None
    roll_over_priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentPlan:
    """A plan in its present period; `grant_id` is that of the credits which the period began with.

    `next_plan` takes its place when the period ends (None: it goes on), or, where `cancelled`, nothing does.
    """

    plan: Plan
    period_begin_time: datetime | None
    period_end_time: datetime | None
    grant_id: str
    next_plan: Plan | None
    cancelled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSet:
    """The answer to SetPlan: the plan as it stands (None: there is none), and the debt that its credits repaid."""

    current_plan: CurrentPlan | None
    debt_repaid: int
    balance: Balance
    replayed: bool

"""All stories."""

from __future__ import annotations

from tests.model import stories_of_grants as of_grants
from tests.model import stories_of_holds as of_holds
from tests.model import stories_of_plans as of_plans

STORIES = (
    of_grants.ladder,
    of_grants.long_ladder,
    of_grants.encumbered,
    of_grants.heir_closed,
    of_grants.adjustments,
    of_grants.revocations,
    of_grants.ends,
    of_grants.revived,
    of_grants.heir_gone,
    of_grants.nobody,
    of_grants.closed,
    of_holds.late_refunds,
    of_holds.report,
    of_holds.floor_cap,
    of_holds.beyond,
    of_holds.inbound_limit,
    of_holds.mode_change,
    of_holds.inherited,
    of_holds.denials,
    of_holds.many_due,
    of_holds.actual_usage,
    of_holds.same_again,
    of_holds.long_open,
    of_plans.missed,
    of_plans.comes_back,
    of_plans.nothing_left,
    of_plans.lasting,
    of_plans.owing,
    of_plans.gone_before,
    of_plans.plan_closed,
    of_plans.changes,
    of_plans.unanchored,
    of_plans.same_moment,
    of_plans.suspended,
    of_plans.short,
)

LAST_STORIES = (
    of_grants.too_many_grants,
    of_grants.too_many_scopes,
    of_grants.too_many_allotments,
    of_plans.full,
    of_plans.full_of_scopes,
)
"""After these an account has too much of something, which makes all that follows slow."""

"""Plans: credits that come again each period; what is left of them rolls over, or expires."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from creditgate_server.credit import calendar
from creditgate_server.credit.calendar import InvalidCycle
from creditgate_server.credit.operations import PlanTerms, SetPlan
from creditgate_server.credit.terms import GrantKind, GrantState, Interval, RollOver
from creditgate_server.engine.errors import OperationError
from creditgate_server.store.errors import ReplyError

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

DAY_MS = 86_400_000
MONTHLY = PlanTerms("basic", 100, Interval.MONTH)
DAILY = PlanTerms("daily", 10, Interval.DAY)


async def by_kind(org: Organisation, kind: GrantKind) -> list[tuple[GrantState, int, int, int]]:
    """State, amount, remaining and expired of an account's grants of a kind, oldest first."""
    found = [grant for grant in (await org.grants()).values() if grant.kind is kind]
    found.sort(key=lambda grant: (grant.effective_ms, int(grant.grant_id.removeprefix("cg:"))))
    return [(grant.state, grant.amount, grant.remaining, grant.expired) for grant in found]


async def test_a_plan_gives_its_credits_at_once_until_its_period_ends(org: Organisation) -> None:
    await org.open()
    done = await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    assert done.plan is not None
    assert (done.balance.available, done.plan.end_ms - done.plan.begin_ms) == (10, DAY_MS)
    assert done.plan.terms == replace(DAILY, anchor_ms=done.plan.begin_ms)
    (grant,) = (await org.grants()).values()
    assert (grant.kind, grant.reference, grant.expire_ms) == (GrantKind.PLAN, "daily", done.plan.end_ms)
    assert await org.engine.get_plan(org.root_id) == done.plan


async def test_each_period_has_its_own_credits_and_the_last_ones_expire(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    await org.charge(org.sms(4))
    await org.pass_time(3 * DAY_MS)
    assert await org.figures() == (10, 0, 0)
    live, ended = GrantState.LIVE, GrantState.EXPIRED
    assert await by_kind(org, GrantKind.PLAN) == [
        (ended, 10, 0, 6),
        (ended, 10, 0, 10),
        (ended, 10, 0, 10),
        (live, 10, 10, 0),
    ]


async def test_what_is_left_rolls_over_to_a_cap_for_a_while(org: Organisation) -> None:
    await org.open()
    terms = replace(DAILY, rollover=RollOver.CAPPED, rollover_cap=4, rollover_life_ms=DAY_MS, rollover_priority=-1)
    await org.engine.set_plan(SetPlan(org.root_id, "p1", terms))
    await org.pass_time(DAY_MS)
    assert await org.figures() == (14, 0, 0)
    await org.charge(org.sms(3))
    assert await by_kind(org, GrantKind.ROLLOVER) == [(GrantState.LIVE, 4, 1, 0)]
    await org.pass_time(DAY_MS)
    assert await by_kind(org, GrantKind.ROLLOVER) == [(GrantState.EXPIRED, 4, 0, 1), (GrantState.LIVE, 4, 4, 0)]


async def test_what_a_hold_gives_back_after_its_period_goes_where_the_rest_went(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", replace(DAILY, rollover=RollOver.ALL)))
    await org.reserve(org.sms(10), id="h", ttl_ms=2 * DAY_MS)
    await org.pass_time(DAY_MS)
    assert await by_kind(org, GrantKind.ROLLOVER) == []
    released = await org.release("h")
    assert (released.restored, released.expired) == (10, 0)
    assert await by_kind(org, GrantKind.ROLLOVER) == [(GrantState.LIVE, 10, 10, 0)]
    assert await org.figures() == (20, 0, 0)


async def test_without_roll_over_what_comes_back_late_is_gone(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    await org.reserve(org.sms(10), id="h", ttl_ms=2 * DAY_MS)
    await org.pass_time(DAY_MS)
    released = await org.release("h")
    assert (released.restored, released.expired) == (0, 10)


async def test_credits_that_roll_over_for_good_lie_in_one_grant(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", replace(DAILY, rollover=RollOver.ALL)))
    await org.pass_time(5 * DAY_MS)
    assert await by_kind(org, GrantKind.ROLLOVER) == [(GrantState.LIVE, 50, 50, 0)]


async def test_a_renewal_repays_debt_first(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    await org.owe(13)
    await org.pass_time(DAY_MS)
    assert await org.figures() == (7, 0, 0)


async def test_a_new_plan_ends_the_period_now_or_follows_it(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", MONTHLY))
    later = await org.engine.set_plan(SetPlan(org.root_id, "p2", DAILY, at_period_end=True))
    assert later.plan is not None
    assert (later.plan.terms.plan_id, later.plan.following) == ("basic", DAILY)
    now = await org.engine.set_plan(SetPlan(org.root_id, "p3", replace(DAILY, credits=7)))
    assert now.plan is not None
    assert (now.balance.available, now.plan.following) == (7, None)
    await org.engine.set_plan(SetPlan(org.root_id, "p4", MONTHLY, at_period_end=True))
    await org.pass_time(DAY_MS)
    plan = await org.engine.get_plan(org.root_id)
    assert plan is not None
    assert (plan.terms, plan.begin_ms) == (replace(MONTHLY, anchor_ms=now.plan.end_ms), now.plan.end_ms)
    assert await org.figures() == (100, 0, 0)


@pytest.mark.parametrize("at_period_end", [True, False])
async def test_a_plan_that_is_cancelled_gives_no_more(org: Organisation, *, at_period_end: bool) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    done = await org.engine.set_plan(SetPlan(org.root_id, "p2", None, at_period_end=at_period_end))
    assert (done.plan is None, done.balance.available) == ((False, 10) if at_period_end else (True, 0))
    assert done.plan is None or done.plan.ends
    await org.pass_time(3 * DAY_MS)
    assert await org.figures() == (0, 0, 0)
    assert await org.engine.get_plan(org.root_id) is None


async def test_a_change_is_made_once(org: Organisation) -> None:
    await org.open()
    first = await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    await org.pass_time(60_000)
    again = await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    assert (again.replayed, again.plan, again.balance.available) == (True, first.plan, 10)
    with pytest.raises(OperationError) as refused:
        await org.engine.set_plan(SetPlan(org.root_id, "p1", MONTHLY))
    assert refused.value.reason == "ID_REUSED"


async def test_closing_an_account_ends_its_plan(org: Organisation) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    assert (await org.close()).revoked == 10
    await org.pass_time(3 * DAY_MS)
    assert await org.figures() == (0, 0, 0)


async def test_a_time_zone_that_is_not_known_here_concerns_its_organisation_alone(
    org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    await org.open()
    await org.engine.set_plan(SetPlan(org.root_id, "p1", replace(DAILY, time_zone="Europe/Berlin")))
    await org.pass_time(DAY_MS)

    def unknown(_: str) -> None:
        raise InvalidCycle("time_zone", "must be an IANA time zone")

    with monkeypatch.context() as host:
        host.setattr(calendar, "_zone", unknown)
        with pytest.raises(ReplyError, match=f"the next period of {org.root_id}"):
            await org.ledger.sweep(org.root_id, 10)
    assert await org.figures() == (10, 0, 0)


async def test_a_denial_tells_when_the_next_period_begins(org: Organisation) -> None:
    await org.open()
    done = await org.engine.set_plan(SetPlan(org.root_id, "p1", DAILY))
    denied = await org.reserve(org.sms(11))
    assert done.plan is not None
    assert denied.denial is not None
    assert denied.denial.next_credit_ms == done.plan.end_ms

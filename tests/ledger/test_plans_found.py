"""Plans, where the reference model and the store have differed: what shows only beside something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel, Direction
from creditgate_server.credit.operations import PlanTerms, Scope, SetPlan
from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, GrantKind, Interval, RollOver
from creditgate_server.store.ledger import Request

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.engine.engine import Engine
    from creditgate_server.store.ledger import Group, Reply

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
DAILY = PlanTerms("daily", 10, Interval.DAY)
LASTING = replace(DAILY, rollover=RollOver.ALL)


async def test_what_a_hold_gives_back_late_is_made_before_it_ends(org: Organisation) -> None:
    await org.engine.set_plan(SetPlan(org.root_id, "p1", replace(LASTING, rollover_life_ms=HOUR_MS)))
    await org.engine.set_plan(SetPlan(org.root_id, "p2", None, at_period_end=True))
    await org.reserve(org.sms(10), ttl_ms=DAY_MS + HOUR_MS // 2)
    await org.pass_time(3 * DAY_MS)
    (rolled,) = [one for one in (await org.grants()).values() if one.kind is GrantKind.ROLLOVER]
    assert (rolled.amount, rolled.expired) == (10, 10)
    assert rolled.create_ms < rolled.expire_ms


@pytest.mark.parametrize("is_swept", [True, False])
async def test_the_oldest_burns_first_whenever_it_was_noticed(org: Organisation, *, is_swept: bool) -> None:
    await org.engine.set_plan(SetPlan(org.root_id, "p1", LASTING))
    other = replace(LASTING, plan_id="other", scope=Scope(channels=(Channel.SMS,)))
    await org.engine.set_plan(SetPlan(org.root_id, "p2", other, at_period_end=True))
    await org.reserve(org.sms(10), ttl_ms=DAY_MS + HOUR_MS)
    await org.pass_time(DAY_MS + 2 * HOUR_MS)
    while is_swept and (await org.ledger.sweep(org.root_id, 100))[1]:
        pass
    await org.pass_time(DAY_MS)
    await org.charge(org.sms(11, direction=Direction.OUTBOUND))
    rolled = [one for one in (await org.grants()).values() if one.kind is GrantKind.ROLLOVER]
    assert sorted((len(one.scope.channels), one.remaining) for one in rolled) == [(0, 9), (1, 10)]


async def test_an_adjustment_is_as_old_as_the_end_of_the_hold_that_made_it(org: Organisation) -> None:
    for _ in range(GRANTS_PER_ACCOUNT_MAX - 1):
        await org.grant(1, priority=1)
    await org.engine.set_plan(SetPlan(org.root_id, "p1", LASTING))
    await org.reserve(org.sms(10), ttl_ms=DAY_MS + HOUR_MS)
    await org.pass_time(2 * DAY_MS + HOUR_MS)
    await org.charge(org.sms(11, direction=Direction.OUTBOUND))
    left = [(one.kind, one.remaining) for one in (await org.grants()).values() if one.amount == 10]
    assert (GrantKind.ADJUSTMENT, 9) in left
    assert (GrantKind.ROLLOVER, 10) in left


async def test_what_follows_a_plan_that_was_set_meanwhile_begins_with_its_own_period(
    org: Organisation, second_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, asked = org.ledger.send, list[str]()

    async def overtaken(requests: Sequence[Request | Group]) -> list[Reply]:
        asked.extend(one.name for one in requests if isinstance(one, Request))
        if asked.count("set_plan") == 2:
            await second_engine.set_plan(SetPlan(org.root_id, "between", DAILY))
        return await send(requests)

    monkeypatch.setattr(org.ledger, "send", overtaken)
    monthly = PlanTerms("monthly", 100, Interval.MONTH)
    done = await org.engine.set_plan(SetPlan(org.root_id, "p1", monthly, at_period_end=True))
    assert done.plan is not None
    assert (done.plan.terms.plan_id, done.plan.following) == ("daily", monthly)


async def test_a_plan_never_begins_before_the_one_that_it_ends(
    org: Organisation, second_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, asked, between = org.ledger.send, list[str](), list[int]()

    async def overtaken(requests: Sequence[Request | Group]) -> list[Reply]:
        asked.extend(one.name for one in requests if isinstance(one, Request))
        if asked.count("set_plan") == 2 and not between:
            await org.pass_time(1_000)
            done = await second_engine.set_plan(SetPlan(org.root_id, "between", DAILY))
            between.append(done.plan.begin_ms if done.plan else 0)
        return await send(requests)

    monkeypatch.setattr(org.ledger, "send", overtaken)
    done = await org.engine.set_plan(SetPlan(org.root_id, "p1", PlanTerms("monthly", 100, Interval.MONTH)))
    assert done.plan is not None
    assert done.plan.begin_ms >= between[0] > 0

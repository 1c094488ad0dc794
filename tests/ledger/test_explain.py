"""Explain: why a usage is decided as it is, grant by grant and limit by limit, and what a reservation was made of."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.outcomes import Denial
from creditgate_server.credit.terms import (
    Decision,
    DenialReason,
    Enforcement,
    Funding,
    GrantVerdict,
    ReservationState,
)
from creditgate_server.engine.errors import AccountNotFound, InvalidField, ReservationNotFound

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.explanation import Explanation
    from creditgate_server.engine.engine import Engine


def verdicts(explanation: Explanation) -> dict[str, tuple[GrantVerdict, int]]:
    return {each.grant.grant_id: (each.verdict, each.credits) for each in explanation.grants}


async def test_it_decides_as_a_quote_does_and_leaves_nothing(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5)
    await org.allot(3, "field")
    before = await org.audit(), await org.audit("field")
    for traffic in (org.sms(2), org.sms(4), org.sms(9)):
        assert (await org.explain(traffic, "field")).authorization == await org.quote(traffic, "field")
    assert (await org.audit(), await org.audit("field")) == before


async def test_each_grant_says_what_it_gives_or_why_nothing(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.open("field")
    await org.grant(9, "field", grant_id="not the payer's")
    for grant_id, credits_, scope in (
        ("first", 2, Scope()),
        ("voice", 9, Scope(channels=(Channel.VOICE,))),
        ("germany", 9, Scope(regions=("DE",))),
        ("second", 4, Scope((Channel.SMS,), ("US",))),
        ("third", 4, Scope()),
    ):
        await org.grant(credits_, grant_id=grant_id, scope=scope, priority=len(await org.grants()))
    await org.grant(9, grant_id="to come", effective_ms=now_ms + 60_000)
    await org.grant(3, grant_id="held", priority=-1)
    await org.reserve(org.sms(3, region="US"))
    explanation = await org.explain(org.sms(5, region="US"), "field")
    assert verdicts(explanation) == {
        "first": (GrantVerdict.PAYS, 2),
        "second": (GrantVerdict.PAYS, 3),
        "third": (GrantVerdict.NOT_NEEDED, 0),
        "voice": (GrantVerdict.OTHER_CHANNEL, 0),
        "germany": (GrantVerdict.OTHER_REGION, 0),
        "to come": (GrantVerdict.NOT_BEGUN, 0),
        "held": (GrantVerdict.NOTHING_LEFT, 0),
        "not the payer's": (GrantVerdict.OTHER_PAYER, 0),
    }
    paid = [each.grant.grant_id for each in explanation.grants if each.verdict is GrantVerdict.PAYS]
    assert paid == ["first", "second"]


async def test_what_it_says_is_what_a_reserve_then_draws(org: Organisation) -> None:
    await org.grant(2, priority=2)
    await org.grant(3, priority=1)
    await org.grant(9, priority=3)
    explanation = await org.explain(org.sms(7))
    await org.reserve(org.sms(7), id="m1")
    paid = tuple(
        (each.grant.grant_id, each.credits) for each in explanation.grants if each.verdict is GrantVerdict.PAYS
    )
    assert paid == (await org.hold("m1")).draws[0].grants


async def test_grants_of_a_wallet_that_is_off_are_not_asked(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.OFF)
    await org.grant(5, grant_id="g")
    assert verdicts(await org.explain(org.sms(2))) == {"g": (GrantVerdict.NOT_ENFORCED, 0)}


async def test_each_limit_says_what_it_leaves_and_what_is_short(org: Organisation) -> None:
    for below in ("field", "field/east", "field/east/night"):
        await org.open(below)
    await org.grant(50)
    await org.allot(9, "field")
    await org.allot(2, "field/east", scope=Scope(regions=("US",)))
    await org.allot(9, "field/east", scope=Scope(regions=("DE",)))
    await org.change("field/east", enforcement=Enforcement.MONITOR)
    await org.allot(4, "field/east/night")
    await org.change("field/east/night", enforcement=Enforcement.OFF)
    explanation = await org.explain(org.sms(5, region="US"), "field/east/night")
    said = [
        (each.account_id, each.enforcement, each.counts, each.limit_left, each.shortfall) for each in explanation.limits
    ]
    assert said == [
        (org.path("field/east/night"), Enforcement.OFF, False, 4, 0),
        (org.path("field/east"), Enforcement.MONITOR, True, 2, 3),
        (org.path("field"), Enforcement.ENFORCE, True, 9, 0),
    ]
    assert [level.account_id for level in explanation.levels][-1] == org.root_id


async def test_a_limit_counts_what_comes_in_only_where_it_is_told_to(org: Organisation) -> None:
    await org.open("field", limit_counts_inbound=True)
    await org.allot(9)
    await org.allot(9, "field")
    explanation = await org.explain(org.sms(1, direction=Direction.INBOUND), "field")
    assert [each.counts for each in explanation.limits] == [True, False]


async def test_the_next_credits_are_those_that_may_pay(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.open("field")
    await org.grant(99, "field", effective_ms=now_ms + 10_000)
    await org.allot(99, effective_ms=now_ms + 10_000)
    await org.grant(99, effective_ms=now_ms + 20_000, scope=Scope(regions=("DE",)))
    for credits_, wait_ms in ((5, 30_000), (6, 30_000), (7, 40_000)):
        await org.grant(credits_, effective_ms=now_ms + wait_ms)
    explanation = await org.explain(org.sms(1, region="US"), "field")
    assert (explanation.next_credit_ms, explanation.next_credits) == (now_ms + 30_000, 11)
    await org.pass_time(50_000)
    explanation = await org.explain(org.sms(1, region="US"), "field")
    assert (explanation.next_credit_ms, explanation.next_credits) == (0, 0)


async def test_a_denial_is_explained(org: Organisation) -> None:
    await org.grant(2, grant_id="g")
    explanation = await org.explain(org.sms(5))
    assert explanation.authorization is not None
    assert explanation.authorization.denial == Denial(DenialReason.INSUFFICIENT_CREDITS, org.root_id, 3)
    assert verdicts(explanation) == {"g": (GrantVerdict.PAYS, 2)}


async def test_a_usage_without_a_rate_is_explained(org: Organisation) -> None:
    card_id = f"us-{org.root_id}"
    await org.engine.put_rate_card(card_id, [Rule(name="us", unit=Unit.SEGMENT, credits_per_unit=1, regions=("US",))])
    await org.change(rate_card_id=card_id)
    await org.grant(5, grant_id="g")
    explanation = await org.explain(org.sms(1, region="DE"))
    assert explanation.authorization is not None
    assert explanation.authorization.denial == Denial(DenialReason.NO_RATE, org.root_id, 0)
    assert verdicts(explanation) == {"g": (GrantVerdict.NOT_NEEDED, 0)}


async def test_a_usage_that_cannot_be_priced_is_refused(org: Organisation) -> None:
    with pytest.raises(InvalidField):
        await org.explain(org.sms(1, channel=Channel.VOICE))


async def test_an_unknown_account_is_named(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.explain(org.sms(1), "nobody")


async def test_a_sidecar_that_has_not_met_the_account_finds_its_card(org: Organisation, second_engine: Engine) -> None:
    card_id = f"double-{org.root_id}"
    await org.engine.put_rate_card(card_id, [Rule(name="double", unit=Unit.SEGMENT, credits_per_unit=2)])
    await org.change(rate_card_id=card_id)
    await org.grant(9, grant_id="g")
    fresh = type(org)(second_engine, org.store, org.root_id)
    explanation = await fresh.explain(org.sms(3))
    assert explanation.authorization is not None
    assert explanation.authorization.credits == 6
    assert verdicts(explanation) == {"g": (GrantVerdict.PAYS, 6)}


async def test_it_waits_for_all_that_is_due(org: Organisation) -> None:
    await org.grant(40, grant_id="g")
    await asyncio.gather(*(org.reserve(ttl_ms=5_000) for _ in range(40)))
    await org.pass_time(6_000)
    explanation = await org.explain(org.sms(40))
    assert explanation.authorization is not None
    assert explanation.authorization.decision is Decision.ALLOWED
    assert verdicts(explanation) == {"g": (GrantVerdict.PAYS, 40)}


async def test_a_reservation_is_explained_by_what_it_drew_on(org: Organisation) -> None:
    await org.open("field", funding=Funding.PARENT)
    await org.grant(5, grant_id="g")
    await org.reserve(org.sms(3), "field", id="m1")
    explanation = await org.explain(below="field", reservation_id="m1")
    assert explanation.reservation == await org.hold("m1", "field")
    assert explanation.reservation is not None
    assert explanation.reservation.draws[0].grants == (("g", 3),)
    assert (explanation.authorization, explanation.grants, explanation.limits) == (None, (), ())
    assert explanation.balance.available == 2
    assert [level.account_id for level in explanation.levels] == [org.path("field"), org.root_id]
    await org.commit("m1", "field")
    settled = (await org.explain(below="field", reservation_id="m1")).reservation
    assert settled is not None
    assert settled.state is ReservationState.COMMITTED


async def test_an_unknown_reservation_is_not_explained(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5)
    await org.reserve(org.sms(3), "field", id="m1")
    for reservation_id in ("never", "m1"):
        with pytest.raises(ReservationNotFound):
            await org.explain(reservation_id=reservation_id)

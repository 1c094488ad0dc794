"""Denials: which level binds, how many credits are short there, and when the next ones come to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.outcomes import Denial
from creditgate_server.credit.terms import AccountStatus, Decision, DenialReason, Enforcement, Funding

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Authorization


def why(answer: Authorization) -> Denial:
    assert answer.decision is Decision.DENIED
    assert answer.denial is not None
    assert (answer.credits, answer.recipients_granted, answer.state) == (0, 0, None)
    return answer.denial


# When the next credits come


async def test_a_denial_tells_when_the_next_grant_of_the_wallet_begins(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.grant(2)
    for wait_ms in (60_000, 30_000, 90_000):
        await org.grant(10, effective_ms=now_ms + wait_ms)
    expected = Denial(DenialReason.INSUFFICIENT_CREDITS, org.root_id, 3, now_ms + 30_000)
    assert why(await org.reserve(org.sms(5))) == expected
    assert why(await org.quote(org.sms(5))) == expected
    assert why(await org.charge(org.sms(5))) == expected


async def test_once_it_has_begun_the_one_after_it_is_the_next(org: Organisation) -> None:
    now_ms = await org.now_ms()
    for wait_ms in (30_000, 60_000):
        await org.grant(10, effective_ms=now_ms + wait_ms)
    await org.pass_time(30_000)
    assert why(await org.reserve(org.sms(11))).next_credit_ms == now_ms + 60_000
    await org.pass_time(30_000)
    assert why(await org.reserve(org.sms(21))).next_credit_ms == 0


async def test_without_a_grant_to_come_there_is_no_next_time(org: Organisation) -> None:
    await org.grant(2, expire_ms=await org.now_ms() + 60_000)
    assert why(await org.reserve(org.sms(5))).next_credit_ms == 0


async def test_a_grant_revoked_before_its_beginning_is_not_waited_for(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.grant(10, grant_id="first", effective_ms=now_ms + 30_000)
    await org.grant(10, effective_ms=now_ms + 60_000)
    await org.revoke("first")
    assert why(await org.reserve(org.sms(1))).next_credit_ms == now_ms + 60_000


async def test_credits_of_another_level_or_of_the_other_pot_do_not_help(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.open("field", funding=Funding.OWN)
    await org.grant(9, effective_ms=now_ms + 30_000)
    await org.allot(9, "field", effective_ms=now_ms + 40_000)
    assert why(await org.reserve(org.sms(1), "field")) == Denial(
        DenialReason.INSUFFICIENT_CREDITS, org.path("field"), 1, 0
    )


async def test_a_limit_tells_when_its_own_next_allotment_begins(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.open("field")
    await org.grant(20)
    await org.grant(9, "field", effective_ms=now_ms + 20_000)
    await org.grant(9, effective_ms=now_ms + 25_000)
    await org.allot(2, "field")
    await org.allot(9, "field", effective_ms=now_ms + 30_000)
    assert why(await org.reserve(org.sms(5), "field")) == Denial(
        DenialReason.LIMIT_REACHED, org.path("field"), 3, now_ms + 30_000
    )


async def test_a_floor_and_an_inbound_limit_tell_it_too(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.change(floor=3, inbound_overdraft_limit=0)
    await org.grant(4)
    await org.grant(9, effective_ms=now_ms + 30_000)
    assert why(await org.reserve(org.sms(2, priority=Priority.BULK))) == Denial(
        DenialReason.FLOOR, org.root_id, 1, now_ms + 30_000
    )
    assert why(await org.charge(org.sms(6, direction=Direction.INBOUND))) == Denial(
        DenialReason.INBOUND_LIMIT, org.root_id, 2, now_ms + 30_000
    )


async def test_what_monitor_would_have_denied_tells_it_too_and_a_replay_repeats_it(org: Organisation) -> None:
    now_ms = await org.now_ms()
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(9, grant_id="next", effective_ms=now_ms + 30_000)
    expected = Denial(DenialReason.INSUFFICIENT_CREDITS, org.root_id, 5, now_ms + 30_000)
    held = await org.reserve(org.sms(5), id="m1")
    assert (held.decision, held.denial) == (Decision.ALLOWED_MONITORED, expected)
    await org.revoke("next")
    await org.grant(50)
    again = await org.reserve(org.sms(5), id="m1")
    assert (again.replayed, again.decision, again.denial) == (True, Decision.ALLOWED_MONITORED, expected)


async def test_denials_that_credits_do_not_help_tell_no_time(org: Organisation) -> None:
    await org.open("field")
    await org.grant(9, effective_ms=await org.now_ms() + 30_000)
    card_id = f"strict-{org.root_id}"
    rules = [Rule(name="sms", unit=Unit.SEGMENT, credits_per_unit=1, maximum_segments=2, regions=("US",))]
    await org.engine.put_rate_card(card_id, rules)
    await org.change(rate_card_id=card_id)
    assert why(await org.reserve(org.sms(3, region="US"), "field")) == Denial(
        DenialReason.TOO_MANY_SEGMENTS, org.root_id, 0, 0
    )
    assert why(await org.reserve(org.sms(1, region="DE"), "field")) == Denial(DenialReason.NO_RATE, org.root_id, 0, 0)
    await org.change(status=AccountStatus.SUSPENDED)
    assert why(await org.reserve(org.sms(1, region="US"), "field")) == Denial(
        DenialReason.ACCOUNT_SUSPENDED, org.root_id, 0, 0
    )


# Which reason, and which level


async def test_closed_is_said_before_suspended_and_before_a_missing_rate_and_before_money(org: Organisation) -> None:
    card_id = f"none-{org.root_id}"
    rules = [Rule(name="us", unit=Unit.SEGMENT, credits_per_unit=1, regions=("US",))]
    await org.engine.put_rate_card(card_id, rules)
    await org.open("field", rate_card_id=card_id)
    traffic = org.sms(1, region="DE")
    assert why(await org.reserve(traffic, "field")).reason is DenialReason.NO_RATE
    await org.change("field", status=AccountStatus.SUSPENDED)
    assert why(await org.reserve(traffic, "field")).reason is DenialReason.ACCOUNT_SUSPENDED
    await org.close("field")
    assert why(await org.reserve(traffic, "field")).reason is DenialReason.ACCOUNT_CLOSED


async def test_the_level_that_lacks_most_is_named(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east")
    await org.grant(6)
    await org.allot(4, "field")
    await org.allot(5, "field/east")
    assert why(await org.reserve(org.sms(9), "field/east")) == Denial(DenialReason.LIMIT_REACHED, org.path("field"), 5)
    await org.allot(4, "field")
    assert why(await org.reserve(org.sms(9), "field/east")) == Denial(
        DenialReason.LIMIT_REACHED, org.path("field/east"), 4
    )
    await org.allot(4, "field/east")
    assert why(await org.reserve(org.sms(9), "field/east")) == Denial(DenialReason.INSUFFICIENT_CREDITS, org.root_id, 3)


async def test_what_is_short_counts_debt_overdraft_and_scopes(org: Organisation) -> None:
    await org.change(overdraft_limit=2)
    await org.grant(10, scope=Scope(regions=("US",)))
    await org.owe(4)
    assert why(await org.reserve(org.sms(1, region="DE"))).shortfall == 1 + 4 - 2
    assert why(await org.reserve(org.sms(11, region="US"))).shortfall == 11 + 4 - 10 - 2


async def test_bulk_without_a_floor_obeys_the_overdraft_limit(org: Organisation) -> None:
    await org.change(overdraft_limit=2)
    await org.grant(3)
    assert (await org.reserve(org.sms(5, priority=Priority.BULK))).decision is Decision.ALLOWED
    assert why(await org.reserve(org.sms(1, priority=Priority.BULK))).reason is DenialReason.INSUFFICIENT_CREDITS


async def test_a_floor_of_zero_is_a_floor(org: Organisation) -> None:
    await org.change(overdraft_limit=5, floor=0)
    await org.grant(3)
    assert why(await org.reserve(org.sms(4, priority=Priority.BULK))) == Denial(DenialReason.FLOOR, org.root_id, 1)
    assert (await org.reserve(org.sms(4))).decision is Decision.ALLOWED


@pytest.mark.parametrize("kept", ["reserve", "charge"])
async def test_a_denial_moves_nothing(org: Organisation, kept: str) -> None:
    await org.open("field")
    await org.grant(20)
    await org.allot(3, "field")
    before = await org.audit(), await org.audit("field")
    answer = await (org.reserve(org.sms(5), "field") if kept == "reserve" else org.charge(org.sms(5), "field"))
    assert why(answer).shortfall == 2
    assert (await org.audit(), await org.audit("field")) == before

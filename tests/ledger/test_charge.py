"""Charge: the inbound lane that only debt's own limit stops, and the outbound one that obeys Reserve's rules."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.terms import AccountStatus, Decision, DenialReason, Funding
from creditgate_server.engine.errors import AccountNotFound, IdReused

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.operations import Traffic
    from creditgate_server.credit.outcomes import Authorization


def inbound(org: Organisation, segments: int) -> Traffic:
    return org.sms(segments, direction=Direction.INBOUND)


def reason(answer: Authorization) -> tuple[DenialReason, str, int]:
    assert answer.decision is Decision.DENIED
    assert answer.denial is not None
    return answer.denial.reason, answer.denial.account_id, answer.denial.shortfall


async def test_inbound_usage_takes_grants_first_and_then_makes_debt(org: Organisation) -> None:
    await org.grant(3)
    charged = await org.charge(inbound(org, 5))
    assert (charged.decision, charged.credits, charged.recipients_granted) == (Decision.ALLOWED, 5, 1)
    assert (charged.state, charged.replayed) == (None, False)
    assert await org.figures() == (-2, 0, 2)


async def test_inbound_usage_of_a_funded_child_makes_debt_at_its_payer(org: Organisation) -> None:
    await org.open("field")
    charged = await org.charge(inbound(org, 5), "field")
    assert charged.balance is not None
    assert (charged.balance.payer_id, charged.balance.debt) == (org.root_id, 5)


async def test_without_a_limit_nothing_stops_inbound_usage(org: Organisation) -> None:
    await org.change(floor=100)
    for _ in range(3):
        assert (await org.charge(inbound(org, 1_000_000_000))).decision is Decision.ALLOWED
    assert await org.figures() == (-3_000_000_000, 0, 3_000_000_000)


async def test_inbound_usage_is_denied_where_it_would_pass_its_own_limit(org: Organisation) -> None:
    await org.change(inbound_overdraft_limit=5)
    await org.grant(2)
    assert (await org.charge(inbound(org, 7))).decision is Decision.ALLOWED
    assert reason(await org.charge(inbound(org, 1))) == (DenialReason.INBOUND_LIMIT, org.root_id, 1)
    assert await org.figures() == (-5, 0, 5)


async def test_an_inbound_limit_of_zero_lets_grants_pay_and_nothing_more(org: Organisation) -> None:
    await org.change(inbound_overdraft_limit=0)
    await org.grant(2)
    assert (await org.charge(inbound(org, 2))).decision is Decision.ALLOWED
    assert reason(await org.charge(inbound(org, 1)))[0] is DenialReason.INBOUND_LIMIT


async def test_what_holds_hold_is_not_there_for_inbound_usage(org: Organisation) -> None:
    await org.change(inbound_overdraft_limit=3, overdraft_limit=2)
    await org.grant(5)
    await org.reserve(org.sms(7))
    assert (await org.charge(inbound(org, 1))).decision is Decision.ALLOWED
    assert reason(await org.charge(inbound(org, 1)))[2] == 1


async def test_overdraft_and_floor_are_not_for_inbound_usage(org: Organisation) -> None:
    await org.change(overdraft_limit=100, inbound_overdraft_limit=1, floor=50)
    bulk = org.sms(1, direction=Direction.INBOUND, priority=Priority.BULK)
    assert (await org.charge(bulk)).decision is Decision.ALLOWED
    assert reason(await org.charge(bulk))[0] is DenialReason.INBOUND_LIMIT


async def test_limits_do_not_count_inbound_usage_unless_told_to(org: Organisation) -> None:
    await org.open("field")
    await org.allot(3, "field")
    await org.charge(inbound(org, 2), "field")
    assert (await org.balance("field")).limit_left == 3
    await org.change("field", limit_counts_inbound=True)
    await org.charge(inbound(org, 2), "field")
    assert (await org.balance("field")).limit_left == 1


async def test_a_limit_that_counts_inbound_usage_never_stops_it(org: Organisation) -> None:
    await org.open("field", limit_counts_inbound=True)
    await org.grant(10)
    await org.allot(3, "field")
    charged = await org.charge(inbound(org, 5), "field")
    assert charged.decision is Decision.ALLOWED
    assert charged.balance is not None
    assert (charged.balance.limit_left, charged.balance.available) == (0, 5)


async def test_outbound_charges_obey_the_rules_of_reserve(org: Organisation) -> None:
    await org.open("field")
    await org.change(overdraft_limit=2, floor=4)
    await org.grant(5)
    await org.allot(6, "field")
    assert reason(await org.charge(org.sms(7), "field"))[:2] == (DenialReason.LIMIT_REACHED, org.path("field"))
    assert reason(await org.charge(org.sms(8)))[0] is DenialReason.INSUFFICIENT_CREDITS
    assert reason(await org.charge(org.sms(2, priority=Priority.BULK)))[0] is DenialReason.FLOOR
    charged = await org.charge(org.sms(6), "field")
    assert charged.decision is Decision.ALLOWED
    assert charged.balance is not None
    assert (charged.balance.available, charged.balance.debt, charged.balance.limit_left) == (-1, 1, 0)


async def test_a_denied_charge_leaves_nothing(org: Organisation) -> None:
    assert reason(await org.charge(org.sms(3), id="c1"))[2] == 3
    assert await org.figures() == (0, 0, 0)


async def test_a_charge_happens_once_for_its_id(org: Organisation) -> None:
    await org.grant(10)
    answers = [await org.charge(inbound(org, 4), id="c1") for _ in range(3)]
    assert [answer.replayed for answer in answers] == [False, True, True]
    assert {answer.credits for answer in answers} == {4}
    assert await org.figures() == (6, 0, 0)


async def test_a_charge_raced_by_its_retries_happens_once(org: Organisation) -> None:
    answers = await asyncio.gather(*(org.charge(inbound(org, 4), id="c1") for _ in range(64)))
    assert sum(not answer.replayed for answer in answers) == 1
    assert await org.figures() == (-4, 0, 4)


async def test_a_charge_id_is_refused_for_other_content(org: Organisation) -> None:
    await org.open("field")
    await org.charge(inbound(org, 4), id="c1")
    for traffic, below in ((inbound(org, 5), ""), (org.sms(4), ""), (inbound(org, 4), "field")):
        with pytest.raises(IdReused):
            await org.charge(traffic, below, id="c1")
    assert await org.figures() == (-4, 0, 4)


async def test_ids_of_charges_and_reservations_are_apart(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(1), id="same")
    assert not (await org.charge(inbound(org, 1), id="same")).replayed
    assert not (await org.grant(1, grant_id="same")).replayed


async def test_suspension_denies_outbound_charges_at_every_level_below_and_no_inbound_ones(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.change(status=AccountStatus.SUSPENDED)
    assert reason(await org.charge(org.sms(1), "field")) == (DenialReason.ACCOUNT_SUSPENDED, org.root_id, 0)
    assert (await org.charge(inbound(org, 1), "field")).decision is Decision.ALLOWED


async def test_a_replay_of_a_charge_is_answered_although_the_account_is_suspended_by_now(org: Organisation) -> None:
    await org.grant(10)
    await org.charge(org.sms(2), id="c1")
    await org.change(status=AccountStatus.SUSPENDED)
    again = await org.charge(org.sms(2), id="c1")
    assert (again.replayed, again.decision, again.credits) == (True, Decision.ALLOWED, 2)


async def test_a_charge_to_an_account_that_pays_itself_touches_no_other_wallet(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(10)
    await org.charge(inbound(org, 3), "field")
    assert await org.figures() == (10, 0, 0)
    assert await org.figures("field") == (-3, 0, 3)


async def test_a_free_charge_passes_with_debt_and_is_remembered(org: Organisation) -> None:
    card_id = f"free-{org.root_id}"
    await org.owe(5)
    await org.engine.put_rate_card(card_id, [Rule(name="free", unit=Unit.MESSAGE, credits_per_unit=0)])
    await org.change(rate_card_id=card_id)
    assert (await org.charge(org.sms(1), id="c1")).decision is Decision.ALLOWED
    assert (await org.charge(org.sms(1), id="c1")).replayed
    assert await org.figures() == (-5, 0, 5)


async def test_a_charge_of_an_unknown_account_is_refused(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.charge(inbound(org, 1), "nobody")

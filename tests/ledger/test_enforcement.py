"""Enforcement: ENFORCE denies, MONITOR says that it would have, OFF only records; suspension stops what goes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.terms import AccountStatus, Decision, DenialReason, Enforcement, Funding, Pot

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.credit.outcomes import Denial


def named(denial: Denial | None) -> tuple[DenialReason, str, int]:
    assert denial is not None
    return denial.reason, denial.account_id, denial.shortfall


async def test_monitor_allows_and_says_what_it_would_have_denied(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(3)
    quoted = await org.quote(org.sms(5))
    held = await org.reserve(org.sms(5), id="m1")
    for answer in (quoted, held):
        assert answer.decision is Decision.ALLOWED_MONITORED
        assert named(answer.denial) == (DenialReason.INSUFFICIENT_CREDITS, org.root_id, 2)
    assert held.credits == 5
    assert await org.figures() == (0, 3, 0)


async def test_monitor_says_nothing_while_credits_last(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(5)
    held = await org.reserve(org.sms(5))
    assert (held.decision, held.denial) == (Decision.ALLOWED, None)


async def test_what_monitor_lets_through_is_overrun_and_not_debt(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.grant(3)
    await org.reserve(org.sms(5), id="m1")
    await org.commit("m1")
    assert await org.figures() == (0, 0, 0)
    audit = await org.audit()
    assert (audit["used"], audit["captured"], audit["overrun"], audit["debt_incurred"]) == (5, 3, 2, 0)


async def test_what_monitor_let_through_stays_overrun_although_credits_came_while_it_held(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR)
    await org.reserve(org.sms(5), id="m1")
    await org.grant(2)
    await org.commit("m1")
    assert (await org.audit())["overrun"] == 5
    assert await org.figures() == (2, 0, 0)


async def test_monitored_inbound_usage_beyond_its_limit_is_overrun(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR, inbound_overdraft_limit=2)
    charged = await org.charge(org.sms(5, direction=Direction.INBOUND))
    assert charged.decision is Decision.ALLOWED_MONITORED
    assert named(charged.denial) == (DenialReason.INBOUND_LIMIT, org.root_id, 3)
    assert (await org.audit())["overrun"] == 5
    assert await org.figures() == (0, 0, 0)


async def test_a_monitored_limit_lets_through_and_a_wallet_that_enforces_still_denies(org: Organisation) -> None:
    await org.open("field", enforcement=Enforcement.MONITOR)
    await org.grant(5)
    await org.allot(2, "field")
    held = await org.reserve(org.sms(4), "field", id="m1")
    assert held.decision is Decision.ALLOWED_MONITORED
    assert named(held.denial) == (DenialReason.LIMIT_REACHED, org.path("field"), 2)
    assert (await org.hold("m1", "field")).draws[1].unenforced == 2
    denied = await org.reserve(org.sms(2), "field")
    assert named(denied.denial)[:2] == (DenialReason.INSUFFICIENT_CREDITS, org.root_id)
    await org.commit("m1", "field")
    assert (await org.audit("field"))["limit_overrun"] == 2


async def test_monitor_of_one_level_does_not_soften_the_limit_of_another(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east", enforcement=Enforcement.MONITOR)
    await org.grant(10)
    await org.allot(2, "field")
    await org.allot(1, "field/east")
    denied = await org.reserve(org.sms(3), "field/east")
    assert named(denied.denial) == (DenialReason.LIMIT_REACHED, org.path("field"), 1)
    held = await org.reserve(org.sms(2), "field/east")
    assert named(held.denial) == (DenialReason.LIMIT_REACHED, org.path("field/east"), 1)


async def test_a_monitored_floor_is_named(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.MONITOR, floor=4)
    await org.grant(5)
    held = await org.reserve(org.sms(2, priority=Priority.BULK))
    assert held.decision is Decision.ALLOWED_MONITORED
    assert named(held.denial) == (DenialReason.FLOOR, org.root_id, 1)


async def test_off_leaves_wallet_and_limit_untouched_and_records_the_usage(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.OFF)
    await org.grant(3)
    await org.allot(2)
    held = await org.reserve(org.sms(9), id="m1")
    assert (held.decision, held.denial) == (Decision.ALLOWED, None)
    await org.commit("m1")
    assert await org.figures() == (3, 0, 0)
    assert {grant.remaining for grant in (await org.grants()).values()} == {3, 2}
    audit = await org.audit()
    assert (audit["used"], audit["overrun"], audit["usage"], audit["limit_overrun"]) == (9, 9, 9, 0)


async def test_off_does_not_stop_the_limits_of_other_levels(org: Organisation) -> None:
    await org.open("field", enforcement=Enforcement.OFF)
    await org.allot(2, "field")
    await org.grant(10)
    await org.allot(3)
    assert (await org.reserve(org.sms(3), "field")).decision is Decision.ALLOWED
    denied = await org.reserve(org.sms(1), "field")
    assert named(denied.denial)[:2] == (DenialReason.LIMIT_REACHED, org.root_id)
    assert denied.balance is not None
    assert denied.balance.limit_left == 0


@pytest.mark.parametrize("mode", [Enforcement.MONITOR, Enforcement.OFF], ids=lambda mode: mode.name)
async def test_a_hold_drawn_under_enforce_settles_so_under_another_mode(org: Organisation, mode: Enforcement) -> None:
    await org.grant(3)
    await org.allot(4)
    await org.reserve(org.sms(3), id="m1")
    await org.change(enforcement=mode)
    await org.commit("m1", credits_=5)
    assert await org.figures() == (-2, 0, 2)
    audit = await org.audit()
    assert (audit["captured"], audit["debt_incurred"], audit["overrun"], audit["limit_overrun"]) == (3, 2, 0, 1)


@pytest.mark.parametrize("mode", [Enforcement.MONITOR, Enforcement.OFF], ids=lambda mode: mode.name)
async def test_a_hold_let_through_does_not_become_debt_under_enforce(org: Organisation, mode: Enforcement) -> None:
    await org.change(enforcement=mode)
    await org.reserve(org.sms(3), id="m1")
    await org.change(enforcement=Enforcement.ENFORCE)
    assert await org.figures() == (0, 0, 0)
    await org.commit("m1", credits_=5)
    assert await org.figures() == (0, 0, 0)
    assert (await org.audit())["overrun"] == 5


async def test_a_hold_made_while_off_touches_no_grant_that_came_since(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.OFF)
    await org.reserve(org.sms(3), id="m1")
    await org.change(enforcement=Enforcement.ENFORCE)
    await org.grant(10)
    await org.commit("m1")
    assert await org.figures() == (10, 0, 0)


async def test_a_hold_draws_on_no_limit_that_came_since(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(3), id="m1")
    await org.allot(5)
    await org.commit("m1", credits_=7)
    assert (await org.balance()).limit_left == 5
    assert [draw.pot for draw in (await org.hold("m1")).draws] == [Pot.WALLET]


async def test_enforcement_is_of_the_account_and_not_inherited(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.change(enforcement=Enforcement.OFF)
    assert (await org.reserve(org.sms(1), "field")).decision is Decision.DENIED


@pytest.mark.parametrize("level", ["", "field", "field/east"])
async def test_suspension_at_any_level_denies_what_goes_out_below_it(org: Organisation, level: str) -> None:
    await org.open("field")
    await org.open("field/east")
    await org.grant(10)
    await org.change(level, status=AccountStatus.SUSPENDED)
    for answer in (
        await org.reserve(org.sms(1), "field/east"),
        await org.quote(org.sms(1), "field/east"),
        await org.charge(org.sms(1), "field/east"),
    ):
        assert answer.decision is Decision.DENIED
        assert named(answer.denial) == (DenialReason.ACCOUNT_SUSPENDED, org.path(level), 0)
    await org.change(level, status=AccountStatus.ACTIVE)
    assert (await org.reserve(org.sms(1), "field/east")).decision is Decision.ALLOWED


async def test_suspension_of_a_team_leaves_its_parent_and_its_siblings_at_work(org: Organisation) -> None:
    await org.open("field", status=AccountStatus.SUSPENDED)
    await org.open("sales")
    await org.grant(10)
    assert (await org.reserve(org.sms(1))).decision is Decision.ALLOWED
    assert (await org.reserve(org.sms(1), "sales")).decision is Decision.ALLOWED
    assert (await org.reserve(org.sms(1), "field")).decision is Decision.DENIED


async def test_suspension_overrides_monitor_and_off(org: Organisation) -> None:
    await org.change(enforcement=Enforcement.OFF, status=AccountStatus.SUSPENDED)
    assert (await org.reserve(org.sms(1))).decision is Decision.DENIED


async def test_suspension_stops_neither_settling_nor_grants(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2), id="sent")
    await org.reserve(org.sms(2), id="failed")
    await org.change(status=AccountStatus.SUSPENDED)
    await org.commit("sent", credits_=3)
    await org.release("failed")
    await org.grant(5)
    assert (await org.reserve(org.sms(2), id="sent")).replayed
    assert await org.figures() == (12, 0, 0)


async def test_a_balance_counts_no_limit_that_is_off_and_no_recipient_below_zero(org: Organisation) -> None:
    await org.allot(5)
    await org.owe(3)
    quoted = (await org.quote()).balance
    assert quoted is not None
    assert (quoted.limit_left, quoted.units_left) == (5, 0)
    await org.change(enforcement=Enforcement.OFF)
    assert (await org.balance()).limit_left is None

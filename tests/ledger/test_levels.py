"""Four levels: wallets and limits from a leaf to its root: who pays, and what each level gives, gets back and shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Direction
from creditgate_server.credit.outcomes import Denial
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    LateCommit,
    Overage,
    Pot,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

LEAF = "field/east/night"
LEVELS = ("", "field", "field/east", LEAF)


@pytest.fixture
async def tree(org: Organisation) -> Organisation:
    """An organisation of four levels, each with a wallet and a limit of its own. The root pays for all."""
    for credits_, below in zip((40, 30, 20, 10), LEVELS, strict=True):
        if below:
            await org.open(below)
        await org.grant(credits_, below, grant_id=f"wallet {below}")
        await org.allot(credits_, below, grant_id=f"limit {below}")
    return org


async def wallets(org: Organisation) -> list[int]:
    """Return what lies in the wallet of each level, from the root to the leaf."""
    standing = await org.engine.get_standing(org.path(LEAF))
    return [level.available for level in reversed(standing.levels)]


async def limits(org: Organisation) -> list[int | None]:
    standing = await org.engine.get_standing(org.path(LEAF))
    return [level.limit_left for level in reversed(standing.levels)]


@pytest.mark.parametrize("payer", range(4))
async def test_the_nearest_that_funds_itself_pays_and_every_limit_is_drawn(tree: Organisation, payer: int) -> None:
    if payer:
        await tree.change(LEVELS[payer], funding=Funding.OWN)
    held = await tree.reserve(tree.sms(6), LEAF, id="m1")
    assert held.balance is not None
    assert held.balance.payer_id == tree.path(LEVELS[payer])
    assert held.balance.limit_left == 4
    left = [40, 30, 20, 10]
    left[payer] -= 6
    assert await wallets(tree) == left
    assert await limits(tree) == [34, 24, 14, 4]
    draws = (await tree.hold("m1", LEAF)).draws
    assert [(draw.account_id, draw.pot) for draw in draws] == [
        (tree.path(LEVELS[payer]), Pot.WALLET),
        *((tree.path(below), Pot.LIMIT) for below in reversed(LEVELS)),
    ]


async def test_usage_of_a_level_touches_nothing_below_it(tree: Organisation) -> None:
    await tree.reserve(tree.sms(6), "field")
    assert (await wallets(tree), await limits(tree)) == ([34, 30, 20, 10], [34, 24, 20, 10])


@pytest.mark.parametrize("tight", range(4))
async def test_any_level_may_deny_and_then_none_has_given_anything(tree: Organisation, tight: int) -> None:
    below = LEVELS[tight]
    await tree.revoke(f"limit {below}", below)
    await tree.allot(2, below)
    before = [await tree.audit(level) for level in LEVELS]
    denied = await tree.reserve(tree.sms(5), LEAF)
    assert denied.denial == Denial(DenialReason.LIMIT_REACHED, tree.path(below), 3)
    assert [await tree.audit(level) for level in LEVELS] == before


async def test_a_partial_grant_is_the_least_over_all_levels(tree: Organisation) -> None:
    await tree.reserve(tree.sms(33), id="elsewhere")
    partial = await tree.reserve(tree.sms(2, recipients=9), LEAF, allow_partial=True)
    assert (partial.decision, partial.recipients_granted) == (Decision.ALLOWED_PARTIAL, 3)
    assert await limits(tree) == [1, 24, 14, 4]


@pytest.mark.parametrize("end", ["release", "commit less", "expiry", "refund"])
async def test_every_level_gets_back_what_it_gave(tree: Organisation, end: str) -> None:
    await tree.change("field", funding=Funding.OWN)
    await tree.reserve(tree.sms(6), LEAF, id="m1")
    if end == "release":
        await tree.release("m1", LEAF)
    elif end == "commit less":
        await tree.commit("m1", LEAF, 0)
    elif end == "expiry":
        await tree.pass_time(60_000)
    else:
        await tree.commit("m1", LEAF)
        await tree.refund("m1", below=LEAF)
    assert (await wallets(tree), await limits(tree)) == ([40, 30, 20, 10], [40, 30, 20, 10])


@pytest.mark.parametrize("late", [False, True])
async def test_every_level_is_charged_alike(tree: Organisation, *, late: bool) -> None:
    await tree.reserve(tree.sms(6), LEAF, id="m1")
    if late:
        await tree.pass_time(60_000)
    settled = await tree.commit("m1", LEAF, 8)
    assert (settled.captured, settled.overage, settled.late) == (8, 2, late)
    assert (await wallets(tree), await limits(tree)) == ([32, 30, 20, 10], [32, 22, 12, 2])
    assert [(await tree.audit(below))["limit_captured"] for below in LEVELS] == [8] * 4
    assert [(await tree.audit(below))["usage"] for below in LEVELS] == [0, 0, 0, 8]


async def test_what_expiry_charges_it_charges_at_every_level(tree: Organisation) -> None:
    await tree.reserve(tree.sms(6), LEAF, expiry_action=ExpiryAction.COMMIT)
    await tree.pass_time(60_000)
    assert (await wallets(tree), await limits(tree)) == ([34, 30, 20, 10], [34, 24, 14, 4])


async def test_each_level_enforces_for_itself_alone(tree: Organisation) -> None:
    await tree.change(LEAF, enforcement=Enforcement.MONITOR)
    await tree.change("field/east", enforcement=Enforcement.OFF)
    held = await tree.reserve(tree.sms(25), LEAF, id="m1")
    assert held.decision is Decision.ALLOWED_MONITORED
    assert held.denial == Denial(DenialReason.LIMIT_REACHED, tree.path(LEAF), 15)
    assert await limits(tree) == [15, 5, 20, 0]
    denied = await tree.reserve(tree.sms(6), LEAF)
    assert denied.denial == Denial(DenialReason.LIMIT_REACHED, tree.path("field"), 1)
    await tree.commit("m1", LEAF)
    overruns = [(await tree.audit(below))["limit_overrun"] for below in LEVELS]
    assert overruns == [0, 0, 0, 15]


async def test_inbound_usage_is_counted_by_the_levels_that_want_it(tree: Organisation) -> None:
    await tree.change("field", limit_counts_inbound=True)
    await tree.change(LEAF, limit_counts_inbound=True)
    charged = await tree.charge(tree.sms(12, direction=Direction.INBOUND), LEAF)
    assert charged.decision is Decision.ALLOWED
    assert (await wallets(tree), await limits(tree)) == ([28, 30, 20, 10], [40, 18, 20, 0])
    assert (await tree.audit(LEAF))["limit_overrun"] == 2


@pytest.mark.parametrize("level", LEVELS)
async def test_suspension_of_any_level_stops_the_leaf(tree: Organisation, level: str) -> None:
    await tree.change(level, status=AccountStatus.SUSPENDED)
    denied = await tree.reserve(tree.sms(1), LEAF)
    assert denied.denial == Denial(DenialReason.ACCOUNT_SUSPENDED, tree.path(level), 0)


async def test_policies_come_from_the_nearest_level_that_states_one(tree: Organisation) -> None:
    await tree.change(overage=Overage.REJECT, late_commit=LateCommit.REJECT)
    await tree.change("field", overage=Overage.CAP)
    await tree.change("field/east", late_commit=LateCommit.ACCEPT)
    await tree.reserve(tree.sms(6), LEAF, id="m1")
    await tree.pass_time(60_000)
    settled = await tree.commit("m1", LEAF, 14)
    assert (settled.captured, settled.overage, settled.shortfall, settled.late) == (10, 4, 4, True)


async def test_a_limit_of_a_level_above_the_payer_still_caps(tree: Organisation) -> None:
    await tree.change(LEAF, funding=Funding.OWN)
    await tree.grant(100, LEAF)
    await tree.allot(100, LEAF)
    denied = await tree.reserve(tree.sms(21), LEAF)
    assert denied.denial == Denial(DenialReason.LIMIT_REACHED, tree.path("field/east"), 1)
    assert (await tree.reserve(tree.sms(20), LEAF)).decision is Decision.ALLOWED


async def test_wallets_are_filled_from_above_by_transfers(tree: Organisation) -> None:
    await tree.change("field", funding=Funding.OWN)
    await tree.change(LEAF, funding=Funding.OWN)
    await tree.transfer(35, "", "field")
    await tree.transfer(60, "field", LEAF)
    assert await wallets(tree) == [5, 5, 20, 70]
    assert await limits(tree) == [40, 30, 20, 10]


async def test_a_standing_shows_every_level_from_the_leaf_to_the_root(tree: Organisation) -> None:
    await tree.change("field", funding=Funding.OWN)
    await tree.reserve(tree.sms(6), LEAF)
    standing = await tree.engine.get_standing(tree.path(LEAF))
    assert [level.account_id for level in standing.levels] == [tree.path(below) for below in reversed(LEVELS)]
    assert [level.pays for level in standing.levels] == [False, False, True, False]
    assert [level.reserved for level in standing.levels] == [0, 0, 6, 0]
    assert [level.limit_reserved for level in standing.levels] == [6] * 4
    assert len(standing.grants) == 8

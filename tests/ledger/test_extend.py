"""Extend: a hold's later end, never an earlier one, never past seven days from its creation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate_server.credit.terms import AccountStatus, ExpiryAction, ReservationState
from creditgate_server.engine.errors import (
    AccountNotFound,
    HoldAlreadyCommitted,
    HoldAlreadyReleased,
    HoldExpired,
    ReservationNotFound,
)
from creditgate_server.store.ledger import HOUR_MS

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

DAY_MS = 24 * HOUR_MS


async def test_an_extended_hold_holds_until_its_new_time_is_over(org: Organisation) -> None:
    await org.grant(5)
    held = await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    await org.pass_time(40_000)
    expire_ms = await org.extend("m1", 60_000)
    assert held.expire_ms + 40_000 <= expire_ms < held.expire_ms + 50_000
    assert (await org.hold("m1")).expire_ms == expire_ms
    await org.pass_time(40_000)
    assert await org.figures() == (3, 2, 0)
    await org.pass_time(20_000)
    assert await org.figures() == (5, 0, 0)
    assert (await org.hold("m1")).state is ReservationState.EXPIRED


async def test_an_extension_never_brings_the_end_nearer(org: Organisation) -> None:
    await org.grant(5)
    held = await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    assert await org.extend("m1", 5_000) == held.expire_ms
    await org.pass_time(30_000)
    assert await org.figures() == (3, 2, 0)


async def test_an_extension_ends_seven_days_after_the_hold_was_made(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=4 * DAY_MS)
    create_ms = (await org.hold("m1")).create_ms
    await org.pass_time(3 * DAY_MS)
    assert await org.extend("m1", 5 * DAY_MS) == create_ms + 7 * DAY_MS
    assert await org.extend("m1", 6 * DAY_MS) == create_ms + 7 * DAY_MS
    await org.pass_time(4 * DAY_MS)
    assert await org.figures() == (5, 0, 0)


async def test_repeated_extensions_are_each_counted_from_their_moment(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    for _ in range(10):
        await org.pass_time(50_000)
        await org.extend("m1", 60_000)
    assert await org.figures() == (3, 2, 0)


async def test_an_extension_moves_no_credits_and_counts_no_hold_twice(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    before = await org.audit()
    await org.extend("m1", 120_000)
    after = await org.audit()
    assert {name for name in before if before[name] != after[name]} <= {"clock", "seq"}
    await org.pass_time(60_000)
    await org.release("m1")
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots
    assert (await org.audit())["open_holds"] == 0


async def test_a_hold_that_ends_by_a_charge_ends_so_at_its_new_time(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=60_000, expiry_action=ExpiryAction.COMMIT)
    await org.extend("m1", 120_000)
    await org.pass_time(60_000)
    assert (await org.hold("m1")).captured == 0
    await org.pass_time(60_000)
    assert (await org.hold("m1")).captured == 2


async def test_a_hold_whose_time_is_over_cannot_be_extended_although_nobody_has_noticed(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    await org.pass_time(60_000)
    with pytest.raises(HoldExpired):
        await org.extend("m1", 60_000)
    assert await org.figures() == (5, 0, 0)


async def test_a_settled_hold_cannot_be_extended(org: Organisation) -> None:
    await org.grant(5)
    for id_ in ("sent", "failed"):
        await org.reserve(org.sms(1), id=id_)
    await org.commit("sent")
    await org.release("failed")
    with pytest.raises(HoldAlreadyCommitted):
        await org.extend("sent", 60_000)
    with pytest.raises(HoldAlreadyReleased):
        await org.extend("failed", 60_000)


async def test_an_unknown_hold_or_that_of_another_account_is_not_found(org: Organisation) -> None:
    await org.open("field")
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1")
    for id_, below in (("never", ""), ("m1", "field")):
        with pytest.raises(ReservationNotFound):
            await org.extend(id_, 60_000, below)
    with pytest.raises(AccountNotFound):
        await org.extend("m1", 60_000, "nobody")


async def test_suspension_does_not_stop_an_extension(org: Organisation) -> None:
    await org.grant(5)
    held = await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    await org.change(status=AccountStatus.SUSPENDED)
    assert await org.extend("m1", 120_000) > held.expire_ms


async def test_a_repeated_reserve_tells_the_extended_end(org: Organisation) -> None:
    await org.grant(5)
    await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    expire_ms = await org.extend("m1", 120_000)
    again = await org.reserve(org.sms(2), id="m1", ttl_ms=60_000)
    assert (again.replayed, again.expire_ms) == (True, expire_ms)

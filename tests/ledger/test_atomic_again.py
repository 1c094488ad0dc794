"""A repeated atomic batch: what it did the first time is told again, although the whole would not pass any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ledger.batches import Operations, brief, replayed

from creditgate_server.credit.terms import Decision, ReservationState
from creditgate_server.engine.errors import BatchNotApplied, HoldAlreadyCommitted, ReservationNotFound
from creditgate_server.store.ledger import HOUR_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.ledger.conftest import Organisation

    from creditgate_server.credit import operations as ask

ALLOWED, DENIED = Decision.ALLOWED, Decision.DENIED
COMMITTED, RELEASED = ReservationState.COMMITTED, ReservationState.RELEASED

Carried = tuple["Callable[[Operations], ask.Batched]", object]

CARRIED: dict[str, Carried] = {
    "reserve": (lambda root: root.reserve("m2", 2), ALLOWED),
    "charge": (lambda root: root.charge("c2", 2), ALLOWED),
    "commit": (lambda root: root.commit("old", 1), COMMITTED),
    "part": (lambda root: root.capture("old", "part", 1), ReservationState.PENDING),
    "release": (lambda root: root.release("old"), RELEASED),
    "refund": (lambda root: root.refund("r1", "c1", 1), 1),
}


@pytest.mark.parametrize("name", CARRIED)
async def test_an_operation_that_was_carried_out_is_told_although_another_fails_by_now(
    org: Organisation, name: str
) -> None:
    make, outcome = CARRIED[name]
    root = Operations(org)
    await org.grant(10)
    await org.charge(org.sms(2), id="c1")
    for id_ in ("m1", "old"):
        await org.reserve(org.sms(1), id=id_, ttl_ms=HOUR_MS)
    operations: list[ask.Batched] = [root.extend("m1", 2 * HOUR_MS), make(root)]
    assert brief(await org.batch(operations, atomic=True)) == ["extended", outcome]
    await org.commit("m1")
    before = await org.audit()
    again = await org.batch(operations, atomic=True)
    assert brief(again) == [HoldAlreadyCommitted, outcome]
    assert replayed(again) == [False, True]
    assert await org.audit() == before


async def test_an_operation_that_was_carried_out_is_told_although_the_record_of_another_is_forgotten(
    org: Organisation,
) -> None:
    root = Operations(org)
    await org.grant(10)
    await org.reserve(org.sms(1), id="m1")
    operations: list[ask.Batched] = [root.commit("m1"), root.charge("c1", 2)]
    assert brief(await org.batch(operations, atomic=True)) == [COMMITTED, ALLOWED]
    await org.pass_time(HOUR_MS)
    again = await org.batch(operations, atomic=True)
    assert brief(again) == [ReservationNotFound, ALLOWED]
    assert replayed(again) == [False, True]
    assert await org.figures() == (7, 0, 0)


async def test_an_operation_is_not_said_never_to_have_been_carried_out_where_the_store_was_not_asked(
    org: Organisation,
) -> None:
    root = Operations(org)
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    operations: list[ask.Batched] = [root.commit("m1", segments=1), root.charge("c1", 2)]
    assert brief(await org.batch(operations, atomic=True)) == [COMMITTED, ALLOWED]
    await org.pass_time(HOUR_MS)
    forgotten, untold = await org.batch(operations, atomic=True)
    assert isinstance(forgotten, ReservationNotFound)
    assert isinstance(untold, BatchNotApplied)
    assert "this call did not carry it out" in str(untold)


async def test_what_was_never_carried_out_is_not_told_as_if_it_were(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    await org.charge(org.sms(2), id="done")
    operations: list[ask.Batched] = [
        root.charge("done", 2),
        root.reserve("m1", 2),
        root.release("m1"),
        root.charge("much", 99),
    ]
    results = await org.batch(operations, atomic=True)
    assert brief(results) == [ALLOWED, BatchNotApplied, BatchNotApplied, DENIED]
    assert replayed(results)[0]
    assert await org.figures() == (8, 0, 0)

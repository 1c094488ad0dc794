"""Atomic batches: operations of one organisation that are carried out together or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.ledger.batches import Operations, brief, full_store, let_many_holds_expire, replayed, take_other_card

from creditgate.pricing.usage import Channel
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import Decision, Enforcement, Funding, Overage, ReservationState
from creditgate_server.engine.errors import (
    BatchNotApplied,
    HoldAlreadyReleased,
    IdReused,
    InvalidField,
    OverageRejected,
    RefundExceedsCaptured,
    ReservationNotFound,
    StoreFull,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.engine.engine import Engine

ALLOWED, DENIED = Decision.ALLOWED, Decision.DENIED
COMMITTED, RELEASED = ReservationState.COMMITTED, ReservationState.RELEASED


async def test_all_operations_of_an_atomic_batch_are_carried_out_where_all_pass(org: Organisation) -> None:
    await org.open("field")
    await org.grant(20)
    await org.allot(10, "field")
    root, field = Operations(org), Operations(org, "field")
    results = await org.batch(
        [
            field.reserve("m1", 3), root.charge("c1", 4), root.refund("r1", "c1", 1), field.extend("m1", 120_000),
            field.capture("m1", "a", 1), field.commit("m1", 1), root.reserve("m2"), root.release("m2"),
        ],
        atomic=True,
    )  # fmt: skip
    states = [ReservationState.PENDING, COMMITTED]
    assert brief(results) == [ALLOWED, ALLOWED, 1, "extended", *states, ALLOWED, RELEASED]
    assert await org.figures() == (15, 0, 0)
    assert (await org.balance("field")).limit_left == 8


async def test_a_denial_undoes_the_whole_atomic_batch(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    before = await org.audit()
    operations: list[ask.Batched] = [
        root.reserve("m1", 3), root.charge("c1", 4), root.reserve("m2", 4), root.reserve("m3", 1),
    ]  # fmt: skip
    results = await org.batch(operations, atomic=True)
    assert brief(results) == [BatchNotApplied, BatchNotApplied, DENIED, BatchNotApplied]
    assert await org.audit() == before
    assert not any(replayed(await org.batch(operations)))


async def test_an_error_undoes_the_whole_atomic_batch(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    await org.reserve(org.sms(2), id="gone")
    await org.release("gone")
    before = await org.audit()
    results = await org.batch([root.reserve("m1", 3), root.commit("gone"), root.charge("c1", 4)], atomic=True)
    assert brief(results) == [BatchNotApplied, HoldAlreadyReleased, BatchNotApplied]
    assert await org.audit() == before
    not_applied = results[0]
    assert isinstance(not_applied, BatchNotApplied)
    assert not_applied.metadata == {"account_id": org.root_id, "reservation_id": "m1"}


async def test_each_operation_that_failed_says_why(org: Organisation) -> None:
    root = Operations(org)
    await org.change(overage=Overage.REJECT)
    await org.grant(10)
    await org.reserve(org.sms(2), id="held")
    await org.charge(org.sms(2), id="c1")
    results = await org.batch(
        [root.commit("held", 5), root.refund("r1", "c1", 3), root.charge("c1", 1), root.charge("c2", 100)], atomic=True
    )
    assert brief(results) == [OverageRejected, RefundExceedsCaptured, IdReused, DENIED]
    assert await org.figures() == (6, 2, 0)


async def test_a_hold_that_is_unknown_to_an_atomic_batch_undoes_it(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    results = await org.batch([root.reserve("m1", 3), root.commit("never", segments=1)], atomic=True)
    assert brief(results) == [BatchNotApplied, ReservationNotFound]
    assert await org.figures() == (10, 0, 0)


async def test_a_usage_without_a_price_undoes_the_whole_atomic_batch(org: Organisation) -> None:
    await org.grant(10)
    voice = ask.Reserve(org.root_id, "voice", org.sms(1, channel=Channel.VOICE), 60_000)
    results = await org.batch([Operations(org).reserve("m1", 3), voice], atomic=True)
    assert brief(results) == [BatchNotApplied, InvalidField]
    assert await org.figures() == (10, 0, 0)


async def test_what_stands_later_in_an_atomic_batch_sees_the_money_of_what_stands_before(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(5)
    results = await org.batch([root.reserve("a", 5), root.release("a"), root.reserve("b", 5)], atomic=True)
    assert brief(results) == [ALLOWED, RELEASED, ALLOWED]
    results = await org.batch([root.commit("b", 1), root.reserve("c", 3), root.reserve("d", 2)], atomic=True)
    assert brief(results) == [BatchNotApplied, BatchNotApplied, DENIED]
    assert await org.figures() == (0, 5, 0)


async def test_a_mistaken_charge_is_replaced_by_the_right_one_or_stays(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(5)
    await org.charge(org.sms(5), id="wrong")
    results = await org.batch([root.refund("r1", "wrong"), root.charge("right", 6)], atomic=True)
    assert brief(results) == [BatchNotApplied, DENIED]
    assert await org.figures() == (0, 0, 0)
    results = await org.batch([root.refund("r1", "wrong"), root.charge("right", 2)], atomic=True)
    assert brief(results) == [5, ALLOWED]
    assert await org.figures() == (3, 0, 0)


async def test_replays_pass_in_an_atomic_batch(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(5)
    operations: list[ask.Batched] = [root.reserve("a", 3), root.commit("a", 2), root.charge("c1", 3)]
    assert brief(await org.batch(operations, atomic=True)) == [ALLOWED, COMMITTED, ALLOWED]
    again = await org.batch(operations, atomic=True)
    assert (brief(again), replayed(again)) == ([ALLOWED, COMMITTED, ALLOWED], [True] * 3)
    assert await org.figures() == (0, 0, 0)


async def test_the_same_id_twice_in_an_atomic_batch_happens_once(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(5)
    results = await org.batch([root.charge("c1", 3), root.charge("c1", 3)], atomic=True)
    assert replayed(results) == [False, True]
    assert await org.figures() == (2, 0, 0)


async def test_partial_and_monitored_grants_pass_in_an_atomic_batch(org: Organisation) -> None:
    await org.open("field", funding=Funding.OWN, enforcement=Enforcement.MONITOR)
    await org.grant(5)
    root, field = Operations(org), Operations(org, "field")
    results = await org.batch(
        [root.reserve("m1", 2, recipients=4, partial=True), field.reserve("m2", 9), root.charge("c1", 1)], atomic=True
    )
    assert brief(results) == [Decision.ALLOWED_PARTIAL, Decision.ALLOWED_MONITORED, ALLOWED]
    assert await org.figures() == (0, 4, 0)


async def test_a_denied_charge_of_an_atomic_batch_is_not_remembered(org: Organisation) -> None:
    root = Operations(org)
    assert brief(await org.batch([root.charge("c1", 3)], atomic=True)) == [DENIED]
    await org.grant(5)
    assert (await org.charge(org.sms(3), id="c1")).decision is ALLOWED


async def test_a_full_store_refuses_an_atomic_batch_as_a_whole(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    await org.reserve(org.sms(2), id="m1")
    async with full_store(org):
        with pytest.raises(StoreFull):
            await org.batch([root.commit("m1"), root.charge("c1")], atomic=True)
    assert await org.figures() == (8, 2, 0)


async def test_an_atomic_batch_is_repeated_where_the_price_has_to_be_found_out_first(
    org: Organisation, second_engine: Engine
) -> None:
    await org.open("field")
    await take_other_card(org, "field")
    await org.grant(10)
    root, field = Operations(org), Operations(org, "field")
    fresh = type(org)(second_engine, org.store, org.root_id)
    results = await fresh.batch([root.reserve("m1", 3), field.reserve("m2", 3), field.release("m2")], atomic=True)
    assert brief(results) == [ALLOWED, ALLOWED, RELEASED]
    assert not any(replayed(results))
    assert (await org.hold("m2", "field")).credits == 6


async def test_an_atomic_batch_is_repeated_where_more_is_due_than_one_call_ends(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(40)
    await let_many_holds_expire(org)
    results = await org.batch([root.charge("c1", 1), root.reserve("rest", 39)], atomic=True)
    assert brief(results) == [ALLOWED, ALLOWED]
    assert await org.figures() == (0, 39, 0)


async def test_atomic_batches_race_and_each_is_whole(org: Organisation, second_engine: Engine) -> None:
    await org.grant(50)
    sidecars = org, type(org)(second_engine, org.store, org.root_id)

    async def send(number: int) -> bool:
        root = Operations(org)
        operations = [root.reserve(f"m{number}-{part}", 2) for part in range(4)]
        results = await sidecars[number % 2].batch(operations, atomic=True)
        return brief(results) == [ALLOWED] * 4

    whole = await asyncio.gather(*(send(number) for number in range(16)))
    assert sum(whole) == 6
    assert await org.figures() == (2, 48, 0)

"""Batches: many operations of many accounts, one result each, those of an account in order."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import AsyncMock

import pytest
from tests.ledger.batches import Operations, brief, full_store, let_many_holds_expire, replayed, take_other_card

from creditgate.pricing.usage import Channel
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.terms import Decision, ReservationState
from creditgate_server.engine.errors import (
    AccountNotFound,
    HoldAlreadyCommitted,
    IdReused,
    InvalidField,
    OperationError,
    ReservationNotFound,
    StoreFull,
    StoreUnavailable,
    UnknownOutcome,
)
from creditgate_server.store.errors import OutcomeUnknown, StoreError, StoreUnreachable
from creditgate_server.store.ledger import OPERATIONS_PER_CALL_MAX
from creditgate_server.verification import verify

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.engine.engine import Engine

ALLOWED, DENIED = Decision.ALLOWED, Decision.DENIED
COMMITTED, RELEASED = ReservationState.COMMITTED, ReservationState.RELEASED


async def test_each_operation_has_its_result_in_its_place(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(20)
    results = await org.batch(
        [
            root.quote(3), root.reserve("m1", 3), root.extend("m1", 120_000), root.capture("m1", "a", 1),
            root.commit("m1", 1), root.charge("c1", 4), root.refund("r1", "c1", 3), root.reserve("m2", 2),
            root.release("m2"),
        ]
    )  # fmt: skip
    states = [ReservationState.PENDING, COMMITTED]
    assert brief(results) == [ALLOWED, ALLOWED, "extended", *states, ALLOWED, 3, ALLOWED, RELEASED]
    assert await org.figures() == (17, 0, 0)


async def test_a_failure_or_a_denial_stands_beside_what_succeeds(org: Organisation) -> None:
    root, nobody = Operations(org), Operations(org, "nobody")
    await org.grant(5)
    results = await org.batch(
        [
            root.reserve("m1", 3), root.reserve("m2", 3), root.reserve("m1", 2), nobody.reserve("m3"),
            root.commit("m2"), root.commit("m1"), root.commit("m1", 1), root.refund("r1", "c1"), root.reserve("m4", 2),
        ]
    )  # fmt: skip
    assert brief(results)[:7] == [
        ALLOWED, DENIED, IdReused, AccountNotFound, ReservationNotFound, COMMITTED, HoldAlreadyCommitted,
    ]  # fmt: skip
    assert brief(results)[8] is ALLOWED
    assert await org.figures() == (0, 2, 0)


async def test_an_operation_that_cannot_be_priced_fails_alone(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(5)
    voice = ask.Reserve(org.root_id, "voice", org.sms(1, channel=Channel.VOICE), 60_000)
    results = await org.batch([root.reserve("m1"), voice, root.reserve("m2")])
    assert brief(results) == [ALLOWED, InvalidField, ALLOWED]


async def test_operations_of_an_account_happen_in_their_order(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(4)
    results = await org.batch(
        [
            root.reserve("a", 4),
            root.reserve("b", 1),
            root.quote(),
            root.release("a"),
            root.quote(),
            root.reserve("c", 4),
        ]
    )
    assert brief(results) == [ALLOWED, DENIED, DENIED, RELEASED, ALLOWED, ALLOWED]


async def test_the_same_operation_twice_happens_once(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    results = await org.batch([root.charge("c1", 4), root.charge("c1", 4), root.reserve("m1"), root.reserve("m1")])
    assert replayed(results) == [False, True, False, True]
    assert await org.figures() == (5, 1, 0)


async def test_a_batch_sent_again_replays(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(10)
    operations: list[ask.Batched] = [
        root.reserve("m1", 3), root.commit("m1", 2), root.charge("c1", 4), root.refund("r1", "c1"),
    ]  # fmt: skip
    await org.batch(operations)
    again = await org.batch(operations)
    assert replayed(again) == [True] * 4
    assert await org.figures() == (8, 0, 0)


async def test_more_than_one_call_carries_keep_their_order(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(1)
    rounds = OPERATIONS_PER_CALL_MAX
    operations: list[ask.Batched] = []
    for number in range(rounds):
        operations += [root.reserve(f"m{number}"), root.reserve("denied"), root.release(f"m{number}")]
    results = await org.batch(operations)
    assert brief(results) == [ALLOWED, DENIED, RELEASED] * rounds
    assert await org.figures() == (1, 0, 0)


async def test_a_thousand_operations_of_an_organisation_and_its_teams(org: Organisation) -> None:
    for below in ("field", "sales"):
        await org.open(below)
    await org.grant(600)
    teams = [Operations(org, below) for below in ("", "field", "sales")]
    results = await org.batch([teams[number % 3].reserve(f"m{number}") for number in range(1_000)])
    assert brief(results).count(ALLOWED) == 600
    assert await org.figures() == (0, 600, 0)


async def test_operations_of_several_organisations_do_not_mix(org: Organisation) -> None:
    other = type(org)(org.engine, org.store, f"{org.root_id}-other")
    await other.open()
    await org.grant(3)
    await other.grant(2)
    ours, theirs = Operations(org), Operations(other)
    lonely = Operations(type(org)(org.engine, org.store, f"{org.root_id}-nobody"))
    results = await org.batch(
        [
            ours.reserve("m1", 3), theirs.reserve("m1", 3), lonely.reserve("m1"), theirs.reserve("m1", 2),
            ours.commit("m1"), theirs.release("m1"),
        ]
    )  # fmt: skip
    assert brief(results) == [ALLOWED, DENIED, AccountNotFound, ALLOWED, COMMITTED, RELEASED]
    assert (await org.figures(), await other.figures()) == ((0, 0, 0), (2, 0, 0))
    assert (await verify(other.ledger, partitions=[other.partition])).breaches == []


async def test_the_order_is_kept_where_the_price_has_to_be_found_out_first(
    org: Organisation, second_engine: Engine
) -> None:
    await org.open("field")
    await take_other_card(org, "field")
    await org.grant(5)
    field, root = Operations(org, "field"), Operations(org)
    fresh = type(org)(second_engine, org.store, org.root_id)
    results = await fresh.batch(
        [
            field.reserve("a", 2), field.reserve("b", 1), field.release("a"), root.charge("c1", 1),
            field.reserve("b", 1), field.quote(1), field.commit("b"), field.quote(2),
        ]
    )  # fmt: skip
    assert brief(results) == [ALLOWED, DENIED, RELEASED, ALLOWED, ALLOWED, ALLOWED, COMMITTED, DENIED]
    held = [result.credits for result in results if isinstance(result, told.Authorization)]
    assert held == [4, 0, 1, 2, 2, 0]
    assert await org.figures() == (2, 0, 0)


async def test_the_order_is_kept_where_more_is_due_than_one_call_ends(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(40)
    await let_many_holds_expire(org)
    results = await org.batch(
        [root.reserve("all", 40), root.reserve("more"), root.release("all"), root.reserve("again")]
    )
    assert brief(results) == [ALLOWED, DENIED, RELEASED, ALLOWED]


async def test_a_commit_of_a_size_finds_the_hold_made_before_it(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(20)
    results = await org.batch(
        [
            root.reserve("m1", 3), root.commit("m1", segments=2), root.reserve("m2", 3), root.reserve("m3", 3),
            root.commit("m3", segments=1), root.commit("m2", segments=3), root.commit("never", segments=1),
            root.charge("c1", 5),
        ]
    )  # fmt: skip
    assert brief(results) == [
        ALLOWED, COMMITTED, ALLOWED, ALLOWED, COMMITTED, COMMITTED, ReservationNotFound, ALLOWED,
    ]  # fmt: skip
    captured = [result.captured for result in results if isinstance(result, told.Settlement)]
    assert captured == [2, 1, 3]
    assert await org.figures() == (9, 0, 0)


async def test_a_commit_of_a_size_waits_for_a_hold_whose_price_is_found_out_first(
    org: Organisation, second_engine: Engine
) -> None:
    await take_other_card(org)
    await org.grant(20)
    root = Operations(org)
    fresh = type(org)(second_engine, org.store, org.root_id)
    results = await fresh.batch([root.reserve("m1", 3), root.commit("m1", segments=2), root.release("m1")])
    assert brief(results) == [ALLOWED, COMMITTED, HoldAlreadyCommitted]
    assert await org.figures() == (16, 0, 0)


async def test_a_full_store_still_settles_what_is_held(org: Organisation) -> None:
    root = Operations(org)
    await org.grant(500)
    ids = [f"m{number}" for number in range(OPERATIONS_PER_CALL_MAX)]
    await org.batch([root.reserve(id_) for id_ in ids])
    async with full_store(org):
        mixed: list[ask.Batched] = []
        for at, id_ in enumerate(ids):
            mixed += [root.reserve(f"new-{id_}"), root.commit(id_) if at % 2 else root.release(id_)]
        results = await org.batch(mixed)
    assert set(brief(results)[0::2]) == {StoreFull}
    assert brief(results)[1::2] == [RELEASED, COMMITTED] * (len(ids) // 2)
    assert await org.figures() == (500 - len(ids) // 2, 0, 0)


async def test_what_befalls_a_call_is_told_to_each_of_its_operations(
    org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Operations(org)
    befalls: dict[type[OperationError], StoreError] = {
        StoreUnavailable: StoreUnreachable("store", "it is away"),
        UnknownOutcome: OutcomeUnknown("store", "its answer is lost"),
    }
    for expected, error in befalls.items():
        monkeypatch.setattr(org.ledger, "send", AsyncMock(side_effect=error))
        results = await org.batch([root.reserve("m1"), root.charge("c1")])
        assert brief(results) == [expected, expected]
        ids = [result.metadata for result in results if isinstance(result, OperationError)]
        assert ids == [
            {"account_id": org.root_id, "reservation_id": "m1"}, {"account_id": org.root_id, "charge_id": "c1"},
        ]  # fmt: skip
    monkeypatch.undo()


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_batch_of_one_is_a_batch(org: Organisation, *, atomic: bool) -> None:
    await org.grant(5)
    assert brief(await org.batch([Operations(org).reserve("m1", 2)], atomic=atomic)) == [ALLOWED]
    assert await org.figures() == (3, 2, 0)

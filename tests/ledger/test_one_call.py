"""Many operations of one organisation in one function call: each sees what those before it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.ledger.functions import (
    ALL_HELD,
    Decided,
    charge,
    commit,
    create,
    enforce,
    grant,
    release,
    reserve,
    send,
    statuses,
    suspend,
)

from creditgate_server.credit.terms import (
    Decision,
    DenialReason,
    Enforcement,
    GrantKind,
    GrantState,
    ReservationState,
)
from creditgate_server.store import records
from creditgate_server.store.ledger import OPERATIONS_PER_CALL_MAX, Lane, Request

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

CREDITS_MAX = 2**53 - 1


async def test_a_hold_lives_and_dies_in_one_call(org: Organisation) -> None:
    replies = await send(
        org, grant("", "g", 10), reserve("", "m1", 4), commit("", "m1", 3), commit("", "m1", 3), commit("", "m1"),
        release("", "m1"), reserve("", "m1", 4),
    )  # fmt: skip
    ok, held = "OK", "HOLD_ALREADY_COMMITTED"
    assert statuses(replies) == [ok, ok, ok, ok, held, held, ok]
    assert replies[2][2:4] == [3, 1]
    assert Decided.read(replies[6]) == Decided(Decision.ALLOWED, 4, ReservationState.COMMITTED, replayed=True)
    assert await org.figures() == (7, 0, 0)


async def test_a_hold_that_was_released_in_the_same_call_stays_released(org: Organisation) -> None:
    replies = await send(
        org, grant("", "g", 10), reserve("", "m1", 4), release("", "m1"), commit("", "m1"), release("", "m1")
    )
    assert statuses(replies) == ["OK", "OK", "OK", "HOLD_ALREADY_RELEASED", "OK"]
    assert await org.figures() == (10, 0, 0)
    assert (await org.ledger.due(org.partition, 500)).roots.count(org.root_id) == 0


async def test_the_same_id_twice_in_one_call_happens_once(org: Organisation) -> None:
    replies = await send(
        org,
        grant("", "g", 10), grant("", "g", 10),
        reserve("", "m1", 3), reserve("", "m1", 3), reserve("", "m1", 3, content="other"),
        charge("", "c1", 2), charge("", "c1", 2),
    )  # fmt: skip
    assert statuses(replies) == ["OK", "OK", "OK", "OK", "ID_REUSED", "OK", "OK"]
    assert [replies[1][-1], Decided.read(replies[3]).replayed, Decided.read(replies[6]).replayed] == [True, True, True]
    assert await org.figures() == (5, 3, 0)


async def test_an_organisation_is_opened_filled_and_used_in_one_call(org: Organisation) -> None:
    replies = await send(
        org,
        create("field/east"),
        create("field"), create("field/east"), create("field/east"),
        reserve("field/east", "m1", 3),
        grant("", "credits", 10), grant("field", "room", 4, kind=GrantKind.ALLOTMENT),
        reserve("field/east", "m1", 3), reserve("field/east", "m2", 3),
        commit("field/east", "m1"),
        charge("field", "c1", 9),
    )  # fmt: skip
    assert statuses(replies) == ["PARENT_NOT_FOUND", *["OK"] * 10]
    assert replies[3][-1] is True
    decisions = [Decided.read(replies[at]).decision for at in (4, 7, 8)]
    assert decisions == [Decision.DENIED, Decision.ALLOWED, Decision.DENIED]
    assert (await org.balance("field/east")).limit_left == 1
    assert await org.figures() == (-2, 0, 2)


async def test_one_call_never_gives_more_than_there_is(org: Organisation) -> None:
    await send(org, grant("", "g", 10))
    replies = await send(org, *(reserve("", f"m{number}", 1) for number in range(OPERATIONS_PER_CALL_MAX)))
    decisions = [Decided.read(reply).decision for reply in replies]
    assert decisions == [Decision.ALLOWED] * 10 + [Decision.DENIED] * (OPERATIONS_PER_CALL_MAX - 10)
    assert await org.figures() == (0, 10, 0)


async def test_more_operations_than_one_call_takes_keep_their_order(org: Organisation) -> None:
    steps = [grant("", "g", 100)]
    for number in range(90):
        steps += [reserve("", f"m{number}", 1), commit("", f"m{number}")]
    assert set(statuses(await send(org, *steps))) == {"OK"}
    assert await org.figures() == (10, 0, 0)


async def test_a_setting_counts_from_its_place_in_the_call(org: Organisation) -> None:
    replies = await send(
        org,
        grant("", "g", 5), reserve("", "before", 1), suspend(""), reserve("", "after", 1), charge("", "c1", 1),
    )  # fmt: skip
    assert [Decided.read(replies[at]).decision for at in (1, 3, 4)] == [
        Decision.ALLOWED,
        Decision.DENIED,
        Decision.ALLOWED,
    ]
    assert replies[3][2][0] == DenialReason.ACCOUNT_SUSPENDED


async def test_a_hold_settles_as_it_was_drawn_although_the_mode_changed_in_the_same_call(org: Organisation) -> None:
    await send(
        org, grant("", "g", 3), reserve("", "m1", 3), enforce("", Enforcement.OFF), reserve("", "m2", 3),
        enforce("", Enforcement.ENFORCE), commit("", "m1", 4), commit("", "m2"),
    )  # fmt: skip
    assert await org.figures() == (-1, 0, 1)
    assert (await org.audit())["overrun"] == 3


async def test_a_grant_that_ends_in_the_call_that_made_it_is_listed_as_ended(org: Organisation) -> None:
    replies = await send(
        org,
        charge("", "c1", 5), grant("", "debt", 3), grant("", "rest", 4), charge("", "c2", 2), grant("", "rest", 4),
        reserve("", "none", 1),
    )  # fmt: skip
    assert replies[1][1][3] == GrantState.EXHAUSTED
    assert replies[4][1][3] == GrantState.EXHAUSTED
    grants = await org.grants()
    assert {id_: (one.captured, one.debt_repaid) for id_, one in grants.items()} == {"debt": (0, 3), "rest": (2, 2)}
    assert (await org.audit())["grants"] == 0


async def test_scopes_made_and_used_in_one_call_pay_for_their_own(org: Organisation) -> None:
    replies = await send(
        org,
        reserve("", "early", 1, region="US"),
        grant("", "us", 2, regions=("US",)), grant("", "de", 3, regions=("DE",)), grant("", "any", 1),
        reserve("", "de", 4, region="DE"), reserve("", "us", 3, region="US"), reserve("", "us2", 2, region="US"),
    )  # fmt: skip
    assert [Decided.read(replies[at]).decision for at in (0, 4, 5, 6)] == [
        Decision.DENIED,
        Decision.ALLOWED,
        Decision.DENIED,
        Decision.ALLOWED,
    ]


async def test_a_scope_is_made_room_for_in_the_call_that_used_the_last_one_up(org: Organisation) -> None:
    regions = ["AR", "AU", "BR", "CA", "CL", "CN", "DE", "ES", "FR", "GB", "IN", "IT", "JP", "MX", "NZ", "SE"]
    replies = await send(
        org,
        *(grant("", region, 1, regions=(region,)) for region in regions),
        grant("", "US", 1, regions=("US",)),
        reserve("", "held", 1, region="AR"), grant("", "US", 1, regions=("US",)),
        commit("", "held"), grant("", "US", 1, regions=("US",)),
        reserve("", "us", 1, region="US"), reserve("", "ar", 1, region="AR"),
    )  # fmt: skip
    assert statuses(replies[16:21]) == ["TOO_MANY_SCOPES", "OK", "TOO_MANY_SCOPES", "OK", "OK"]
    assert [Decided.read(reply).decision for reply in replies[21:]] == [Decision.ALLOWED, Decision.DENIED]


async def test_a_hundred_grants_and_one_more_come_in_two_calls(org: Organisation) -> None:
    replies = await send(org, *(grant("", f"g{number}", 1, priority=-number) for number in range(101)))
    assert statuses(replies) == ["OK"] * 100 + ["TOO_MANY_GRANTS"]
    replies = await send(org, reserve("", "m1", 100), grant("", "g100", 1), commit("", "m1", 99), grant("", "g100", 1))
    assert statuses(replies) == ["OK", "TOO_MANY_GRANTS", "OK", "OK"]
    assert (await org.grants())["g0"].remaining == 1


async def test_an_operation_that_fails_leaves_its_neighbours_alone(org: Organisation) -> None:
    replies = await send(
        org,
        grant("", "g", 5), reserve("nobody", "m1", 1), commit("", "never"), reserve("", "m1", 2),
        commit("nobody", "m1"), reserve("", "m2", 9), commit("", "m1"),
    )  # fmt: skip
    assert statuses(replies) == [
        "OK", "ACCOUNT_NOT_FOUND", "RESERVATION_NOT_FOUND", "OK", "ACCOUNT_NOT_FOUND", "OK", "OK",
    ]  # fmt: skip
    assert await org.figures() == (3, 0, 0)


async def test_what_is_due_ends_before_the_first_operation_of_a_call(org: Organisation) -> None:
    await send(org, grant("", "g", 10), *(reserve("", f"m{number}", 1) for number in range(10)))
    await org.pass_time(60_000)
    replies = await send(
        org, commit("", "m3", 2), release("", "m4"), reserve("", "m5", 1), reserve("", "new", 8), reserve("", "no", 1),
    )  # fmt: skip
    assert statuses(replies) == ["OK"] * 5
    assert replies[0][8] is True
    assert replies[1][1] == Decided.read(replies[2]).state == ReservationState.EXPIRED
    assert [Decided.read(reply).decision for reply in replies[3:]] == [Decision.ALLOWED, Decision.DENIED]
    assert await org.figures() == (0, 8, 0)


async def test_more_due_than_one_call_ends_is_swept_before_any_of_it_decides(org: Organisation) -> None:
    await send(org, grant("", "g", 40), *(reserve("", f"m{number:02}", 1) for number in range(40)))
    await org.pass_time(60_000)
    replies = await send(org, reserve("", "big", 40), commit("", "m39"), reserve("", "m38", 1), charge("", "c1", 1))
    assert statuses(replies) == ["SWEEP", "SWEEP", "SWEEP", "OK"]
    assert replies[0][1] == org.root_id
    assert await org.ledger.sweep(org.root_id, 40) == (24, False)
    assert await org.figures() == (39, 0, 0)


async def test_reads_of_one_call_agree_and_an_audit_among_them_shows_what_is_stored(org: Organisation) -> None:
    await send(org, grant("", "g", 5), reserve("", "m1", 2))
    await org.pass_time(60_000)
    key = org.ledger.key_of(org.root_id)
    asked = [
        Request(key, Lane.READ, "get_account", records.pack(org.root_id)),
        Request(key, Lane.READ, "audit_holds", records.pack(org.root_id, [org.root_id], 0, "")),
    ]
    first, audited = await org.ledger.send(asked)
    (alone,) = await org.ledger.send(asked[1:])
    assert isinstance(first, list)
    assert first[2][2] == 5
    assert audited == alone


async def test_lanes_of_one_batch_keep_the_order_of_an_organisation(org: Organisation) -> None:
    key, account = org.ledger.key_of(org.root_id), org.root_id
    name, (_, *rest) = reserve("", "m1", 2)
    asked = [
        Request(key, Lane.DECIDE, "grant", records.pack(account, *grant("", "g", 5)[1][1:])),
        Request(key, Lane.READ, "get_hold", records.pack(account, "m1")),
        Request(key, Lane.DECIDE, name, records.pack(account, *rest)),
        Request(key, Lane.READ, "get_hold", records.pack(account, "m1")),
        Request(key, Lane.SETTLE, "commit", records.pack(account, "m1", ALL_HELD, "", [])),
        Request(key, Lane.READ, "get_hold", records.pack(account, "m1")),
    ]
    replies = [reply for reply in await org.ledger.send(asked) if isinstance(reply, list)]
    assert statuses(replies) == ["OK", "RESERVATION_NOT_FOUND", "OK", "OK", "OK", "OK"]
    assert [replies[3][1][3], replies[5][1][3]] == [ReservationState.PENDING, ReservationState.COMMITTED]


# Amounts near the bound of exactness


async def test_a_wallet_is_exact_up_to_the_largest_sum(org: Organisation) -> None:
    replies = await send(
        org,
        grant("", "most", CREDITS_MAX - 1), grant("", "more", 2), grant("", "last", 1, priority=1),
        grant("", "none", 1),
        reserve("", "m1", CREDITS_MAX), reserve("", "m2", 1),
        commit("", "m1", CREDITS_MAX - 1),
        reserve("", "m3", 1), reserve("", "m4", 1),
    )  # fmt: skip
    assert statuses(replies) == [
        "OK", "BALANCE_OVERFLOW", "OK", "BALANCE_OVERFLOW", "OK", "BALANCE_OVERFLOW", "OK", "OK", "BALANCE_OVERFLOW",
    ]  # fmt: skip
    assert await org.figures() == (0, 1, 0)
    assert (await org.audit())["used"] == CREDITS_MAX - 1
    assert {id_: one.captured for id_, one in (await org.grants()).items()} == {"most": CREDITS_MAX - 1, "last": 0}


async def test_debt_is_exact_up_to_the_largest_sum(org: Organisation) -> None:
    replies = await send(
        org,
        charge("", "c1", CREDITS_MAX - 3), charge("", "c2", 4), charge("", "c3", 3), grant("", "g", CREDITS_MAX),
    )  # fmt: skip
    assert statuses(replies) == ["OK", "BALANCE_OVERFLOW", "OK", "OK"]
    assert replies[3][2] == CREDITS_MAX
    assert await org.figures() == (0, 0, 0)


async def test_an_overage_beyond_the_largest_sum_is_refused_and_the_hold_stays(org: Organisation) -> None:
    replies = await send(
        org,
        grant("", "g", CREDITS_MAX), charge("", "c1", CREDITS_MAX - 5), reserve("", "m1", 2),
        commit("", "m1", 6), commit("", "m1", 5),
    )  # fmt: skip
    assert statuses(replies) == ["OK", "OK", "OK", "BALANCE_OVERFLOW", "OK"]
    assert await org.figures() == (0, 0, 0)


async def test_large_amounts_reach_the_journal_and_verify_as_they_are(org: Organisation) -> None:
    big = 123_456_789_012_345
    await send(org, grant("", "g", big), grant("", "room", big, kind=GrantKind.ALLOTMENT), reserve("", "m1", big - 1))
    effects = [
        effect
        async for entry in org.ledger.journal(org.partition)
        for effect in entry.effects
        if effect[0] == org.root_id
    ]
    assert effects[-1][2:] == [1, big - 1, 0, 0, 1, big - 1]


# Ids that look like something else

ODD_IDS = [
    "|", "||", "a|b", "h|", "hx|y", "g", "{5}", "{0}:a:x", ":", "a:b", "/", "../x", "a/b|c/d", "%d%s%%", '"', "'", "\\",
    "\\0", "(", "[", "+", "-", "~ ~", "0", "-1", "nil", "true", "\x00", "\n", "h\n|x", "é", "\u202e", "😀", "x" * 128,
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD_IDS, ids=range(len(ODD_IDS)))
async def test_an_odd_id_is_an_id_like_any_other(org: Organisation, odd: str) -> None:
    replies = await send(
        org,
        grant("", odd, 20), grant("", odd, 20), reserve("", odd, 2), reserve("", odd, 2), charge("", odd, 1),
        charge("", odd, 1), reserve("", odd + "2", 3), reserve("", "plain", 4),
    )  # fmt: skip
    assert statuses(replies) == ["OK"] * 8
    listed = await org.engine.list_reservations(org.root_id, 10, "", include_descendants=True)
    assert {hold.reservation_id for hold in listed.items} == {odd, odd + "2", "plain"}
    assert set(await org.grants()) == {odd}
    assert statuses(await send(org, commit("", odd))) == ["OK"]
    await org.pass_time(60_000)
    assert (await org.hold(odd + "2")).state is ReservationState.EXPIRED
    assert await org.ledger.sweep(org.root_id, 10) == (2, False)
    assert await org.figures() == (17, 0, 0)


async def test_ids_that_look_alike_are_different_ids(org: Organisation) -> None:
    alike = ["a", "а", "ａ", "A", "a ", "á", "a\u0301", "a\u200b"]  # noqa: RUF001 — that is the point
    replies = await send(org, grant("", "g", 100), *(reserve("", id_, 1, content=id_) for id_ in alike))
    assert not any(Decided.read(reply).replayed for reply in replies[1:])
    assert await org.figures() == (100 - len(alike), len(alike), 0)


async def test_ids_do_not_reach_into_other_accounts(org: Organisation) -> None:
    await org.open("field")
    await org.open("field/east")
    await send(org, grant("", "g", 10), reserve("field", "east|m1", 1), reserve("field/east", "m1", 2))
    assert (await org.hold("east|m1", "field")).credits == 1
    assert (await org.hold("m1", "field/east")).credits == 2
    await org.pass_time(60_000)
    assert await org.figures() == (10, 0, 0)

"""Bounds of one call: active grants, what ends on the way, and what operations weigh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import pytest
from tests.ledger.functions import OUTBOUND, Step, charge, grant, refund, send, statuses

from creditgate_server.credit.terms import GRANTS_PER_ACCOUNT_MAX, Funding, GrantKind, GrantState
from creditgate_server.store import records
from creditgate_server.store.ledger import OPERATIONS_PER_CALL_MAX, Lane, Ledger, Request

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.store.connections import StoreConnections

DUE_IN_ONE_CALL = 16
"""Ends that one call carries out on its way: `due.TURN_MAX` of `due.lua`."""

HEAVY_PER_CALL_MAX = 4


# Active grants


def allot(grant_id: str) -> Step:
    return grant("field", grant_id, 1, kind=GrantKind.ALLOTMENT)


async def test_used_up_allotments_come_back_until_as_many_are_in_use_as_may_be_given(org: Organisation) -> None:
    used = [f"used-{number}" for number in range(3)]
    await org.open("field")
    await org.grant(len(used))
    for id_ in used:
        await send(org, allot(id_), charge("field", id_, 1, direction=OUTBOUND))
    await send(org, *(allot(f"in-use-{number}") for number in range(GRANTS_PER_ACCOUNT_MAX - 1)))
    replies = await send(org, *(refund("field", id_, charge_id=id_) for id_ in used))
    assert statuses(replies) == ["OK"] * len(used)
    assert (await org.audit("field"))["grants"] == GRANTS_PER_ACCOUNT_MAX
    grants = await org.grants("field")
    assert [(grants[id_].remaining, grants[id_].expired) for id_ in used] == [(1, 0), (0, 1), (0, 1)]
    assert (await org.balance("field")).limit_left == GRANTS_PER_ACCOUNT_MAX
    assert statuses(await send(org, allot("one more"))) == ["TOO_MANY_GRANTS"]
    assert await org.figures() == (len(used), 0, 0)


async def test_a_used_up_allotment_comes_back_where_there_is_room(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(3, "field", grant_id="used")
    await org.charge(org.sms(3), "field", id="c1")
    await org.refund(charge_id="c1", below="field")
    used = (await org.grants("field"))["used"]
    assert (used.state, used.remaining) == (GrantState.LIVE, 3)


# What is due


async def open_with_ending_grants(org: Organisation, *places: str, each: int) -> None:
    """Open accounts with so many grants each, the times of which are all over."""
    expire_ms = await org.now_ms() + 60_000
    for below in places:
        await org.open(below, funding=Funding.OWN)
        for _ in range(each):
            await org.grant(1, below, expire_ms=expire_ms)
    await org.pass_time(60_000)


async def grants_left(org: Organisation, *places: str) -> int:
    return sum([(await org.audit(below))["grants"] for below in places])


async def test_a_sweep_counts_each_grant_that_it_ends(org: Organisation) -> None:
    await open_with_ending_grants(org, "field", each=25)
    for ended, left in ((10, 15), (10, 5), (5, 0)):
        assert await org.ledger.sweep(org.root_id, 10) == (ended, left > 0)
        assert await grants_left(org, "field") == left
    assert org.root_id not in (await org.ledger.due(org.partition, 500)).roots


async def test_a_call_ends_a_bounded_number_of_grants_on_its_way(org: Organisation) -> None:
    await open_with_ending_grants(org, "a", "b", "c", each=10)
    await org.charge()
    assert await grants_left(org, "a", "b", "c") == 30 - DUE_IN_ONE_CALL
    assert [await org.figures(below) for below in ("a", "b", "c")] == [(0, 0, 0)] * 3


# What operations weigh


class RecordingConnections:
    """A store that answers every operation of a call, and keeps of each call which operations there were."""

    name = "recording"

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    async def execute(self, commands: Sequence[tuple[bytes | str | int, ...]]) -> list[object]:
        calls = [[str(name) for name in command[6::2]] for command in commands]
        self.calls += calls
        return [[records.pack("OK")] * len(call) for call in calls]


async def calls_of(*names: str) -> list[list[str]]:
    """Send operations of one organisation, and return the calls that they travel in."""
    connections = RecordingConnections()
    ledger = Ledger(cast("StoreConnections", connections))
    replies = await ledger.send([Request("key", Lane.READ, name, b"") for name in names])
    assert replies == [["OK"]] * len(names)
    return connections.calls


@pytest.mark.parametrize("name", ["explain", "get_standing", "list_grants", "list_holds", "transfer"])
async def test_few_operations_that_take_long_share_a_call(name: str) -> None:
    calls = await calls_of(*[name] * 10)
    assert [len(call) for call in calls] == [HEAVY_PER_CALL_MAX, HEAVY_PER_CALL_MAX, 2]


async def test_many_operations_that_take_little_share_a_call() -> None:
    calls = await calls_of(*["get_account"] * (OPERATIONS_PER_CALL_MAX + 1))
    assert [len(call) for call in calls] == [OPERATIONS_PER_CALL_MAX, 1]


async def test_what_takes_long_leaves_room_for_little_else_and_the_order_is_kept() -> None:
    names = ["get_account"] * 20 + ["explain"] * 3 + ["get_account"] * 20
    calls = await calls_of(*names)
    assert [name for call in calls for name in call] == names
    assert [call.count("explain") for call in calls] == [2, 1]

"""The journal: one entry for each change, with the values after it, and none for what changed nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.usage import Channel, Credits, Direction, Usage
from creditgate_server.credit.operations import Charge, Reserve, Traffic
from creditgate_server.credit.terms import Enforcement, Pot
from creditgate_server.engine.errors import OperationError

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

    from creditgate_server.store.ledger import JournalEntry


async def journal(org: Organisation) -> list[JournalEntry]:
    """Return the organisation's own entries."""
    entries = [entry async for entry in org.ledger.journal(org.partition)]
    return [entry for entry in entries if entry.account_id.split("/")[0] == org.root_id]


async def kinds(org: Organisation) -> list[str]:
    return [entry.kind for entry in await journal(org)]


async def test_every_change_is_one_entry(org: Organisation) -> None:
    await org.open("field")
    await org.change("field", floor=3)
    await org.grant(10, expire_ms=await org.now_ms() + 60_000)
    await org.reserve(below="field", id="sent")
    await org.commit("sent", "field")
    await org.reserve(id="failed")
    await org.release("failed")
    await org.owe(1)
    await org.reserve(id="forgotten", ttl_ms=30_000)
    await org.pass_time(70_000)
    await org.commit("forgotten")
    assert await kinds(org) == [
        "account_created", "account_created", "account_updated", "granted", "reserved", "committed", "reserved",
        "released", "charged", "reserved", "hold_expired", "grant_expired", "committed",
    ]  # fmt: skip


async def test_what_changes_nothing_is_no_entry(org: Organisation) -> None:
    await org.grant(1, grant_id="g")
    await org.reserve(id="m1")
    await org.commit("m1")
    before = await kinds(org)
    await org.open()
    await org.change(floor=None)
    await org.grant(1, grant_id="g")
    await org.reserve(id="m1")
    await org.commit("m1")
    await org.reserve(id="denied")
    await org.charge(org.sms(1), id="denied")
    await org.quote()
    await org.grants()
    for refused in (
        org.release("m1"),
        org.commit("never"),
        org.reserve(org.sms(2), id="m1"),
        org.grant(2, grant_id="g"),
    ):
        with pytest.raises(OperationError):
            await refused
    assert await kinds(org) == before


async def test_entries_of_an_account_are_numbered_without_a_gap_and_end_with_what_it_has(org: Organisation) -> None:
    await org.open("field")
    await org.grant(100)
    await org.allot(50, "field")
    await asyncio.gather(*(org.reserve(below="field", id=f"m{number}") for number in range(20)))
    await asyncio.gather(*(org.commit(f"m{number}", "field", number % 3) for number in range(20)))
    entries = await journal(org)
    for below in ("", "field"):
        effects = [effect for entry in entries for effect in entry.effects if effect[0] == org.path(below)]
        assert [effect[1] for effect in effects] == list(range(1, len(effects) + 1))
        audit, balance = await org.audit(below), await org.balance(below)
        _, seq, remaining, reserved, debt, used, limit_left, limit_reserved = effects[-1]
        assert (seq, reserved, debt, used) == (audit["seq"], audit["reserved"], audit["debt"], audit["used"])
        if below:
            assert (limit_left, limit_reserved) == (balance.limit_left, 0)
        else:
            assert (remaining, limit_left) == (balance.available, False)


async def test_an_entry_names_every_account_that_it_changed_and_no_other(org: Organisation) -> None:
    for below in ("field", "field/east", "sales"):
        await org.open(below)
    await org.grant(10)
    await org.allot(5, "field")
    await org.reserve(org.sms(2), "field/east")
    last = (await journal(org))[-1]
    assert (last.kind, last.account_id) == ("reserved", org.path("field/east"))
    assert {effect[0] for effect in last.effects} == {org.root_id, org.path("field"), org.path("field/east")}


async def test_an_entry_tells_traffic_price_and_labels_and_never_a_text(org: Organisation) -> None:
    await org.grant(10)
    labels = (("campaign", "früh ✓"), ("worker", "7"))
    usage = Usage(Channel.SMS, Direction.OUTBOUND, Credits(2), 3, "US")
    traffic = Traffic(usage, "+15550001111", "", labels)
    await org.engine.decide(Reserve(org.root_id, "m1", traffic, 60_000))
    await org.engine.decide(Charge(org.root_id, "c1", replace(traffic, usage=replace(usage, size=Credits(1)))))
    reserved, charged = (await journal(org))[-2:]
    assert reserved.operation_id == "m1"
    credits_, recipients, channel, direction, region, card, version, rule, told, draws = reserved.detail
    assert (credits_, recipients, channel, direction, region) == (6, 3, Channel.SMS, Direction.OUTBOUND, "US")
    assert (card, version, rule) == ("default", 1, "sms")
    assert told == [list(label) for label in labels]
    assert draws == [[org.root_id, Pot.WALLET, Enforcement.ENFORCE, 1, 6]]
    assert (charged.operation_id, charged.detail[0]) == ("c1", 3)
    assert charged.detail[1:9] == reserved.detail[1:9]
    assert (await org.hold("m1")).labels == labels


async def test_labels_are_the_journals_once_a_hold_is_settled(org: Organisation) -> None:
    await org.grant(10)
    traffic = Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Credits(2)), labels=(("k", "v"),))
    await org.engine.decide(Reserve(org.root_id, "m1", traffic, 60_000))
    await org.commit("m1")
    assert (await org.hold("m1")).labels == ()

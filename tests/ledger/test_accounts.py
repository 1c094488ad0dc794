"""Accounts: opened below existing ones, once, and changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from creditgate_server.credit.operations import UNSET, AccountSettings, CreateAccount, SettingsChange, UpdateAccount
from creditgate_server.credit.terms import AccountStatus, Decision, Enforcement, Funding, LateCommit
from creditgate_server.engine.errors import (
    AccountAlreadyExists,
    AccountNotFound,
    ParentNotFound,
    RateCardNotFound,
)

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

ALL_SET = AccountSettings(
    status=AccountStatus.SUSPENDED,
    funding=Funding.OWN,
    enforcement=Enforcement.MONITOR,
    overdraft_limit=10**12,
    inbound_overdraft_limit=0,
    floor=-7,
    late_commit=LateCommit.REJECT,
    rate_card_id="default",
    limit_counts_inbound=True,
    display_name="Außendienst ✓",
)


@pytest.mark.parametrize("settings", [AccountSettings(), ALL_SET], ids=["defaults", "all set"])
async def test_an_account_keeps_the_settings_it_is_created_with(org: Organisation, settings: AccountSettings) -> None:
    created, replayed = await org.engine.create_account(CreateAccount(org.path("field"), settings))
    assert (created.settings, replayed) == (settings, False)
    read = await org.engine.get_account(org.path("field"))
    assert read == created
    assert read.create_ms == read.update_ms > 0


async def test_a_new_account_stands_at_zero(org: Organisation) -> None:
    created = await org.engine.get_account(org.root_id)
    balance = created.balance
    assert (balance.account_id, balance.payer_id) == (org.root_id, org.root_id)
    assert (balance.available, balance.usable, balance.reserved, balance.debt) == (0, 0, 0, 0)
    assert (balance.limit_left, balance.units_left) == (None, None)


async def test_the_same_account_with_the_same_settings_replays(org: Organisation) -> None:
    operation = CreateAccount(org.path("field"), AccountSettings(overdraft_limit=3))
    await org.engine.create_account(operation)
    await org.change("field", overdraft_limit=9)
    account, replayed = await org.engine.create_account(operation)
    assert (replayed, account.settings.overdraft_limit) == (True, 9)


async def test_the_same_account_with_other_settings_is_refused(org: Organisation) -> None:
    await org.open("field")
    for settings in (AccountSettings(floor=1), AccountSettings(floor=0), AccountSettings(display_name="x")):
        with pytest.raises(AccountAlreadyExists):
            await org.engine.create_account(CreateAccount(org.path("field"), settings))
    assert (await org.engine.get_account(org.path("field"))).settings.floor is None


async def test_creations_race_and_one_creates(org: Organisation) -> None:
    operation = CreateAccount(org.path("field"), AccountSettings())
    answers = await asyncio.gather(*(org.engine.create_account(operation) for _ in range(32)))
    assert sum(not replayed for _, replayed in answers) == 1


async def test_a_parent_exists_before_its_child(org: Organisation) -> None:
    with pytest.raises(ParentNotFound) as caught:
        await org.open("field/east")
    assert caught.value.metadata == {"account_id": org.path("field/east"), "parent_id": org.path("field")}
    with pytest.raises(AccountNotFound):
        await org.engine.get_account(org.path("field/east"))
    await org.open("field")
    await org.open("field/east")


async def test_a_root_needs_no_parent_and_its_children_no_other_root(org: Organisation) -> None:
    with pytest.raises(ParentNotFound) as caught:
        await org.engine.create_account(CreateAccount(f"{org.root_id}x/field", AccountSettings()))
    assert caught.value.metadata["parent_id"] == f"{org.root_id}x"


async def test_a_child_opened_while_much_is_due_is_new(org: Organisation) -> None:
    await org.grant(40)
    await org.grant(1, expire_ms=await org.now_ms() + 5_500)
    await asyncio.gather(*(org.reserve(id=f"due-{number}", ttl_ms=5_000) for number in range(40)))
    await org.pass_time(6_000)
    _, replayed = await org.engine.create_account(CreateAccount(org.path("field"), AccountSettings()))
    assert not replayed


@pytest.mark.parametrize(
    "change",
    [
        SettingsChange(status=AccountStatus.SUSPENDED),
        SettingsChange(funding=Funding.PARENT),
        SettingsChange(enforcement=Enforcement.OFF),
        SettingsChange(overdraft_limit=0),
        SettingsChange(inbound_overdraft_limit=None),
        SettingsChange(inbound_overdraft_limit=10**12),
        SettingsChange(floor=None),
        SettingsChange(floor=0),
        SettingsChange(late_commit=None),
        SettingsChange(late_commit=LateCommit.ACCEPT),
        SettingsChange(rate_card_id=""),
        SettingsChange(limit_counts_inbound=False),
        SettingsChange(display_name=""),
    ],
    ids=lambda change: next(
        f"{name}={getattr(change, name)}" for name in change.__slots__ if getattr(change, name) is not UNSET
    ),
)
async def test_a_change_writes_what_it_names_and_nothing_else(org: Organisation, change: SettingsChange) -> None:
    before = await org.open("field", **{name: getattr(ALL_SET, name) for name in ALL_SET.__slots__})
    updated = await org.engine.update_account(UpdateAccount(before, change))
    for name in ALL_SET.__slots__:
        new = getattr(change, name)
        assert getattr(updated.settings, name) == (getattr(ALL_SET, name) if new is UNSET else new)
    assert await org.engine.get_account(before) == updated


async def test_a_change_that_changes_nothing_is_no_change(org: Organisation) -> None:
    before = await org.change(floor=5, display_name="x")
    await org.pass_time(1_000)
    assert (await org.change(floor=5, display_name="x")).update_ms == before.update_ms
    assert (await org.change(floor=6)).update_ms >= before.update_ms + 1_000
    assert (await org.change(display_name="y")).create_ms == before.create_ms


async def test_a_change_takes_effect_on_the_next_decision(org: Organisation) -> None:
    assert (await org.reserve(org.sms(5))).decision is Decision.DENIED
    await org.change(overdraft_limit=5)
    assert (await org.reserve(org.sms(5))).decision is Decision.ALLOWED


async def test_an_unknown_account_is_neither_read_nor_changed(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.engine.get_account(org.path("nobody"))
    with pytest.raises(AccountNotFound):
        await org.engine.get_standing(org.path("nobody"))
    with pytest.raises(AccountNotFound):
        await org.change("nobody", floor=1)


async def test_an_unknown_rate_card_is_refused_before_anything_is_written(org: Organisation) -> None:
    with pytest.raises(RateCardNotFound):
        await org.open("field", rate_card_id=f"none-{org.root_id}")
    with pytest.raises(RateCardNotFound):
        await org.change(rate_card_id=f"none-{org.root_id}")
    with pytest.raises(AccountNotFound):
        await org.engine.get_account(org.path("field"))


async def test_the_nearest_account_upward_that_funds_itself_pays_at_every_depth(org: Organisation) -> None:
    await org.open("a")
    await org.open("a/b", funding=Funding.OWN)
    await org.open("a/b/c")
    payers = {below: (await org.balance(below)).payer_id for below in ("", "a", "a/b", "a/b/c")}
    assert payers == {"": org.root_id, "a": org.root_id, "a/b": org.path("a/b"), "a/b/c": org.path("a/b")}


async def test_a_standing_shows_every_level_and_who_pays(org: Organisation) -> None:
    await org.open("field", enforcement=Enforcement.MONITOR)
    await org.open("field/east")
    await org.grant(10, grant_id="credits")
    await org.grant(3, "field", grant_id="asleep")
    await org.allot(6, "field", grant_id="room")
    await org.reserve(org.sms(4), "field/east")
    standing = await org.engine.get_standing(org.path("field/east"))
    found = [
        (one.account_id, one.pays, one.available, one.reserved, one.limit_left, one.limit_reserved)
        for one in standing.levels
    ]
    assert found == [
        (org.path("field/east"), False, 0, 0, None, 0),
        (org.path("field"), False, 3, 0, 2, 4),
        (org.root_id, True, 6, 4, None, 0),
    ]
    assert {grant.grant_id for grant in standing.grants} == {"credits", "asleep", "room"}
    assert standing.balance == await org.balance("field/east")

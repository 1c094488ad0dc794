"""Listings: every item once, in order, over pages of any size, whatever tokens come back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate_server.credit.operations import AccountSettings, CreateAccount
from creditgate_server.credit.outcomes import Page
from creditgate_server.engine.errors import AccountNotFound, InvalidField
from creditgate_server.engine.paging import token

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

Fetch = Callable[[str], Awaitable[Page[Any]]]

PAGES_MAX = 10_000


async def pages(fetch: Fetch) -> list[tuple[Any, ...]]:
    """Return the items of all pages."""
    found, following = [], ""
    for _ in range(PAGES_MAX):
        page = await fetch(following)
        found.append(page.items)
        following = page.next_token
        if not following:
            return found
    raise AssertionError(found)


async def items(fetch: Fetch) -> list[Any]:
    return [item for page in await pages(fetch) for item in page]


@pytest.mark.parametrize("size", [1, 3, 4, 5, 500])
async def test_accounts_below_a_parent_are_listed_by_id_at_every_depth(org: Organisation, size: int) -> None:
    for below in ("b", "b/y", "a", "a/x", "a.b", "a-b", "b/y/z"):
        await org.open(below)
    listed = await items(lambda following: org.engine.list_accounts(org.root_id, size, following))
    below_root = ["a", "a-b", "a.b", "a/x", "b", "b/y", "b/y/z"]
    assert [account.account_id for account in listed] == sorted(map(org.path, below_root))
    below_b = await items(lambda following: org.engine.list_accounts(org.path("b"), size, following))
    assert [account.account_id for account in below_b] == [org.path("b/y"), org.path("b/y/z")]


async def test_accounts_of_an_organisation_whose_name_is_longer_are_not_among_them(org: Organisation) -> None:
    for other in (f"{org.root_id}-2", f"{org.root_id}.x", f"{org.root_id}0"):
        await org.engine.create_account(CreateAccount(other, AccountSettings()))
    assert (await org.engine.list_accounts(org.root_id, 500, "")).items == ()


async def test_all_accounts_of_all_organisations_are_listed_by_id(org: Organisation) -> None:
    await org.open("field")
    ids = [f"{org.root_id}-{number}" for number in range(20)]
    for other in ids:
        await org.engine.create_account(CreateAccount(other, AccountSettings()))
    listed = await items(lambda following: org.engine.list_accounts("", 7, following))
    found = [account.account_id for account in listed]
    assert found == sorted(set(found))
    assert set(ids) | {org.root_id, org.path("field")} <= set(found)


async def test_listed_accounts_show_their_balances(org: Organisation) -> None:
    await org.open("field")
    await org.grant(10)
    await org.allot(4, "field")
    await org.reserve(org.sms(3), "field")
    (listed,) = (await org.engine.list_accounts(org.root_id, 10, "")).items
    assert listed == await org.engine.get_account(org.path("field"))
    assert (listed.balance.available, listed.balance.limit_left) == (7, 1)


async def test_an_unknown_parent_has_no_listing(org: Organisation) -> None:
    with pytest.raises(AccountNotFound):
        await org.engine.list_accounts(org.path("nobody"), 10, "")


async def test_all_accounts_are_listed_although_many_organisations_have_much_due(org: Organisation) -> None:
    """As after a month's end that no sweeper has seen."""
    roots = [one for one in (f"{org.root_id}-{number}" for number in range(2_000)) if _shares_partition(org, one)][:8]
    now_ms = await org.now_ms()
    for root in roots:
        other = type(org)(org.engine, org.store, root)
        await other.open()
        await other.grant(20, expire_ms=now_ms + 7_000)
        for number in range(18):
            await other.reserve(id=f"due-{number}", ttl_ms=5_000)
    await org.pass_time(8_000)
    listed = await items(lambda following: org.engine.list_accounts("", 500, following))
    assert set(roots) <= {account.account_id for account in listed}


def _shares_partition(org: Organisation, root_id: str) -> bool:
    return type(org)(org.engine, org.store, root_id).partition == org.partition


@pytest.mark.parametrize("size", [1, 2, 7, 500])
@pytest.mark.parametrize("include_ended", [True, False])
async def test_grants_are_listed_newest_first(org: Organisation, size: int, *, include_ended: bool) -> None:
    for number in range(7):
        await org.grant(1, grant_id=f"g{number}")
    await org.charge(org.sms(3))
    listed = await items(
        lambda following: org.engine.list_grants(org.root_id, size, following, include_ended=include_ended)
    )
    assert [grant.grant_id for grant in listed] == [f"g{number}" for number in range(6, -1 if include_ended else 2, -1)]


async def test_an_account_without_grants_lists_none(org: Organisation) -> None:
    for include_ended in (True, False):
        page = await org.engine.list_grants(org.root_id, 10, "", include_ended=include_ended)
        assert page == Page((), "")


async def test_a_listing_of_grants_goes_on_where_it_was_while_new_ones_come(org: Organisation) -> None:
    for number in range(4):
        await org.grant(1, grant_id=f"g{number}")
    first = await org.engine.list_grants(org.root_id, 2, "", include_ended=True)
    await org.grant(1, grant_id="new")
    second = await org.engine.list_grants(org.root_id, 2, first.next_token, include_ended=True)
    assert [grant.grant_id for grant in first.items + second.items] == ["g3", "g2", "g1", "g0"]


@pytest.mark.parametrize("size", [1, 2, 3, 500])
async def test_open_reservations_are_listed_by_soonest_expiry(org: Organisation, size: int) -> None:
    await org.grant(100)
    for number in (3, 1, 4, 2, 0):
        await org.reserve(id=f"m{number}", ttl_ms=60_000 + number * 1_000)
    await org.reserve(id="settled", ttl_ms=30_000)
    await org.commit("settled")
    listed = await items(
        lambda following: org.engine.list_reservations(org.root_id, size, following, include_descendants=False)
    )
    assert [hold.reservation_id for hold in listed] == ["m0", "m1", "m2", "m3", "m4"]


async def test_reservations_of_descendants_are_listed_only_when_asked_for(org: Organisation) -> None:
    await org.grant(100)
    for number, below in enumerate(("field", "field/east", "field-2", "sales")):
        await org.open(below)
        await org.reserve(below=below, id=below, ttl_ms=60_000 + number * 1_000)
    own = await org.engine.list_reservations(org.path("field"), 10, "", include_descendants=False)
    assert [hold.reservation_id for hold in own.items] == ["field"]
    below_field = await items(
        lambda following: org.engine.list_reservations(org.path("field"), 1, following, include_descendants=True)
    )
    assert [hold.reservation_id for hold in below_field] == ["field", "field/east"]
    everything = await org.engine.list_reservations(org.root_id, 10, "", include_descendants=True)
    assert len(everything.items) == 4


async def test_a_listing_of_reservations_goes_on_although_where_it_was_has_been_settled(org: Organisation) -> None:
    await org.grant(100)
    for number in range(5):
        await org.reserve(id=f"m{number}", ttl_ms=60_000 + number * 1_000)
    first = await org.engine.list_reservations(org.root_id, 2, "", include_descendants=False)
    await org.commit("m1")
    second = await org.engine.list_reservations(org.root_id, 5, first.next_token, include_descendants=False)
    assert [hold.reservation_id for hold in second.items] == ["m2", "m3", "m4"]


async def test_a_reservation_is_found_behind_thousands_of_others(org: Organisation) -> None:
    await org.open("field")
    await org.grant(3_000)
    for start in range(0, 2_200, 200):
        await asyncio.gather(*(org.reserve(id=f"{start + number}") for number in range(200)))
    await org.reserve(below="field", id="last", ttl_ms=120_000)
    listed = await pages(
        lambda following: org.engine.list_reservations(org.path("field"), 500, following, include_descendants=False)
    )
    assert [hold.reservation_id for page in listed for hold in page] == ["last"]
    assert len(listed) > 1
    every = await items(
        lambda following: org.engine.list_reservations(org.root_id, 500, following, include_descendants=True)
    )
    assert len({hold.reservation_id for hold in every}) == len(every) == 2_201


async def test_a_reservation_is_listed_as_it_is_read(org: Organisation) -> None:
    await org.grant(10)
    await org.reserve(org.sms(2, recipients=3, region="US"), id="odd | id: {1}/%d", ttl_ms=60_000)
    (listed,) = (await org.engine.list_reservations(org.root_id, 10, "", include_descendants=False)).items
    assert listed == await org.hold("odd | id: {1}/%d")
    assert (listed.credits, listed.recipients_granted, listed.credits_per_recipient) == (6, 3, 2)


async def test_rate_cards_are_listed_by_id_each_by_its_newest_version(org: Organisation) -> None:
    for name in ("b", "a"):
        for credits_ in (1, 2):
            rule = Rule(name="flat", unit=Unit.MESSAGE, credits_per_unit=credits_)
            await org.engine.put_rate_card(f"{org.root_id}-{name}", [rule])

    async def fetch(following: str) -> Page[Any]:
        return org.engine.list_rate_cards(2, following)

    listed = [stored.card for stored in await items(fetch)]
    assert [card.id for card in listed] == sorted({card.id for card in listed})
    own = [(card.id, card.version) for card in listed if card.id.startswith(org.root_id)]
    assert own == [(f"{org.root_id}-a", 2), (f"{org.root_id}-b", 2)]


BAD_TOKENS = ["x", "é", "=", "AAAA", "-_-_", token(), token("a", 1), token(1, 2, 3), token("\x00", "b"), "kg" * 500]


@pytest.mark.parametrize("bad", BAD_TOKENS, ids=range(len(BAD_TOKENS)))
async def test_a_token_that_no_listing_gave_out_is_refused(org: Organisation, bad: str) -> None:
    async def rate_cards() -> Page[Any]:
        return org.engine.list_rate_cards(5, bad)

    for listing in (
        org.engine.list_accounts(org.root_id, 5, bad),
        org.engine.list_accounts("", 5, bad),
        org.engine.list_grants(org.root_id, 5, bad, include_ended=True),
        org.engine.list_reservations(org.root_id, 5, bad, include_descendants=True),
        rate_cards(),
    ):
        with pytest.raises(InvalidField) as caught:
            await listing
        assert caught.value.field == "page_token"


FORGED = [-1, 0, 10**6, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63)]


@pytest.mark.parametrize("number", FORGED)
async def test_a_forged_token_does_no_harm(org: Organisation, number: int) -> None:
    await org.grant(1)
    await org.reserve(id="m1")
    for include_ended in (True, False):
        page = await org.engine.list_grants(org.root_id, 5, token(number), include_ended=include_ended)
        assert len(page.items) <= 1
    for member in ("", "h", "h|", f"h{org.root_id}|m1", "g", "\x00", "(", "ü" * 100):
        forged = token(number, member)
        reservations = await org.engine.list_reservations(org.root_id, 5, forged, include_descendants=True)
        assert len(reservations.items) <= 1


@pytest.mark.parametrize("after", ["", "(", "[", "+", "-", "\x00", "zz", "é", "a" * 500])
async def test_a_forged_place_among_accounts_does_no_harm(org: Organisation, after: str) -> None:
    await org.open("field")
    assert len((await org.engine.list_accounts(org.root_id, 5, token(after))).items) <= 5
    assert len((await org.engine.list_accounts("", 5, token(after))).items) <= 5

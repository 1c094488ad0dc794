"""One truth: whichever way it is asked for, and whoever came before, an answer is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import Decision, Funding
from creditgate_server.engine.paging import token

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation


@pytest.mark.parametrize("counts", [False, True])
async def test_what_comes_in_is_explained_as_a_charge_decides_it(org: Organisation, *, counts: bool) -> None:
    await org.open("field", limit_counts_inbound=counts)
    await org.grant(100)
    await org.allot(5, "field")
    traffic = org.sms(10, direction=Direction.INBOUND)
    explanation = await org.explain(traffic, "field")
    charged = await org.charge(traffic, "field")
    assert explanation.authorization is not None
    assert explanation.authorization.decision is charged.decision is Decision.ALLOWED
    assert explanation.authorization.denial is None
    assert [limit.counts for limit in explanation.limits] == [counts]


@pytest.mark.parametrize("below", ["", "field"])
async def test_an_account_created_again_shows_what_reading_it_does(org: Organisation, below: str) -> None:
    await org.open("field", funding=Funding.OWN)
    await org.grant(100, below, expire_ms=await org.now_ms() + 10_000)
    await org.reserve(org.sms(5), below, ttl_ms=5_000)
    await org.pass_time(20_000)
    settings = ask.AccountSettings(funding=Funding.OWN)
    account, replayed = await org.engine.create_account(ask.CreateAccount(org.path(below), settings))
    assert replayed
    assert account.balance == await org.balance(below)
    assert (account.balance.available, account.balance.reserved) == (0, 0)


@pytest.mark.parametrize("after", ["a", "\x00", "~", "org", ""])
async def test_a_place_of_another_listing_shows_no_account_that_is_not_below_the_parent(
    org: Organisation, after: str
) -> None:
    await org.open("field")
    page = await org.engine.list_accounts(org.root_id, 500, token(after))
    assert {account.account_id for account in page.items} <= {org.path("field")}
    page = await org.engine.list_accounts(org.root_id, 500, token(org.root_id))
    assert [account.account_id for account in page.items] == [org.path("field")]


@pytest.mark.parametrize("is_swept", [False, True])
async def test_credits_that_come_back_to_a_grant_that_is_over_end_with_it_swept_or_not(
    org: Organisation, *, is_swept: bool
) -> None:
    await org.open("field", funding=Funding.OWN)
    now_ms = await org.now_ms()
    await org.grant(10, grant_id="moved", expire_ms=now_ms + 30_000)
    await org.grant(100)
    await org.reserve(org.sms(5), id="m1", ttl_ms=600_000)
    await org.transfer(5, "", "field")
    await org.grant(1, grant_id="brief", expire_ms=now_ms + 5_000)
    await org.pass_time(6_000)
    await org.ledger.sweep(org.root_id, 100)
    for _ in range(20):
        await org.reserve(org.sms(1), ttl_ms=10_000)
    await org.pass_time(25_000)
    if is_swept:
        await org.ledger.sweep(org.root_id, 100)
    settled = await org.release("m1")
    assert (settled.restored, settled.expired) == (0, 5)
    assert await org.figures("field") == (0, 0, 0)


BULK = [
    Rule(name="bulk", unit=Unit.SEGMENT, credits_per_unit=3),
    Rule(name="bulk", unit=Unit.BLOCK, credits_per_unit=3, block_size=100),
    Rule(name="bulk", channel=Channel.MMS, unit=Unit.MESSAGE, credits_per_unit=1),
]
"""Rules that price what is not urgent otherwise, cannot price it, and do not."""


@pytest.mark.parametrize("bulk", BULK, ids=["otherwise", "not by segments", "no rule"])
async def test_a_reserve_repeated_with_another_priority_learns_its_outcome_whatever_that_would_cost(
    org: Organisation, bulk: Rule
) -> None:
    def by_priority(name: str) -> list[Rule]:
        return [Rule(name=name, priority=Priority.TRANSACTIONAL, unit=Unit.SEGMENT, credits_per_unit=1), bulk]

    card_id = f"card-{org.root_id}"
    await org.engine.put_rate_card(card_id, by_priority("first"))
    await org.change(rate_card_id=card_id)
    await org.grant(100)
    await org.reserve(org.sms(2), id="m1")
    for name in ("first", "second"):
        await org.engine.put_rate_card(card_id, by_priority(name))
        again = await org.reserve(org.sms(2, priority=Priority.BULK), id="m1")
        assert (again.replayed, again.credits, again.price) == (True, 2, None)
        again = await org.reserve(org.sms(2), id="m1")
        assert again.price is not None
        assert (again.replayed, again.price.credits, again.price.rule) == (True, 2, "first")

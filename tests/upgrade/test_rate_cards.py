"""Rate cards that only a newer version can read: an older one says so, and prices by what it can read."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from creditgate.pricing import Channel, Direction
from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Segments, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.engine.cards import RateCards
from creditgate_server.engine.engine import Engine
from creditgate_server.engine.errors import RateCardNotFound
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.ledger import Ledger
from creditgate_server.store.records import pack

RULES = [Rule(name="all", unit=Unit.MESSAGE, credits_per_unit=3)]

RULE_OF_A_NEWER_VERSION = ["all", 6, 9, 0, 0, [], 0, 0, 0, None, "a field that is not known here"]


async def put_by_a_newer_version(connections: StoreConnections, card_id: str, version: int) -> None:
    card = pack(card_id, version, 1_700_000_000_000, [RULE_OF_A_NEWER_VERSION])
    assert await connections.execute([("HSET", "cg:cards", f"{card_id}@{version}", card)]) == [1]


@pytest.fixture
async def ledger(own_connections: StoreConnections) -> Ledger:
    ledger = Ledger(own_connections)
    await ledger.prepare()
    return ledger


@pytest.fixture
async def engine(ledger: Ledger) -> AsyncIterator[Engine]:
    async with Engine(ledger) as engine:
        yield engine


async def priced_by(engine: Engine, account_id: str) -> tuple[int, int]:
    """Return the version that prices a message, and what that costs."""
    quote = ask.Quote(account_id, ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Segments(1))))
    price = (await engine.decide(quote)).price
    assert price is not None
    return price.rate_card_version, price.credits


async def test_the_version_before_prices_on_and_the_log_says_so(
    engine: Engine, ledger: Ledger, own_connections: StoreConnections
) -> None:
    await engine.put_rate_card("card", RULES)
    await engine.create_account(ask.CreateAccount("acme", ask.AccountSettings(rate_card_id="card")))
    with structlog.testing.capture_logs() as logs:
        await put_by_a_newer_version(own_connections, "card", 2)
        with pytest.raises(RateCardNotFound):
            await engine.get_rate_card("card", 2)
    said = {(line["log_level"], line["event"], line["rate_card"]) for line in logs}
    assert said == {("error", "rate_card_unreadable", "card@2")}
    assert await priced_by(engine, "acme") == (1, 3)

    # One that is started anew has not seen the version before as the newest.
    async with Engine(ledger) as another:
        assert await priced_by(another, "acme") == (1, 3)


async def test_a_put_is_the_version_after_it_even_with_the_rules_of_the_one_before(
    engine: Engine, own_connections: StoreConnections
) -> None:
    await engine.put_rate_card("card", RULES)
    await put_by_a_newer_version(own_connections, "card", 2)
    stored, replayed = await engine.put_rate_card("card", RULES)
    assert (stored.card.version, replayed) == (3, False)
    assert await engine.get_rate_card("card", 0) == stored


async def test_a_version_that_a_restored_backup_does_not_have_is_forgotten_and_may_be_another(
    engine: Engine, ledger: Ledger, own_connections: StoreConnections
) -> None:
    cards = RateCards(ledger)
    await engine.put_rate_card("card", RULES)
    await engine.put_rate_card("card", [Rule(name="all", unit=Unit.MESSAGE, credits_per_unit=5)])
    await cards.refresh()
    assert (await cards.get("card", 0)).card.version == 2

    await own_connections.execute([("HDEL", "cg:cards", "card@2")])
    await cards.refresh()
    assert (await cards.get("card", 0)).card.version == 1
    with pytest.raises(RateCardNotFound):
        await cards.get("card", 2)

    rules = [Rule(name="all", unit=Unit.MESSAGE, credits_per_unit=7)]
    await RateCards(ledger).put("card", rules)
    await cards.refresh()
    assert list((await cards.get("card", 2)).card.rules) == rules


async def test_a_default_card_that_cannot_be_read_is_not_replaced(
    ledger: Ledger, own_connections: StoreConnections
) -> None:
    await put_by_a_newer_version(own_connections, "default", 1)
    async with Engine(ledger) as engine:
        await engine.create_account(ask.CreateAccount("acme", ask.AccountSettings()))
        with pytest.raises(RateCardNotFound):
            await priced_by(engine, "acme")
    assert await ledger.rate_card_names() == [b"default@1"]

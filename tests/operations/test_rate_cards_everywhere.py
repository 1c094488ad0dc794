"""Rate cards are reloaded without a restart: what one sidecar is given, every other on the store serves soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.operations.observing import until

from creditgate.v1 import accounts_pb2, authorization_pb2, rate_cards_pb2, usage_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.observing import Connect, Start
    from tests.rpc.conftest import Api


def put(api: Api, card_id: str, credits_per_unit: int) -> int:
    """Put a card that prices an SMS at so much a segment; give its version."""
    rule = rate_cards_pb2.RateRule(
        name="all",
        channel=usage_pb2.CHANNEL_SMS,
        unit=rate_cards_pb2.RATE_UNIT_SEGMENT,
        credits_per_unit=credits_per_unit,
    )
    request = rate_cards_pb2.PutRateCardRequest(rate_card_id=card_id, rules=[rule])
    return api.rate_cards.PutRateCard(request).rate_card.version


def price(api: Api, account_id: str) -> int:
    """Ask what an SMS costs an account."""
    usage = usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS, segments=1)
    return api.authorization.Quote(authorization_pb2.QuoteRequest(account_id=account_id, usage=usage)).cost.credits


def test_a_new_version_of_a_card_prices_everywhere_without_a_restart(
    start: Start, connect: Connect, short_directory: Path, organisation: str
) -> None:
    first = start(short_directory / organisation)
    one = connect(first)
    other = connect(start(REDIS_URL=f"unix://{first.data_dir}/store.sock"))
    assert put(one, "mine", 2) == 1
    account = accounts_pb2.Account(account_id=organisation, rate_card_id="mine")
    one.accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account))
    until(lambda: price(other, organisation) == 2)

    assert put(one, "mine", 3) == 2
    assert price(one, organisation) == 3
    until(lambda: price(other, organisation) == 3)

    assert put(other, "mine", 5) == 3
    until(lambda: price(one, organisation) == 5)

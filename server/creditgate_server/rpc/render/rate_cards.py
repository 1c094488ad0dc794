"""Responses of `RateCardService`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from creditgate.v1 import rate_cards_pb2 as pb
from creditgate.v1 import usage_pb2
from creditgate_server.rpc.render.common import render_time

if TYPE_CHECKING:
    from creditgate.pricing.rate_cards import RateCard
    from creditgate.pricing.rules import Rule
    from creditgate_server.credit.outcomes import Page
    from creditgate_server.rpc.queries import GetRateCard, ListRateCards
    from creditgate_server.store.rate_cards import StoredRateCard


def render_put_rate_card(_: RateCard, outcome: tuple[StoredRateCard, bool]) -> pb.PutRateCardResponse:
    """Render the version that was stored, or the equal one that was there."""
    stored, replayed = outcome
    return pb.PutRateCardResponse(rate_card=_render_card(stored), replayed=replayed)


def render_get_rate_card(_: GetRateCard, stored: StoredRateCard) -> pb.GetRateCardResponse:
    """Render a version of a rate card."""
    return pb.GetRateCardResponse(rate_card=_render_card(stored))


def render_list_rate_cards(_: ListRateCards, page: Page[StoredRateCard]) -> pb.ListRateCardsResponse:
    """Render a page of rate cards."""
    return pb.ListRateCardsResponse(
        rate_cards=[
            pb.RateCardSummary(
                rate_card_id=stored.card.id,
                version=stored.card.version,
                rule_count=len(stored.card.rules),
                create_time=render_time(stored.create_ms),
            )
            for stored in page.items
        ],
        next_page_token=page.next_token,
    )


def _render_card(stored: StoredRateCard) -> pb.RateCard:
    return pb.RateCard(
        rate_card_id=stored.card.id,
        version=stored.card.version,
        rules=map(_render_rule, stored.card.rules),
        create_time=render_time(stored.create_ms),
    )


def _render_rule(rule: Rule) -> pb.RateRule:
    return pb.RateRule(
        name=rule.name,
        channel=usage_pb2.Channel.ValueType(rule.channel or 0),
        direction=usage_pb2.Direction.ValueType(rule.direction or 0),
        regions=rule.regions,
        priority=usage_pb2.Priority.ValueType(rule.priority or 0),
        unit=pb.RateUnit.ValueType(rule.unit),
        block_size=rule.block_size,
        credits_per_unit=rule.credits_per_unit,
        minimum_credits=rule.minimum_credits,
        maximum_segments=rule.maximum_segments or 0,
    )

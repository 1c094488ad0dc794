"""`RateCardService`: what usage costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.v1 import rate_cards_pb2 as pb
from creditgate_server.rpc.method import handler_of, unary
from creditgate_server.rpc.parse import rate_cards as parse
from creditgate_server.rpc.render import rate_cards as render

if TYPE_CHECKING:
    import grpc

    from creditgate.pricing.rate_cards import RateCard
    from creditgate_server.credit.outcomes import Page
    from creditgate_server.engine.engine import Engine
    from creditgate_server.rpc.calls import Calls
    from creditgate_server.rpc.queries import GetRateCard, ListRateCards
    from creditgate_server.store.rate_cards import StoredRateCard

SERVICE: Final = "creditgate.v1.RateCardService"


def rate_card_handler(engine: Engine, calls: Calls) -> grpc.GenericRpcHandler:
    """Serve rate cards from an engine."""

    async def put_rate_card(card: RateCard) -> tuple[StoredRateCard, bool]:
        return await engine.put_rate_card(card.id, card.rules)

    async def get_rate_card(query: GetRateCard) -> StoredRateCard:
        return await engine.get_rate_card(query.rate_card_id, query.version)

    async def list_rate_cards(query: ListRateCards) -> Page[StoredRateCard]:
        return engine.list_rate_cards(query.page_size, query.page_token)

    return handler_of(
        SERVICE,
        (
            unary(
                calls,
                pb.PutRateCardRequest,
                parse.parse_put_rate_card,
                put_rate_card,
                render.render_put_rate_card,
            ),
            unary(
                calls,
                pb.GetRateCardRequest,
                parse.parse_get_rate_card,
                get_rate_card,
                render.render_get_rate_card,
            ),
            unary(
                calls,
                pb.ListRateCardsRequest,
                parse.parse_list_rate_cards,
                list_rate_cards,
                render.render_list_rate_cards,
            ),
        ),
    )

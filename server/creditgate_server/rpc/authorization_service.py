"""`AuthorizationService`: the hot path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1 import explain_pb2, refund_pb2
from creditgate_server.rpc.batches import batch_method
from creditgate_server.rpc.method import handler_of, unary
from creditgate_server.rpc.parse import authorization as parse
from creditgate_server.rpc.render import authorization as render
from creditgate_server.rpc.render.explain import render_explain
from creditgate_server.rpc.stream import stream_method

if TYPE_CHECKING:
    import grpc

    from creditgate_server.credit.outcomes import Page, Reservation
    from creditgate_server.engine.engine import Engine
    from creditgate_server.rpc.calls import Calls
    from creditgate_server.rpc.queries import GetReservation, ListReservations

SERVICE: Final = "creditgate.v1.AuthorizationService"


def authorization_handler(engine: Engine, calls: Calls) -> grpc.GenericRpcHandler:
    """Serve authorizations from an engine."""

    async def get_reservation(query: GetReservation) -> Reservation:
        return await engine.get_reservation(query.account_id, query.reservation_id)

    async def list_reservations(query: ListReservations) -> Page[Reservation]:
        return await engine.list_reservations(
            query.account_id, query.page_size, query.page_token, include_descendants=query.include_descendants
        )

    return handler_of(
        SERVICE,
        (
            unary(calls, pb.QuoteRequest, parse.parse_quote, engine.decide, render.render_quote),
            unary(calls, pb.ReserveRequest, parse.parse_reserve, engine.decide, render.render_reserve),
            unary(calls, pb.CommitRequest, parse.parse_commit, engine.settle, render.render_commit),
            unary(calls, pb.ReleaseRequest, parse.parse_release, engine.settle, render.render_release),
            unary(calls, pb.ExtendRequest, parse.parse_extend, engine.extend, render.render_extend),
            unary(calls, pb.ChargeRequest, parse.parse_charge, engine.decide, render.render_charge),
            unary(
                calls,
                refund_pb2.RefundRequest,
                parse.parse_refund,
                engine.refund,
                render.render_refund,
            ),
            batch_method(calls, engine.batch),
            stream_method(calls, engine.batch),
            unary(
                calls,
                explain_pb2.ExplainRequest,
                parse.parse_explain,
                engine.explain,
                render_explain,
            ),
            unary(
                calls,
                pb.GetReservationRequest,
                parse.parse_get_reservation,
                get_reservation,
                render.render_get_reservation,
            ),
            unary(
                calls,
                pb.ListReservationsRequest,
                parse.parse_list_reservations,
                list_reservations,
                render.render_list_reservations,
            ),
        ),
    )

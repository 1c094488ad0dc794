"""`CreditService`: what enters wallets and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.v1 import credits_pb2 as pb
from creditgate_server.rpc.method import handler_of, unary
from creditgate_server.rpc.parse import credits as parse
from creditgate_server.rpc.render import credits as render

if TYPE_CHECKING:
    import grpc

    from creditgate_server.credit.outcomes import Grant, Page
    from creditgate_server.engine.engine import Engine
    from creditgate_server.rpc.calls import Calls
    from creditgate_server.rpc.queries import ListGrants

SERVICE: Final = "creditgate.v1.CreditService"


def credit_handler(engine: Engine, calls: Calls) -> grpc.GenericRpcHandler:
    """Serve grants from an engine."""

    async def list_grants(query: ListGrants) -> Page[Grant]:
        return await engine.list_grants(
            query.account_id, query.page_size, query.page_token, include_ended=query.include_ended
        )

    return handler_of(
        SERVICE,
        (
            unary(calls, pb.GrantRequest, parse.parse_grant, engine.grant, render.render_grant),
            unary(
                calls,
                pb.RevokeGrantRequest,
                parse.parse_revoke_grant,
                engine.revoke_grant,
                render.render_revoke_grant,
            ),
            unary(
                calls,
                pb.TransferRequest,
                parse.parse_transfer,
                engine.transfer,
                render.render_transfer,
            ),
            unary(calls, pb.ListGrantsRequest, parse.parse_list_grants, list_grants, render.render_list_grants),
        ),
    )

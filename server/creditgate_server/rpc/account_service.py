"""`AccountService`: organisations and the accounts below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.v1 import accounts_pb2 as pb
from creditgate.v1 import plans_pb2
from creditgate_server.rpc.method import handler_of, unary
from creditgate_server.rpc.parse import accounts as parse
from creditgate_server.rpc.parse.plans import parse_get_plan, parse_set_plan
from creditgate_server.rpc.render import accounts as render
from creditgate_server.rpc.render.plans import render_get_plan, render_set_plan

if TYPE_CHECKING:
    import grpc

    from creditgate_server.credit.outcomes import Account, Page, Plan, Standing
    from creditgate_server.engine.engine import Engine
    from creditgate_server.rpc.calls import Calls
    from creditgate_server.rpc.queries import GetAccount, ListAccounts

SERVICE: Final = "creditgate.v1.AccountService"


def account_handler(engine: Engine, calls: Calls) -> grpc.GenericRpcHandler:
    """Serve accounts from an engine."""

    async def get_account(query: GetAccount) -> Account:
        return await engine.get_account(query.account_id)

    async def list_accounts(query: ListAccounts) -> Page[Account]:
        return await engine.list_accounts(query.parent_id, query.page_size, query.page_token)

    async def get_standing(query: GetAccount) -> Standing:
        return await engine.get_standing(query.account_id)

    async def get_plan(query: GetAccount) -> Plan | None:
        return await engine.get_plan(query.account_id)

    return handler_of(
        SERVICE,
        (
            unary(
                calls,
                pb.CreateAccountRequest,
                parse.parse_create_account,
                engine.create_account,
                render.render_create_account,
            ),
            unary(calls, pb.GetAccountRequest, parse.parse_get_account, get_account, render.render_get_account),
            unary(
                calls,
                pb.UpdateAccountRequest,
                parse.parse_update_account,
                engine.update_account,
                render.render_update_account,
            ),
            unary(
                calls,
                pb.CloseAccountRequest,
                parse.parse_close_account,
                engine.close_account,
                render.render_close_account,
            ),
            unary(
                calls,
                pb.ListAccountsRequest,
                parse.parse_list_accounts,
                list_accounts,
                render.render_list_accounts,
            ),
            unary(calls, pb.GetBalanceRequest, parse.parse_get_account, get_standing, render.render_get_balance),
            unary(calls, plans_pb2.SetPlanRequest, parse_set_plan, engine.set_plan, render_set_plan),
            unary(calls, plans_pb2.GetPlanRequest, parse_get_plan, get_plan, render_get_plan),
        ),
    )

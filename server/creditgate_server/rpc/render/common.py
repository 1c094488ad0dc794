"""What several services answer with: balances, scopes, points in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.v1 import balance_pb2, credits_pb2, usage_pb2

if TYPE_CHECKING:
    from creditgate_server.credit.operations import Scope
    from creditgate_server.credit.outcomes import Balance


def render_time(time_ms: int) -> Timestamp | None:
    """Render milliseconds since 1970; 0 is no time."""
    if not time_ms:
        return None
    seconds, milliseconds = divmod(time_ms, 1000)
    return Timestamp(seconds=seconds, nanos=milliseconds * 1_000_000)


def render_balance(balance: Balance | None) -> balance_pb2.Balance | None:
    """Render a balance, where there is one."""
    if balance is None:
        return None
    return balance_pb2.Balance(
        account_id=balance.account_id,
        payer_id=balance.payer_id,
        available=balance.available,
        usable=balance.usable,
        reserved=balance.reserved,
        debt=balance.debt,
        limit_left=balance.limit_left,
        units_left=balance.units_left,
    )


def render_scope(scope: Scope) -> credits_pb2.Scope | None:
    """Render what a grant may pay for; None where that is everything."""
    if not scope.channels and not scope.regions:
        return None
    return credits_pb2.Scope(channels=map(usage_pb2.Channel.ValueType, scope.channels), regions=scope.regions)

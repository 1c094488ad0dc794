"""Reads balances, and what other answers have in common with them; pure, and shared by both clients."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from creditgate import answers
from creditgate.pricing import Channel
from creditgate.terms import AccountStatus, Enforcement, GrantKind
from creditgate.v1 import accounts_pb2, balance_pb2, credits_pb2


def balance(message: balance_pb2.Balance) -> answers.Balance:
    """Read a balance."""
    return answers.Balance(
        account_id=message.account_id,
        payer_id=message.payer_id,
        available=message.available,
        usable=message.usable,
        reserved=message.reserved,
        debt=message.debt,
        limit_left=message.limit_left if message.HasField("limit_left") else None,
        units_left=message.units_left if message.HasField("units_left") else None,
    )


def standing(response: accounts_pb2.GetBalanceResponse) -> answers.Standing:
    """Read the answer to GetBalance."""
    return answers.Standing(
        balance=balance(response.balance),
        grants=tuple(grant_balance(grant) for grant in response.grants),
        levels=tuple(level_balance(level) for level in response.levels),
    )


def grant_balance(message: accounts_pb2.GrantBalance) -> answers.GrantBalance:
    """Read what is left of a grant."""
    return answers.GrantBalance(
        grant_id=message.grant_id,
        account_id=message.account_id,
        kind=GrantKind(message.kind),
        remaining=message.remaining,
        held=message.held,
        priority=message.priority,
        scope=scope(message.scope),
        effective_time=time(message.effective_time),
        expire_time=time(message.expire_time),
    )


def level_balance(message: accounts_pb2.LevelBalance) -> answers.LevelBalance:
    """Read one level of a balance."""
    return answers.LevelBalance(
        account_id=message.account_id,
        pays=message.pays,
        enforcement=Enforcement(message.enforcement),
        status=AccountStatus(message.status),
        available=message.available,
        reserved=message.reserved,
        debt=message.debt,
        limit_left=message.limit_left if message.HasField("limit_left") else None,
        limit_reserved=message.limit_reserved,
    )


def scope(message: credits_pb2.Scope) -> answers.Scope:
    """Read which usage a grant may pay for."""
    return answers.Scope(
        channels=tuple(Channel(channel) for channel in message.channels), regions=tuple(message.regions)
    )


def time(timestamp: Timestamp) -> datetime | None:
    """Read a time. An unset one reads as 1970, when nothing of ours happened."""
    return timestamp.ToDatetime(UTC) if timestamp.seconds else None

"""Builds the requests about accounts, credits and rate cards; pure, and shared by both clients. The server judges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.field_mask_pb2 import FieldMask

from creditgate import _messages
from creditgate.answers import Scope
from creditgate.fields import AccountFields
from creditgate.pricing import Rule
from creditgate.terms import GrantKind
from creditgate.v1 import accounts_pb2, credits_pb2, rate_cards_pb2


def create_account(account_id: str, fields: AccountFields) -> accounts_pb2.CreateAccountRequest:
    """Build a request of `AccountService.CreateAccount`."""
    return _messages.made(accounts_pb2.CreateAccountRequest, account=_account(account_id, fields))


def get_account(account_id: str) -> accounts_pb2.GetAccountRequest:
    """Build a request of `AccountService.GetAccount`."""
    return _messages.made(accounts_pb2.GetAccountRequest, account_id=account_id)


def update_account(account_id: str, fields: AccountFields) -> accounts_pb2.UpdateAccountRequest:
    """Build a request of `AccountService.UpdateAccount`: the fields that are given, None included, are changed."""
    return _messages.made(
        accounts_pb2.UpdateAccountRequest,
        account=_account(account_id, fields),
        update_mask=FieldMask(paths=list(fields)),
    )


def list_accounts(parent_id: str, *, page_size: int) -> accounts_pb2.ListAccountsRequest:
    """Build a request of `AccountService.ListAccounts`."""
    return _messages.made(accounts_pb2.ListAccountsRequest, parent_id=parent_id, page_size=page_size)


def close_account(account_id: str) -> accounts_pb2.CloseAccountRequest:
    """Build a request of `AccountService.CloseAccount`."""
    return _messages.made(accounts_pb2.CloseAccountRequest, account_id=account_id)


def get_balance(account_id: str) -> accounts_pb2.GetBalanceRequest:
    """Build a request of `AccountService.GetBalance`."""
    return _messages.made(accounts_pb2.GetBalanceRequest, account_id=account_id)


def grant(  # noqa: PLR0913 -- two by position
    account_id: str,
    credits_given: int,
    *,
    grant_id: str | None,
    kind: GrantKind,
    effective_time: datetime | None,
    expire_time: datetime | None,
    priority: int,
    scope: Scope | None,
    actor: str,
    reference: str,
    note: str,
) -> credits_pb2.GrantRequest:
    """Build a request of `CreditService.Grant`; it always has an id, so that it can be repeated."""
    return _messages.made(
        credits_pb2.GrantRequest,
        account_id=account_id,
        grant_id=_messages.new_id() if grant_id is None else grant_id,
        kind=kind,
        credits=credits_given,
        effective_time=_messages.timestamp("effective_time", effective_time),
        expire_time=_messages.timestamp("expire_time", expire_time),
        priority=priority,
        scope=_messages.made(credits_pb2.Scope, channels=scope.channels, regions=scope.regions) if scope else None,
        actor=actor,
        reference=reference,
        note=note,
    )


def revoke_grant(
    account_id: str, grant_id: str, *, claw_back: bool, actor: str, note: str
) -> credits_pb2.RevokeGrantRequest:
    """Build a request of `CreditService.RevokeGrant`."""
    return _messages.made(
        credits_pb2.RevokeGrantRequest,
        account_id=account_id,
        grant_id=grant_id,
        claw_back=claw_back,
        actor=actor,
        note=note,
    )


def transfer(  # noqa: PLR0913 -- three by position
    account_id: str,
    target_account_id: str,
    credits_moved: int,
    *,
    transfer_id: str | None,
    actor: str,
    reference: str,
    note: str,
) -> credits_pb2.TransferRequest:
    """Build a request of `CreditService.Transfer`; it always has an id, so that it can be repeated."""
    return _messages.made(
        credits_pb2.TransferRequest,
        account_id=account_id,
        transfer_id=_messages.new_id() if transfer_id is None else transfer_id,
        target_account_id=target_account_id,
        credits=credits_moved,
        actor=actor,
        reference=reference,
        note=note,
    )


def list_grants(account_id: str, *, include_ended: bool, page_size: int) -> credits_pb2.ListGrantsRequest:
    """Build a request of `CreditService.ListGrants`."""
    return _messages.made(
        credits_pb2.ListGrantsRequest, account_id=account_id, include_ended=include_ended, page_size=page_size
    )


def put_rate_card(rate_card_id: str, rules: Sequence[Rule]) -> rate_cards_pb2.PutRateCardRequest:
    """Build a request of `RateCardService.PutRateCard`."""
    return _messages.made(
        rate_cards_pb2.PutRateCardRequest, rate_card_id=rate_card_id, rules=[_rate_rule(rule) for rule in rules]
    )


def get_rate_card(rate_card_id: str, version: int) -> rate_cards_pb2.GetRateCardRequest:
    """Build a request of `RateCardService.GetRateCard`."""
    return _messages.made(rate_cards_pb2.GetRateCardRequest, rate_card_id=rate_card_id, version=version)


def list_rate_cards(*, page_size: int) -> rate_cards_pb2.ListRateCardsRequest:
    """Build a request of `RateCardService.ListRateCards`."""
    return _messages.made(rate_cards_pb2.ListRateCardsRequest, page_size=page_size)


def _account(account_id: str, fields: AccountFields) -> accounts_pb2.Account:
    _messages.check_names(fields, AccountFields.__optional_keys__)
    return _messages.made(accounts_pb2.Account, "account.", account_id=account_id, **fields)


def _rate_rule(rule: Rule) -> rate_cards_pb2.RateRule:
    return _messages.made(
        rate_cards_pb2.RateRule,
        "rules.",
        name=rule.name,
        channel=rule.channel,
        direction=rule.direction,
        regions=rule.regions,
        priority=rule.priority,
        unit=rule.unit,
        block_size=rule.block_size,
        credits_per_unit=rule.credits_per_unit,
        minimum_credits=rule.minimum_credits,
        maximum_segments=rule.maximum_segments,
    )

"""Builds the requests from what callers say; pure, and shared by both clients.

The server judges. Refused here is only what a message cannot carry, or carries as something else.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.answers import Scope
from creditgate.errors import InvalidRequest, Violation
from creditgate.fields import AccountFields, Traffic, UsageFields
from creditgate.pricing import Channel, Rule
from creditgate.terms import ExpiryAction, GrantKind
from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2, usage_pb2

RECIPIENTS_MAX: Final = 1_000_000
"""Most recipients of one usage."""

SIZES: Final = ("body", "segments", "characters", "seconds", "units", "credits")
"""The measures of a usage, of which it has exactly one."""

Made = TypeVar("Made", bound=Message)


def new_id() -> str:
    """Make an id for a caller who has none. Nothing depends on the order of ids, so chance alone (UUID 4) will do."""
    return str(uuid.uuid4())


def quote(account_id: str, fields: UsageFields) -> authorization_pb2.QuoteRequest:
    """Build a request of `AuthorizationService.Quote`."""
    return _made(authorization_pb2.QuoteRequest, account_id=account_id, usage=usage(fields))


def reserve(  # noqa: PLR0913 -- two by position
    account_id: str,
    fields: UsageFields,
    *,
    reservation_id: str | None,
    ttl: timedelta | float | None,
    allow_partial: bool,
    expiry_action: ExpiryAction,
) -> authorization_pb2.ReserveRequest:
    """Build a request of `AuthorizationService.Reserve`; it always has an id, so that it can be repeated."""
    return _made(
        authorization_pb2.ReserveRequest,
        account_id=account_id,
        reservation_id=new_id() if reservation_id is None else reservation_id,
        usage=usage(fields),
        ttl=_duration(ttl),
        allow_partial=allow_partial,
        expiry_action=expiry_action,
    )


def commit(
    account_id: str,
    reservation_id: str,
    fields: Traffic,
    *,
    credits_used: int | None,
    labels: Mapping[str, str] | None,
) -> authorization_pb2.CommitRequest:
    """Build a request of `AuthorizationService.Commit`. Without fields and credits it captures all that is held."""
    if fields and credits_used is not None:
        raise TypeError("a commit states either the usage or the credits, not both")
    _check_recipients(fields, "; to give all of a hold back, release it")
    return _made(
        authorization_pb2.CommitRequest,
        account_id=account_id,
        reservation_id=reservation_id,
        usage=usage(fields) if fields else None,
        credits=credits_used,
        labels=labels,
    )


def release(account_id: str, reservation_id: str, reason: str) -> authorization_pb2.ReleaseRequest:
    """Build a request of `AuthorizationService.Release`."""
    return _made(authorization_pb2.ReleaseRequest, account_id=account_id, reservation_id=reservation_id, reason=reason)


def charge(account_id: str, fields: UsageFields, *, charge_id: str | None) -> authorization_pb2.ChargeRequest:
    """Build a request of `AuthorizationService.Charge`."""
    return _made(
        authorization_pb2.ChargeRequest,
        account_id=account_id,
        charge_id=new_id() if charge_id is None else charge_id,
        usage=usage(fields),
    )


def get_reservation(account_id: str, reservation_id: str) -> authorization_pb2.GetReservationRequest:
    """Build a request of `AuthorizationService.GetReservation`."""
    return _made(authorization_pb2.GetReservationRequest, account_id=account_id, reservation_id=reservation_id)


def list_reservations(
    account_id: str, *, include_descendants: bool, page_size: int
) -> authorization_pb2.ListReservationsRequest:
    """Build a request of `AuthorizationService.ListReservations`."""
    return _made(
        authorization_pb2.ListReservationsRequest,
        account_id=account_id,
        include_descendants=include_descendants,
        page_size=page_size,
    )


def create_account(account_id: str, fields: AccountFields) -> accounts_pb2.CreateAccountRequest:
    """Build a request of `AccountService.CreateAccount`."""
    return _made(accounts_pb2.CreateAccountRequest, account=_account(account_id, fields))


def get_account(account_id: str) -> accounts_pb2.GetAccountRequest:
    """Build a request of `AccountService.GetAccount`."""
    return _made(accounts_pb2.GetAccountRequest, account_id=account_id)


def update_account(account_id: str, fields: AccountFields) -> accounts_pb2.UpdateAccountRequest:
    """Build a request of `AccountService.UpdateAccount`: the fields that are given, None included, are changed."""
    return _made(
        accounts_pb2.UpdateAccountRequest,
        account=_account(account_id, fields),
        update_mask=FieldMask(paths=list(fields)),
    )


def list_accounts(parent_id: str, *, page_size: int) -> accounts_pb2.ListAccountsRequest:
    """Build a request of `AccountService.ListAccounts`."""
    return _made(accounts_pb2.ListAccountsRequest, parent_id=parent_id, page_size=page_size)


def get_balance(account_id: str) -> accounts_pb2.GetBalanceRequest:
    """Build a request of `AccountService.GetBalance`."""
    return _made(accounts_pb2.GetBalanceRequest, account_id=account_id)


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
    return _made(
        credits_pb2.GrantRequest,
        account_id=account_id,
        grant_id=new_id() if grant_id is None else grant_id,
        kind=kind,
        credits=credits_given,
        effective_time=_timestamp("effective_time", effective_time),
        expire_time=_timestamp("expire_time", expire_time),
        priority=priority,
        scope=_made(credits_pb2.Scope, channels=scope.channels, regions=scope.regions) if scope else None,
        actor=actor,
        reference=reference,
        note=note,
    )


def list_grants(account_id: str, *, include_ended: bool, page_size: int) -> credits_pb2.ListGrantsRequest:
    """Build a request of `CreditService.ListGrants`."""
    return _made(credits_pb2.ListGrantsRequest, account_id=account_id, include_ended=include_ended, page_size=page_size)


def put_rate_card(rate_card_id: str, rules: Sequence[Rule]) -> rate_cards_pb2.PutRateCardRequest:
    """Build a request of `RateCardService.PutRateCard`."""
    return _made(
        rate_cards_pb2.PutRateCardRequest, rate_card_id=rate_card_id, rules=[_rate_rule(rule) for rule in rules]
    )


def get_rate_card(rate_card_id: str, version: int) -> rate_cards_pb2.GetRateCardRequest:
    """Build a request of `RateCardService.GetRateCard`."""
    return _made(rate_cards_pb2.GetRateCardRequest, rate_card_id=rate_card_id, version=version)


def list_rate_cards(*, page_size: int) -> rate_cards_pb2.ListRateCardsRequest:
    """Build a request of `RateCardService.ListRateCards`."""
    return _made(rate_cards_pb2.ListRateCardsRequest, page_size=page_size)


def usage(fields: Traffic) -> usage_pb2.Usage:
    """Build a usage. A text, or its segments, is an SMS unless the caller says otherwise."""
    _check_names(fields, UsageFields.__optional_keys__)
    _check_recipients(fields)
    sizes = [name for name in SIZES if fields.get(name) is not None]
    if len(sizes) > 1:
        # A message would silently keep the last of them.
        raise TypeError(f"a usage has one size, not {' and '.join(sizes)}")
    is_text = sizes in (["body"], ["segments"])
    return _made(usage_pb2.Usage, "usage.", **{"channel": Channel.SMS if is_text else None, **fields})


def _check_recipients(fields: Traffic, hint: str = "") -> None:
    """Refuse a number of recipients out of bounds. A message would carry 0 as if nothing had been said."""
    recipient_count = fields.get("recipient_count")
    if recipient_count is not None and not 1 <= recipient_count <= RECIPIENTS_MAX:
        raise _invalid("usage.recipient_count", f"must be 1 to {RECIPIENTS_MAX:,}{hint}")


def _account(account_id: str, fields: AccountFields) -> accounts_pb2.Account:
    _check_names(fields, AccountFields.__optional_keys__)
    return _made(accounts_pb2.Account, "account.", account_id=account_id, **fields)


def _rate_rule(rule: Rule) -> rate_cards_pb2.RateRule:
    return _made(
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


def _duration(given: timedelta | float | None) -> Duration | None:
    if given is None:
        return None
    duration = Duration()
    duration.FromTimedelta(given if isinstance(given, timedelta) else timedelta(seconds=given))
    return duration


def _timestamp(field: str, given: datetime | None) -> Timestamp | None:
    if given is None:
        return None
    if given.tzinfo is None:
        raise _invalid(field, "must have a time zone, such as datetime.now(UTC) has")
    timestamp = Timestamp()
    timestamp.FromDatetime(given)
    return timestamp


def _made(kind: type[Made], path: str = "", /, **fields: object) -> Made:
    """Make a message; None leaves a field unset. A value that its field cannot carry is an `InvalidRequest`."""
    try:
        return kind(**fields)
    except ValueError:
        for field, value in fields.items():
            _check_carried(kind, path, field, value)
        raise


def _check_carried(kind: type[Message], path: str, field: str, value: object) -> None:
    try:
        kind(**{field: value})
    except UnicodeError:
        # Without the cause, which keeps the whole text and would carry it into logs.
        raise _invalid(path + field, "must be valid Unicode, without lone surrogates") from None
    except ValueError as error:
        raise _invalid(path + field, "is far out of bounds") from error


def _invalid(field: str, description: str) -> InvalidRequest:
    invalid = InvalidRequest(f"{field} {description}", code="INVALID_ARGUMENT", reason="INVALID_FIELD")
    invalid.violations = (Violation(field, description),)
    return invalid


def _check_names(fields: Mapping[str, object], known: frozenset[str]) -> None:
    """Refuse keywords that are not `known`, as Python refuses them where they are spelt out."""
    for name in fields:
        if name not in known:
            raise TypeError(f"unexpected keyword argument {name!r}")

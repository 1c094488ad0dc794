"""JSON answers are the interface's messages: its field names, amounts as numbers, enums without their prefix."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate import _administration_responses, _balances, _plans, _responses
from creditgate.v1 import (
    accounts_pb2,
    authorization_pb2,
    credits_pb2,
    explain_pb2,
    plans_pb2,
    rate_cards_pb2,
    refund_pb2,
)
from creditgate_server.cli.documents import document_of, json_of


def filled(message: Message) -> Message:
    """Set every field of a message, and of those within it."""
    if isinstance(message, Timestamp | Duration):
        message.seconds = 1
        return message
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.message_type is None:
            one = "A" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 1
            if field.is_repeated:
                value.append(one)
            else:
                setattr(message, field.name, one)
        elif field.message_type.GetOptions().map_entry:
            value["key"] = "value"
        else:
            filled(value.add() if field.is_repeated else value)
    return message


def canonical(message: Message) -> object:
    """The JSON form that protobuf defines, with amounts as numbers and enums without their prefix."""
    written = MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    return adapted(written, cast("Descriptor", message.DESCRIPTOR))


def adapted(written: object, kind: Descriptor) -> object:
    """Adapt a written message; a time, say, is written as a text and stays one."""
    if not isinstance(written, dict) or kind.GetOptions().map_entry:
        return written
    return {name: adapted_field(entry, kind.fields_by_name[name]) for name, entry in written.items()}


def adapted_field(written: object, field: FieldDescriptor) -> object:
    if isinstance(written, list):
        return [adapted_field(entry, field) for entry in written]
    if field.message_type is not None:
        return adapted(written, field.message_type)
    if field.enum_type is not None:
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return str(written).removeprefix(prefix)
    return int(str(written)) if field.cpp_type == FieldDescriptor.CPPTYPE_INT64 else written


@pytest.mark.parametrize(
    ("message", "read"),
    [
        pytest.param(authorization_pb2.QuoteResponse(), _responses.quoted, id="quote"),
        pytest.param(authorization_pb2.ReserveResponse(), _responses.reserved, id="reserve"),
        pytest.param(authorization_pb2.CommitResponse(), _responses.committed, id="commit"),
        pytest.param(authorization_pb2.ReleaseResponse(), _responses.released, id="release"),
        pytest.param(authorization_pb2.ExtendResponse(), _responses.extended, id="extend"),
        pytest.param(authorization_pb2.ChargeResponse(), _responses.charged, id="charge"),
        pytest.param(refund_pb2.RefundResponse(), _responses.refunded, id="refund"),
        pytest.param(explain_pb2.ExplainResponse(), _responses.explained, id="explain"),
        pytest.param(authorization_pb2.GetReservationResponse().reservation, _responses.reservation, id="hold"),
        pytest.param(
            accounts_pb2.CreateAccountResponse(), _administration_responses.created_account, id="create account"
        ),
        pytest.param(accounts_pb2.AccountSummary(), _administration_responses.account_summary, id="account in a list"),
        pytest.param(accounts_pb2.CloseAccountResponse(), _administration_responses.closed_account, id="close account"),
        pytest.param(accounts_pb2.GetBalanceResponse(), _balances.standing, id="balance"),
        pytest.param(credits_pb2.GrantResponse(), _administration_responses.granted, id="grant"),
        pytest.param(credits_pb2.RevokeGrantResponse(), _administration_responses.revoked, id="revoke"),
        pytest.param(credits_pb2.TransferResponse(), _administration_responses.transferred, id="transfer"),
        pytest.param(
            rate_cards_pb2.PutRateCardResponse(), _administration_responses.stored_rate_card, id="put rate card"
        ),
        pytest.param(
            rate_cards_pb2.RateCardSummary(), _administration_responses.rate_card_summary, id="rate card in a list"
        ),
    ],
)
def test_a_document_is_the_message(message: Message, read: Callable[[Any], object]) -> None:
    filled(message)

    assert document_of(read(message)) == canonical(message)


@pytest.mark.parametrize(
    "next_", [{"next_plan": None, "cancelled": True}, {"cancelled": False}], ids=["cancelled", "next plan"]
)
def test_a_document_of_a_plan_has_both_that_may_follow(next_: dict[str, object]) -> None:
    message = plans_pb2.SetPlanResponse()
    filled(message)
    if "next_plan" not in next_:
        filled(message.current_plan.next_plan)

    expected = cast("dict[str, dict[str, object]]", canonical(message))
    expected["current_plan"] |= next_
    assert document_of(_plans.plan_set(message)) == expected


def test_durations_are_in_seconds_as_protobuf_writes_them() -> None:
    assert [json_of(timedelta(**each)) for each in ({"days": 30}, {"milliseconds": 1500})] == ["2592000s", "1.500s"]


def test_times_are_in_utc_whatever_zone_they_have() -> None:
    noon = datetime(2026, 12, 31, 12, 0, tzinfo=UTC)

    assert json_of(noon) == json_of(noon.astimezone(timezone(timedelta(hours=9)))) == "2026-12-31T12:00:00Z"


def test_what_is_no_record_has_no_document() -> None:
    with pytest.raises(TypeError, match="object"):
        document_of(object())

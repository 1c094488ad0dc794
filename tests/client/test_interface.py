"""The clients' shape, and how they agree with the interface's files."""

from __future__ import annotations

import inspect
from enum import IntEnum

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

import creditgate
from creditgate import aio, client, operations, pricing, terms
from creditgate.fields import AccountFields, UsageFields
from creditgate.v1 import (
    accounts_pb2,
    authorization_pb2,
    credits_pb2,
    decision_pb2,
    explain_pb2,
    rate_cards_pb2,
    reservation_pb2,
    usage_pb2,
)


def parameters(function: object) -> dict[str, inspect.Parameter]:
    assert callable(function)
    return {
        name: parameter.replace(annotation=str(parameter.annotation))
        for name, parameter in inspect.signature(function).parameters.items()
    }


def public(kind: type) -> dict[str, object]:
    inherited = {name: value for base in reversed(kind.__mro__) for name, value in vars(base).items()}
    return {name: value for name, value in inherited.items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize(
    ("sync", "asynchronous"), [(client.Client, aio.Client), (client.Hold, aio.Hold)], ids=["client", "hold"]
)
def test_both_clients_have_the_same_shape(sync: type, asynchronous: type) -> None:
    assert list(public(sync)) == list(public(asynchronous))
    for name, function in public(sync).items():
        assert parameters(function) == parameters(public(asynchronous)[name]), name


def test_every_rpc_has_a_method() -> None:
    rpcs = {
        method.name
        for file in (accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2)
        for service in file.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }

    # For campaigns, and not in the clients yet.
    rpcs -= {"Stream"}
    assert rpcs <= {"".join(word.title() for word in name.split("_")) for name in public(client.Client)}


@pytest.mark.parametrize(
    ("term", "defined"),
    [
        (pricing.Channel, usage_pb2.Channel),
        (pricing.Direction, usage_pb2.Direction),
        (pricing.Priority, usage_pb2.Priority),
        (pricing.Encoding, usage_pb2.Encoding),
        (pricing.Unit, rate_cards_pb2.RateUnit),
        (terms.Decision, decision_pb2.Decision),
        (terms.DenialReason, decision_pb2.DenialReason),
        (terms.ReservationState, reservation_pb2.ReservationState),
        (terms.ExpiryAction, reservation_pb2.ExpiryAction),
        (terms.SettledBy, reservation_pb2.SettledBy),
        (terms.Pot, reservation_pb2.Pot),
        (terms.AccountStatus, accounts_pb2.AccountStatus),
        (terms.Funding, accounts_pb2.Funding),
        (terms.Enforcement, accounts_pb2.Enforcement),
        (terms.LateCommit, accounts_pb2.LateCommit),
        (terms.Overage, accounts_pb2.Overage),
        (terms.GrantKind, credits_pb2.GrantKind),
        (terms.GrantState, credits_pb2.GrantState),
        (terms.GrantVerdict, explain_pb2.GrantVerdict),
    ],
)
def test_terms_have_the_names_and_numbers_of_the_interface(term: type[IntEnum], defined: EnumTypeWrapper) -> None:
    prefix = defined.keys()[0].removesuffix("UNSPECIFIED")

    assert {prefix + member.name: member.value for member in term} == {
        name: number for name, number in defined.items() if number
    }


def test_a_term_of_a_newer_server_is_kept_as_a_number() -> None:
    unrecognized = terms.GrantKind(42)

    assert (unrecognized.value, unrecognized.name) == (42, "UNRECOGNIZED_42")
    assert not terms.Decision(42).allows


def test_usages_and_accounts_take_the_fields_of_the_interface() -> None:
    set_by_server = {"account_id", "create_time", "update_time"}

    assert UsageFields.__optional_keys__ == set(usage_pb2.Usage.DESCRIPTOR.fields_by_name)
    assert AccountFields.__optional_keys__ == set(accounts_pb2.Account.DESCRIPTOR.fields_by_name) - set_by_server


@pytest.mark.parametrize("name", [field.name for field in authorization_pb2.Operation.DESCRIPTOR.oneofs[0].fields])
def test_an_operation_of_a_batch_takes_what_the_method_of_its_name_takes(name: str) -> None:
    of_client = parameters(getattr(client.Client, name))
    del of_client["self"], of_client["timeout_s"]

    assert parameters(getattr(operations, name)) == of_client


def test_segments_are_counted_as_the_server_counts_them() -> None:
    assert creditgate.segments is pricing.count_segments


def test_everything_that_is_promised_can_be_imported() -> None:
    for name in creditgate.__all__:
        assert getattr(creditgate, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        creditgate.nothing  # noqa: B018

"""The terms of the domain have the numbers of the interface, and the same names."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import pytest
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper

from creditgate.pricing import rules, usage
from creditgate.v1 import (
    accounts_pb2,
    credits_pb2,
    decision_pb2,
    explain_pb2,
    plans_pb2,
    rate_cards_pb2,
    reservation_pb2,
    usage_pb2,
)
from creditgate_server.credit import terms

PAIRS: list[tuple[type[IntEnum], Any]] = [
    (usage.Channel, usage_pb2.Channel),
    (usage.Direction, usage_pb2.Direction),
    (usage.Priority, usage_pb2.Priority),
    (usage.Encoding, usage_pb2.Encoding),
    (rules.Unit, rate_cards_pb2.RateUnit),
    (terms.AccountStatus, accounts_pb2.AccountStatus),
    (terms.Funding, accounts_pb2.Funding),
    (terms.Enforcement, accounts_pb2.Enforcement),
    (terms.LateCommit, accounts_pb2.LateCommit),
    (terms.Overage, accounts_pb2.Overage),
    (terms.GrantKind, credits_pb2.GrantKind),
    (terms.GrantState, credits_pb2.GrantState),
    (terms.Decision, decision_pb2.Decision),
    (terms.DenialReason, decision_pb2.DenialReason),
    (terms.ReservationState, reservation_pb2.ReservationState),
    (terms.ExpiryAction, reservation_pb2.ExpiryAction),
    (terms.SettledBy, reservation_pb2.SettledBy),
    (terms.Interval, plans_pb2.Interval),
    (terms.RollOver, plans_pb2.RollOver),
    (terms.Pot, reservation_pb2.Pot),
    (terms.GrantVerdict, explain_pb2.GrantVerdict),
]


@pytest.mark.parametrize(("term", "interface"), PAIRS, ids=[term.__name__ for term, _ in PAIRS])
def test_numbers_and_names_agree(term: type[IntEnum], interface: EnumTypeWrapper) -> None:
    (prefix,) = {name.removesuffix("UNSPECIFIED") for name, number in interface.items() if number == 0}

    assert {f"{prefix}{each.name}": each.value for each in term} == {
        name: number for name, number in interface.items() if number
    }


def test_every_enumeration_of_the_domain_is_compared() -> None:
    defined = {kind for module in (terms, usage, rules) for kind in vars(module).values() if isinstance(kind, type)}

    assert {kind for kind in defined if issubclass(kind, IntEnum) and kind is not IntEnum} == {
        term for term, _ in PAIRS
    }

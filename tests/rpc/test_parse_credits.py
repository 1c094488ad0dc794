"""Requests of `CreditService`: what they may hold, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from creditgate.pricing.usage import Channel
from creditgate.v1 import credits_pb2 as pb
from creditgate.v1.usage_pb2 import CHANNEL_MMS, CHANNEL_SMS
from creditgate_server.credit.operations import GrantCredits, RevokeGrant, Scope, Transfer
from creditgate_server.credit.terms import GrantKind
from creditgate_server.rpc.parse import credits as parse

Violations = Callable[[Callable[[Any], object], Message], dict[str, str]]

LAST_SECOND = 253_402_300_799


def grant(**fields: object) -> pb.GrantRequest:
    return pb.GrantRequest(**{"account_id": "acme", "grant_id": "g", "credits": 1} | fields)  # type: ignore[arg-type]


def test_a_grant_has_defaults() -> None:
    assert parse.parse_grant(grant()) == GrantCredits("acme", "g", 1, GrantKind.PURCHASED, scope=Scope())


def test_all_of_a_grant_is_read() -> None:
    request = grant(
        credits=10**12,
        kind=pb.GRANT_KIND_PROMOTIONAL,
        effective_time=Timestamp(seconds=1, nanos=2_000_000),
        expire_time=Timestamp(seconds=LAST_SECOND),
        priority=-1000,
        scope=pb.Scope(channels=[CHANNEL_MMS, CHANNEL_SMS], regions=["US", "AU"]),
        actor="ann",
        reference="invoice 7",
        note="é" * 512,
    )

    assert parse.parse_grant(request) == GrantCredits(
        account_id="acme",
        grant_id="g",
        credits=10**12,
        kind=GrantKind.PROMOTIONAL,
        effective_ms=1002,
        expire_ms=LAST_SECOND * 1000,
        priority=-1000,
        scope=Scope((Channel.SMS, Channel.MMS), ("AU", "US")),
        actor="ann",
        reference="invoice 7",
        note="é" * 512,
    )


def test_a_time_before_1970_to_begin_at_means_at_once() -> None:
    assert parse.parse_grant(grant(effective_time=Timestamp(seconds=-5))).effective_ms == 0


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"grant_id": ""}, "grant_id"),
        ({"grant_id": "cg:1"}, "grant_id"),
        ({"grant_id": "cg:"}, "grant_id"),
        ({"credits": 0}, "credits"),
        ({"credits": -1}, "credits"),
        ({"credits": 10**12 + 1}, "credits"),
        ({"kind": 7}, "kind"),
        ({"priority": 1001}, "priority"),
        ({"priority": -1001}, "priority"),
        ({"effective_time": Timestamp(nanos=-1)}, "effective_time"),
        ({"effective_time": Timestamp(seconds=LAST_SECOND + 1)}, "effective_time"),
        ({"expire_time": Timestamp()}, "expire_time"),
        ({"expire_time": Timestamp(seconds=-1)}, "expire_time"),
        ({"expire_time": Timestamp(nanos=1)}, "expire_time"),
        ({"effective_time": Timestamp(seconds=9), "expire_time": Timestamp(seconds=9)}, "expire_time"),
        ({"scope": pb.Scope(channels=[99])}, "scope.channels"),  # type: ignore[list-item]
        ({"scope": pb.Scope(channels=[CHANNEL_SMS, CHANNEL_SMS])}, "scope.channels"),
        ({"scope": pb.Scope(regions=["us"])}, "scope.regions"),
        ({"scope": pb.Scope(regions=["US", "US"])}, "scope.regions"),
        ({"actor": "x" * 129}, "actor"),
        ({"reference": "x" * 129}, "reference"),
        ({"note": "x" * 513}, "note"),
    ],
)
def test_a_grant_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_grant, grant(**fields))) == [field]


def test_a_scope_has_a_bounded_number_of_regions(violations: Violations) -> None:
    regions = [f"A{letter}" for letter in "CDEFGILMOQRSTUWXZ"] + [f"B{letter}" for letter in "ABDEFGHIJLMNOQRSTV"]

    assert list(violations(parse.parse_grant, grant(scope=pb.Scope(regions=regions)))) == ["scope.regions"]


def test_a_list_of_grants_may_hold_the_ended_ones() -> None:
    query = parse.parse_list_grants(pb.ListGrantsRequest(account_id="acme", include_ended=True))

    assert query.include_ended


def revoke(**fields: object) -> pb.RevokeGrantRequest:
    return pb.RevokeGrantRequest(**{"account_id": "acme", "grant_id": "g"} | fields)  # type: ignore[arg-type]


def transfer(**fields: object) -> pb.TransferRequest:
    given = {"account_id": "acme", "transfer_id": "t", "target_account_id": "acme/field", "credits": 1} | fields
    return pb.TransferRequest(**given)  # type: ignore[arg-type]


def test_all_of_a_revocation_is_read() -> None:
    request = revoke(claw_back=True, actor="ann", note="fraud")

    assert parse.parse_revoke_grant(request) == RevokeGrant("acme", "g", claw_back=True, actor="ann", note="fraud")


def test_a_grant_that_the_ledger_made_can_be_revoked() -> None:
    assert parse.parse_revoke_grant(revoke(grant_id="cg:2")).grant_id == "cg:2"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account_id": ""}, "account_id"),
        ({"grant_id": ""}, "grant_id"),
        ({"grant_id": "x" * 129}, "grant_id"),
        ({"grant_id": "cg:1\n"}, "grant_id"),
        ({"actor": "x" * 129}, "actor"),
        ({"note": "x" * 513}, "note"),
    ],
)
def test_a_revocation_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_revoke_grant, revoke(**fields))) == [field]


def test_all_of_a_transfer_is_read() -> None:
    request = transfer(credits=10**12, actor="ann", reference="order 7", note="é" * 512)

    assert parse.parse_transfer(request) == Transfer(
        "acme", "t", "acme/field", 10**12, actor="ann", reference="order 7", note="é" * 512
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account_id": "", "target_account_id": "acme"}, "account_id"),
        ({"transfer_id": ""}, "transfer_id"),
        ({"transfer_id": "x" * 129}, "transfer_id"),
        ({"target_account_id": ""}, "target_account_id"),
        ({"target_account_id": "acme"}, "target_account_id"),
        ({"target_account_id": "other"}, "target_account_id"),
        ({"target_account_id": "acme/Field"}, "target_account_id"),
        ({"credits": 0}, "credits"),
        ({"credits": -1}, "credits"),
        ({"credits": 10**12 + 1}, "credits"),
        ({"actor": "x" * 129}, "actor"),
        ({"reference": "x" * 129}, "reference"),
        ({"note": "x" * 513}, "note"),
    ],
)
def test_a_transfer_outside_its_bounds_names_the_field(
    fields: dict[str, object], field: str, violations: Violations
) -> None:
    assert list(violations(parse.parse_transfer, transfer(**fields))) == [field]

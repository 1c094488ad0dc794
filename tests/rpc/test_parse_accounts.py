"""Requests of `AccountService`: what they may hold, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from creditgate.v1 import accounts_pb2 as pb
from creditgate_server.credit.operations import (
    AccountSettings,
    CloseAccount,
    CreateAccount,
    SettingsChange,
    UpdateAccount,
)
from creditgate_server.credit.terms import AccountStatus, Enforcement, Funding, LateCommit, Overage
from creditgate_server.rpc.parse import accounts as parse

Violations = Callable[[Callable[[Any], object], Message], dict[str, str]]

TRILLION = 10**12


def create(**fields: object) -> pb.CreateAccountRequest:
    account = pb.Account(**{"account_id": "acme/field"} | fields)  # type: ignore[arg-type]
    return pb.CreateAccountRequest(account=account)


def update(*paths: str, **fields: object) -> pb.UpdateAccountRequest:
    account = pb.Account(**{"account_id": "acme/field"} | fields)  # type: ignore[arg-type]
    return pb.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=paths))


@pytest.mark.parametrize(("account_id", "funding"), [("acme", Funding.OWN), ("acme/field", Funding.PARENT)])
def test_a_root_pays_for_itself_and_others_let_their_parent_pay(account_id: str, funding: Funding) -> None:
    operation = parse.parse_create_account(create(account_id=account_id))

    assert operation == CreateAccount(account_id, AccountSettings(funding=funding))


def test_all_settings_are_read() -> None:
    request = create(
        display_name="Field",
        status=pb.ACCOUNT_STATUS_SUSPENDED,
        funding=pb.FUNDING_OWN,
        enforcement=pb.ENFORCEMENT_MONITOR,
        overdraft_limit=1,
        inbound_overdraft_limit=0,
        floor=-3,
        late_commit=pb.LATE_COMMIT_REJECT,
        overage=pb.OVERAGE_CAP,
        rate_card_id="legacy",
        limit_counts_inbound=True,
    )

    assert parse.parse_create_account(request).settings == AccountSettings(
        status=AccountStatus.SUSPENDED,
        funding=Funding.OWN,
        enforcement=Enforcement.MONITOR,
        overdraft_limit=1,
        inbound_overdraft_limit=0,
        floor=-3,
        late_commit=LateCommit.REJECT,
        overage=Overage.CAP,
        rate_card_id="legacy",
        limit_counts_inbound=True,
        display_name="Field",
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"account_id": ""}, "account_id"),
        ({"account_id": "ACME"}, "account_id"),
        ({"status": pb.ACCOUNT_STATUS_CLOSED}, "status"),
        ({"status": 4}, "status"),
        ({"funding": 3}, "funding"),
        ({"account_id": "acme", "funding": pb.FUNDING_PARENT}, "funding"),
        ({"enforcement": 4}, "enforcement"),
        ({"overdraft_limit": -1}, "overdraft_limit"),
        ({"overdraft_limit": TRILLION + 1}, "overdraft_limit"),
        ({"inbound_overdraft_limit": -1}, "inbound_overdraft_limit"),
        ({"floor": -TRILLION - 1}, "floor"),
        ({"floor": TRILLION + 1}, "floor"),
        ({"late_commit": 3}, "late_commit"),
        ({"overage": 4}, "overage"),
        ({"rate_card_id": "No spaces"}, "rate_card_id"),
        ({"display_name": "x" * 129}, "display_name"),
    ],
)
def test_a_setting_outside_its_bounds_is_named(fields: dict[str, object], field: str, violations: Violations) -> None:
    assert list(violations(parse.parse_create_account, create(**fields))) == [f"account.{field}"]


def test_an_update_changes_what_its_mask_names_and_no_more() -> None:
    request = update("floor", "display_name", floor=5, display_name="Field", overdraft_limit=-1, status=99)

    assert parse.parse_update_account(request) == UpdateAccount(
        "acme/field", SettingsChange(floor=5, display_name="Field")
    )


def test_a_field_that_is_named_and_unset_goes_back_to_its_default() -> None:
    request = update("floor", "funding", "late_commit", "overage", "status", "rate_card_id")

    assert parse.parse_update_account(request).change == SettingsChange(
        floor=None, funding=Funding.PARENT, late_commit=None, overage=None, status=AccountStatus.ACTIVE, rate_card_id=""
    )


@pytest.mark.parametrize("paths", [(), ("nonsense",), ("account_id",), ("floor", "create_time"), ("*",), ("",)])
def test_a_mask_names_settings_and_at_least_one(paths: tuple[str, ...], violations: Violations) -> None:
    assert list(violations(parse.parse_update_account, update(*paths))) == ["update_mask"]


def test_an_update_outside_its_bounds_names_the_field(violations: Violations) -> None:
    request = update("overdraft_limit", "status", overdraft_limit=-1, status=pb.ACCOUNT_STATUS_CLOSED)

    assert violations(parse.parse_update_account, request).keys() == {"account.overdraft_limit", "account.status"}


def test_a_root_cannot_be_updated_to_let_a_parent_pay(violations: Violations) -> None:
    request = update("funding", account_id="acme", funding=pb.FUNDING_PARENT)

    assert list(violations(parse.parse_update_account, request)) == ["account.funding"]


def test_an_account_to_close_is_named(violations: Violations) -> None:
    assert parse.parse_close_account(pb.CloseAccountRequest(account_id="acme/field")) == CloseAccount("acme/field")
    assert list(violations(parse.parse_close_account, pb.CloseAccountRequest())) == ["account_id"]


def test_accounts_are_listed_below_a_parent_or_from_the_roots() -> None:
    assert parse.parse_list_accounts(pb.ListAccountsRequest()).parent_id == ""
    assert parse.parse_list_accounts(pb.ListAccountsRequest(parent_id="acme")).parent_id == "acme"


def test_a_parent_is_an_account_s_id(violations: Violations) -> None:
    assert list(violations(parse.parse_list_accounts, pb.ListAccountsRequest(parent_id="/"))) == ["parent_id"]

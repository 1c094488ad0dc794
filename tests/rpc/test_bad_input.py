"""Bad input, on a real server: a documented error or denial, no effect, nothing lost."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, decision_pb2, rate_cards_pb2, usage_pb2

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from tests.rpc.conftest import Api

INVALID = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
SMS = usage_pb2.CHANNEL_SMS


@pytest.fixture
def account(api: Api, organisation: str) -> str:
    """An account with 1,000 credits."""
    return api.open_account(organisation, 1000)


def usage(**fields: object) -> usage_pb2.Usage:
    return usage_pb2.Usage(**{"channel": SMS, "segments": 1} | fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        pytest.param({"account_id": "Not An Id"}, "account_id", id="bad account id"),
        pytest.param({"reservation_id": "x" * 129}, "reservation_id", id="bad id"),
        pytest.param({"ttl": Duration(nanos=1)}, "ttl", id="ttl too short"),
        pytest.param({"ttl": Duration(seconds=604_801)}, "ttl", id="ttl too long"),
        pytest.param({"usage": usage_pb2.Usage()}, "usage.channel", id="missing usage"),
        pytest.param({"usage": usage(channel=0)}, "usage.channel", id="missing channel"),
        pytest.param({"usage": usage(channel=99)}, "usage.channel", id="unknown enum"),
        pytest.param({"usage": usage(body="x" * 16_385)}, "usage.body", id="body over 16 KiB"),
        pytest.param({"usage": usage(region="ZZ")}, "usage.region", id="unknown region"),
        pytest.param({"usage": usage(recipient="0151 1234567")}, "usage.recipient", id="no E.164 number"),
        pytest.param({"usage": usage(credits=-1)}, "usage.credits", id="negative amount"),
        pytest.param({"usage": usage(credits=10**12 + 1)}, "usage.credits", id="amount beyond the bound"),
        pytest.param({"usage": usage(segments=0)}, "usage.segments", id="no segments"),
        pytest.param({"usage": usage(seconds=1)}, "usage.seconds", id="a size that the rule cannot price"),
        pytest.param(
            {"usage": usage(credits=10**12, recipient_count=2)}, "usage.credits", id="a cost beyond the bound"
        ),
    ],
)
def test_a_reserve_that_is_wrong_names_the_field_and_takes_nothing(
    fields: dict[str, object], field: str, api: Api, account: str
) -> None:
    request = authorization_pb2.ReserveRequest(
        **{"account_id": account, "reservation_id": "r", "usage": usage()} | fields  # type: ignore[arg-type]
    )

    refusal = api.refusal("AuthorizationService/Reserve", request)

    assert (refusal.code, refusal.reason) == (INVALID, "INVALID_FIELD")
    assert field in refusal.violations
    assert refusal.metadata["field"] == next(iter(refusal.violations))
    assert api.available(account) == 1000


@pytest.mark.parametrize("credits_", [0, -1, 10**12 + 1])
def test_a_grant_of_an_impossible_amount_gives_nothing(credits_: int, api: Api, account: str) -> None:
    request = credits_pb2.GrantRequest(account_id=account, grant_id="g", credits=credits_)

    refusal = api.refusal("CreditService/Grant", request)

    assert (refusal.code, list(refusal.violations)) == (INVALID, ["credits"])
    assert api.available(account) == 1000


@pytest.mark.parametrize("data", [b"\x08\xff", b"\n\x04ac\xc3\x28", b"\x0a\xff\xff\xff\x7f"])
def test_bytes_that_are_no_message_or_no_utf8_take_nothing(data: bytes, api: Api, account: str) -> None:
    refusal = api.refusal("AuthorizationService/Reserve", data)

    assert (refusal.code, refusal.reason) == (INVALID, "MALFORMED_REQUEST")
    assert api.available(account) == 1000


def test_a_body_that_is_not_utf8_is_refused(api: Api, account: str) -> None:
    request = authorization_pb2.ReserveRequest(account_id=account, usage=usage(body="@@")).SerializeToString()

    refusal = api.refusal("AuthorizationService/Reserve", request.replace(b"@@", b"\xff\xfe"))

    assert refusal.reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    ("method", "request_type"),
    [
        ("Commit", authorization_pb2.CommitRequest),
        ("Release", authorization_pb2.ReleaseRequest),
        ("GetReservation", authorization_pb2.GetReservationRequest),
    ],
)
def test_an_unknown_hold_is_not_found(method: str, request_type: type[Message], api: Api, account: str) -> None:
    request = request_type(account_id=account, reservation_id="no-such-hold")

    refusal = api.refusal(f"AuthorizationService/{method}", request)

    assert (refusal.code, refusal.reason) == (NOT_FOUND, "RESERVATION_NOT_FOUND")
    assert refusal.metadata["reservation_id"] == "no-such-hold"
    assert api.available(account) == 1000


def test_a_committed_hold_can_be_neither_released_nor_committed_otherwise(api: Api, account: str) -> None:
    api.reserve(account, "r", segments=10)
    api.authorization.Commit(authorization_pb2.CommitRequest(account_id=account, reservation_id="r", credits=3))

    release = authorization_pb2.ReleaseRequest(account_id=account, reservation_id="r")
    commit = authorization_pb2.CommitRequest(account_id=account, reservation_id="r", credits=4)
    refusals = [
        api.refusal("AuthorizationService/Release", release),
        api.refusal("AuthorizationService/Commit", commit),
    ]

    assert {refusal.reason for refusal in refusals} == {"HOLD_ALREADY_COMMITTED"}
    assert {refusal.code for refusal in refusals} == {grpc.StatusCode.FAILED_PRECONDITION}
    assert api.available(account) == 997


def test_a_released_hold_cannot_be_committed(api: Api, account: str) -> None:
    api.reserve(account, "r", segments=10)
    api.authorization.Release(authorization_pb2.ReleaseRequest(account_id=account, reservation_id="r"))

    refusal = api.refusal(
        "AuthorizationService/Commit", authorization_pb2.CommitRequest(account_id=account, reservation_id="r")
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "HOLD_ALREADY_RELEASED")
    assert api.available(account) == 1000


def test_an_expired_hold_cannot_be_committed_where_late_commits_are_rejected(api: Api, account: str) -> None:
    change = accounts_pb2.Account(account_id=account, late_commit=accounts_pb2.LATE_COMMIT_REJECT)
    mask = FieldMask(paths=["late_commit"])
    api.accounts.UpdateAccount(accounts_pb2.UpdateAccountRequest(account=change, update_mask=mask))
    reserve = authorization_pb2.ReserveRequest(
        account_id=account, reservation_id="r", usage=usage(), ttl=Duration(seconds=1)
    )
    api.authorization.Reserve(reserve)
    while api.available(account) < 1000:
        time.sleep(0.05)

    refusal = api.refusal(
        "AuthorizationService/Commit", authorization_pb2.CommitRequest(account_id=account, reservation_id="r")
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "HOLD_EXPIRED")
    assert api.available(account) == 1000


def test_the_same_id_with_other_content_takes_nothing_more(api: Api, account: str) -> None:
    api.reserve(account, "r", segments=1)

    refusal = api.refusal(
        "AuthorizationService/Reserve",
        authorization_pb2.ReserveRequest(account_id=account, reservation_id="r", usage=usage(segments=2)),
    )

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ID_REUSED")
    assert api.available(account) == 999


def test_a_usage_without_a_rate_is_denied(api: Api, organisation: str) -> None:
    card_id = f"{organisation}-card"
    rule = rate_cards_pb2.RateRule(
        name="mms", channel=usage_pb2.CHANNEL_MMS, unit=rate_cards_pb2.RATE_UNIT_MESSAGE, credits_per_unit=1
    )
    api.rate_cards.PutRateCard(rate_cards_pb2.PutRateCardRequest(rate_card_id=card_id, rules=[rule]))
    account = accounts_pb2.Account(account_id=organisation, rate_card_id=card_id)
    api.accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account))

    answer = api.reserve(organisation, "r")

    assert answer.decision == decision_pb2.DECISION_DENIED
    assert answer.denial.reason == decision_pb2.DENIAL_REASON_NO_RATE


@pytest.mark.parametrize("token", ["nonsense", "kgE", "é", "gaR6", "x" * 1025])
@pytest.mark.parametrize("method", ["ListAccounts", "ListGrants", "ListReservations", "ListRateCards"])
def test_a_page_token_of_nobody_s_is_refused(method: str, token: str, api: Api, account: str) -> None:
    name, request = {
        "ListAccounts": ("AccountService", accounts_pb2.ListAccountsRequest(page_token=token)),
        "ListGrants": ("CreditService", credits_pb2.ListGrantsRequest(account_id=account, page_token=token)),
        "ListReservations": (
            "AuthorizationService",
            authorization_pb2.ListReservationsRequest(account_id=account, page_token=token),
        ),
        "ListRateCards": ("RateCardService", rate_cards_pb2.ListRateCardsRequest(page_token=token)),
    }[method]

    refusal = api.refusal(f"{name}/{method}", request)

    assert (refusal.code, list(refusal.violations)) == (INVALID, ["page_token"])


def test_a_request_that_is_too_large_is_refused_by_grpc(api: Api) -> None:
    assert api.code("AuthorizationService/Reserve", b"\n" * (1024 * 1024 + 1)) is grpc.StatusCode.RESOURCE_EXHAUSTED

"""What the services do, on a real server: each rule of the ledger is tested with the ledger, its way out here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2
from tests.rpc.fake_ledger import reserve

from creditgate.v1 import accounts_pb2, credits_pb2, decision_pb2, explain_pb2, reservation_pb2, usage_pb2
from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1.refund_pb2 import RefundRequest

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from tests.rpc.conftest import Api, Failed

PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
NOT_FOUND = grpc.StatusCode.NOT_FOUND
HOUR_S = 60 * 60


@pytest.fixture
def account(api: Api, organisation: str) -> str:
    """An account with 1,000 credits of the grant `first`."""
    return api.open_account(organisation, 1000)


@pytest.fixture
def child(api: Api, account: str) -> str:
    """An account below it that pays for itself, with nothing."""
    child = accounts_pb2.Account(account_id=f"{account}/field", funding=accounts_pb2.FUNDING_OWN)
    api.accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=child))
    return child.account_id


def commit(account_id: str, reservation_id: str = "r", **fields: object) -> pb.CommitRequest:
    return pb.CommitRequest(account_id=account_id, reservation_id=reservation_id, **fields)  # type: ignore[arg-type]


def refund(account_id: str, refund_id: str = "f", **fields: object) -> RefundRequest:
    return RefundRequest(account_id=account_id, refund_id=refund_id, **fields)  # type: ignore[arg-type]


def charge(account_id: str, charge_id: str, **fields: object) -> pb.ChargeRequest:
    usage = usage_pb2.Usage(
        channel=usage_pb2.CHANNEL_SMS, direction=usage_pb2.DIRECTION_INBOUND, segments=1, recipient_count=10
    )
    return pb.ChargeRequest(account_id=account_id, charge_id=charge_id, usage=usage, **fields)  # type: ignore[arg-type]


def transfer(account_id: str, target_id: str, credits_: int, transfer_id: str = "t") -> credits_pb2.TransferRequest:
    return credits_pb2.TransferRequest(
        account_id=account_id, transfer_id=transfer_id, target_account_id=target_id, credits=credits_
    )


def update(account_id: str, **fields: object) -> accounts_pb2.UpdateAccountRequest:
    account = accounts_pb2.Account(account_id=account_id, **fields)  # type: ignore[arg-type]
    return accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=list(fields)))


def code_and_reason(refusal: Failed) -> tuple[grpc.StatusCode, str]:
    """Tell why a call was refused."""
    return refusal.code, refusal.reason


# Holds


def test_a_hold_is_captured_in_parts(api: Api, account: str) -> None:
    api.reserve(account, "r", segments=10)

    first = api.authorization.Commit(commit(account, credits=3, keep_open=True, commit_id="a"))
    again = api.authorization.Commit(commit(account, credits=3, keep_open=True, commit_id="a"))
    hold = api.authorization.GetReservation(
        pb.GetReservationRequest(account_id=account, reservation_id="r")
    ).reservation
    last = api.authorization.Commit(commit(account, credits=5))

    assert (first.state, first.credits, first.replayed) == (reservation_pb2.RESERVATION_STATE_PENDING, 3, False)
    assert (again.credits, again.replayed) == (3, True)
    assert (hold.credits, hold.held, hold.captured) == (10, 7, 3)
    assert (last.state, last.credits, last.restored) == (reservation_pb2.RESERVATION_STATE_COMMITTED, 5, 2)
    assert api.available(account) == 992


def test_a_commit_beyond_the_hold_follows_the_policy(api: Api, account: str) -> None:
    updated = api.accounts.UpdateAccount(update(account, overage=accounts_pb2.OVERAGE_CAP)).account
    assert updated.overage == accounts_pb2.OVERAGE_CAP
    api.reserve(account, "r", segments=10)
    capped = api.authorization.Commit(commit(account, credits=1500))
    assert (capped.credits, capped.overage, capped.shortfall) == (1000, 990, 500)

    api.accounts.UpdateAccount(update(account, overage=accounts_pb2.OVERAGE_REJECT, overdraft_limit=10))
    api.reserve(account, "s", segments=5)
    refusal = api.refusal("AuthorizationService/Commit", commit(account, "s", credits=6))
    assert code_and_reason(refusal) == (PRECONDITION, "OVERAGE_REJECTED")


def test_a_hold_is_extended(api: Api, account: str) -> None:
    before = api.reserve(account, "r")
    request = pb.ExtendRequest(account_id=account, reservation_id="r", ttl=Duration(seconds=HOUR_S))

    after = api.authorization.Extend(request)

    assert after.expire_time.seconds - before.expire_time.seconds >= HOUR_S - 60
    api.authorization.Commit(commit(account))
    refusal = api.refusal("AuthorizationService/Extend", request)
    assert code_and_reason(refusal) == (PRECONDITION, "HOLD_ALREADY_COMMITTED")


# Charges and refunds


def test_a_late_duplicate_of_a_charge_is_refused(api: Api, account: str) -> None:
    old, fresh = (Timestamp(seconds=int(time.time()) - hours * HOUR_S) for hours in (49, 47))

    refusal = api.refusal("AuthorizationService/Charge", charge(account, "old", event_time=old))
    answer = api.authorization.Charge(charge(account, "fresh", event_time=fresh))

    assert code_and_reason(refusal) == (PRECONDITION, "ID_TOO_OLD")
    assert (refusal.metadata["account_id"], refusal.metadata["charge_id"]) == (account, "old")
    assert answer.credits == 10


def test_a_charge_and_a_reservation_are_refunded(api: Api, account: str) -> None:
    api.authorization.Charge(charge(account, "c"))
    api.reserve(account, "r", segments=10)
    api.authorization.Commit(commit(account))

    part = api.authorization.Refund(refund(account, "f", charge_id="c", credits=4))
    again = api.authorization.Refund(refund(account, "f", charge_id="c", credits=4))
    rest = api.authorization.Refund(refund(account, "g", charge_id="c"))
    whole = api.authorization.Refund(refund(account, "h", reservation_id="r"))

    assert (part.credits, part.restored, part.replayed, part.balance.available) == (4, 4, False, 984)
    assert (again.credits, again.replayed) == (4, True)
    assert (rest.credits, whole.credits) == (6, 10)
    assert api.available(account) == 1000
    hold = api.authorization.GetReservation(
        pb.GetReservationRequest(account_id=account, reservation_id="r")
    ).reservation
    assert (hold.captured, hold.refunded) == (10, 10)


def test_a_refund_that_cannot_be_says_why(api: Api, account: str) -> None:
    api.authorization.Charge(charge(account, "c"))
    api.reserve(account, "open")

    def refused(**target: object) -> tuple[grpc.StatusCode, str]:
        refusal = api.refusal("AuthorizationService/Refund", refund(account, "f", **target))
        assert refusal.metadata["refund_id"] == "f"
        return code_and_reason(refusal)

    assert refused(charge_id="c", credits=11) == (PRECONDITION, "REFUND_EXCEEDS_CAPTURED")
    assert refused(charge_id="unknown") == (NOT_FOUND, "CHARGE_NOT_FOUND")
    assert refused(reservation_id="unknown") == (NOT_FOUND, "RESERVATION_NOT_FOUND")
    assert refused(reservation_id="open") == (PRECONDITION, "HOLD_STILL_OPEN")


# Administration


def test_a_grant_is_revoked(api: Api, account: str) -> None:
    api.credits.Grant(credits_pb2.GrantRequest(account_id=account, grant_id="second", credits=50))
    api.reserve(account, "r", segments=10)
    api.authorization.Commit(commit(account))
    request = credits_pb2.RevokeGrantRequest(account_id=account, grant_id="first", claw_back=True, actor="ann")

    answer = api.credits.RevokeGrant(request)
    again = api.credits.RevokeGrant(request)

    assert (answer.revoked, answer.clawed_back, answer.balance.available) == (990, 10, 40)
    assert (answer.grant.state, answer.grant.revoked) == (credits_pb2.GRANT_STATE_REVOKED, 990)
    assert (again.revoked, again.clawed_back, again.replayed) == (990, 10, True)
    other = credits_pb2.RevokeGrantRequest(account_id=account, grant_id="first")
    assert code_and_reason(api.refusal("CreditService/RevokeGrant", other)) == (PRECONDITION, "GRANT_ALREADY_REVOKED")
    unknown = credits_pb2.RevokeGrantRequest(account_id=account, grant_id="unknown")
    assert code_and_reason(api.refusal("CreditService/RevokeGrant", unknown)) == (NOT_FOUND, "GRANT_NOT_FOUND")


def test_credits_are_transferred_and_the_grant_that_this_makes_can_be_revoked(
    api: Api, account: str, child: str
) -> None:
    answer = api.credits.Transfer(transfer(account, child, 100))
    again = api.credits.Transfer(transfer(account, child, 100))

    assert (answer.credits, answer.balance.available, answer.target_balance.available) == (100, 900, 100)
    assert (again.credits, again.replayed) == (100, True)
    (made,) = api.credits.ListGrants(credits_pb2.ListGrantsRequest(account_id=child)).grants
    assert made.grant_id.startswith("cg:")
    revoked = api.credits.RevokeGrant(credits_pb2.RevokeGrantRequest(account_id=child, grant_id=made.grant_id))
    assert revoked.revoked == 100


def test_a_transfer_that_cannot_be_says_why(api: Api, account: str, child: str) -> None:
    api.accounts.CreateAccount(
        accounts_pb2.CreateAccountRequest(account=accounts_pb2.Account(account_id=f"{account}/paid-for"))
    )

    poor = api.refusal("CreditService/Transfer", transfer(account, child, 1001))
    paid_for = api.refusal("CreditService/Transfer", transfer(account, f"{account}/paid-for", 1))

    assert code_and_reason(poor) == (PRECONDITION, "INSUFFICIENT_CREDITS")
    assert (poor.metadata["transfer_id"], poor.metadata["available"]) == ("t", "1000")
    assert code_and_reason(paid_for) == (PRECONDITION, "ACCOUNT_NOT_SELF_FUNDED")
    assert paid_for.metadata["account_id"] == f"{account}/paid-for"


def test_an_account_is_closed_once_it_is_empty(api: Api, account: str, child: str) -> None:
    api.credits.Transfer(transfer(account, child, 100))
    api.reserve(child, "r")
    close = accounts_pb2.CloseAccountRequest(account_id=child)

    refusals = [
        api.refusal("AccountService/CloseAccount", close),
        api.refusal("AccountService/CloseAccount", accounts_pb2.CloseAccountRequest(account_id=account)),
    ]
    api.authorization.Release(pb.ReleaseRequest(account_id=child, reservation_id="r"))
    closed = api.accounts.CloseAccount(close)
    again = api.accounts.CloseAccount(close)

    assert {code_and_reason(refusal) for refusal in refusals} == {(PRECONDITION, "ACCOUNT_NOT_EMPTY")}
    assert (closed.revoked, closed.written_off, closed.balance.available) == (100, 0, 0)
    assert closed.account.status == accounts_pb2.ACCOUNT_STATUS_CLOSED
    assert (again.revoked, again.replayed) == (100, True)


def test_a_closed_account_denies_usage_and_takes_no_credits(api: Api, account: str, child: str) -> None:
    api.accounts.CloseAccount(accounts_pb2.CloseAccountRequest(account_id=child))

    answer = api.reserve(child, "r")
    requests: dict[str, Message] = {
        "CreditService/Grant": credits_pb2.GrantRequest(account_id=child, grant_id="g", credits=1),
        "CreditService/Transfer": transfer(account, child, 1),
        "AccountService/UpdateAccount": update(child, floor=1),
        "AccountService/CreateAccount": accounts_pb2.CreateAccountRequest(
            account=accounts_pb2.Account(account_id=f"{child}/east")
        ),
    }

    assert answer.decision == decision_pb2.DECISION_DENIED
    assert answer.denial.reason == decision_pb2.DENIAL_REASON_ACCOUNT_CLOSED
    for method, request in requests.items():
        assert code_and_reason(api.refusal(method, request)) == (PRECONDITION, "ACCOUNT_CLOSED"), method


# Why


def test_a_denial_says_when_credits_come(api: Api, organisation: str) -> None:
    account = api.open_account(organisation, 5)
    begins = Timestamp(seconds=int(time.time()) + HOUR_S)
    api.credits.Grant(credits_pb2.GrantRequest(account_id=account, grant_id="later", credits=70, effective_time=begins))

    denied = api.reserve(account, "r", segments=8)
    explained = api.authorization.Explain(
        explain_pb2.ExplainRequest(account_id=account, usage=usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS, segments=8))
    )

    assert (denied.denial.shortfall, denied.denial.next_credit_time) == (3, begins)
    assert (explained.credits_short, explained.next_credit_time, explained.next_credits) == (3, begins, 70)
    assert (explained.decision, explained.payer_id) == (decision_pb2.DECISION_DENIED, account)
    assert [(each.grant.grant_id, each.verdict, each.credits) for each in explained.grants] == [
        ("first", explain_pb2.GRANT_VERDICT_PAYS, 5),
        ("later", explain_pb2.GRANT_VERDICT_NOT_BEGUN, 0),
    ]
    assert explained.rate.rate_card_id == explained.cost.rate_card_id == "default"


def test_a_reservation_is_explained(api: Api, account: str) -> None:
    api.reserve(account, "r", segments=2)

    explained = api.authorization.Explain(explain_pb2.ExplainRequest(account_id=account, reservation_id="r"))

    assert explained.reservation.draws[0].grants[0].credits == 2
    assert (explained.payer_id, explained.rate.rate_card_id) == (account, "default")
    refusal = api.refusal(
        "AuthorizationService/Explain", explain_pb2.ExplainRequest(account_id=account, reservation_id="s")
    )
    assert code_and_reason(refusal) == (NOT_FOUND, "RESERVATION_NOT_FOUND")


# Batches


def test_a_batch_is_done_in_order(api: Api, account: str) -> None:
    operations = [
        reserve("r", "a", account, segments=10),
        pb.Operation(tag="b", commit=commit(account, credits=4)),
        pb.Operation(tag="c", refund=refund(account, reservation_id="r", credits=1)),
        pb.Operation(tag="d", quote=pb.QuoteRequest(account_id=account, usage=reserve("").reserve.usage)),
        reserve("s", "e", account, seconds=1),
        reserve("t", "f", f"{account}/nowhere"),
        pb.Operation(tag="g", commit=commit(account, "unknown")),
    ]

    results = api.authorization.Batch(pb.BatchRequest(operations=operations)).results

    reserved, committed, refunded, quoted, unpriced, nowhere, unknown = results
    assert "".join(result.tag for result in results) == "abcdefg"
    assert (reserved.reserve.credits, committed.commit.restored, refunded.refund.restored) == (10, 6, 1)
    assert quoted.quote.balance.available == 997
    assert unpriced.error.metadata["field"] == "operations[4].reserve.usage.seconds"
    assert (nowhere.error.code, nowhere.error.reason) == (code_pb2.NOT_FOUND, "ACCOUNT_NOT_FOUND")
    assert unknown.error.metadata["reservation_id"] == "unknown"


def test_an_atomic_batch_is_done_or_not(api: Api, account: str) -> None:
    too_many = [reserve("r", "a", account, segments=600), reserve("s", "b", account, segments=600)]
    enough = [reserve("r", "a", account, segments=600), reserve("s", "b", account, segments=400)]

    refused = api.authorization.Batch(pb.BatchRequest(operations=too_many, atomic=True)).results
    assert api.available(account) == 1000
    done = api.authorization.Batch(pb.BatchRequest(operations=enough, atomic=True)).results
    again = api.authorization.Batch(pb.BatchRequest(operations=enough, atomic=True)).results

    assert (refused[0].error.code, refused[0].error.reason) == (code_pb2.ABORTED, "BATCH_NOT_APPLIED")
    assert refused[1].reserve.denial.reason == decision_pb2.DENIAL_REASON_INSUFFICIENT_CREDITS
    assert [result.reserve.credits for result in done] == [600, 400]
    assert [result.reserve.replayed for result in again] == [True, True]
    assert api.available(account) == 0


def test_a_stream_does_many_frames(api: Api, account: str) -> None:
    def frames() -> Iterator[pb.StreamRequest]:
        for number in range(50):
            operations = [reserve(f"{number}-{each}", f"{each}", account) for each in range(10)]
            yield pb.StreamRequest(batch_id=number, operations=operations)

    answers = {answer.batch_id: answer for answer in api.authorization.Stream(frames(), timeout=60)}

    assert answers.keys() == set(range(50))
    for number, answer in answers.items():
        assert [result.reserve.reservation_id for result in answer.results] == [f"{number}-{n}" for n in range(10)]
        assert {result.reserve.credits for result in answer.results} == {1}
    assert api.available(account) == 500

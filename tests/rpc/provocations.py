"""Requests that fail for each reason that a request alone can fail for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tests.fuzz.canaries import BODY, NUMBER, REMARK
from tests.rpc.conftest import Failed
from tests.rpc.scenes import Scene, text

from creditgate.v1.accounts_pb2 import (
    OVERAGE_REJECT,
    Account,
    CloseAccountRequest,
    CreateAccountRequest,
    GetAccountRequest,
)
from creditgate.v1.authorization_pb2 import (
    BatchRequest,
    ChargeRequest,
    CommitRequest,
    ExtendRequest,
    Operation,
    ReleaseRequest,
    ReserveRequest,
)
from creditgate.v1.credits_pb2 import GrantRequest, RevokeGrantRequest, TransferRequest
from creditgate.v1.rate_cards_pb2 import GetRateCardRequest
from creditgate.v1.refund_pb2 import RefundRequest
from creditgate.v1.usage_pb2 import DIRECTION_INBOUND

AGES_S: Final = 49 * 60 * 60
"""Longer than charges are remembered."""

GRANTS_MAX: Final = 100

Provocation = Callable[[Scene], Failed]


def malformed_request(scene: Scene) -> Failed:
    request = ReserveRequest(account_id=scene.root, usage=text()).SerializeToString()
    return scene.refusal("AuthorizationService/Reserve", request.replace("señor".encode(), b"se\xff\xffor"))


def invalid_field(scene: Scene) -> Failed:
    wrong = ReserveRequest(account_id=scene.root, usage=text(channel=0, body=BODY * 1000, sender=NUMBER * 2))
    refused = scene.refusal("AuthorizationService/Reserve", wrong)
    assert list(refused.violations) == ["usage.sender", "usage.channel", "usage.body"]
    return refused


def account_not_found(scene: Scene) -> Failed:
    return scene.refusal("AccountService/GetAccount", GetAccountRequest(account_id=scene.path("nowhere")))


def parent_not_found(scene: Scene) -> Failed:
    account = Account(account_id=scene.path("nowhere/east"), display_name=REMARK)
    return scene.refusal("AccountService/CreateAccount", CreateAccountRequest(account=account))


def reservation_not_found(scene: Scene) -> Failed:
    request = CommitRequest(account_id=scene.root, reservation_id="unknown", usage=text())
    return scene.refusal("AuthorizationService/Commit", request)


def rate_card_not_found(scene: Scene) -> Failed:
    return scene.refusal("RateCardService/GetRateCard", GetRateCardRequest(rate_card_id="default", version=99))


def account_already_exists(scene: Scene) -> Failed:
    other = CreateAccountRequest(account=Account(account_id=scene.root, display_name=REMARK))
    return scene.refusal("AccountService/CreateAccount", other)


def id_reused(scene: Scene) -> Failed:
    scene.reserve("r")
    other = ReserveRequest(account_id=scene.root, reservation_id="r", usage=text())
    return scene.refusal("AuthorizationService/Reserve", other)


def hold_already_released(scene: Scene) -> Failed:
    scene.reserve("r")
    scene.release("r")
    return scene.refusal("AuthorizationService/Commit", CommitRequest(account_id=scene.root, reservation_id="r"))


def hold_already_committed(scene: Scene) -> Failed:
    scene.reserve("r")
    scene.commit("r")
    release = ReleaseRequest(account_id=scene.root, reservation_id="r", reason=REMARK)
    return scene.refusal("AuthorizationService/Release", release)


def hold_expired(scene: Scene) -> Failed:
    scene.reserve_and_expire("r")
    request = ExtendRequest(account_id=scene.root, reservation_id="r", ttl=Duration(seconds=60))
    return scene.refusal("AuthorizationService/Extend", request)


def too_many_grants(scene: Scene) -> Failed:
    for number in range(GRANTS_MAX - 1):
        scene.grant(f"g-{number}")
    return scene.refusal("CreditService/Grant", _grant(scene))


def balance_overflow(scene: Scene) -> Failed:
    scene.use_almost_all()
    request = ReserveRequest(account_id=scene.root, reservation_id="r", usage=text(segments=6))
    return scene.refusal("AuthorizationService/Reserve", request)


def charge_not_found(scene: Scene) -> Failed:
    request = RefundRequest(account_id=scene.root, refund_id="f", charge_id="unknown")
    return scene.refusal("AuthorizationService/Refund", request)


def hold_still_open(scene: Scene) -> Failed:
    scene.reserve("r")
    return scene.refusal("AuthorizationService/Refund", _refund(scene))


def refund_exceeds_captured(scene: Scene) -> Failed:
    scene.reserve("r", segments=3)
    scene.commit("r")
    refused = scene.refusal("AuthorizationService/Refund", _refund(scene))
    assert refused.metadata["refundable"] == "3"
    return refused


def overage_rejected(scene: Scene) -> Failed:
    scene.update(overage=OVERAGE_REJECT)
    scene.reserve("r", segments=3)
    beyond = CommitRequest(account_id=scene.root, reservation_id="r", credits=4)
    refused = scene.refusal("AuthorizationService/Commit", beyond)
    assert refused.metadata["held"] == "3"
    return refused


def id_too_old(scene: Scene) -> Failed:
    then = Timestamp(seconds=int(time.time()) - AGES_S)
    usage = text(direction=DIRECTION_INBOUND, sender=NUMBER)
    late = ChargeRequest(account_id=scene.root, charge_id="c", usage=usage, event_time=then)
    return scene.refusal("AuthorizationService/Charge", late)


def grant_not_found(scene: Scene) -> Failed:
    request = RevokeGrantRequest(account_id=scene.root, grant_id="unknown", note=REMARK)
    return scene.refusal("CreditService/RevokeGrant", request)


def grant_already_revoked(scene: Scene) -> Failed:
    scene.revoke("first")
    other = RevokeGrantRequest(account_id=scene.root, grant_id="first", claw_back=True, actor=REMARK)
    return scene.refusal("CreditService/RevokeGrant", other)


def insufficient_credits(scene: Scene) -> Failed:
    scene.open("shop", funding="FUNDING_OWN")
    refused = scene.refusal("CreditService/Transfer", _transfer(scene, 1001))
    assert (refused.metadata["available"], refused.metadata["shortfall"]) == ("1000", "1")
    return refused


def account_closed(scene: Scene) -> Failed:
    scene.close()
    return scene.refusal("CreditService/Grant", _grant(scene))


def account_not_empty(scene: Scene) -> Failed:
    scene.open("field")
    scene.reserve("r")
    refused = scene.refusal("AccountService/CloseAccount", CloseAccountRequest(account_id=scene.root))
    assert (refused.metadata["children"], refused.metadata["open_reservations"]) == ("1", "1")
    return refused


def account_not_self_funded(scene: Scene) -> Failed:
    paid_for = scene.open("shop")
    refused = scene.refusal("CreditService/Transfer", _transfer(scene, 1))
    assert refused.metadata["account_id"] == paid_for
    return refused


def batch_not_applied(scene: Scene) -> Failed:
    affordable = ReserveRequest(account_id=scene.root, reservation_id="r", usage=text())
    unknown = ReleaseRequest(account_id=scene.root, reservation_id="unknown")
    operations = [Operation(reserve=affordable), Operation(release=unknown)]
    return scene.refused_operation(BatchRequest(operations=operations, atomic=True), 0)


def _grant(scene: Scene) -> GrantRequest:
    return GrantRequest(account_id=scene.root, grant_id="g", credits=1, note=REMARK, actor=REMARK, reference=REMARK)


def _refund(scene: Scene) -> RefundRequest:
    return RefundRequest(account_id=scene.root, refund_id="f", reservation_id="r", credits=4)


def _transfer(scene: Scene, credits_: int) -> TransferRequest:
    return TransferRequest(
        account_id=scene.root, transfer_id="t", target_account_id=scene.path("shop"), credits=credits_, note=REMARK
    )


BY_REQUEST: Final[Mapping[str, Provocation]] = {
    provoke.__name__.upper(): provoke
    for provoke in (
        malformed_request,
        invalid_field,
        account_not_found,
        parent_not_found,
        reservation_not_found,
        rate_card_not_found,
        account_already_exists,
        id_reused,
        hold_already_released,
        hold_already_committed,
        hold_expired,
        too_many_grants,
        balance_overflow,
        charge_not_found,
        hold_still_open,
        refund_exceeds_captured,
        overage_rejected,
        id_too_old,
        grant_not_found,
        grant_already_revoked,
        insufficient_credits,
        account_closed,
        account_not_empty,
        account_not_self_funded,
        batch_not_applied,
    )
}
"""The provocation of each reason, on an organisation of its own."""

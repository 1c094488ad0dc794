"""What can be wrong with a call of each method, in the order in which it is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from tests.rpc.rungs import AnyRequest, Ladder, Rung, names_account
from tests.rpc.scenes import Scene
from tests.rpc.wrongs import (
    AGED,
    BEYOND,
    CAPTURED,
    CHARGED,
    CLAIMED,
    CLOSED,
    COMMITTED,
    ENDED,
    EXCEEDING,
    EXPIRED,
    GRANTED,
    LATE,
    MOVED,
    NO_ACCOUNT,
    NO_CHARGE,
    NO_GRANT,
    NO_RATE,
    NO_RATE_CARD,
    NO_RESERVATION,
    NOT_EMPTY,
    OTHER,
    OVERFLOW,
    PAGE_TOKEN,
    PAID_FOR,
    PLAN_SCOPES,
    PLAN_TOO_MUCH,
    PLANNED,
    POOR,
    REFUNDED,
    RELEASED,
    RESERVED,
    REVOKED,
    ROOT_SUSPENDED,
    SCOPES,
    SIZE,
    STILL_OPEN,
    SUSPENDED,
    TARGET_CLOSED,
    TARGET_FULL,
    TEAM,
    TOO_DEAR,
    TOO_LONG,
    TOO_MANY,
    TOO_MUCH,
    USAGE,
    USAGE_OF_CLOSED,
    USED_UP,
    below_nowhere,
    setting,
    sms,
    stage,
    stage_card,
    stage_committed,
    stage_expired,
    stage_hold,
    stage_much_granted,
    stage_revoked,
)

from creditgate.v1.accounts_pb2 import (
    FUNDING_OWN,
    Account,
    CloseAccountRequest,
    CreateAccountRequest,
    GetAccountRequest,
    GetBalanceRequest,
    ListAccountsRequest,
    UpdateAccountRequest,
)
from creditgate.v1.authorization_pb2 import (
    ChargeRequest,
    CommitRequest,
    ExtendRequest,
    GetReservationRequest,
    ListReservationsRequest,
    QuoteRequest,
    ReleaseRequest,
    ReserveRequest,
)
from creditgate.v1.credits_pb2 import GrantRequest, ListGrantsRequest, RevokeGrantRequest, TransferRequest
from creditgate.v1.explain_pb2 import ExplainRequest
from creditgate.v1.plans_pb2 import INTERVAL_MONTH, GetPlanRequest, Plan, SetPlanRequest
from creditgate.v1.rate_cards_pb2 import (
    RATE_UNIT_MESSAGE,
    GetRateCardRequest,
    ListRateCardsRequest,
    PutRateCardRequest,
    RateRule,
)
from creditgate.v1.refund_pb2 import RefundRequest


def of_team(request_type: type[Message], **fields: Any) -> Callable[[Scene], AnyRequest]:  # noqa: ANN401 (its fields)
    """Make requests of a type about the team."""

    def make(scene: Scene) -> AnyRequest:
        request = request_type(**fields)
        names_account(request).account_id = scene.path(TEAM)
        return request

    return make


def _children(scene: Scene) -> ListAccountsRequest:
    return ListAccountsRequest(parent_id=scene.root)


def _transfer(scene: Scene) -> TransferRequest:
    return TransferRequest(account_id=scene.path(TEAM), transfer_id="t", target_account_id=scene.path(OTHER), credits=5)


def _default_card(_: Scene) -> GetRateCardRequest:
    return GetRateCardRequest(rate_card_id="default")


def _own_card(scene: Scene) -> PutRateCardRequest:
    return PutRateCardRequest(rate_card_id=scene.root, rules=[RateRule(name="all", unit=RATE_UNIT_MESSAGE)])


def _same_rule_twice(request: AnyRequest, _: Scene) -> None:
    request.rules.append(request.rules[0])


_CREATE: Final = of_team(CreateAccountRequest, account=Account(funding=FUNDING_OWN))
_UPDATE: Final = of_team(UpdateAccountRequest, update_mask=FieldMask(paths=["display_name", "rate_card_id"]))
_CLOSE: Final = of_team(CloseAccountRequest)
_RESERVE: Final = of_team(ReserveRequest, reservation_id="r", usage=sms())
_CHARGE: Final = of_team(ChargeRequest, charge_id="c", usage=sms())
_COMMIT: Final = of_team(CommitRequest, reservation_id="r", credits=2, keep_open=True, commit_id="l")
_LATE_COMMIT: Final = of_team(CommitRequest, reservation_id="r")
_RELEASE: Final = of_team(ReleaseRequest, reservation_id="r")
_EXTEND: Final = of_team(ExtendRequest, reservation_id="r", ttl=Duration(seconds=90))
_REFUND: Final = of_team(RefundRequest, refund_id="f", reservation_id="r")
_GRANT: Final = of_team(GrantRequest, grant_id="g", credits=1)
_PLAN: Final = of_team(SetPlanRequest, change_id="p", plan=Plan(plan_id="basic", credits=1, interval=INTERVAL_MONTH))
_REVOKE: Final = of_team(RevokeGrantRequest, grant_id="first-team")

OF_ACCOUNTS: Final = (
    Ladder("CreateAccount", _CREATE, (NO_RATE_CARD, Rung("PARENT_NOT_FOUND", below_nowhere)), stage),
    Ladder(
        "CreateAccount",
        _CREATE,
        (NO_RATE_CARD, CLOSED, Rung("ACCOUNT_ALREADY_EXISTS", setting("account.display_name", "Team"))),
        stage,
    ),
    Ladder("UpdateAccount", _UPDATE, (NO_RATE_CARD, NO_ACCOUNT), stage),
    Ladder("UpdateAccount", _UPDATE, (NO_RATE_CARD, CLOSED), stage),
    Ladder("CloseAccount", _CLOSE, (NO_ACCOUNT,), stage),
    Ladder("CloseAccount", _CLOSE, (NOT_EMPTY,), stage),
    Ladder("GetAccount", of_team(GetAccountRequest), (NO_ACCOUNT,), stage),
    Ladder("GetBalance", of_team(GetBalanceRequest), (NO_ACCOUNT,), stage),
    Ladder("GetPlan", of_team(GetPlanRequest), (NO_ACCOUNT,), stage),
    Ladder("SetPlan", _PLAN, (NO_ACCOUNT, PLANNED, CLOSED, TOO_MANY), stage),
    Ladder("SetPlan", _PLAN, (NO_ACCOUNT, PLANNED, TOO_MANY, PLAN_TOO_MUCH, PLAN_SCOPES), stage_much_granted),
    Ladder("ListAccounts", _children, (PAGE_TOKEN, NO_ACCOUNT), stage),
)

OF_AUTHORIZATIONS: Final = (
    Ladder("Quote", of_team(QuoteRequest, usage=sms()), (NO_ACCOUNT, SIZE, SUSPENDED), stage),
    Ladder("Explain", of_team(ExplainRequest, usage=sms()), (NO_ACCOUNT, SIZE), stage),
    Ladder("Explain", of_team(ExplainRequest, reservation_id="r"), (NO_ACCOUNT, NO_RESERVATION), stage_hold),
    Ladder("Reserve", _RESERVE, (NO_ACCOUNT, RESERVED, SIZE, SUSPENDED), stage),
    Ladder("Reserve", _RESERVE, (NO_ACCOUNT, RESERVED, OVERFLOW, SUSPENDED), stage),
    Ladder("Charge", _CHARGE, (NO_ACCOUNT, CHARGED, AGED, SIZE, SUSPENDED), stage),
    Ladder("Charge", _CHARGE, (NO_ACCOUNT, CHARGED, AGED, OVERFLOW, SUSPENDED), stage),
    Ladder("Commit", _COMMIT, (NO_ACCOUNT, NO_RESERVATION, CAPTURED, COMMITTED), stage_hold),
    Ladder("Commit", _COMMIT, (NO_ACCOUNT, USAGE, CAPTURED, RELEASED, BEYOND, USED_UP), stage_hold),
    Ladder("Commit", _LATE_COMMIT, (NO_ACCOUNT, USAGE, CLOSED, LATE, BEYOND, USED_UP), stage_expired),
    Ladder("Release", _RELEASE, (NO_ACCOUNT, NO_RESERVATION), stage_hold),
    Ladder("Release", _RELEASE, (NO_ACCOUNT, COMMITTED), stage_hold),
    Ladder("Release", _RELEASE, (NO_ACCOUNT, CLAIMED), stage_hold),
    Ladder("Extend", _EXTEND, (NO_ACCOUNT, NO_RESERVATION), stage_hold),
    Ladder("Extend", _EXTEND, (NO_ACCOUNT, COMMITTED), stage_hold),
    Ladder("Extend", _EXTEND, (NO_ACCOUNT, RELEASED), stage_hold),
    Ladder("Extend", _EXTEND, (NO_ACCOUNT, EXPIRED), stage_hold),
    Ladder("Refund", _REFUND, (NO_ACCOUNT, REFUNDED, CLOSED, NO_RESERVATION), stage_committed),
    Ladder("Refund", _REFUND, (NO_ACCOUNT, REFUNDED, CLOSED, NO_CHARGE), stage_committed),
    Ladder("Refund", _REFUND, (NO_ACCOUNT, REFUNDED, STILL_OPEN, EXCEEDING), stage_committed),
    Ladder(
        "GetReservation", of_team(GetReservationRequest, reservation_id="r"), (NO_ACCOUNT, NO_RESERVATION), stage_hold
    ),
    Ladder("ListReservations", of_team(ListReservationsRequest), (PAGE_TOKEN, NO_ACCOUNT), stage),
)

OF_CREDITS: Final = (
    Ladder("Grant", _GRANT, (NO_ACCOUNT, GRANTED, CLOSED, ENDED), stage),
    Ladder("Grant", _GRANT, (NO_ACCOUNT, GRANTED, ENDED, TOO_MANY, TOO_MUCH, SCOPES), stage_much_granted),
    Ladder("RevokeGrant", _REVOKE, (NO_ACCOUNT, NO_GRANT, CLOSED), stage),
    Ladder("RevokeGrant", _REVOKE, (NO_ACCOUNT, REVOKED, CLOSED), stage_revoked),
    Ladder("Transfer", _transfer, (NO_ACCOUNT, MOVED, TARGET_CLOSED, PAID_FOR, POOR), stage),
    Ladder("Transfer", _transfer, (NO_ACCOUNT, MOVED, POOR, TOO_MUCH, TARGET_FULL), stage_much_granted),
    Ladder("ListGrants", of_team(ListGrantsRequest), (PAGE_TOKEN, NO_ACCOUNT), stage),
)

OF_RATE_CARDS: Final = (
    Ladder("GetRateCard", _default_card, (Rung("RATE_CARD_NOT_FOUND", setting("version", 99)),)),
    Ladder("ListRateCards", lambda _: ListRateCardsRequest(), (PAGE_TOKEN,)),
    Ladder("PutRateCard", _own_card, (Rung("INVALID_FIELD (card)", _same_rule_twice, field="rules[1].name"),)),
)

LADDERS: Final = (*OF_ACCOUNTS, *OF_AUTHORIZATIONS, *OF_CREDITS, *OF_RATE_CARDS)
"""All of them. Batch and Stream have what their operations have."""

DENIALS: Final = (
    Ladder("Reserve", _RESERVE, (USAGE_OF_CLOSED, ROOT_SUSPENDED, TOO_LONG, TOO_DEAR), stage_card),
    Ladder("Charge", _CHARGE, (USAGE_OF_CLOSED, ROOT_SUSPENDED, NO_RATE, TOO_DEAR), stage_card),
)
"""Why a usage may be denied, which is an answer and not an error."""

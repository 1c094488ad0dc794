"""Calls of every method as they really come: what is recorded of them is what the fuzzing starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from tests.fuzz.canaries import BODY, LABEL, NUMBER, REMARK
from tests.fuzz.interface import METHODS, Method, our

from creditgate.v1.accounts_pb2 import (
    ENFORCEMENT_MONITOR,
    ENFORCEMENT_OFF,
    FUNDING_OWN,
    OVERAGE_CAP,
    Account,
    CloseAccountRequest,
    CreateAccountRequest,
    GetAccountRequest,
    GetBalanceRequest,
    ListAccountsRequest,
    UpdateAccountRequest,
)
from creditgate.v1.authorization_pb2 import (
    BatchRequest,
    ChargeRequest,
    CommitRequest,
    ExtendRequest,
    GetReservationRequest,
    ListReservationsRequest,
    Operation,
    QuoteRequest,
    ReleaseRequest,
    ReserveRequest,
    StreamRequest,
)
from creditgate.v1.credits_pb2 import (
    GRANT_KIND_ALLOTMENT,
    GRANT_KIND_PLAN,
    GrantRequest,
    ListGrantsRequest,
    RevokeGrantRequest,
    Scope,
    TransferRequest,
)
from creditgate.v1.explain_pb2 import (
    ExplainRequest,
)
from creditgate.v1.plans_pb2 import (
    INTERVAL_DAY,
    INTERVAL_WEEK,
    ROLL_OVER_CAPPED,
    GetPlanRequest,
    Plan,
    SetPlanRequest,
)
from creditgate.v1.rate_cards_pb2 import (
    RATE_UNIT_BLOCK,
    RATE_UNIT_MINUTE,
    RATE_UNIT_SEGMENT,
    GetRateCardRequest,
    ListRateCardsRequest,
    PutRateCardRequest,
    RateRule,
)
from creditgate.v1.refund_pb2 import (
    RefundRequest,
)
from creditgate.v1.usage_pb2 import (
    CHANNEL_SMS,
    CHANNEL_VOICE,
    DIRECTION_INBOUND,
    DIRECTION_OUTBOUND,
    PRIORITY_BULK,
    Usage,
)
from creditgate_server.engine.paging import token

LATER: Final = Timestamp(seconds=4_000_000_000)
"""A point in time that will not come while anything here runs."""


REMARKS: Final[Mapping[str, Any]] = {"actor": REMARK, "reference": REMARK, "note": REMARK}


class Call(NamedTuple):
    """A call of a method; in a stream, one of its frames."""

    method: Method
    request: bytes


def calls_of(organisation: str) -> list[Call]:
    """Give the calls that one organisation makes, in an order in which they succeed."""
    tour = _Tour(organisation)
    tour.open()
    tour.authorize()
    tour.settle()
    tour.plan()
    tour.send_many()
    tour.read()
    tour.end()
    return tour.calls


def _sms(**fields: Any) -> Usage:  # noqa: ANN401 (as many kinds as a usage has fields)
    return Usage(**{"channel": CHANNEL_SMS, "labels": {"campaign": LABEL}, **fields})


class _Tour:
    def __init__(self, organisation: str) -> None:
        self.calls: list[Call] = []
        self.root, self.team, self.shop = organisation, f"{organisation}/field", f"{organisation}/shop"
        self.card = f"{organisation}-card"

    def open(self) -> None:
        """Open accounts, of all kinds, and fill them."""
        rules = [
            RateRule(
                name="bulk", channel=CHANNEL_SMS, regions=["US", "CA"], priority=PRIORITY_BULK,
                unit=RATE_UNIT_SEGMENT, credits_per_unit=2, maximum_segments=3,
            ),
            RateRule(
                name="calls", channel=CHANNEL_VOICE, direction=DIRECTION_OUTBOUND,
                unit=RATE_UNIT_MINUTE, credits_per_unit=3, minimum_credits=5,
            ),
            RateRule(
                name="texts", channel=CHANNEL_SMS, unit=RATE_UNIT_BLOCK, block_size=70,
                credits_per_unit=1,
            ),
        ]  # fmt: skip
        self._call("PutRateCard", PutRateCardRequest(rate_card_id=self.card, rules=rules))
        for account in (
            Account(account_id=self.root, display_name=REMARK, floor=10, inbound_overdraft_limit=500),
            Account(account_id=self.team, overdraft_limit=5),
            Account(account_id=self.shop, funding=FUNDING_OWN, rate_card_id=self.card, overage=OVERAGE_CAP),
            Account(account_id=f"{self.shop}/off", enforcement=ENFORCEMENT_OFF),
            Account(account_id=f"{self.shop}/old"),
        ):
            self._call("CreateAccount", CreateAccountRequest(account=account))
        scope = Scope(channels=[CHANNEL_SMS, CHANNEL_VOICE], regions=["US", "DE"])
        for grant in (
            GrantRequest(account_id=self.root, grant_id="g-1", credits=2000, **REMARKS),
            GrantRequest(account_id=self.root, grant_id="g-2", credits=300, expire_time=LATER, scope=scope),
            GrantRequest(account_id=self.root, grant_id="g-3", credits=9, effective_time=LATER, priority=-3),
            GrantRequest(account_id=self.team, grant_id="g-4", credits=900, kind=GRANT_KIND_ALLOTMENT),
            GrantRequest(account_id=self.shop, grant_id="g-5", credits=50, kind=GRANT_KIND_PLAN),
        ):
            self._call("Grant", grant)
        self._call(
            "Transfer",
            TransferRequest(
                account_id=self.root, transfer_id="t-1", target_account_id=self.shop, credits=100, **REMARKS
            ),
        )

    def authorize(self) -> None:
        """Quote, reserve and charge usage of all sizes."""
        for at, (account, usage) in enumerate(
            (
                (self.root, _sms(body=BODY, recipient=NUMBER)),
                (self.team, _sms(segments=3, recipient_count=20, priority=PRIORITY_BULK)),
                (self.shop, _sms(characters=500, sender=NUMBER, direction=DIRECTION_INBOUND)),
                (self.root, _sms(credits=7, region="DE")),
                (self.root, _sms(units=2, sender="Acme")),
                (self.shop, Usage(channel=CHANNEL_VOICE, seconds=90)),
            )
        ):
            self._call("Quote", QuoteRequest(account_id=account, usage=usage))
            self._call("Reserve", self._reserve(f"r-{at}", account, usage))
        partly = self._reserve("r-partly", self.shop, _sms(credits=40, recipient_count=9), allow_partial=True)
        self._call("Reserve", partly)
        self._call("Reserve", self._reserve("", self.team, _sms(segments=1), ttl=Duration(seconds=30)))
        for at, direction in enumerate((DIRECTION_INBOUND, DIRECTION_OUTBOUND)):
            usage = _sms(body=BODY, direction=direction, sender=NUMBER)
            charge = ChargeRequest(account_id=self.team, charge_id=f"c-{at}", usage=usage, event_time=LATER)
            self._call("Charge", charge)
        monitored = Account(account_id=self.shop, enforcement=ENFORCEMENT_MONITOR, display_name=REMARK)
        mask = FieldMask(paths=["enforcement", "display_name"])
        self._call("UpdateAccount", UpdateAccountRequest(account=monitored, update_mask=mask))

    def settle(self) -> None:
        """Commit, release, extend and refund."""
        for commit in (
            CommitRequest(account_id=self.root, reservation_id="r-0", labels={"run": LABEL}),
            CommitRequest(account_id=self.shop, reservation_id="r-5", credits=7),
            CommitRequest(account_id=self.root, reservation_id="r-3", usage=_sms(credits=9, region="DE")),
            CommitRequest(
                account_id=self.team,
                reservation_id="r-1",
                usage=Usage(recipient_count=4),
                keep_open=True,
                commit_id="k-1",
            ),
        ):
            self._call("Commit", commit)
        for account, id_ in ((self.shop, "r-2"), (self.root, "r-4")):
            release = ReleaseRequest(account_id=account, reservation_id=id_, reason=REMARK)
            self._call("Release", release)
        extend = ExtendRequest(account_id=self.team, reservation_id="r-1", ttl=Duration(seconds=600, nanos=5_000_000))
        self._call("Extend", extend)
        refund = RefundRequest(account_id=self.team, refund_id="f-1", charge_id="c-0", credits=1)
        self._call("Refund", refund)
        refund = RefundRequest(account_id=self.root, refund_id="f-2", reservation_id="r-0")
        self._call("Refund", refund)

    def send_many(self) -> None:
        """Send operations in batches, atomic ones too, and in frames."""
        usage = _sms(body=BODY, recipient=NUMBER)
        mixed = [
            Operation(tag="0", quote=QuoteRequest(account_id=self.team, usage=usage)),
            Operation(tag="1", reserve=self._reserve("b-1", self.team, usage)),
            Operation(reserve=self._reserve("b-2", self.shop, _sms(segments=2))),
            Operation(tag="3", commit=CommitRequest(account_id=self.team, reservation_id="b-1", usage=usage)),
            Operation(release=ReleaseRequest(account_id=self.shop, reservation_id="b-2")),
            Operation(
                charge=ChargeRequest(
                    account_id=self.root, charge_id="b-3", usage=_sms(units=1, direction=DIRECTION_INBOUND)
                )
            ),
            Operation(refund=RefundRequest(account_id=self.root, refund_id="b-4", charge_id="b-3")),
        ]
        self._call("Batch", BatchRequest(operations=mixed))
        together = [
            Operation(tag="ä", reserve=self._reserve("a-1", self.root, usage)),
            Operation(reserve=self._reserve("a-2", self.team, usage)),
            Operation(extend=ExtendRequest(account_id=self.root, reservation_id="a-1", ttl=Duration(seconds=90))),
        ]
        self._call("Batch", BatchRequest(operations=together, atomic=True))
        self._call("Stream", StreamRequest(batch_id=1, operations=mixed[:3]))
        self._call("Stream", StreamRequest(batch_id=-1, operations=mixed[3:]))

    def plan(self) -> None:
        """Give credits each period, change that when the period ends, and give no more."""
        plan = Plan(
            plan_id="basic",
            credits=70,
            interval=INTERVAL_WEEK,
            anchor_time=Timestamp(seconds=1_700_000_000),
            time_zone="Australia/Lord_Howe",
            scope=Scope(channels=[CHANNEL_SMS]),
            roll_over=ROLL_OVER_CAPPED,
            roll_over_cap=9,
            roll_over_ttl=Duration(seconds=86_400),
            roll_over_priority=-1,
        )
        self._call("SetPlan", SetPlanRequest(account_id=self.root, change_id="p-0", plan=plan))
        daily = Plan(plan_id="daily", credits=3, interval=INTERVAL_DAY)
        for change_id, following in (("p-1", daily), ("p-2", None)):
            change = SetPlanRequest(account_id=self.root, change_id=change_id, plan=following, at_period_end=True)
            self._call("SetPlan", change)

    def read(self) -> None:
        """Ask for everything that can be seen, page by page."""
        for account in (self.root, self.team):
            self._call("Explain", ExplainRequest(account_id=account, usage=_sms(body=BODY)))
            self._call("GetBalance", GetBalanceRequest(account_id=account))
            self._call("GetAccount", GetAccountRequest(account_id=account))
            self._call("GetPlan", GetPlanRequest(account_id=account))
        self._call("Explain", ExplainRequest(account_id=self.root, reservation_id="r-0"))
        hold = GetReservationRequest(account_id=self.team, reservation_id="r-1")
        self._call("GetReservation", hold)
        for page_token in ("", token(1000, f"h{self.root}|r-0")):
            request = ListReservationsRequest(
                account_id=self.root, include_descendants=True, page_size=2, page_token=page_token
            )
            self._call("ListReservations", request)
        for page_token in ("", token(2)):
            grants = ListGrantsRequest(account_id=self.root, include_ended=True, page_size=2, page_token=page_token)
            self._call("ListGrants", grants)
        for page_token in ("", token(self.team)):
            self._call(
                "ListAccounts",
                ListAccountsRequest(parent_id=self.root, page_size=2, page_token=page_token),
            )
        self._call("ListRateCards", ListRateCardsRequest(page_size=3, page_token=token(self.card)))
        self._call("GetRateCard", GetRateCardRequest(rate_card_id=self.card, version=1))
        for name in ("Check", "List", "Watch"):
            request_type = health_pb2.HealthCheckRequest
            self._standard(f"/grpc.health.v1.Health/{name}", request_type(service="creditgate.v1.CreditService"))
        symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="creditgate.v1.Usage")
        for version in ("v1alpha", "v1"):
            self._standard(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", symbol)

    def end(self) -> None:
        """Take back and close."""
        revoke = RevokeGrantRequest(account_id=self.shop, grant_id="g-5", claw_back=True, note=REMARK)
        self._call("RevokeGrant", revoke)
        self._call("CloseAccount", CloseAccountRequest(account_id=f"{self.shop}/old"))

    def _reserve(self, id_: str, account: str, usage: Usage, **fields: Any) -> ReserveRequest:  # noqa: ANN401
        return ReserveRequest(account_id=account, reservation_id=id_, usage=usage, **fields)

    def _call(self, name: str, request: Message) -> None:
        self.calls.append(Call(our(name), request.SerializeToString(deterministic=True)))

    def _standard(self, path: str, request: Message) -> None:
        if path in METHODS:  # older releases of gRPC's health have no List
            self.calls.append(Call(METHODS[path], request.SerializeToString(deterministic=True)))

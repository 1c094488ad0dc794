"""What can be wrong with calls, each thing by itself, and the stage that it is set on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tests.rpc.rungs import AnyRequest, Rung, names_account
from tests.rpc.scenes import Scene

from creditgate.v1.accounts_pb2 import (
    ACCOUNT_STATUS_SUSPENDED,
    FUNDING_OWN,
    FUNDING_PARENT,
    LATE_COMMIT_REJECT,
    OVERAGE_REJECT,
)
from creditgate.v1.authorization_pb2 import ChargeRequest
from creditgate.v1.credits_pb2 import ListGrantsRequest, Scope, TransferRequest
from creditgate.v1.decision_pb2 import (
    DENIAL_REASON_ACCOUNT_CLOSED,
    DENIAL_REASON_ACCOUNT_SUSPENDED,
    DENIAL_REASON_INSUFFICIENT_CREDITS,
    DENIAL_REASON_NO_RATE,
    DENIAL_REASON_TOO_MANY_SEGMENTS,
)
from creditgate.v1.plans_pb2 import INTERVAL_MONTH, Plan, SetPlanRequest
from creditgate.v1.rate_cards_pb2 import RATE_UNIT_SEGMENT, PutRateCardRequest, RateRule
from creditgate.v1.refund_pb2 import RefundRequest
from creditgate.v1.usage_pb2 import CHANNEL_MMS, CHANNEL_SMS, DIRECTION_OUTBOUND, Usage

AGES_S: Final = 49 * 60 * 60
"""Longer than charges are remembered."""

GRANTS_MAX: Final = 100
SCOPES_MAX: Final = 16
REGIONS: Final = ("US", "CA", "DE", "FR", "GB", "IE", "ES", "PT", "IT", "AT", "CH", "SE", "NO", "FI", "DK", "NL", "BE")

CREDITS: Final = 2000
"""What each account has."""

TEAM: Final = "team"
"""The account that a call is about; it pays for itself."""

OTHER: Final = "other"
"""Another one of the same organisation."""


def stage(scene: Scene) -> None:
    """Open the accounts."""
    scene.open(credits_=CREDITS)
    for below in (TEAM, OTHER):
        scene.open(below, CREDITS, funding=FUNDING_OWN)


def stage_hold(scene: Scene) -> None:
    """Hold three credits, of which the commit `k` has captured one."""
    stage(scene)
    scene.reserve("r", TEAM, segments=3)
    scene.commit("r", TEAM, credits=1, keep_open=True, commit_id="k")


def stage_expired(scene: Scene) -> None:
    """Hold one credit for too long."""
    stage(scene)
    scene.reserve_and_expire("r", TEAM)


def stage_committed(scene: Scene) -> None:
    """Capture three credits."""
    stage(scene)
    scene.reserve("r", TEAM, segments=3)
    scene.commit("r", TEAM)


def stage_revoked(scene: Scene) -> None:
    """Take a second grant back."""
    stage(scene)
    scene.grant("second", TEAM)
    scene.revoke("second", TEAM)


def stage_card(scene: Scene) -> None:
    """Let a rate card price messages of three segments at most, and nothing else."""
    stage(scene)
    rule = RateRule(name="sms", channel=CHANNEL_SMS, unit=RATE_UNIT_SEGMENT, credits_per_unit=1, maximum_segments=3)
    scene.api.rate_cards.PutRateCard(PutRateCardRequest(rate_card_id=scene.root, rules=[rule]))
    scene.update(TEAM, rate_card_id=scene.root)


def stage_much_granted(scene: Scene) -> None:
    """Let both accounts have been granted all that can be counted, but for 500 credits."""
    stage(scene)
    for below in (TEAM, OTHER):
        scene.grant_almost_all(below, but=CREDITS + 500)


def sms(**fields: Any) -> Usage:  # noqa: ANN401 (a field of Usage)
    """Describe a message of one segment."""
    return Usage(**{"channel": CHANNEL_SMS, "direction": DIRECTION_OUTBOUND, "segments": 1, **fields})


def setting(path: str, value: object) -> Callable[[AnyRequest, Scene], None]:
    """Set a field of a request, or (`usage.seconds`) of a message in it."""
    *holders, field = path.split(".")

    def spoil(request: AnyRequest, _: Scene) -> None:
        for holder in holders:
            request = getattr(request, holder)
        if isinstance(value, Message):
            getattr(request, field).CopyFrom(value)
        else:
            setattr(request, field, value)

    return spoil


def _revoked(request: AnyRequest, _: Scene) -> None:
    request.grant_id, request.claw_back = "second", True


def long_ago() -> Timestamp:
    """Give a time further back than charges are remembered."""
    return Timestamp(seconds=int(time.time()) - AGES_S)


def _nowhere(request: AnyRequest, scene: Scene) -> None:
    holder = names_account(request)
    field = "account_id" if "account_id" in holder.DESCRIPTOR.fields_by_name else "parent_id"
    setattr(holder, field, scene.path("nowhere"))


def below_nowhere(request: AnyRequest, scene: Scene) -> None:
    """Name an account whose parent does not exist."""
    request.account.account_id = scene.path("nowhere/east")


def _all_grants(below: str) -> Callable[[Scene], None]:
    def happen(scene: Scene) -> None:
        request = ListGrantsRequest(account_id=scene.path(below), page_size=500)
        for number in range(GRANTS_MAX - len(scene.api.credits.ListGrants(request).grants)):
            scene.grant(f"{below}-{number}", below)

    return happen


def _all_scopes(scene: Scene) -> None:
    for region in REGIONS[:SCOPES_MAX]:
        scene.grant(f"in-{region}", TEAM, scope=Scope(regions=[region]))


def _other_charge(scene: Scene) -> None:
    charge = ChargeRequest(account_id=scene.path(OTHER), charge_id="c", usage=sms(segments=2))
    scene.api.authorization.Charge(charge)


def _other_refund(scene: Scene) -> None:
    scene.reserve("o", OTHER)
    scene.commit("o", OTHER)
    refund = RefundRequest(account_id=scene.path(OTHER), refund_id="f", reservation_id="o")
    scene.api.authorization.Refund(refund)


def _other_transfer(scene: Scene) -> None:
    third = scene.open("third", funding=FUNDING_OWN)
    transfer = TransferRequest(account_id=scene.root, transfer_id="t", target_account_id=third, credits=1)
    scene.api.credits.Transfer(transfer)


def _other_plan(scene: Scene) -> None:
    plan = Plan(plan_id="other", credits=1, interval=INTERVAL_MONTH)
    scene.api.accounts.SetPlan(SetPlanRequest(account_id=scene.path(OTHER), change_id="p", plan=plan))


def _close(below: str) -> Callable[[Scene], None]:
    return lambda scene: scene.close(below)


def _update(**settings: Any) -> Callable[[Scene], None]:  # noqa: ANN401 (a field of Account)
    return lambda scene: scene.update(TEAM, **settings)


NO_ACCOUNT: Final = Rung("ACCOUNT_NOT_FOUND", _nowhere)
NO_RESERVATION: Final = Rung("RESERVATION_NOT_FOUND", setting("reservation_id", "unknown"))
NO_RATE_CARD: Final = Rung("RATE_CARD_NOT_FOUND", setting("account.rate_card_id", "unknown"))
CLOSED: Final = Rung("ACCOUNT_CLOSED", happen=_close(TEAM))
SIZE: Final = Rung("INVALID_FIELD (size)", setting("usage.seconds", 60), field="usage.seconds")
USAGE: Final = Rung(
    "INVALID_FIELD (usage)", setting("usage", Usage(channel=CHANNEL_MMS, segments=9)), field="usage.channel"
)
PAGE_TOKEN: Final = Rung("INVALID_FIELD (page token)", setting("page_token", "nonsense"), field="page_token")
OVERFLOW: Final = Rung(
    "BALANCE_OVERFLOW", setting("usage.segments", 6), happen=lambda scene: scene.use_almost_all(TEAM)
)
SUSPENDED: Final = Rung(
    "denial", happen=_update(status=ACCOUNT_STATUS_SUSPENDED), denial=DENIAL_REASON_ACCOUNT_SUSPENDED
)
NOT_EMPTY: Final = Rung("ACCOUNT_NOT_EMPTY", happen=lambda scene: scene.reserve("r", TEAM))
RESERVED: Final = Rung("ID_REUSED", happen=lambda scene: scene.reserve("r", OTHER))
CHARGED: Final = Rung("ID_REUSED", happen=_other_charge)
AGED: Final = Rung("ID_TOO_OLD", setting("event_time", long_ago()))
CAPTURED: Final = Rung("ID_REUSED", setting("commit_id", "k"))
COMMITTED: Final = Rung("HOLD_ALREADY_COMMITTED", happen=lambda scene: scene.commit("r", TEAM))
RELEASED: Final = Rung("HOLD_ALREADY_RELEASED", happen=lambda scene: scene.release("r", TEAM))
LATE: Final = Rung("HOLD_EXPIRED", happen=_update(late_commit=LATE_COMMIT_REJECT))
EXPIRED: Final = Rung(
    "HOLD_EXPIRED", setting("reservation_id", "x"), happen=lambda scene: scene.reserve_and_expire("x", TEAM)
)
CLAIMED: Final = Rung(
    "HOLD_EXPIRED",
    setting("reservation_id", "x"),
    happen=lambda scene: scene.reserve_and_expire("x", TEAM, captures=True),
)
BEYOND: Final = Rung("OVERAGE_REJECTED", setting("credits", 10), happen=_update(overage=OVERAGE_REJECT))
USED_UP: Final = Rung("BALANCE_OVERFLOW", setting("credits", 10), happen=lambda scene: scene.use_almost_all(TEAM))
REFUNDED: Final = Rung("ID_REUSED", happen=_other_refund)
NO_CHARGE: Final = Rung("CHARGE_NOT_FOUND", setting("charge_id", "unknown"))
STILL_OPEN: Final = Rung(
    "HOLD_STILL_OPEN", setting("reservation_id", "open"), happen=lambda scene: scene.reserve("open", TEAM)
)
EXCEEDING: Final = Rung("REFUND_EXCEEDS_CAPTURED", setting("credits", 9))
GRANTED: Final = Rung("ID_REUSED", happen=lambda scene: scene.grant("g", OTHER))
ENDED: Final = Rung("INVALID_FIELD (time)", setting("expire_time", long_ago()), field="expire_time")
TOO_MANY: Final = Rung("TOO_MANY_GRANTS", happen=_all_grants(TEAM))
TOO_MUCH: Final = Rung("BALANCE_OVERFLOW", setting("credits", 1000))
SCOPES: Final = Rung("TOO_MANY_GRANTS (scopes)", setting("scope", Scope(regions=REGIONS[-1:])), happen=_all_scopes)
PLANNED: Final = Rung("ID_REUSED", happen=_other_plan)
PLAN_TOO_MUCH: Final = Rung("BALANCE_OVERFLOW", setting("plan.credits", 1000))
PLAN_SCOPES: Final = Rung(
    "TOO_MANY_GRANTS (scopes)", setting("plan.scope", Scope(regions=REGIONS[-1:])), happen=_all_scopes
)
REVOKED: Final = Rung("GRANT_ALREADY_REVOKED", _revoked)
NO_GRANT: Final = Rung("GRANT_NOT_FOUND", setting("grant_id", "unknown"))
MOVED: Final = Rung("ID_REUSED", happen=_other_transfer)
TARGET_CLOSED: Final = Rung("ACCOUNT_CLOSED", happen=_close(OTHER))
PAID_FOR: Final = Rung("ACCOUNT_NOT_SELF_FUNDED", happen=_update(funding=FUNDING_PARENT))
POOR: Final = Rung("INSUFFICIENT_CREDITS", setting("credits", 2 * CREDITS))
TARGET_FULL: Final = Rung("TOO_MANY_GRANTS", happen=_all_grants(OTHER))

# Denials

USAGE_OF_CLOSED: Final = Rung("closed", happen=_close(TEAM), denial=DENIAL_REASON_ACCOUNT_CLOSED)
ROOT_SUSPENDED: Final = Rung(
    "suspended",
    happen=lambda scene: scene.update(status=ACCOUNT_STATUS_SUSPENDED),
    denial=DENIAL_REASON_ACCOUNT_SUSPENDED,
)
TOO_LONG: Final = Rung("too long", setting("usage.segments", 4), denial=DENIAL_REASON_TOO_MANY_SEGMENTS)
NO_RATE: Final = Rung("no rate", setting("usage.channel", CHANNEL_MMS), denial=DENIAL_REASON_NO_RATE)
TOO_DEAR: Final = Rung(
    "too dear", setting("usage.recipient_count", CREDITS + 1), denial=DENIAL_REASON_INSUFFICIENT_CREDITS
)

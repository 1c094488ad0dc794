"""What a history of the ledger is made of: steps, and strategies that choose them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from tests.ledger.model_records import MANY, NEVER, Moment, Traffic

from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    LateCommit,
    ReservationState,
)

AT_ONCE = Moment(-MANY, 0)

SCOPES = (
    ask.Scope(),
    ask.Scope(),
    ask.Scope(channels=(Channel.SMS,)),
    ask.Scope(regions=("US",)),
    ask.Scope(channels=(Channel.MMS, Channel.SMS), regions=("DE", "US")),
)


@dataclass(frozen=True)
class Reserve:
    account: int
    traffic: Traffic
    ticks: int
    allow_partial: bool
    expiry_action: ExpiryAction
    used_id: int | None
    id: str = ""


@dataclass(frozen=True)
class Charge:
    account: int
    traffic: Traffic
    used_id: int | None
    id: str = ""


@dataclass(frozen=True)
class Give:
    account: int
    credits: int
    kind: GrantKind
    priority: int
    scope: ask.Scope
    begins_in: int | None
    ends_in: int | None
    used_id: int | None
    id: str = ""
    begins: Moment = AT_ONCE
    ends: Moment = NEVER


@dataclass(frozen=True)
class Settle:
    hold: int
    state: ReservationState | None
    credits: int | None
    releases: bool
    other_account: int | None


@dataclass(frozen=True)
class Change:
    account: int
    settings: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Quote:
    account: int
    traffic: Traffic


@dataclass(frozen=True)
class Again:
    back: int


Step = Reserve | Charge | Give | Settle | Change | Quote | Again

credit_amounts = st.one_of(st.integers(0, 6), st.integers(0, 30))
traffics = st.builds(
    Traffic,
    channel=st.sampled_from([Channel.SMS, Channel.SMS, Channel.VOICE]),
    region=st.sampled_from(["US", "DE", ""]),
    direction=st.just(Direction.OUTBOUND),
    priority=st.sampled_from(Priority),
    unit=st.integers(0, 7),
    recipients=st.sampled_from([1, 1, 2, 3]),
)
charged = st.builds(
    lambda traffic, direction: replace(traffic, direction=direction), traffics, st.sampled_from(Direction)
)
account_numbers = st.sampled_from([0] + 10 * [1, 2, 3])
used_ids = st.sampled_from([None] * 25 + [0, 1, 2])
changes: dict[str, st.SearchStrategy[object]] = {
    "enforcement": st.sampled_from([Enforcement.ENFORCE, Enforcement.ENFORCE, *Enforcement]),
    "funding": st.sampled_from(Funding),
    "status": st.sampled_from([AccountStatus.ACTIVE] * 19 + [AccountStatus.SUSPENDED]),
    "overdraft_limit": st.sampled_from([0, 5, 20]),
    "inbound_overdraft_limit": st.sampled_from([None, None, 0, 15]),
    "floor": st.sampled_from([None, None, -3, 0, 4]),
    "late_commit": st.sampled_from([None, *LateCommit]),
    "limit_counts_inbound": st.booleans(),
}
settings_changes = st.fixed_dictionaries({}, optional=changes).map(lambda chosen: tuple(chosen.items()))
reserves = st.builds(
    Reserve,
    account=account_numbers,
    traffic=traffics,
    ticks=st.integers(1, 4),
    allow_partial=st.booleans(),
    expiry_action=st.sampled_from([ExpiryAction.RELEASE, ExpiryAction.RELEASE, ExpiryAction.COMMIT]),
    used_id=used_ids,
)
gifts = st.builds(
    Give,
    account=account_numbers,
    credits=st.integers(1, 60),
    kind=st.sampled_from([GrantKind.PURCHASED, GrantKind.PLAN, GrantKind.ALLOTMENT]),
    priority=st.integers(-1, 1),
    scope=st.sampled_from(SCOPES),
    begins_in=st.sampled_from([None, None, None, -1, 1, 2]),
    ends_in=st.sampled_from([None, None, 0, 1, 2, 3, 5]),
    used_id=used_ids,
)
settlements = st.builds(
    Settle,
    hold=st.integers(0, 9),
    state=st.sampled_from([*[ReservationState.PENDING] * 6, *[ReservationState.EXPIRED] * 2, None]),
    credits=st.one_of(st.none(), credit_amounts),
    releases=st.sampled_from([False, False, True]),
    other_account=st.sampled_from([None] * 15 + [0, 1, 2]),
)
steps = st.one_of(
    reserves,
    reserves,
    settlements,
    settlements,
    gifts,
    st.builds(Charge, account=account_numbers, traffic=charged, used_id=used_ids),
    st.builds(Quote, account=account_numbers, traffic=traffics),
    st.builds(Again, back=st.integers(0, 6)),
    st.builds(Change, account=account_numbers, settings=settings_changes),
)

"""Arguments and replies of the function library: MessagePack arrays, in the order of the contracts in `lua/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgpack

from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.calendar import Cycle
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    Interval,
    LateCommit,
    Overage,
    Pot,
    ReservationState,
    RollOver,
    SettledBy,
)

if TYPE_CHECKING:
    from creditgate.pricing.rate_cards import Price

Fields = list[Any]
"""A decoded MessagePack array; this module is the only one that knows its positions."""

_packer: Final = msgpack.Packer(use_bin_type=False)
"""Lua has one type for texts and bytes, and its MessagePack knows no bin type."""


def pack(*fields: object) -> bytes:
    """Encode arguments as one array."""
    return _packer.pack(fields)


def unpack(packed: bytes) -> Fields:
    """Decode a reply."""
    fields: Fields = msgpack.unpackb(packed, strict_map_key=False)
    return fields


def unpack_row(packed: bytes) -> Fields:
    """Decode values in a row, such as a journal entry's."""
    unpacker = msgpack.Unpacker(strict_map_key=False)
    unpacker.feed(packed)
    return list(unpacker)


def pack_row(*values: object) -> bytes:
    """Encode values in a row, as `work.open` reads the ledger's settings."""
    return b"".join(map(_packer.pack, values))


def traffic_args(traffic: ask.Traffic) -> tuple[int, int, str, int]:
    """Return channel, direction, region and priority, which stand together in every authorization."""
    usage = traffic.usage
    return int(usage.channel), int(usage.direction), usage.region, int(usage.priority)


def settings_fields(settings: ask.AccountSettings) -> Fields:
    """Return settings in the order of `codec.SETTABLE`."""
    return [
        int(settings.status),
        int(settings.funding),
        int(settings.enforcement),
        settings.overdraft_limit,
        False if settings.inbound_overdraft_limit is None else settings.inbound_overdraft_limit,
        False if settings.floor is None else settings.floor,
        0 if settings.late_commit is None else int(settings.late_commit),
        settings.rate_card_id,
        settings.limit_counts_inbound,
        0 if settings.overage is None else int(settings.overage),
    ]


_SETTABLE: Final = {
    "status": 1,
    "funding": 2,
    "enforcement": 3,
    "overdraft_limit": 4,
    "inbound_overdraft_limit": 5,
    "floor": 6,
    "late_commit": 7,
    "rate_card_id": 8,
    "limit_counts_inbound": 9,
    "overage": 10,
}

_INHERITED: Final = frozenset({"late_commit", "overage"})
"""Settings whose 0 means that the account above decides; of the other optional ones, False means unset."""


def change_fields(change: ask.SettingsChange) -> list[tuple[int, object]]:
    """Return the changed settings as pairs of position in `codec.SETTABLE` and value."""
    changes: list[tuple[int, object]] = []
    for name, position in _SETTABLE.items():
        value = getattr(change, name)
        if value is ask.UNSET:
            continue
        if value is None:
            value = 0 if name in _INHERITED else False
        changes.append((position, value))
    return changes


def _optional(value: int | bool) -> int | None:  # noqa: FBT001 — Lua has no other way to leave a number out
    return None if value is False else value


def read_balance(fields: Fields) -> told.Balance:
    """Read `authorizations.balance`."""
    account_id, payer_id, available, usable, reserved, debt, limit_left, units_left = fields
    return told.Balance(
        account_id, payer_id, available, usable, reserved, debt, _optional(limit_left), _optional(units_left)
    )


def read_authorization(fields: Fields, price: Price | None) -> told.Authorization:
    """Read the answer to Quote, Reserve and Charge."""
    _, decision, denial, credits_, recipients, state, expire_ms, replayed, balance, _, _ = fields
    return told.Authorization(
        decision=Decision(decision),
        denial=_read_denial(*denial) if denial else None,
        credits=credits_,
        recipients_granted=recipients,
        balance=read_balance(balance),
        price=price,
        state=ReservationState(state) if state else None,
        expire_ms=expire_ms,
        replayed=replayed,
    )


def _read_denial(reason: int, level: str, shortfall: int, next_credit_ms: int) -> told.Denial:
    return told.Denial(DenialReason(reason), level, shortfall, next_credit_ms)


def read_settlement(fields: Fields) -> told.Settlement:
    """Read the answer to Commit and Release."""
    _, state, captured, restored, expired, overage, shortfall, debt_repaid, late, replayed, balance = fields
    return told.Settlement(
        state=ReservationState(state),
        captured=captured,
        restored=restored,
        expired=expired,
        overage=overage,
        shortfall=shortfall,
        debt_repaid=debt_repaid,
        balance=read_balance(balance),
        replayed=replayed,
        late=late,
    )


def read_refund(fields: Fields) -> told.Refunded:
    """Read the answer to Refund."""
    _, credits_, restored, expired, debt_repaid, replayed, balance = fields
    return told.Refunded(credits_, restored, expired, debt_repaid, read_balance(balance), replayed)


def read_revocation(fields: Fields) -> told.Revoked:
    """Read the answer to RevokeGrant."""
    _, grant, revoked, clawed_back, balance, replayed = fields
    return told.Revoked(read_grant(grant), revoked, clawed_back, read_balance(balance), replayed)


def read_transfer(fields: Fields) -> told.Transferred:
    """Read the answer to Transfer."""
    _, credits_, debt_repaid, source, target, replayed = fields
    return told.Transferred(credits_, debt_repaid, read_balance(source), read_balance(target), replayed)


def read_closing(fields: Fields) -> told.Closed:
    """Read the answer to CloseAccount."""
    _, described, balance, revoked, written_off, replayed = fields
    return told.Closed(read_account(described, balance), revoked, written_off, replayed)


def renewal_of(fields: Fields) -> tuple[str, int, int]:
    """Return what ends the period that a sweep has met: whose it is, its end, and that of the next (0: none)."""
    account_id, end_ms, cycle = fields
    if not cycle:
        return account_id, end_ms, 0
    interval, anchor_ms, time_zone = cycle
    return account_id, end_ms, Cycle(Interval(interval), anchor_ms, time_zone).boundary_after(end_ms)


def plan_fields(terms: ask.PlanTerms) -> Fields:
    """Return a plan's terms in the order of `codec.PLAN_TERMS`."""
    return [
        terms.plan_id,
        terms.credits,
        int(terms.interval),
        False if terms.anchor_ms is None else terms.anchor_ms,
        terms.time_zone,
        terms.priority,
        list(map(int, terms.scope.channels)),
        list(terms.scope.regions),
        int(terms.rollover),
        terms.rollover_cap,
        terms.rollover_life_ms,
        terms.rollover_priority,
    ]


def read_plan(fields: Fields | Literal[False]) -> told.Plan | None:
    """Read `plans.describe`."""
    if fields is False:
        return None
    terms, begin_ms, end_ms, grant_id, following = fields
    return told.Plan(
        _read_plan_terms(terms),
        begin_ms,
        end_ms,
        grant_id,
        None if isinstance(following, bool) else _read_plan_terms(following),
        following is True,
    )


def _read_plan_terms(fields: Fields) -> ask.PlanTerms:
    plan_id, credits_, interval, anchor_ms, time_zone, priority, channels, regions, mode, cap, life_ms, rolled = fields
    return ask.PlanTerms(
        plan_id=plan_id,
        credits=credits_,
        interval=Interval(interval),
        anchor_ms=_optional(anchor_ms),
        time_zone=time_zone,
        priority=priority,
        scope=ask.Scope(tuple(map(Channel, channels)), tuple(regions)),
        rollover=RollOver(mode),
        rollover_cap=cap,
        rollover_life_ms=life_ms,
        rollover_priority=rolled,
    )


def read_plan_set(fields: Fields) -> told.PlanSet:
    """Read the answer to SetPlan."""
    _, plan, debt_repaid, balance, replayed = fields
    return told.PlanSet(read_plan(plan), debt_repaid, read_balance(balance), replayed)


def read_grant(fields: Fields) -> told.Grant:
    """Read `giving.describe`."""
    (
        grant_id, account_id, kind, state, amount, remaining, held, captured, refunded, debt_repaid, expired,
        revoked, moved, priority, channels, regions, create_ms, effective_ms, expire_ms, actor, reference, note,
    ) = fields  # fmt: skip
    return told.Grant(
        grant_id=grant_id,
        account_id=account_id,
        kind=GrantKind(kind),
        state=GrantState(state),
        amount=amount,
        remaining=remaining,
        held=held,
        captured=captured,
        refunded=refunded,
        debt_repaid=debt_repaid,
        expired=expired,
        revoked=revoked,
        moved=moved,
        priority=priority,
        scope=ask.Scope(tuple(map(Channel, channels)), tuple(regions)),
        create_ms=create_ms,
        effective_ms=effective_ms,
        expire_ms=expire_ms,
        actor=actor,
        reference=reference,
        note=note,
    )


def _read_settings(fields: Fields) -> tuple[str, ask.AccountSettings, int, int]:
    (
        account_id, status, funding, enforcement, overdraft_limit, inbound_overdraft_limit, floor, late_commit,
        rate_card_id, limit_counts_inbound, overage, display_name, create_ms, update_ms,
    ) = fields  # fmt: skip
    settings = ask.AccountSettings(
        status=AccountStatus(status),
        funding=Funding(funding),
        enforcement=Enforcement(enforcement),
        overdraft_limit=overdraft_limit,
        inbound_overdraft_limit=_optional(inbound_overdraft_limit),
        floor=_optional(floor),
        late_commit=LateCommit(late_commit) if late_commit else None,
        overage=Overage(overage) if overage else None,
        rate_card_id=rate_card_id,
        limit_counts_inbound=limit_counts_inbound,
        display_name=display_name,
    )
    return account_id, settings, create_ms, update_ms


def read_account(described: Fields, balance: Fields) -> told.Account:
    """Read `accounts.view`."""
    account_id, settings, create_ms, update_ms = _read_settings(described)
    return told.Account(account_id, settings, create_ms, update_ms, read_balance(balance))


def read_standing(fields: Fields) -> told.Standing:
    """Read the answer to `get_standing`, or the end of that to `explain`."""
    balance, levels, grants = fields[-3:]
    return told.Standing(
        balance=read_balance(balance),
        levels=tuple(_read_level(level) for level in levels),
        grants=tuple(map(read_grant, grants)),
    )


def _read_level(fields: Fields) -> told.Level:
    described, pays, available, reserved, debt, limit_left, limit_reserved = fields
    account_id, settings, _, _ = _read_settings(described)
    return told.Level(account_id, settings, pays, available, reserved, debt, _optional(limit_left), limit_reserved)


def read_reservation(fields: Fields) -> told.Reservation:
    """Read `describe_hold`."""
    (
        account_id, payer_id, reservation_id, state, credits_, held, captured, restored, refunded, recipients, unit,
        card, version, rule, create_ms, expire_ms, settle_ms, settled_by, expiry_action, draws, labels, channel,
        direction, region, priority,
    ) = fields  # fmt: skip
    return told.Reservation(
        account_id=account_id,
        payer_id=payer_id,
        reservation_id=reservation_id,
        state=ReservationState(state),
        credits=credits_,
        held=held,
        captured=captured,
        restored=restored,
        refunded=refunded,
        recipients_granted=recipients,
        credits_per_recipient=unit,
        rate_card_id=card,
        rate_card_version=version,
        rule=rule,
        channel=Channel(channel),
        direction=Direction(direction),
        region=region,
        priority=Priority(priority),
        create_ms=create_ms,
        expire_ms=expire_ms,
        settle_ms=settle_ms,
        settled_by=SettledBy(settled_by) if settled_by else None,
        expiry_action=ExpiryAction(expiry_action),
        draws=tuple(_read_draw(draw) for draw in draws),
        labels=tuple((key, value) for key, value in labels),
    )


def _read_draw(fields: Fields) -> told.Draw:
    account_id, pot, grants, unfunded, unenforced = fields
    parts = tuple((grant_id, credits_) for grant_id, credits_ in grants)
    return told.Draw(account_id, Pot(pot), parts, unfunded, unenforced)

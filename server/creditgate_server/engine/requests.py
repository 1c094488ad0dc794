"""Operations as the store's functions take them: a lane, a name, and packed arguments in the order of `lua/`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from creditgate_server.credit import operations as ask
from creditgate_server.credit.content import (
    content_of_account,
    content_of_charge,
    content_of_grant,
    content_of_plan,
    content_of_refund,
    content_of_reserve,
    content_of_transfer,
)
from creditgate_server.store import records
from creditgate_server.store.ledger import Lane

if TYPE_CHECKING:
    from creditgate_server.engine.pricing import Priced

ALL: Final = -1
"""What the store takes for all that is held, and for all that is left to refund."""

Administered = (
    ask.GrantCredits | ask.RevokeGrant | ask.Transfer | ask.CreateAccount | ask.UpdateAccount | ask.CloseAccount
)
"""Operations that need no price."""


class Asked(NamedTuple):
    """A request to the store, but for the key that routes it."""

    lane: Lane
    name: str
    args: bytes


def ask_decision(operation: ask.Decided, priced: Priced, *, explains: bool = False) -> Asked:
    """Ask for a decision on a priced usage; `explains` asks a quote to tell what it was decided on."""
    traffic, account_id = operation.traffic, operation.account_id
    decided = (
        *records.traffic_args(traffic),
        priced.unit,
        traffic.usage.recipient_count,
        priced.denial,
        priced.card_id,
        priced.card_version,
    )
    match operation:
        case ask.Quote():
            return Asked(Lane.READ, "explain" if explains else "quote", records.pack(account_id, *decided))
        case ask.Reserve():
            content = content_of_reserve(operation, priced.segments)
            args = records.pack(
                account_id,
                operation.reservation_id,
                content,
                *decided,
                priced.rule,
                operation.allow_partial,
                operation.ttl_ms,
                int(operation.expiry_action),
                traffic.labels,
            )
            return Asked(Lane.DECIDE, "reserve", args)
        case ask.Charge():
            content = content_of_charge(operation, priced.segments)
            args = records.pack(
                account_id,
                operation.charge_id,
                content,
                *decided,
                priced.rule,
                traffic.labels,
                operation.event_ms,
            )
            return Asked(Lane.DECIDE, "charge", args)


def ask_settlement(operation: ask.Settling, credits_: int) -> Asked:
    """Ask to settle or prolong a hold, or to refund; `credits_` is what a commit captures, ALL for all that is held."""
    match operation:
        case ask.Commit(account_id, reservation_id, labels=labels, commit_id=commit_id):
            args = records.pack(account_id, reservation_id, credits_, commit_id, labels)
            return Asked(Lane.SETTLE, "commit", args)
        case ask.Release(account_id, reservation_id, reason):
            return Asked(Lane.SETTLE, "release", records.pack(account_id, reservation_id, reason))
        case ask.Extend(account_id, reservation_id, ttl_ms):
            return Asked(Lane.SETTLE, "extend", records.pack(account_id, reservation_id, ttl_ms))
        case ask.Refund():
            args = records.pack(
                operation.account_id,
                operation.refund_id,
                content_of_refund(operation),
                operation.reservation_id,
                operation.charge_id,
                ALL if operation.credits is None else operation.credits,
            )
            return Asked(Lane.DECIDE, "refund", args)


def ask_administration(operation: Administered) -> Asked:
    """Ask for a change of an account or of its grants."""
    match operation:
        case ask.GrantCredits():
            return Asked(Lane.DECIDE, "grant", _grant_args(operation))
        case ask.RevokeGrant(account_id, grant_id, claw_back, actor, note):
            return Asked(Lane.DECIDE, "revoke", records.pack(account_id, grant_id, claw_back, actor, note))
        case ask.Transfer():
            args = records.pack(
                operation.account_id,
                operation.transfer_id,
                content_of_transfer(operation),
                operation.target_account_id,
                operation.credits,
                operation.actor,
                operation.reference,
                operation.note,
            )
            return Asked(Lane.DECIDE, "transfer", args)
        case ask.CreateAccount(account_id, settings):
            content, fields = content_of_account(settings), records.settings_fields(settings)
            args = records.pack(account_id, content, fields, settings.display_name)
            return Asked(Lane.DECIDE, "create_account", args)
        case ask.UpdateAccount(account_id, change):
            name = False if change.display_name is ask.UNSET else change.display_name
            return Asked(Lane.DECIDE, "update_account", records.pack(account_id, records.change_fields(change), name))
        case ask.CloseAccount(account_id):
            return Asked(Lane.DECIDE, "close_account", records.pack(account_id))


def ask_plan(operation: ask.SetPlan, begin_ms: int, end_ms: int) -> Asked:
    """Ask for a change of plan, whose first period ends at `end_ms`; no boundary lies between `begin_ms` and that."""
    terms = operation.terms
    args = records.pack(
        operation.account_id,
        operation.change_id,
        content_of_plan(operation),
        records.plan_fields(terms) if terms else False,
        operation.at_period_end,
        begin_ms,
        end_ms,
    )
    return Asked(Lane.DECIDE, "set_plan", args)


def _grant_args(operation: ask.GrantCredits) -> bytes:
    scope = operation.scope
    return records.pack(
        operation.account_id,
        operation.grant_id,
        content_of_grant(operation),
        operation.credits,
        int(operation.kind),
        operation.effective_ms,
        operation.expire_ms,
        operation.priority,
        list(map(int, scope.channels)),
        scope.regions,
        operation.actor,
        operation.reference,
        operation.note,
    )

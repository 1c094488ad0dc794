"""The content of an operation: what decides its money, as a short digest, so that an id is never used for two things.

A digest covers the parsed fields in fixed order, behind the number of this scheme; never the body, ttl, labels,
priority of usage or price. A body counts as its size.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from creditgate.pricing.segments import count
from creditgate.pricing.usage import Body, Channel

if TYPE_CHECKING:
    from creditgate.pricing.usage import Usage
    from creditgate_server.credit.operations import (
        AccountSettings,
        Charge,
        GrantCredits,
        Refund,
        Reserve,
        SetPlan,
        Traffic,
        Transfer,
    )

SCHEME: Final = "1"
"""Changes with the fields or their order; an id from before is then answered ID_REUSED, never paid twice."""

DIGEST_BYTES: Final = 12
"""2^48 ids of one organisation would have to meet within a window before two contents are taken for one."""


def _digest(*fields: object) -> bytes:
    canonical = "\x1f".join(map(str, (SCHEME, *fields)))
    return blake2b(canonical.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def _counted_size(usage: Usage, segments: int | None) -> str:
    size = usage.size
    if not isinstance(size, Body):
        return f"{size.field_name}={size.count}"
    if usage.channel is Channel.MMS:
        return f"body={len(size.text)}"
    return f"body={len(size.text)}/{count(size.text).segments if segments is None else segments}"


def _traffic(traffic: Traffic, segments: int | None) -> tuple[object, ...]:
    usage = traffic.usage
    return (
        int(usage.channel),
        int(usage.direction),
        usage.region,
        traffic.sender,
        traffic.recipient,
        _counted_size(usage, segments),
        usage.recipient_count,
    )


def content_of_reserve(operation: Reserve, segments: int | None) -> bytes:
    """Digest a reserve. `segments` is the price's count of its body, where it has one: counting twice is not cheap."""
    return _digest(
        "reserve",
        operation.account_id,
        *_traffic(operation.traffic, segments),
        operation.allow_partial,
        int(operation.expiry_action),
    )


def content_of_charge(operation: Charge, segments: int | None) -> bytes:
    """Digest a charge; `segments` as for a reserve."""
    return _digest("charge", operation.account_id, *_traffic(operation.traffic, segments))


def content_of_grant(operation: GrantCredits) -> bytes:
    """Digest a grant: who gets how much, of which kind, for what, when and in which order it burns."""
    return _digest(
        "grant",
        operation.account_id,
        operation.credits,
        int(operation.kind),
        operation.effective_ms,
        operation.expire_ms,
        operation.priority,
        ",".join(str(int(channel)) for channel in operation.scope.channels),
        ",".join(operation.scope.regions),
    )


def content_of_refund(operation: Refund) -> bytes:
    """Digest a refund: of what, and how much (None: all that is left)."""
    return _digest("refund", operation.account_id, operation.reservation_id, operation.charge_id, operation.credits)


def content_of_transfer(operation: Transfer) -> bytes:
    """Digest a transfer: whose credits, to whom, and how many."""
    return _digest("transfer", operation.account_id, operation.target_account_id, operation.credits)


def content_of_plan(operation: SetPlan) -> bytes:
    """Digest a change of plan: whose, when, and to what terms."""
    terms = operation.terms
    if terms is None:
        return _digest("plan", operation.account_id, operation.at_period_end)
    return _digest(
        "plan",
        operation.account_id,
        operation.at_period_end,
        terms.plan_id,
        terms.credits,
        int(terms.interval),
        terms.anchor_ms,
        terms.time_zone,
        terms.priority,
        ",".join(str(int(channel)) for channel in terms.scope.channels),
        ",".join(terms.scope.regions),
        int(terms.rollover),
        terms.rollover_cap,
        terms.rollover_life_ms,
        terms.rollover_priority,
    )


def content_of_account(settings: AccountSettings) -> bytes:
    """Digest the settings an account is created with."""
    return _digest(
        "account",
        int(settings.status),
        int(settings.funding),
        int(settings.enforcement),
        settings.overdraft_limit,
        settings.inbound_overdraft_limit,
        settings.floor,
        settings.late_commit and int(settings.late_commit),
        settings.overage and int(settings.overage),
        settings.rate_card_id,
        settings.limit_counts_inbound,
        settings.display_name,
    )

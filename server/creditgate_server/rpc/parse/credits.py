"""Requests of `CreditService`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from creditgate.pricing.regions import is_region
from creditgate.pricing.usage import OPERATION_CREDITS_MAX
from creditgate_server.credit.operations import GrantCredits, RevokeGrant, Scope, Transfer
from creditgate_server.credit.terms import GrantKind
from creditgate_server.rpc.parse.checks import Checks
from creditgate_server.rpc.parse.usage import CHANNELS, REGION_RULE
from creditgate_server.rpc.queries import ListGrants

if TYPE_CHECKING:
    from collections.abc import Mapping

    from creditgate.v1 import credits_pb2 as pb

PRIORITY_MAX: Final = 1000
"""Furthest place in the burn order, either way."""

REGIONS_MAX: Final = 32
"""Regions of one scope."""

ACTOR_CHARACTERS_MAX: Final = 128
REFERENCE_CHARACTERS_MAX: Final = 128
NOTE_CHARACTERS_MAX: Final = 512

OWN_GRANT_PREFIX: Final = "cg:"
"""Begins the ids of grants that the ledger makes itself."""

_KINDS: Final[Mapping[int, GrantKind]] = {int(term): term for term in GrantKind}


def parse_grant(request: pb.GrantRequest) -> GrantCredits:
    """Read a grant."""
    checks = Checks()
    effective_ms, expire_ms = _parse_life(request, checks)
    if request.grant_id.startswith(OWN_GRANT_PREFIX):
        checks.refuse("grant_id", f"must not begin with {OWN_GRANT_PREFIX}, as those of the ledger's own grants do")
    grant = GrantCredits(
        account_id=checks.account_id("account_id", request.account_id),
        grant_id=checks.operation_id("grant_id", request.grant_id),
        credits=checks.whole_number("credits", request.credits, 1, OPERATION_CREDITS_MAX),
        kind=checks.term("kind", request.kind, _KINDS, GrantKind.PURCHASED),
        effective_ms=effective_ms,
        expire_ms=expire_ms,
        priority=checks.whole_number("priority", request.priority, -PRIORITY_MAX, PRIORITY_MAX),
        scope=parse_scope("scope", request.scope, checks),
        actor=checks.text("actor", request.actor, ACTOR_CHARACTERS_MAX),
        reference=checks.text("reference", request.reference, REFERENCE_CHARACTERS_MAX),
        note=checks.text("note", request.note, NOTE_CHARACTERS_MAX),
    )
    checks.finish()
    return grant


def parse_revoke_grant(request: pb.RevokeGrantRequest) -> RevokeGrant:
    """Read a request to take a grant back, one that the ledger made itself too."""
    checks = Checks()
    revoke = RevokeGrant(
        account_id=checks.account_id("account_id", request.account_id),
        grant_id=checks.operation_id("grant_id", request.grant_id),
        claw_back=request.claw_back,
        actor=checks.text("actor", request.actor, ACTOR_CHARACTERS_MAX),
        note=checks.text("note", request.note, NOTE_CHARACTERS_MAX),
    )
    checks.finish()
    return revoke


def parse_transfer(request: pb.TransferRequest) -> Transfer:
    """Read a transfer between two accounts of one organisation."""
    checks = Checks()
    account_id, target_id = request.account_id, request.target_account_id
    if account_id and account_id == target_id:
        checks.refuse("target_account_id", "must be another account than account_id")
    transfer = Transfer(
        account_id=checks.account_id("account_id", account_id),
        transfer_id=checks.operation_id("transfer_id", request.transfer_id),
        target_account_id=checks.account_id("target_account_id", target_id),
        credits=checks.whole_number("credits", request.credits, 1, OPERATION_CREDITS_MAX),
        actor=checks.text("actor", request.actor, ACTOR_CHARACTERS_MAX),
        reference=checks.text("reference", request.reference, REFERENCE_CHARACTERS_MAX),
        note=checks.text("note", request.note, NOTE_CHARACTERS_MAX),
    )
    if account_id and target_id:
        checks.organisation("target_account_id", target_id, account_id)
    checks.finish()
    return transfer


def parse_list_grants(request: pb.ListGrantsRequest) -> ListGrants:
    """Read a request for a page of grants."""
    checks = Checks()
    query = ListGrants(
        account_id=checks.account_id("account_id", request.account_id),
        include_ended=request.include_ended,
        page_size=checks.page_size("page_size", request.page_size),
        page_token=checks.page_token("page_token", request.page_token),
    )
    checks.finish()
    return query


def _parse_life(request: pb.GrantRequest, checks: Checks) -> tuple[int, int]:
    """Read when a grant begins and ends, 0 for at once and for never.

    Whether it has ended already is for the ledger's clock to say; here no time may pass for "at once" or "never"
    that is neither.
    """
    effective_ms = expire_ms = 0
    if request.HasField("effective_time"):
        effective_ms = max(0, checks.time_ms("effective_time", request.effective_time))
    if request.HasField("expire_time"):
        expire_ms = checks.time_ms("expire_time", request.expire_time)
        if expire_ms <= effective_ms:
            checks.refuse("expire_time", "must be later than effective_time and than now")
    return effective_ms, expire_ms


def parse_scope(field: str, scope: pb.Scope, checks: Checks) -> Scope:
    """Read what a grant may pay for."""
    channels = sorted(checks.term(f"{field}.channels", channel, CHANNELS) for channel in scope.channels)
    regions = sorted(scope.regions)
    if len(regions) > REGIONS_MAX:
        checks.refuse(f"{field}.regions", f"must be at most {REGIONS_MAX}")
    if not all(map(is_region, regions)):
        checks.refuse(f"{field}.regions", REGION_RULE)
    for part, items in (("channels", channels), ("regions", regions)):
        if len(set(items)) < len(items):
            checks.refuse(f"{field}.{part}", "must name each at most once")
    return Scope(tuple(channels), tuple(regions))

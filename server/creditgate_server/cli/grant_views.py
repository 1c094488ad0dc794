"""How grants are shown to people."""

from __future__ import annotations

from creditgate.answers import CreditGrant, Scope
from creditgate.terms import GrantState
from creditgate_server.cli.values import written
from creditgate_server.cli.views import Table, Text, Tone, Value, text_of

_HEADINGS = (
    "Grant",
    "Kind",
    "State",
    "Amount",
    "Remaining",
    "Held",
    "Captured",
    "Refunded",
    "Repaid debt",
    "Expired",
    "Revoked",
    "Moved",
    "Priority",
    "Only for",
    "Given",
    "From",
    "Expires",
    "By",
    "Reference",
    "Note",
)


def scope_of(scope: Scope) -> str:
    """Write which usage a grant may pay for; nothing when it may pay for all."""
    return ", ".join([*map(written, scope.channels), *scope.regions])


def grants_table(grants: list[CreditGrant], *, have_ended: bool) -> Table:
    """Show grants: who gave them, when, how many, and what is left. `have_ended`: there are none but ended ones."""
    none = "no grants in use: --ended lists those that have ended" if have_ended else "no grants"
    return Table(_HEADINGS, [_row(grant) for grant in grants], empty=f"{none}; give some with `creditgate grant`")


def _row(grant: CreditGrant) -> tuple[Value, ...]:
    is_live = grant.state is GrantState.LIVE
    begins_later = grant.effective_time is not None and grant.effective_time != grant.create_time
    return (
        grant.grant_id,
        grant.kind,
        None if is_live else Text(text_of(grant.state).words, Tone.QUIET),
        grant.amount,
        grant.remaining,
        grant.held or None,
        grant.captured or None,
        grant.refunded or None,
        grant.debt_repaid or None,
        grant.expired or None,
        grant.revoked or None,
        grant.moved or None,
        grant.priority or None,
        scope_of(grant.scope),
        grant.create_time.date() if grant.create_time is not None else None,
        grant.effective_time if begins_later else None,
        grant.expire_time,
        grant.actor,
        grant.reference,
        grant.note,
    )

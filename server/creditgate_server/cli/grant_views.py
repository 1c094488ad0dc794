"""How grants are shown to people."""

from __future__ import annotations

from creditgate.answers import CreditGrant, Scope
from creditgate.terms import GrantState
from creditgate_server.cli.values import written
from creditgate_server.cli.views import Facts, Table, Text, Tone, Value, text_of


def scope_of(scope: Scope) -> str:
    """Write which usage a grant may pay for; nothing when it may pay for all."""
    return ", ".join([*map(written, scope.channels), *scope.regions])


def grants_table(grants: list[CreditGrant], *, of_one: bool, have_ended: bool) -> Table:
    """Show grants: who gave them, when, how many, and what is left.

    `of_one`: they are of the same account. `have_ended`: there are none but ended ones.
    """
    headings = (
        "Grant",
        "Account",
        "Kind",
        "State",
        "Amount",
        "Remaining",
        "Held",
        "Only for",
        "Given",
        "From",
        "Expires",
        "By",
        "Reference",
        "Note",
    )
    rows = [_row(grant, "" if of_one else grant.account_id) for grant in grants]
    none = "no grants in use: --ended lists those that have ended" if have_ended else "no grants"
    return Table(headings, rows, empty=f"{none}; give some with `creditgate grant`")


def grant_facts(grant: CreditGrant) -> Facts:
    """Show a grant, and what became of every credit of it."""
    return Facts(
        [
            ("account", grant.account_id),
            ("kind", grant.kind),
            ("state", grant.state),
            ("amount", grant.amount),
            ("remaining", grant.remaining),
            ("held", grant.held or None),
            ("captured", grant.captured or None),
            ("refunded", grant.refunded or None),
            ("repaid debt", grant.debt_repaid or None),
            ("expired", grant.expired or None),
            ("revoked", grant.revoked or None),
            ("moved elsewhere", grant.moved or None),
            ("priority", grant.priority or None),
            ("only for", scope_of(grant.scope)),
            ("given", grant.create_time),
            ("from", grant.effective_time if _begins_later(grant) else None),
            ("expires", grant.expire_time or Text("never", Tone.QUIET)),
            ("by", grant.actor),
            ("reference", grant.reference),
            ("note", grant.note),
        ],
        title=grant.grant_id,
    )


def _row(grant: CreditGrant, account_id: str) -> tuple[Value, ...]:
    return (
        grant.grant_id,
        account_id,
        grant.kind,
        None if grant.state is GrantState.LIVE else Text(text_of(grant.state).words, Tone.QUIET),
        grant.amount,
        grant.remaining,
        grant.held or None,
        scope_of(grant.scope),
        grant.create_time.date() if grant.create_time is not None else None,
        grant.effective_time if _begins_later(grant) else None,
        grant.expire_time,
        grant.actor,
        grant.reference,
        grant.note,
    )


def _begins_later(grant: CreditGrant) -> bool:
    return grant.effective_time is not None and grant.effective_time != grant.create_time

"""How decisions, costs, settlements and balances are shown to people."""

from __future__ import annotations

from typing import Final

from creditgate import errors
from creditgate.answers import Balance, Committed, Cost, Decided, Refunded, Released, Reserved
from creditgate.terms import Decision, ReservationState
from creditgate_server.cli.views import Facts, Text, Tone, Value, amount, counted, debt, text_of

SPELLING_CHARACTERS_MAX: Final = 60
"""Most of a cheaper spelling that is shown; with --json it is complete."""

Rows = list[tuple[str, Value]]


def reserve_outcome(answer: Reserved) -> Text:
    """Say in a line what became of a Reserve."""
    if not answer.allowed:
        return Text("denied, nothing held", Tone.BAD)
    match answer.state:
        case ReservationState.COMMITTED:
            return Text("already committed: do not send it again", Tone.BAD)
        case ReservationState.RELEASED | ReservationState.EXPIRED:
            return Text(f"already {text_of(answer.state).words}, nothing held: take a new id", Tone.BAD)
    return Text(f"allowed, {counted(answer.credits, 'credit')} held{again(replayed=answer.replayed)}", _tone(answer))


def outcome(answer: Decided, allowed: str, denied: str) -> Text:
    """Say in a line what became of a usage."""
    return Text(allowed, _tone(answer)) if answer.allowed else Text(denied, Tone.BAD)


def again(*, replayed: bool) -> str:
    """Say that an answer repeats an earlier one."""
    return " (by an earlier call with this id)" if replayed else ""


def unenforced(answer: Decided) -> Rows:
    """Say what would have been denied if it were enforced."""
    if answer.decision is not Decision.ALLOWED_MONITORED or answer.denial is None:
        return []
    words = f"{answer.denial.account_id} only monitors; it would deny, for {errors.denied(answer).why}"
    return [("not enforced", Text(words, Tone.WARNING))]


def cost_rows(cost: Cost | None) -> Rows:
    """Show what a usage costs, and how a text could cost less."""
    if cost is None:
        return []
    rows: Rows = [("cost", f"{counted(cost.credits, 'credit')}{_size(cost)}")]
    if cost.rule:
        rows.append(("rate", f"{cost.rule}, of card {cost.rate_card_id} version {cost.rate_card_version}"))
    if cost.forced_ucs2:
        characters = " ".join(f"{_shown(each)} U+{ord(each[0]):04X}" for each in cost.forced_ucs2)
        rows.append(("not in GSM-7", Text(characters, Tone.WARNING)))
    if cost.cheaper_spelling is not None:
        spelling = cost.cheaper_spelling
        words = spelling.text[:SPELLING_CHARACTERS_MAX] + ("…" if len(spelling.text) > SPELLING_CHARACTERS_MAX else "")
        price = f"{counted(spelling.credits, 'credit')}, {counted(spelling.segments, 'segment')}"
        rows.append(("cheaper", f"{price}: {words}"))
    return rows


def commit_outcome(answer: Committed) -> Text:
    """Say in a line what a commit has done."""
    words = f"{counted(answer.credits, 'credit')} captured{again(replayed=answer.replayed)}"
    if answer.state is ReservationState.PENDING:
        words += "; the rest stays held"
    return Text(words, Tone.WARNING if answer.shortfall else Tone.GOOD)


def commit_rows(answer: Committed) -> Rows:
    """Show what a commit took and gave back."""
    unpaid = f"{counted(answer.shortfall, 'credit')} used that could not be taken"
    late = "the hold had expired"
    return [
        *given_back(answer),
        ("overage", f"{counted(answer.overage, 'credit')} beyond what was held" if answer.overage else None),
        ("shortfall", Text(unpaid, Tone.WARNING) if answer.shortfall else None),
        ("late", (f"{late}: the credits were taken anew" if answer.credits else late) if answer.late else None),
    ]


def refund_rows(answer: Refunded) -> Rows:
    """Show what became of credits that were refunded."""
    unpaid = answer.credits - answer.restored - answer.expired
    return [
        *given_back(answer),
        ("never paid", f"{counted(unpaid, 'credit')}, let through where nobody enforces" if unpaid else None),
    ]


def given_back(answer: Committed | Released | Refunded) -> Rows:
    """Show what became of credits that went back."""
    return [
        ("given back", answer.restored or None),
        ("repaid debt", answer.debt_repaid or None),
        ("expired", f"{counted(answer.expired, 'credit')}, with a grant that has ended" if answer.expired else None),
    ]


def balance_facts(balance: Balance, *first: tuple[str, Value]) -> Facts:
    """Show what an account can spend, below what else there is to say of it."""
    payer = balance.payer_id if balance.payer_id != balance.account_id else ""
    return Facts(
        [
            *first,
            ("available", amount(balance.available)),
            ("usable here", amount(balance.usable) if balance.usable != balance.available else None),
            ("reserved", balance.reserved),
            ("debt", debt(balance.debt)),
            ("limit left", balance.limit_left),
            ("recipients left", balance.units_left),
            ("paid by", payer),
        ],
        title=balance.account_id,
    )


def _size(cost: Cost) -> str:
    parts = []
    if cost.segments:
        parts.append(counted(cost.segments, "segment"))
    if cost.encoding is not None:
        parts.append(cost.encoding.name.replace("_", "-"))
    if cost.characters:
        parts.append(counted(cost.characters, "character"))
    if cost.encoding is not None:
        parts.append(f"room for {cost.characters_left_in_segment} more")
    return ": " + ", ".join(parts) if parts else ""


def _tone(answer: Decided) -> Tone:
    return Tone.GOOD if answer.denial is None else Tone.WARNING


def _shown(character: str) -> str:
    return character if character.isprintable() and not character.isspace() else ""

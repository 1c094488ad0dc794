"""How decisions, costs, balances and holds are shown to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from creditgate.answers import Balance, Committed, Cost, Decided, Draw, FrozenPrice, Released, Reservation, Reserved
from creditgate.terms import Decision, ReservationState
from creditgate_server.cli.views import Facts, Table, Text, Tone, Value, View, amount, counted, debt

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
            return Text(f"already {_written(answer.state)}, nothing held: take a new id", Tone.BAD)
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
    short = f", {counted(answer.denial.shortfall, 'credit')} short" if answer.denial.shortfall else ""
    words = f"{answer.denial.account_id} only monitors; it would deny: {_written(answer.denial.reason)}{short}"
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


def given_back(answer: Committed | Released) -> Rows:
    """Show what became of credits that were held and not used."""
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


def reservation_views(reservation: Reservation) -> Iterator[View]:
    """Show a hold, and where its credits come from."""
    tone = Tone.GOOD if reservation.state is ReservationState.PENDING else Tone.PLAIN
    settled_by = f", by {_written(reservation.settled_by)}" if reservation.settled_by is not None else ""
    yield Facts(
        [
            ("account", reservation.account_id),
            ("paid by", reservation.payer_id),
            ("state", Text(_written(reservation.state) + settled_by, tone)),
            ("held", reservation.credits),
            ("captured", reservation.captured or None),
            ("given back", reservation.restored or None),
            ("recipients", reservation.recipients_granted),
            ("price", _price(reservation.price)),
            ("created", reservation.create_time),
            ("expires" if reservation.settle_time is None else "expired or would have", reservation.expire_time),
            ("settled", reservation.settle_time),
            ("at expiry", reservation.expiry_action),
            ("labels", ", ".join(f"{key}={value}" for key, value in reservation.labels.items())),
        ],
        title=reservation.reservation_id,
    )
    rows = [row for draw in reservation.draws for row in _draw_rows(draw)]
    yield Table(("Account", "From", "Grant", "Credits"), rows, title="Drawn", empty="nothing")


def _draw_rows(draw: Draw) -> Iterator[tuple[Value, ...]]:
    for grant_id, credits_ in draw.grants:
        yield draw.account_id, draw.pot, grant_id, credits_
    if draw.unfunded:
        yield draw.account_id, draw.pot, Text("no grant: overdraft", Tone.WARNING), draw.unfunded
    if draw.unenforced:
        yield draw.account_id, draw.pot, Text("no grant: not enforced", Tone.WARNING), draw.unenforced


def _price(price: FrozenPrice) -> str:
    card = f" ({price.rule}, of card {price.rate_card_id} version {price.rate_card_version})" if price.rule else ""
    return f"{counted(price.credits_per_recipient, 'credit')} a recipient{card}"


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


def _written(member: Decision | ReservationState | object) -> str:
    return str(getattr(member, "name", "")).lower().replace("_", " ")


def _shown(character: str) -> str:
    return character if character.isprintable() and not character.isspace() else ""

"""How holds are shown to people: what they hold, and out of which grants."""

from __future__ import annotations

from collections.abc import Iterator

from creditgate.answers import Draw, FrozenPrice, Reservation
from creditgate.terms import ReservationState
from creditgate_server.cli.views import Facts, Sentence, Table, Text, Tone, Value, View, counted, text_of


def holds_table(found: list[Reservation], *, may_be_below: bool) -> Table:
    """Show open holds. `may_be_below`: accounts below were not asked."""
    headings = ("Reservation", "Account", "Held", "Captured", "Recipients", "Rule", "Expires")
    rows = [
        (
            each.reservation_id,
            each.account_id,
            each.held,
            each.captured or None,
            each.recipients_granted,
            each.price.rule,
            each.expire_time,
        )
        for each in found
    ]
    return Table(headings, rows, empty=f"no open holds{'; --below asks accounts below too' if may_be_below else ''}")


def reservation_views(reservation: Reservation) -> Iterator[View]:
    """Show a hold, and where its credits come from."""
    is_open = reservation.state is ReservationState.PENDING
    tone = Tone.GOOD if is_open else Tone.PLAIN
    settled_by = f", by {text_of(reservation.settled_by).words}" if reservation.settled_by is not None else ""
    yield Facts(
        [
            ("account", reservation.account_id),
            ("paid by", reservation.payer_id),
            ("state", Text(text_of(reservation.state).words + settled_by, tone)),
            ("granted", reservation.credits if reservation.credits != reservation.held else None),
            ("held", reservation.held if is_open else None),
            ("captured", reservation.captured or None),
            ("given back", reservation.restored or None),
            ("refunded", reservation.refunded or None),
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
    yield draws_table(reservation)


def paid(reservation: Reservation) -> Iterator[View]:
    """Tell how a hold was paid, and show which grants paid it."""
    yield Sentence(_fate(reservation))
    recipients = counted(reservation.recipients_granted, "recipient")
    granted = counted(reservation.credits, "credit")
    yield Sentence(Text(f"It was granted {granted} for {recipients}, at {_price(reservation.price)}."))
    whom = "itself" if reservation.payer_id == reservation.account_id else reservation.account_id
    yield Sentence(Text(f"{reservation.payer_id} pays for {whom}."))
    yield draws_table(reservation)


def draws_table(reservation: Reservation) -> Table:
    """Show what wallets gave and limits counted, grant by grant."""
    rows = [row for draw in reservation.draws for row in _draw_rows(draw)]
    title = "Held" if reservation.state is ReservationState.PENDING else "Captured"
    return Table(("Account", "From", "Grant", "Credits"), rows, title=title, empty="nothing")


def _fate(reservation: Reservation) -> Text:
    captured = f"{counted(reservation.captured, 'credit')} captured"
    if reservation.refunded:
        captured += f", {reservation.refunded:,} of them refunded"
    if reservation.state is ReservationState.PENDING:
        held = f"holds {counted(reservation.held, 'credit')} until {text_of(reservation.expire_time).words}"
        words, tone = held + (f"; {captured} so far" if reservation.captured else ""), Tone.GOOD
    else:
        words, tone = f"is {text_of(reservation.state).words}; {captured}", Tone.PLAIN
    return Text(f"{reservation.reservation_id} of {reservation.account_id} {words}.", tone)


def _draw_rows(draw: Draw) -> Iterator[tuple[Value, ...]]:
    for grant_id, credits_ in draw.grants:
        yield draw.account_id, draw.pot, grant_id, credits_
    if draw.unfunded:
        yield draw.account_id, draw.pot, Text("no grant: overdraft", Tone.WARNING), draw.unfunded
    if draw.unenforced:
        yield draw.account_id, draw.pot, Text("no grant: not enforced", Tone.WARNING), draw.unenforced


def _price(price: FrozenPrice) -> str:
    """Write the price that a hold keeps."""
    card = f" ({price.rule}, of card {price.rate_card_id} version {price.rate_card_version})" if price.rule else ""
    return f"{counted(price.credits_per_recipient, 'credit')} a recipient{card}"

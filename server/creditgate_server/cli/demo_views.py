"""Words and tables for the demo's story: what people get to see of it, on 80 columns or in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from creditgate.answers import Cost, Denial
from creditgate.pricing.usage import Encoding
from creditgate.terms import DenialReason
from creditgate_server.cli.demo_plan import ORGANISATION
from creditgate_server.cli.demo_reconciliation import AccountReport, Reconciliation
from creditgate_server.cli.demo_story import Event, Scene, Tally
from creditgate_server.cli.views import Facts, Sentence, Table, Text, Tone, Value, View, amount, counted, debt
from creditgate_server.verification import Report

EXCERPT_CHARACTERS: Final = 26
"""What is shown of an example's text."""

FORCED_SHOWN: Final = 4
"""How many of the characters that forced UCS-2 are shown."""

TONES: Final[Mapping[Event, Tone]] = {
    Event.GRANTED: Tone.GOOD,
    Event.ALLOTTED: Tone.PLAIN,
    Event.SENT: Tone.GOOD,
    Event.RELEASED: Tone.WARNING,
    Event.DENIED: Tone.BAD,
    Event.CHARGED: Tone.WARNING,
    Event.REPLAYED: Tone.PLAIN,
}

ENCODINGS: Final[Mapping[Encoding | None, str]] = {Encoding.GSM_7: "GSM-7", Encoding.UCS_2: "UCS-2", None: ""}


def introduction(name: str, messages: int, notes: Iterable[str], target: str) -> Iterator[View]:
    """Say what is sent, and what is real."""
    yield Sentence(Text(f"Creditgate on {target} decides about {counted(messages, 'message')} of {name}."))
    yield Sentence(Text("Sending is simulated; server, store and credits are real, and gone afterwards.", Tone.QUIET))
    for note in notes:
        yield Sentence(Text(f"  note: {note}", Tone.QUIET))


def prices(examples: Sequence[tuple[str, Cost]]) -> Table:
    """Show what some texts cost, and why."""
    rows = [(_excerpt(text), ENCODINGS[cost.encoding], cost.credits, _reason(cost)) for text, cost in examples]
    return Table(
        ("Message", "Encoding", "Credits", "Because of"), rows, title="What messages cost, at 1 credit a segment"
    )


def story(scenes: Iterable[Scene], tally: Tally) -> Iterator[View]:
    """Show what happened, in order."""
    rows: list[tuple[Value, ...]] = []
    for scene in scenes:
        balance = amount(scene.available, bad_when_negative=True)
        rows.append((Text(scene.event.value, TONES[scene.event]), _words(scene), balance))
        if scene.denial is not None:
            rows.append((None, _shortfall(scene, scene.denial), None))
    yield Table(("Event", "What happened", "Balance"), rows, title="The story")
    if tally.savings:
        saving = f"{counted(tally.dear, 'message')} would have cost {counted(tally.savings, 'credit')} less"
        yield Sentence(Text(f" Spelt with plain quotes and dashes, {saving}.", Tone.QUIET))


def accounts(reports: Iterable[AccountReport]) -> Table:
    """Show what every account did and how it stands; balance and debt stand where the wallet is."""
    rows = []
    for report in reports:
        balance, is_payer = report.balance, report.balance.payer_id == report.account_id
        rows.append(
            (
                report.account_id,
                report.sent or None,
                report.denied or None,
                report.received or None,
                report.credits_used or None,
                balance.limit_left,
                amount(balance.available, bad_when_negative=True) if is_payer else None,
                debt(balance.debt) if is_payer else None,
            )
        )
    headings = ("Account", "Sent", "Denied", "Replies", "Used", "Limit left", "Balance", "Debt")
    return Table(headings, rows, title="The accounts")


def conclusion(reconciliation: Reconciliation, report: Report, messages: int, elapsed_ms: int) -> Iterator[View]:
    """Say whether everything agrees, and if not, what does not."""
    rate = messages * 1000 // max(elapsed_ms, 1)
    rows: list[tuple[str, Value]] = [
        ("reconciled", _reconciled(reconciliation)),
        ("verified", _verified(report)),
        ("took", f"{elapsed_ms / 1000:.1f} s, {rate:,} messages a second, every decision on disk first"),
    ]
    yield Facts(rows, title="Does it add up?")
    wrong = [comparison for comparison in reconciliation.comparisons if not comparison.agrees]
    if wrong:
        amounts = [(comparison.name, comparison.expected, comparison.in_ledger) for comparison in wrong]
        yield Table(("Credits", "Expected", "In the ledger"), amounts, title="What does not reconcile")
    for breach in report.breaches:
        yield Sentence(Text(str(breach), Tone.BAD))


def next_steps() -> Iterator[View]:
    """Say where to go from here."""
    yield Sentence(Text(""))
    yield Sentence(Text("Next: `./scripts/demo FILE` with messages of your own; README.md has the rest."))


def _reconciled(reconciliation: Reconciliation) -> Text:
    by_texts, by_answers = (comparison.expected for comparison in reconciliation.comparisons[:2])
    in_ledger = reconciliation.comparisons[0].in_ledger
    if reconciliation.agrees:
        return Text(f"{in_ledger:,} credits used: texts, answers and ledger agree", Tone.GOOD)
    return Text(f"NO: {by_texts:,} by the texts, {by_answers:,} by the answers, {in_ledger:,} by the ledger", Tone.BAD)


def _verified(report: Report) -> Text:
    read = f"{report.accounts} accounts, {report.grants} grants, {report.journal_entries:,} journal entries"
    return Text(f"conserved: {read}", Tone.GOOD) if report.conserved else Text(f"NOT CONSERVED: {read}", Tone.BAD)


def _excerpt(text: str) -> str:
    return text if len(text) <= EXCERPT_CHARACTERS else text[: EXCERPT_CHARACTERS - 1] + "…"


def _reason(cost: Cost) -> str:
    """Say what made a text dear, if anything did."""
    if not cost.forced_ucs2:
        return f"{cost.characters} characters"
    forced = " ".join(cost.forced_ucs2[:FORCED_SHOWN]) + (" …" if len(cost.forced_ucs2) > FORCED_SHOWN else "")
    return forced if cost.cheaper_spelling is None else f"{forced}, plainly spelt {cost.cheaper_spelling.credits}"


def _words(scene: Scene) -> str:
    whose = "both teams" if scene.account_id == ORGANISATION else scene.account_id
    messages, credits_ = counted(scene.messages, "message"), counted(scene.credits, "credit")
    replies = "1 reply" if scene.messages == 1 else f"{scene.messages:,} replies"
    repaid = f": {scene.debt_repaid:,} repay the debt first" if scene.debt_repaid else ""
    once_more = "paid twice" if scene.messages else "known by its id, not paid twice"
    words = {
        Event.GRANTED: f"{scene.account_id} buys {credits_}{repaid}",
        Event.ALLOTTED: f"{scene.account_id} may spend {scene.credits:,} of them",
        Event.SENT: f"the {messages} of {whose} again, for {credits_}"
        if scene.denied_before
        else f"{messages} of {whose} for {credits_}",
        Event.RELEASED: f"{counted(scene.messages, 'send')} failed: {credits_} given back, then sent again",
        Event.DENIED: f"{messages} of {scene.account_id}: {scene.denial.reason.name if scene.denial else ''}",
        Event.CHARGED: f"{replies} for {credits_}: inbound is never stopped",
        Event.REPLAYED: f"one of these again: {once_more}",
    }
    return words[scene.event]


def _shortfall(scene: Scene, denial: Denial) -> str:
    """Say who is how many credits short, for the first of the messages that were denied."""
    pot = "limit" if denial.reason is DenialReason.LIMIT_REACHED else "wallet"
    why = ", debt comes first" if scene.available < 0 else " for the first" if scene.messages > 1 else ""
    return f"the {pot} of {denial.account_id} is {counted(denial.shortfall, 'credit')} short{why}"

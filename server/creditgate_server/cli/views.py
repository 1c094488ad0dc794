"""What people get to see, before anybody decides how it looks: sentences, facts and tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum, IntEnum


class Tone(Enum):
    """How a text stands out."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Text:
    """Words in a tone."""

    words: str
    tone: Tone = Tone.PLAIN


Value = Text | str | int | bool | date | datetime | IntEnum | None
"""What stands in a cell; None, and a text without words, is nothing."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A line of its own, the answer in words. A terminal breaks it between two of them."""

    text: Text


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command that helps. It is never broken, so that it can be copied."""

    words: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and their values, one below the other; those without a value are left out."""

    rows: Sequence[tuple[str, Value]]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below headings; a column without any value is left out. `empty` is what to say when there are no rows."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Value]]
    title: str = ""
    empty: str = "none"


View = Sentence | CommandLine | Facts | Table

OnProgress = Callable[[int, int | None], None]
"""Learns how much is done, and of how much: None where nobody knows."""


def text_of(value: Value) -> Text:
    """Return a value as it is written for people."""
    match value:
        case Text():
            return value
        case bool():
            words = "yes" if value else "no"
        case IntEnum():
            words = value.name.lower().replace("_", " ")
        case int():
            words = f"{value:,}"
        case datetime():
            words = value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case date():
            words = value.isoformat()
        case _:
            words = value or ""
    return Text(words)


def amount(credits_: int, *, bad_when_negative: bool = False) -> Text:
    """Write an amount of credits; below zero it may stand out."""
    return Text(f"{credits_:,}", Tone.BAD if bad_when_negative and credits_ < 0 else Tone.PLAIN)


def debt(credits_: int) -> Text:
    """Write a debt: quiet when there is none."""
    return Text(f"{credits_:,}", Tone.WARNING if credits_ else Tone.QUIET)


def counted(number: int, noun: str, plural: str = "") -> str:
    """Write a number of things: `1 credit`, `2,000 credits`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def printable(words: str) -> str:
    """Show control characters instead of obeying them: names and notes are other people's."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in words)

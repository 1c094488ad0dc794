"""Chooses texts of a file that show what makes a price."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Final

from creditgate.pricing.segments import count, suggest_gsm7
from creditgate.pricing.usage import Encoding
from creditgate_server.cli.demo_messages import Message

SHOWN_WITHOUT_CHOICE_MAX: Final = 10
"""Most texts that are all shown."""


class PriceKind(IntEnum):
    """What a text's price depends on, in the order in which examples are shown."""

    PLAIN = 1
    ACCENTED = 2
    """In GSM-7 all the same."""
    LONG = 3
    TYPOGRAPHIC = 4
    """In UCS-2 for curly quotes, dashes and the like alone, which costs a segment more."""
    EMOJI = 5
    OTHER_SCRIPT = 6


def choose_examples(messages: Iterable[Message]) -> list[str]:
    """Return all texts where they are few, else the first one of each kind that there is."""
    texts = list(dict.fromkeys(message.text for message in messages))
    if len(texts) <= SHOWN_WITHOUT_CHOICE_MAX:
        return texts
    first: dict[PriceKind, str] = {}
    for text in texts:
        first.setdefault(_kind_of(text), text)
    return [first[kind] for kind in sorted(first)]


def _kind_of(text: str) -> PriceKind:
    counted = count(text)
    if counted.encoding is Encoding.UCS_2:
        if suggest_gsm7(text, counted) is not None:
            return PriceKind.TYPOGRAPHIC
        return (
            PriceKind.EMOJI
            if any(character > "\uffff" for character in counted.forced_ucs2)
            else PriceKind.OTHER_SCRIPT
        )
    if counted.segments > 1:
        return PriceKind.LONG
    return PriceKind.PLAIN if text.isascii() else PriceKind.ACCENTED

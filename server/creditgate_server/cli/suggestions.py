"""What may have been meant by a word that means nothing."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def suggestion(word: str, known: Iterable[str]) -> str:
    """Ask whether the known word that is most like this one was meant; nothing where none is like it."""
    by_letters = {each.lstrip("-"): each for each in known}
    close = get_close_matches(word.lstrip("-").lower(), by_letters, n=1)
    return f"; did you mean {by_letters[close[0]]}?" if close else ""

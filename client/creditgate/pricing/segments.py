"""Counts the segments of an SMS text by 3GPP TS 23.038 (alphabets) and TS 23.040 (concatenation)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Final

from creditgate.pricing.gsm7 import BASIC, EXTENSION, SPELLINGS
from creditgate.pricing.usage import Encoding

GSM_7_UNITS_ALONE: Final = 160
"""Septets of a message of one segment: 140 octets."""

GSM_7_UNITS_EACH: Final = 153
"""Septets of each segment of several: 140 octets less 6 of concatenation header, and a filling bit."""

UCS_2_UNITS_ALONE: Final = 70
"""UTF-16 code units of a message of one segment: 140 octets."""

UCS_2_UNITS_EACH: Final = 67
"""UTF-16 code units of each segment of several: 140 octets less 6 of concatenation header."""

FORCED_UCS_2_MAX: Final = 16
"""Most characters that a count names; a text in another script would list its whole alphabet."""

_BASIC_ONLY: Final = re.compile(f"[{re.escape(BASIC)}]*")
_GSM_7_ONLY: Final = re.compile(f"[{re.escape(BASIC + EXTENSION)}]*")
_GSM_7: Final = frozenset(BASIC + EXTENSION)
_EXTENSION: Final = re.compile(f"[{re.escape(EXTENSION)}]")
_WITHOUT_SPELLING: Final = re.compile(f"[^{re.escape(BASIC + EXTENSION + ''.join(SPELLINGS))}]")
_SPELLINGS: Final = str.maketrans(SPELLINGS)

# An extension character costs two septets as a character beyond U+FFFF costs two code units, and neither is
# split. Written as such a character, it lets one rule, "do not cut a surrogate pair", divide the texts of
# both encodings.
_STAND_IN: Final = "\U00010000"

_OPENS_PAIR: Final = range(0xD8, 0xDC)


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How a text travels as SMS.

    `characters` are Unicode code points; `units` are septets under GSM-7 and UTF-16 code units under UCS-2.
    `characters_left_in_segment` is how many more units the last segment takes before another one begins.
    `forced_ucs2` names the distinct characters outside GSM-7, in order of appearance, at most
    `FORCED_UCS_2_MAX`.
    """

    encoding: Encoding
    segments: int
    characters: int
    units: int
    characters_left_in_segment: int
    forced_ucs2: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A GSM-7 spelling of a text that needs fewer segments.

    `text` is content: show it to the sender, never store or log it.
    """

    text: str = field(repr=False)
    count: SegmentCount


def count(body: str) -> SegmentCount:
    """Count the segments of `body`, which an operator divides once it is longer than one.

    A text whose characters all are in the GSM-7 default alphabet or its extension table is sent in GSM-7,
    any other in UCS-2. Neither an escape pair nor a surrogate pair is split over two segments, so a segment
    may stay one unit short. An empty body is one segment. Line ends are counted as they are: a carriage
    return and a line feed are two septets. National language shift tables are not used: senders must ask
    for them, and operators rarely offer them.

    Raises `UnicodeEncodeError`, which is a `ValueError`, for a lone surrogate: no encoding can carry it, and
    valid UTF-8 cannot contain it.
    """
    characters = len(body)
    if characters <= GSM_7_UNITS_ALONE and _BASIC_ONLY.fullmatch(body):
        # Most messages end here, in half the time.
        return SegmentCount(Encoding.GSM_7, 1, characters, characters, GSM_7_UNITS_ALONE - characters)
    outside: tuple[str, ...] = ()
    if _GSM_7_ONLY.fullmatch(body):
        encoding, alone, each = Encoding.GSM_7, GSM_7_UNITS_ALONE, GSM_7_UNITS_EACH
        laid_out = _EXTENSION.sub(_STAND_IN, body)
    else:
        encoding, alone, each = Encoding.UCS_2, UCS_2_UNITS_ALONE, UCS_2_UNITS_EACH
        laid_out = body
        outside = tuple(character for character in dict.fromkeys(body) if character not in _GSM_7)
    utf_16 = laid_out.encode("utf-16-le")
    units = len(utf_16) // 2
    segments, left = (1, alone - units) if units <= alone else _divide(utf_16, each)
    return SegmentCount(encoding, segments, characters, units, left, outside[:FORCED_UCS_2_MAX])


def suggest_gsm7(body: str, counted: SegmentCount | None = None) -> Suggestion | None:
    """Spell `body` in GSM-7 if only punctuation and white space keep it out, and if that saves a segment.

    Letters stay as they are; a letter and its combining mark become the one letter that Unicode holds equal
    to them (NFC). None if the body is GSM-7 already, if another character still forces UCS-2, or if it would
    need as many segments. `counted` is the count of `body` where the caller has it. Raises as `count` does.
    """
    counted = count(body) if counted is None else counted
    if counted.encoding is Encoding.GSM_7 or counted.segments == 1:
        return None
    text = unicodedata.normalize("NFC", body)
    if _WITHOUT_SPELLING.search(text):
        return None
    text = text.translate(_SPELLINGS)
    suggested = count(text)
    return Suggestion(text, suggested) if suggested.segments < counted.segments else None


def _divide(utf_16: bytes, capacity: int) -> tuple[int, int]:
    """Divide little-endian code units into segments; return how many, and the units left in the last."""
    units = len(utf_16) // 2
    segments, start = 1, 0
    while units - start > capacity:
        end = start + capacity
        last_unit_high_byte = utf_16[2 * end - 1]
        start = end - 1 if last_unit_high_byte in _OPENS_PAIR else end
        segments += 1
    return segments, capacity - (units - start)

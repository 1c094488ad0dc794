"""The GSM 7 bit alphabet of 3GPP TS 23.038, and how to spell in it what word processors paste."""

from __future__ import annotations

from typing import Final

BASIC: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet, one septet each (TS 23.038, 6.2.1), in the order of its codes.

It has 127 characters: code 0x1B is the escape to the extension table, so a text with U+001B is not GSM-7.
"""

EXTENSION: Final = "\f^{}\\[~]|€"
"""The extension table, two septets each: the escape and a code (TS 23.038, 6.2.1.1)."""

SPELLINGS: Final[dict[str, str]] = {
    # Quotation marks and primes.
    **dict.fromkeys("‘’‚‛‹›′‵´`", "'"),
    **dict.fromkeys("“”„‟«»″‶〝〞〟", '"'),
    # Hyphens, dashes, the minus sign, and the bullets that stand for them at the start of a line.
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022\u2043", "-"),
    "\u2025": "..",
    "\u2026": "...",
    "\u2044": "/",
    # Spaces of every width, and the tabulator.
    **dict.fromkeys(
        "\t\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000", " "
    ),
    # Vertical tabulator, next line, line and paragraph separator.
    **dict.fromkeys("\v\u0085\u2028\u2029", "\n"),
    # Zero-width spaces and joiners, soft hyphen, byte order mark, marks of writing direction: nothing to see.
    **dict.fromkeys("\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\ufeff", ""),
    **dict.fromkeys("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", ""),
}
"""GSM-7 spellings of characters that are not in GSM-7: punctuation and white space only.

Letters, accents, symbols and emoji have no entry: replacing one would change what the sender wrote.
"""

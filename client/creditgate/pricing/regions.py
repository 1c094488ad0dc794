"""The region of a telephone number, told by its leading digits.

The prefixes come from PyPI `phonenumbers` through `scripts/generate_regions.py`. A calling code stands for
its main region; longer prefixes name the others that share it: +1 by area code, the Channel Islands and Man
in +44, Kazakhstan in +7, and so on. For every valid number the answer is that of
`phonenumbers.region_code_for_number`, which is the main region too where two plans hold the same number:
freephone numbers of +1 are US, mobile numbers of +61 AU. Two cases differ:

- Canada's numbers of 8 digits, +1 310 xxxx, are US here: a prefix cannot tell a length.
- A number that is not assigned has the region of its prefix here and none there: a price needs a region, and
  numbers are assigned faster than a library is upgraded.

Non-geographic calling codes (+800, +881, +882 …) have no region.
"""

from __future__ import annotations

import re
from typing import Final

from creditgate.pricing._region_prefixes import PREFIXES

_E164: Final = re.compile(r"\+[1-9][0-9]{5,14}")
_SHORT_CODE: Final = re.compile(r"[0-9]{3,8}")

_REGION_BY_PREFIX: Final = {
    prefix: region for region, *prefixes in map(str.split, PREFIXES.splitlines()) for prefix in prefixes
}
_PREFIX_LENGTHS: Final = tuple(sorted({len(prefix) for prefix in _REGION_BY_PREFIX}, reverse=True))

_ISO_3166: Final = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT "
    "BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH "
    "ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT "
    "HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS "
    "LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI "
    "NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG "
    "SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG "
    "UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"
)
# Ascension, Tristan da Cunha and Kosovo have numbering plans, and codes that are reserved for them.
_REGIONS: Final = frozenset([*_ISO_3166.split(), "AC", "TA", "XK"])


def is_e164(number: str) -> bool:
    """Tell whether `number` is in E.164 form: `+` and 6 to 15 digits, the first not 0, nothing between them.

    The form only: the number need not be assigned. No plan has international numbers shorter than 6 digits.
    """
    return _E164.fullmatch(number) is not None


def is_short_code(number: str) -> bool:
    """Tell whether `number` is a short code: 3 to 8 digits without `+`. It has no region of its own."""
    return _SHORT_CODE.fullmatch(number) is not None


def is_region(code: str) -> bool:
    """Tell whether `code` is an ISO 3166 alpha-2 code in capitals, or one of AC, TA and XK."""
    return code in _REGIONS


def region_of(number: str) -> str | None:
    """Return the ISO 3166 alpha-2 region of an E.164 number by its longest known prefix.

    None for a short code, for a non-geographic calling code, and for anything that is not in E.164 form.
    """
    if not is_e164(number):
        return None
    for length in _PREFIX_LENGTHS:
        region = _REGION_BY_PREFIX.get(number[1 : length + 1])
        if region is not None:
            return region
    return None

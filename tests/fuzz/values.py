"""Values of fields: what callers send, what lies at a bound or beyond, and what looks like something else."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from tests.fuzz.canaries import BODY, LABEL, NUMBER, REMARK

from creditgate_server.engine.paging import token

INT32_MAX: Final = 2**31 - 1
INT32_MIN: Final = -(2**31)
INT64_MAX: Final = 2**63 - 1

_NUMBERS: Final = (
    -INT64_MAX - 1, -62_135_596_801, -62_135_596_800, -(2**53), -(10**12) - 1, -1001, -1000, -1, 0, 1, 2, 3, 10, 32, 33,
    50, 255, 256, 500, 501, 1000, 1001, 86_400, 604_800, 604_801, 10**6, 10**6 + 1, 10**9, 10**9 + 1, INT32_MAX,
    INT32_MAX + 1, 10**12, 10**12 + 1, 2**53 - 1, 2**53, 253_402_300_799, 253_402_300_800, INT64_MAX,
)  # fmt: skip

_SMALL_NUMBERS: Final = (
    INT32_MIN, -999_999_999, -1001, -1000, -1, 0, 1, 2, 3, 10, 50, 500, 501, 1000, 1001, 10**6, 10**6 + 1, 999_999_999,
    10**9, INT32_MAX,
)  # fmt: skip

_ODD_TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\n", "\r\nx-request-id: forged", "%s%n{0}", "'; DROP", "../../etc", "€", "💳",
    "e\u0301", "\u202eabc", "\ufeff", "\U0010ffff", "a" * 64, "a" * 65, "a" * 128, "a" * 129, "a" * 512, "a" * 513,
    "é" * 128, "é" * 129, "x|y", "h|1", "*", "acme//field", "/acme", "acme/", "ACME", "a/b/c/d", "a/b/c/d/e",
    "cg:{0}:a:acme", "-1", "0", "9007199254740993", "nan", "1e308", "null", "true",
)  # fmt: skip

_BODIES: Final = (
    BODY, "", "a" * 160, "a" * 161, "€" * 80, "ñ" * 71, "💳" * 36, "\x00", "\x1b", "a" * 16_384, "a" * 16_385,
    "💳" * 4096, "💳" * 4097, "{}" * 80, "\u2018quoted\u2019 \u2013 and so on\u2026", "\u200b",
)  # fmt: skip

_PARTIES: Final = (
    NUMBER, "+14155550100", "+491701234567", "12345", "12", "123456789", "Acme", "Acme Ltd. & Co", "+0", "+1", "00491",
    "\u0663\u0664\u0665",
)  # fmt: skip

_REGIONS: Final = ("US", "DE", "XK", "ZZ", "us", "U", "USA", "ÜS", "")

_MASK_PATHS: Final = (
    "display_name", "status", "funding", "enforcement", "overdraft_limit", "inbound_overdraft_limit", "floor",
    "late_commit", "overage", "rate_card_id", "limit_counts_inbound", "account_id", "create_time",
    "create_time.seconds", "*", "", "no_such", "displayName",
)  # fmt: skip

_PAGE_TOKENS: Final = (
    "", "kgE", "gaR6", "é", "====", "x" * 1024, "x" * 1025, token(), token(0), token(1), token(-1), token(2**53),
    token(2**64 - 1), token(-(2**63)), token(""), token("acme"), token("\x00"), token("z" * 700), token(0, ""),
    token(1, "h"), token(2**63, "hacme|r"), token(-1, "\x00"), token(4 * 10**12, "z" * 600), token(1, 2), token("a", 1),
    token(0, "", 0),
)  # fmt: skip

_SYMBOLS: Final = (
    "creditgate.v1.AuthorizationService", "creditgate.v1.Usage", "google.protobuf.Any", "creditgate/v1/usage.proto", "",
)  # fmt: skip

_LONG_TEXTS: Final = (REMARK, REMARK * 9, REMARK * 10, REMARK * 40)


def value_of(random: Random, field: FieldDescriptor, known: dict[str, list[str]]) -> Any:  # noqa: ANN401 (of any kind)
    """Choose a value of a field that is no message; `known` are the ids that callers use, by field."""
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return random.random() < 0.5
        case FieldDescriptor.TYPE_ENUM:
            assert field.enum_type is not None
            numbers = [value.number for value in field.enum_type.values]
            return random.choice((*numbers, *numbers, max(numbers) + 1, -1, INT32_MAX, INT32_MIN))
        case FieldDescriptor.TYPE_INT32:
            return random.choice(_SMALL_NUMBERS)
        case FieldDescriptor.TYPE_INT64:
            return random.choice(_NUMBERS)
        case FieldDescriptor.TYPE_BYTES:
            return random.randbytes(random.randrange(9))
        case _:
            return _text_of(random, field.name, known)


def _text_of(random: Random, name: str, known: dict[str, list[str]]) -> str:
    pools: dict[str, tuple[str, ...]] = {
        "body": _BODIES,
        "sender": _PARTIES,
        "recipient": _PARTIES,
        "region": _REGIONS,
        "regions": _REGIONS,
        "paths": _MASK_PATHS,
        "page_token": _PAGE_TOKENS,
        "file_containing_symbol": _SYMBOLS,
        "file_by_filename": _SYMBOLS,
        "service": _SYMBOLS,
        "key": (LABEL, "a" * 64, "a" * 65, "€" * 21, "€" * 22),
        "value": (LABEL, "a" * 256, "a" * 257),
        "actor": _LONG_TEXTS,
        "note": _LONG_TEXTS,
        "reference": _LONG_TEXTS,
        "reason": _LONG_TEXTS,
        "display_name": _LONG_TEXTS,
    }
    if name in known and random.random() < 0.6:
        return random.choice(known[name])
    if name in pools and random.random() < 0.7:
        return random.choice(pools[name])
    return random.choice(_ODD_TEXTS)

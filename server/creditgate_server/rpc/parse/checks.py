"""What a request may hold: violations are collected, each with its field, its bound and so what to do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Final, TypeVar

from creditgate_server.credit.ids import (
    ACCOUNT_ID_RULE,
    OPERATION_ID_RULE,
    is_account_id,
    is_operation_id,
    root_of,
)

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from creditgate_server.credit.operations import Labels

VIOLATIONS_MAX: Final = 16
"""Violations that one error names: its details must fit into the 8 KiB of metadata that clients accept."""

LABELS_MAX: Final = 16
LABEL_KEY_BYTES_MAX: Final = 64
LABEL_VALUE_BYTES_MAX: Final = 256

PAGE_SIZE: Final = 50
"""Items of a page when the caller does not say."""

PAGE_SIZE_MAX: Final = 500

PAGE_TOKEN_CHARACTERS_MAX: Final = 1024
"""No token of ours is longer: it holds a time and two ids."""

TIMESTAMP_SECONDS_MIN: Final = -62_135_596_800
"""0001-01-01T00:00:00Z, the first second of `google.protobuf.Timestamp`."""

TIMESTAMP_SECONDS_MAX: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, its last."""

NANOSECONDS_MAX: Final = 999_999_999

_Term = TypeVar("_Term", bound=IntEnum)


class InvalidRequest(Exception):
    """A request has fields outside their bounds; `violations` are pairs of field and what it must be."""

    def __init__(self, violations: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{field} {message}" for field, message in violations))
        self.violations = violations


class Checks:
    """The violations of one request.

    Each check gives the value to go on with. One that was refused gives a stand-in, so that the rest is checked
    too; none gets out, for `finish` raises.
    """

    __slots__ = ("_violations",)

    def __init__(self) -> None:
        self._violations: list[tuple[str, str]] = []

    def refuse(self, field: str, message: str) -> None:
        """Note that a field is wrong. `message` says what it must be, and never quotes what it is."""
        if len(self._violations) < VIOLATIONS_MAX:
            self._violations.append((field, message))

    def finish(self) -> None:
        """Raise InvalidRequest if anything was wrong."""
        if self._violations:
            raise InvalidRequest(tuple(self._violations))

    def account_id(self, field: str, text: str) -> str:
        """Check an account's id, which must be there."""
        if not is_account_id(text):
            self.refuse(field, f"must be {ACCOUNT_ID_RULE}" if text else "is required")
        return text

    def operation_id(self, field: str, text: str) -> str:
        """Check the id of an operation, such as a reservation's, which must be there."""
        if not is_operation_id(text):
            self.refuse(field, f"must be {OPERATION_ID_RULE}" if text else "is required")
        return text

    def organisation(self, field: str, text: str, account_id: str) -> None:
        """Check that an account is of the same organisation as another one."""
        if root_of(text) != root_of(account_id):
            self.refuse(field, "must be of the same organisation, the first part of the account's id")

    def term(self, field: str, number: int, terms: Mapping[int, _Term], default: _Term | None = None) -> _Term:
        """Translate an enum's number; 0, unspecified, means `default`, and is refused where there is none."""
        term = terms.get(number)
        if term is not None:
            return term
        if number == 0 and default is not None:
            return default
        known = ", ".join(each.name for each in terms.values())
        self.refuse(field, f"is required: {known}" if number == 0 else f"must be one of {known}")
        return next(iter(terms.values()))

    def whole_number(self, field: str, number: int, minimum: int, maximum: int) -> int:
        """Check an amount or a count."""
        if minimum <= number <= maximum:
            return number
        self.refuse(field, f"must be {minimum:,} to {maximum:,}")
        return minimum

    def text(self, field: str, text: str, characters_max: int) -> str:
        """Check a free text."""
        if len(text) > characters_max:
            self.refuse(field, f"must not exceed {characters_max} characters")
        return text

    def labels(self, field: str, labels: Mapping[str, str]) -> Labels:
        """Check labels, and put them in order."""
        if not labels:
            return ()
        if len(labels) > LABELS_MAX:
            self.refuse(field, f"must be at most {LABELS_MAX}")
        for key, value in labels.items():
            if not 1 <= len(key.encode()) <= LABEL_KEY_BYTES_MAX:
                self.refuse(field, f"must have keys of 1 to {LABEL_KEY_BYTES_MAX} bytes of UTF-8")
            if len(value.encode()) > LABEL_VALUE_BYTES_MAX:
                self.refuse(field, f"must have values of at most {LABEL_VALUE_BYTES_MAX} bytes of UTF-8")
        return tuple(sorted(labels.items()))

    def time_ms(self, field: str, time: Timestamp) -> int:
        """Check a point in time, and give it in milliseconds since 1970; what is finer is cut off."""
        if not (TIMESTAMP_SECONDS_MIN <= time.seconds <= TIMESTAMP_SECONDS_MAX and 0 <= time.nanos <= NANOSECONDS_MAX):
            self.refuse(field, "must be a valid google.protobuf.Timestamp, years 1 to 9999")
            return 0
        return time.seconds * 1000 + time.nanos // 1_000_000

    def page_size(self, field: str, size: int) -> int:
        """Check how many items a page may have; 0 means PAGE_SIZE."""
        if size == 0:
            return PAGE_SIZE
        return self.whole_number(field, size, 1, PAGE_SIZE_MAX)

    def page_token(self, field: str, token: str) -> str:
        """Bound a token; whether it means anything is seen where it is read."""
        if len(token) > PAGE_TOKEN_CHARACTERS_MAX:
            self.refuse(field, "must be a next_page_token of the same listing, or empty")
        return token

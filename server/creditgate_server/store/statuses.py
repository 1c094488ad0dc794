"""The words with which a function says how an operation went; a test holds them and `lua/` together."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """The first element of every reply; all but OK left no effect."""

    OK = "OK"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    PARENT_NOT_FOUND = "PARENT_NOT_FOUND"
    ACCOUNT_ALREADY_EXISTS = "ACCOUNT_ALREADY_EXISTS"
    RESERVATION_NOT_FOUND = "RESERVATION_NOT_FOUND"
    ID_REUSED = "ID_REUSED"
    HOLD_ALREADY_COMMITTED = "HOLD_ALREADY_COMMITTED"
    HOLD_ALREADY_RELEASED = "HOLD_ALREADY_RELEASED"
    HOLD_EXPIRED = "HOLD_EXPIRED"
    TOO_MANY_GRANTS = "TOO_MANY_GRANTS"
    TOO_MANY_SCOPES = "TOO_MANY_SCOPES"
    EXPIRE_TIME_PAST = "EXPIRE_TIME_PAST"
    BALANCE_OVERFLOW = "BALANCE_OVERFLOW"
    UNREADABLE = "UNREADABLE"
    """To an audit: what is kept of the account is gone or is no record."""
    REPRICE = "REPRICE"
    """The account is priced by another rate card, which the reply names: price again and repeat."""
    UNPRICED = "UNPRICED"
    """The usage, which its card cannot price, is no replay either."""
    SWEEP = "SWEEP"
    """More is due of the organisation, which the reply names, than one call may end: sweep it and repeat."""

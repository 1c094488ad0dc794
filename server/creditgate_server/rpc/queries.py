"""What callers ask to see: requests that read and change nothing, validated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GetReservation:
    """One reservation of an account."""

    account_id: str
    reservation_id: str


@dataclass(frozen=True, slots=True)
class ListReservations:
    """A page of an account's open reservations, with those of the accounts below it if asked for."""

    account_id: str
    include_descendants: bool
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class GetAccount:
    """An account's settings, or its balance."""

    account_id: str


@dataclass(frozen=True, slots=True)
class ListAccounts:
    """A page of the accounts below a parent; "" for all."""

    parent_id: str
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class ListGrants:
    """A page of an account's grants, with the ended ones if asked for."""

    account_id: str
    include_ended: bool
    page_size: int
    page_token: str


@dataclass(frozen=True, slots=True)
class GetRateCard:
    """A version of a rate card; 0 for the newest."""

    rate_card_id: str
    version: int


@dataclass(frozen=True, slots=True)
class ListRateCards:
    """A page of the rate cards."""

    page_size: int
    page_token: str

"""A hold as it can be looked up: what it holds, and out of which grants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from creditgate.terms import ExpiryAction, Pot, ReservationState, SettledBy


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPrice:
    """The price that a hold keeps, whatever becomes of the rate card."""

    rate_card_id: str
    rate_card_version: int
    rule: str
    credits_per_recipient: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """What one pot of one account gave to a hold: (grant id, credits) in burn order, and what no grant covers.

    `unfunded` is overdraft; `unenforced` was let through by an account in MONITOR mode or OFF.
    """

    account_id: str
    pot: Pot
    grants: tuple[tuple[str, int], ...]
    unfunded: int
    unenforced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """A hold with its provenance.

    `credits` is what it was granted and never changes, `held` what it holds now. `captured` is all that was taken by it
    so far, `refunded` what of that was given back again. Once it is settled, `draws` are what was captured of each pot.
    """

    account_id: str
    payer_id: str
    reservation_id: str
    state: ReservationState
    credits: int
    held: int
    captured: int
    restored: int
    refunded: int
    recipients_granted: int
    price: FrozenPrice
    create_time: datetime | None
    expire_time: datetime | None
    settle_time: datetime | None
    settled_by: SettledBy | None
    expiry_action: ExpiryAction
    draws: tuple[Draw, ...]
    labels: Mapping[str, str]

"""What callers say by keyword: a usage, the measure of what was really used, and the settings of an account."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict

from creditgate.pricing import Channel, Direction, Priority
from creditgate.terms import AccountStatus, Enforcement, Funding, LateCommit, Overage


class Measured(TypedDict, total=False):
    """How large a usage is, for one recipient and in one measure, and for how many recipients."""

    body: str
    """The text itself, at most 16 KiB of UTF-8. The server counts and forgets it."""
    segments: int
    """Segments, counted by the caller (`creditgate.segments`): 1 to 10^9."""
    characters: int
    """Unicode code points, counted by the caller: 0 to 10^9."""
    seconds: int
    """Seconds of a call: 0 to 10^9."""
    units: int
    """Whatever the rate card's rule counts, such as drops: 0 to 10^9."""
    recipient_count: int
    """Recipients that each cost the same: 1 to 1,000,000. Default 1; in a commit, as many as were granted."""


class Traffic(Measured, total=False):
    """What is measured, and between whom."""

    channel: Channel
    """Default SMS with a `body` or `segments`; otherwise required."""
    direction: Direction
    """Default OUTBOUND; required in a charge."""
    sender: str
    """Number that sends: E.164, a short code, or, outbound, an alphanumeric sender id."""
    recipient: str
    """Number that receives: E.164 or a short code. Not with a `recipient_count` above 1."""
    region: str
    """ISO 3166-1 alpha-2 code of the counterparty's country. Default: told by its number."""
    priority: Priority
    """Default TRANSACTIONAL; BULK stops at the account's floor."""


class UsageFields(Traffic, total=False):
    """What is to be paid for: a size in exactly one measure, and what the price depends on besides."""

    credits: int
    """Instead of another measure: credits for each recipient, priced by the caller: 0 to 10^12."""
    labels: Mapping[str, str]
    """Free labels for reports: at most 16, keys of 1 to 64 bytes, values of at most 256."""


class AccountFields(TypedDict, total=False):
    """Settings of an account. None means the default, or, where there is none, not set."""

    display_name: str | None
    """Name for people: at most 128 characters."""
    status: AccountStatus | None
    """ACTIVE (default) or SUSPENDED."""
    funding: Funding | None
    """Default OWN for a root, PARENT for others."""
    enforcement: Enforcement | None
    """Default ENFORCE."""
    overdraft_limit: int | None
    """Credits that outbound usage may take the wallet below zero: 0 to 10^12. Default 0."""
    inbound_overdraft_limit: int | None
    """Credits that inbound usage may take the wallet below zero: 0 to 10^12. None: no limit."""
    floor: int | None
    """Credits that usage of BULK priority must leave: -10^12 to 10^12."""
    late_commit: LateCommit | None
    """What becomes of late commits. None: inherited; at a root, ACCEPT."""
    overage: Overage | None
    """What commits take beyond what their holds hold. None: inherited; at a root, ALLOW."""
    rate_card_id: str | None
    """The rate card that prices its usage. None: inherited; at a root, the default card."""
    limit_counts_inbound: bool | None
    """Whether inbound usage counts against its limit. Default False."""

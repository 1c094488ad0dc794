"""Operations as the library's functions take them, many of them in one call; ids and contents are what a test says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from creditgate.pricing.usage import Channel, Direction, Priority
from creditgate_server.credit.operations import AccountSettings
from creditgate_server.credit.terms import AccountStatus, Decision, Enforcement, ExpiryAction, Funding, GrantKind
from creditgate_server.store import records
from creditgate_server.store.ledger import Lane, Request

if TYPE_CHECKING:
    from tests.ledger.conftest import Organisation

ALL_HELD = ALL_LEFT = -1
OUTBOUND, INBOUND = int(Direction.OUTBOUND), int(Direction.INBOUND)


class Below(str):
    """The place of a further account that an operation names."""

    __slots__ = ()


Step = tuple[str, list[Any]]
"""The name of a function, and its arguments but for the root of the account, the first of them."""


def reserve(  # noqa: PLR0913 — what these tests vary of its seventeen arguments
    below: str, id_: str, unit: int, *, recipients: int = 1, content: str = "", partial: bool = False, region: str = ""
) -> Step:
    traffic = [int(Channel.SMS), OUTBOUND, region, int(Priority.TRANSACTIONAL)]
    content = content or f"{below}{unit}{recipients}{region}"
    ends = [60_000, int(ExpiryAction.RELEASE), []]
    return "reserve", [below, id_, content, *traffic, unit, recipients, 0, "default", 1, "sms", partial, *ends]


def charge(below: str, id_: str, unit: int, *, direction: int = INBOUND, region: str = "") -> Step:
    traffic = [int(Channel.SMS), direction, region, int(Priority.TRANSACTIONAL)]
    return "charge", [below, id_, f"{below}{unit}{traffic}", *traffic, unit, 1, 0, "default", 1, "sms", [], 0]


def commit(below: str, id_: str, credits_: int = ALL_HELD) -> Step:
    return "commit", [below, id_, credits_, "", []]


def capture(below: str, id_: str, commit_id: str, credits_: int) -> Step:
    return "commit", [below, id_, credits_, commit_id, []]


def release(below: str, id_: str) -> Step:
    return "release", [below, id_, ""]


def extend(below: str, id_: str) -> Step:
    return "extend", [below, id_, 120_000]


def refund(below: str, id_: str, *, reservation_id: str = "", charge_id: str = "", credits_: int = ALL_LEFT) -> Step:
    content = f"{below}{reservation_id}|{charge_id}|{credits_}"
    return "refund", [below, id_, content, reservation_id, charge_id, credits_]


def grant(  # noqa: PLR0913 — what these tests vary of its fourteen arguments
    below: str,
    id_: str,
    credits_: int,
    *,
    kind: GrantKind = GrantKind.PURCHASED,
    regions: tuple[str, ...] = (),
    priority: int = 0,
) -> Step:
    content = f"{below}{credits_}{kind}{regions}"
    return "grant", [below, id_, content, credits_, int(kind), 0, 0, priority, [], regions, "", "", ""]


def revoke(below: str, grant_id: str, *, claw_back: bool = False) -> Step:
    return "revoke", [below, grant_id, claw_back, "", ""]


def transfer(below: str, id_: str, target: str, credits_: int) -> Step:
    return "transfer", [below, id_, f"{below}{target}|{credits_}", Below(target), credits_, "", "", ""]


def close(below: str) -> Step:
    return "close_account", [below]


def create(below: str, **own: Any) -> Step:  # noqa: ANN401 — settings by name
    own.setdefault("funding", Funding.PARENT if below else Funding.OWN)
    chosen = AccountSettings(**own)
    return "create_account", [below, repr(chosen), records.settings_fields(chosen), ""]


def suspend(below: str) -> Step:
    return "update_account", [below, [(1, int(AccountStatus.SUSPENDED))], False]


def enforce(below: str, mode: Enforcement) -> Step:
    return "update_account", [below, [(3, int(mode))], False]


async def send(org: Organisation, *steps: Step) -> list[records.Fields]:
    """Carry out steps, up to 64 of them in one call."""
    key = org.ledger.key_of(org.root_id)
    requests = []
    for name, (below, *rest) in steps:
        named = [org.path(value) if isinstance(value, Below) else value for value in rest]
        requests.append(Request(key, Lane.DECIDE, name, records.pack(org.path(below), *named)))
    replies = await org.ledger.send(requests)
    for reply in replies:
        assert isinstance(reply, list), reply
    return [reply for reply in replies if isinstance(reply, list)]


def statuses(replies: list[records.Fields]) -> list[str]:
    return [reply[0] for reply in replies]


@dataclass(frozen=True)
class Decided:
    """The reply to reserve or charge, as far as these tests look."""

    decision: Decision
    credits: int
    state: int
    replayed: bool

    @classmethod
    def read(cls, reply: records.Fields) -> Decided:
        _, decision, _, credits_, _, state, _, replayed, *_ = reply
        return cls(Decision(decision), credits_, state, replayed)

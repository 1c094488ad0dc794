"""What one version of the sidecar does and another must read: records of every kind, told in steps with ids."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from creditgate import Direction, Enforcement, ExpiryAction, Funding, GrantKind, Overage, aio
from creditgate.answers import Scope
from creditgate.pricing import Channel, Rule, Unit

Document = dict[str, Any]
"""Answers as JSON holds them."""

NUMBER: Final = "+14155550100"

BODY: Final = "Your table is ready \N{EN DASH} see you soon"
"""One segment of UCS-2: GSM-7 has no such dash."""

PAUSE_MS: Final = 120_000
"""How long the story waits for what is short-lived to end."""

SHORT_S: Final = 60.0
"""Of what ends during the pause."""

LONG_S: Final = 600_000.0
"""Of what does not end: most of a week."""

ACCOUNTS: Final = ("acme", "acme/field", "acme/field/east", "acme/sales", "acme/watch", "acme/owing", "acme/shut")

HOLDS: Final = {
    "acme/field/east": ("open", "in part", "committed", "less", "released", "expired", "captured by expiry", "late"),
    "acme/sales": ("overdrawn",),
    "acme/watch": ("let through",),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One call of the story; `repeatable`: the same call again is known by its id, and answers the same money."""

    name: str
    call: Callable[[aio.Client], Awaitable[Any]]
    repeatable: bool = True


def _price(credits_: int) -> list[Rule]:
    return [
        Rule(name="us", unit=Unit.SEGMENT, credits_per_unit=credits_, channel=Channel.SMS, regions=("US",)),
        Rule(name="rest", unit=Unit.MESSAGE, credits_per_unit=1, minimum_credits=1),
    ]


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


US_SMS: Final = Scope(channels=(Channel.SMS,), regions=("US",))

EAST: Final = "acme/field/east"

CARDS: Final = (
    Step("first version", lambda c: c.put_rate_card("campaigns", _price(1)), repeatable=False),
    Step("second version", lambda c: c.put_rate_card("campaigns", _price(2)), repeatable=False),
)

OPENING: Final = (
    Step("root", lambda c: c.create_account("acme", display_name="Acme Ltd", late_commit=None)),
    Step("field", lambda c: c.create_account("acme/field", rate_card_id="campaigns", overage=Overage.CAP)),
    Step("east", lambda c: c.create_account(EAST)),
    Step("sales", lambda c: c.create_account("acme/sales", funding=Funding.OWN, overdraft_limit=50, floor=10)),
    Step("watch", lambda c: c.create_account("acme/watch", funding=Funding.OWN, enforcement=Enforcement.MONITOR)),
    Step("owing", lambda c: c.create_account("acme/owing", funding=Funding.OWN, inbound_overdraft_limit=100)),
    Step("shut", lambda c: c.create_account("acme/shut", funding=Funding.OWN), repeatable=False),
    Step("renamed", lambda c: c.update_account("acme", display_name="Acme plc"), repeatable=False),
)

GRANTS: Final = (
    Step(
        "bought", lambda c: c.grant("acme", 500, grant_id="bought", priority=5, actor="ann", reference="4711", note="!")
    ),
    Step("promotion", lambda c: c.grant("acme", 20, grant_id="promotion", kind=GrantKind.PROMOTIONAL, scope=US_SMS)),
    Step("wrong", lambda c: c.grant("acme", 9, grant_id="wrong", priority=9)),
    Step("wrong revoked", lambda c: c.revoke_grant("acme", "wrong", actor="ann", note="a slip")),
    Step("allotment", lambda c: c.grant("acme/field", 90, grant_id="allotment", kind=GrantKind.ALLOTMENT)),
    Step("sales bought", lambda c: c.grant("acme/sales", 30, grant_id="sales-bought")),
    Step("moved", lambda c: c.transfer("acme", "acme/sales", 15, transfer_id="moved", note="a present")),
    Step("shut bought", lambda c: c.grant("acme/shut", 5, grant_id="shut-bought")),
    Step("closed", lambda c: c.close_account("acme/shut")),
)

PASSING: Final = (
    # Their terms hold times of day, so that a call made later would be another.
    Step("plan", lambda c: c.grant("acme", 100, grant_id="plan", kind=GrantKind.PLAN, priority=1,
                                   expire_time=_in(LONG_S)), repeatable=False),
    Step("soon over", lambda c: c.grant("acme", 5, grant_id="soon-over", priority=7,
                                        expire_time=_in(SHORT_S)), repeatable=False),
    Step("to come", lambda c: c.grant("acme", 40, grant_id="to-come", effective_time=_in(LONG_S)), repeatable=False),
)  # fmt: skip


def _hold(id_: str, *, ttl_s: float = LONG_S, action: ExpiryAction = ExpiryAction.RELEASE, count: int = 3) -> Step:
    """Hold for some recipients of a body: 2 credits each."""
    return Step(
        f"hold {id_}",
        lambda c: c.reserve(
            EAST, reservation_id=id_, ttl=ttl_s, expiry_action=action, body=BODY, region="US", recipient_count=count,
            labels={"campaign": "spring"},
        ),
    )  # fmt: skip


MESSAGES: Final = (
    _hold("open"),
    _hold("in part"),
    Step("part", lambda c: c.commit(EAST, "in part", recipient_count=1, keep_open=True, commit_id="part-1")),
    _hold("committed"),
    Step("commit", lambda c: c.commit(EAST, "committed", labels={"sent": "yes"})),
    _hold("less"),
    Step("commit less", lambda c: c.commit(EAST, "less", credits=4)),
    Step("refund", lambda c: c.refund(EAST, reservation_id="less", credits=3, refund_id="less-back")),
    _hold("released"),
    Step("release", lambda c: c.release(EAST, "released")),
    _hold("expired", ttl_s=SHORT_S),
    _hold("captured by expiry", ttl_s=SHORT_S, action=ExpiryAction.COMMIT),
    _hold("late", ttl_s=SHORT_S),
    Step("to one", lambda c: c.reserve(EAST, reservation_id="to-one", ttl=LONG_S, body="Hello", recipient=NUMBER)),
    Step("overdraft", lambda c: c.reserve("acme/sales", reservation_id="overdrawn", ttl=LONG_S, segments=70)),
    Step("monitored", lambda c: c.reserve("acme/watch", reservation_id="let through", ttl=LONG_S, segments=4)),
    Step("reply", lambda c: c.charge(EAST, charge_id="reply", direction=Direction.INBOUND, body="Thanks!")),
    Step("sent", lambda c: c.charge(EAST, charge_id="sent", direction=Direction.OUTBOUND, segments=2, region="US")),
    Step("sent back", lambda c: c.refund(EAST, charge_id="sent", credits=1, refund_id="sent-back")),
    Step("owed", lambda c: c.charge("acme/owing", charge_id="owed", direction=Direction.INBOUND, segments=7)),
    Step("too dear", lambda c: c.charge("acme/owing", charge_id="dear", direction=Direction.OUTBOUND, segments=50)),
    Step("repaid", lambda c: c.grant("acme/owing", 3, grant_id="repaid")),
)

AFTERWARDS: Final = (Step("late commit", lambda c: c.commit(EAST, "late")),)

BEFORE_THE_PAUSE: Final = (*CARDS, *OPENING, *GRANTS, *PASSING, *MESSAGES)


async def tell(client: aio.Client, pass_time: Callable[[int], Awaitable[object]]) -> Document:
    """Let a server live the story, on an empty store; return what it answered to what can be repeated."""
    answers = {step.name: await step.call(client) for step in BEFORE_THE_PAUSE}
    await pass_time(PAUSE_MS)
    answers |= {step.name: await step.call(client) for step in AFTERWARDS}
    return {name: money(answers[name]) for name in _repeatable()}


async def tell_again(client: aio.Client) -> Document:
    """Repeat all that can be repeated, which must be known; return what was answered."""
    answers = {name: await step.call(client) for name, step in _repeatable().items()}
    assert {name for name, answer in answers.items() if not answer.replayed} == set()
    return {name: money(answer) for name, answer in answers.items()}


def _repeatable() -> Mapping[str, Step]:
    return {step.name: step for step in (*BEFORE_THE_PAUSE, *AFTERWARDS) if step.repeatable}


_AS_IT_STANDS: Final = ("replayed", "state", "balance", "target_balance", "grant", "account", "cost", "expire_time")
"""What a repeated call tells of now, and not of what it did."""


def money(answer: Any) -> Document:  # noqa: ANN401 (any answer)
    """Return what a call did, which the same call again must answer too."""
    document = as_document(answer)
    return {name: value for name, value in document.items() if name not in _AS_IT_STANDS}


async def look(client: aio.Client) -> Document:
    """Return all that can be read of the organisation."""
    return {
        "accounts": [as_document(await client.get_account(each)) for each in ACCOUNTS],
        "standings": [as_document(await client.get_balance(each)) for each in ACCOUNTS],
        "grants": [await _all(client.list_grants(each, include_ended=True)) for each in ACCOUNTS],
        "holds": [as_document(await client.get_reservation(of, id_)) for of, ids in HOLDS.items() for id_ in ids],
        "open holds": await _all(client.list_reservations("acme", include_descendants=True)),
        "cards": [as_document(await client.get_rate_card("campaigns", version)) for version in (1, 2)],
        "default card": as_document(await client.get_rate_card("default")),
        "explained": as_document(await client.explain(EAST, segments=2, region="US")),
    }


async def _all(items: AsyncIterator[Any]) -> list[Document]:
    return [as_document(item) async for item in items]


def as_document(answer: Any) -> Document:  # noqa: ANN401 (any answer)
    """Return an answer as JSON holds it."""
    document: Document = json.loads(json.dumps(asdict(answer), default=_text))
    return document


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def lacking(found: Any, expected: Any, at: str = "") -> list[str]:  # noqa: ANN401 (any part of a document)
    """Name what a document lacks or has otherwise; a newer version may tell of more than was expected."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [line for name, each in expected.items() for line in lacking(found.get(name), each, f"{at}/{name}")]
    if isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        pairs = enumerate(zip(found, expected, strict=True))
        return [line for number, (one, other) in pairs for line in lacking(one, other, f"{at}/{number}")]
    return [] if found == expected else [f"{at}: {found!r}, not {expected!r}"]

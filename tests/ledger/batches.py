"""What tests put into batches, and what they look at of the results."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Direction, Segments
from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.ledger.conftest import Organisation


class Operations:
    """The operations of one account, by their ids."""

    def __init__(self, org: Organisation, below: str = "") -> None:
        self._org = org
        self._account_id = org.path(below)

    def quote(self, credits_: int = 1) -> ask.Quote:
        return ask.Quote(self._account_id, self._org.sms(credits_))

    def reserve(self, id_: str, credits_: int = 1, *, recipients: int = 1, partial: bool = False) -> ask.Reserve:
        traffic = self._org.sms(credits_, recipients=recipients)
        return ask.Reserve(self._account_id, id_, traffic, 60_000, partial)

    def commit(self, id_: str, credits_: int | None = None, *, segments: int | None = None) -> ask.Commit:
        usage = None if segments is None else ask.ActualUsage(Segments(segments))
        return ask.Commit(self._account_id, id_, usage, credits_)

    def capture(self, id_: str, commit_id: str, credits_: int) -> ask.Commit:
        return ask.Commit(self._account_id, id_, None, credits_, keep_open=True, commit_id=commit_id)

    def release(self, id_: str) -> ask.Release:
        return ask.Release(self._account_id, id_)

    def extend(self, id_: str, ttl_ms: int) -> ask.Extend:
        return ask.Extend(self._account_id, id_, ttl_ms)

    def charge(self, id_: str, credits_: int = 1, direction: Direction = Direction.OUTBOUND) -> ask.Charge:
        return ask.Charge(self._account_id, id_, self._org.sms(credits_, direction=direction))

    def refund(self, id_: str, charge_id: str, credits_: int | None = None) -> ask.Refund:
        return ask.Refund(self._account_id, id_, "", charge_id, credits_)


def brief(results: Sequence[told.Outcome | Exception]) -> list[object]:
    """Return of each result what matters: the decision, the hold's state, what it moved, or the kind of error."""
    told_of: list[object] = []
    for result in results:
        match result:
            case told.Authorization():
                told_of.append(result.decision)
            case told.Settlement():
                told_of.append(result.state)
            case told.Extension():
                told_of.append("extended")
            case told.Refunded():
                told_of.append(result.credits)
            case Exception():
                told_of.append(type(result))
    return told_of


def replayed(results: Sequence[told.Outcome | Exception]) -> list[bool]:
    return [not isinstance(result, told.Extension | Exception) and result.replayed for result in results]


async def take_other_card(org: Organisation, below: str = "") -> None:
    """Let an account be priced by a card that a sidecar without experience of it would not expect."""
    card_id = f"double-{org.root_id}"
    await org.engine.put_rate_card(card_id, [Rule(name="double", unit=Unit.SEGMENT, credits_per_unit=2)])
    await org.change(below, rate_card_id=card_id)


async def let_many_holds_expire(org: Organisation) -> None:
    """Leave more due than one call ends."""
    await asyncio.gather(*(org.reserve(ttl_ms=5_000) for _ in range(40)))
    await org.pass_time(6_000)


@asynccontextmanager
async def full_store(org: Organisation) -> AsyncIterator[None]:
    """Let the store have no memory left."""
    await org.store.execute([("CONFIG", "SET", "maxmemory", 1)])
    try:
        yield
    finally:
        await org.store.execute([("CONFIG", "SET", "maxmemory", 0)])

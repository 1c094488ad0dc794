"""What two engines were asked at once is judged by the order in which it happened, even where answers tell nothing."""

from __future__ import annotations

import secrets
from random import Random
from typing import TYPE_CHECKING

import pytest
from tests.model.calls import Call, on_engine
from tests.model.clock import Clock
from tests.model.comparison import Differs
from tests.model.history import History
from tests.model.sidecars import open_sidecars

from creditgate.pricing.usage import Channel, Credits, Direction, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import GrantKind

if TYPE_CHECKING:
    from creditgate_server.store.embedded import EmbeddedStore

TRAFFIC = ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Credits(6)))


class Race:
    """A first allotment, and a reserve below it that another wallet and limit bind: answers do not order them."""

    def __init__(self) -> None:
        self.root = f"race-{secrets.token_hex(6)}"
        self.allotment = ask.GrantCredits(f"{self.root}/a", "first-allotment", 50, GrantKind.ALLOTMENT)
        self.reserve = ask.Reserve(f"{self.root}/a/b", "below-it", TRAFFIC, ttl_ms=600_000)

    async def judge(self, store: EmbeddedStore, *, allotment_first: bool, lost: int = 0) -> None:
        """Let it happen in one order, and judge it; of what it should leave, `lost` credits were never granted."""
        async with open_sidecars(store.url) as sidecars:
            clock = Clock(await sidecars.now_ms("any"))
            await sidecars.ledger.advance_test_clock(clock.start_ms - await sidecars.now_ms("any"))
            history = History(sidecars, self.root, clock, Random(0))
            history.pass_time()
            opening: tuple[Call, ...] = (
                *(ask.CreateAccount(f"{self.root}{one}", ask.AccountSettings()) for one in ("", "/a", "/a/b")),
                ask.GrantCredits(f"{self.root}/a/b", "credits", 100),
                ask.GrantCredits(f"{self.root}/a/b", "tighter", 20, GrantKind.ALLOTMENT),
            )
            await history.take(opening, sidecars.engines[0])
            grant = history.model.organisation.accounts[f"{self.root}/a/b"].grants[0]
            grant.amount, grant.remaining = grant.amount + lost, grant.remaining + lost
            happened = (self.allotment, self.reserve) if allotment_first else (self.reserve, self.allotment)
            answers = {type(call): await on_engine(sidecars.engines[0], call) for call in happened}
            await history.judge(self.allotment, self.reserve, [answers[ask.GrantCredits], answers[ask.Reserve]])


@pytest.mark.parametrize("allotment_first", [True, False])
async def test_a_race_that_its_answers_do_not_order_is_judged_by_what_it_left(
    store: EmbeddedStore, *, allotment_first: bool
) -> None:
    await Race().judge(store, allotment_first=allotment_first)


async def test_a_race_that_no_order_explains_is_a_difference(store: EmbeddedStore) -> None:
    with pytest.raises(Differs, match="answers"):
        await Race().judge(store, allotment_first=True, lost=1)

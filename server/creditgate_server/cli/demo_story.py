"""Plays the demo's story through the client library, as any worker would, and counts what the answers say."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from creditgate import errors
from creditgate.aio import Client
from creditgate.answers import Cost, Denial
from creditgate.pricing.usage import Direction
from creditgate.terms import GrantKind
from creditgate_server.cli.demo_plan import FIELD, ORGANISATION, SALES, Delivery, Plan, cost

IN_FLIGHT: Final = 64
"""Messages that are dealt with at the same time."""


class Event(StrEnum):
    """What a scene shows."""

    GRANTED = "granted"
    ALLOTTED = "allotted"
    SENT = "sent"
    RELEASED = "released"
    DENIED = "denied"
    CHARGED = "charged"
    REPLAYED = "replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Something that happened to an account.

    `credits` were granted, captured, given back or asked for in vain, by all `messages` together; `denied_before` of
    these had been denied under the same id. `denial` is the first one. `available` is what the organisation's wallet
    has afterwards.
    """

    event: Event
    account_id: str
    messages: int = 0
    denied_before: int = 0
    credits: int = 0
    debt_repaid: int = 0
    denial: Denial | None = None
    available: int


@dataclass(slots=True)
class Tally:
    """What the answers add up to, by account."""

    captured: Counter[str] = field(default_factory=Counter)
    """Credits that commits captured."""
    charged: Counter[str] = field(default_factory=Counter)
    """Credits that charges captured."""
    sent: Counter[str] = field(default_factory=Counter)
    """Messages that were sent."""
    received: Counter[str] = field(default_factory=Counter)
    """Replies that were charged."""
    released: Counter[str] = field(default_factory=Counter)
    """Credits that were held for a send that failed, and given back."""
    refused: Counter[str] = field(default_factory=Counter)
    """Sends that failed."""
    dear: int = 0
    """Messages sent in UCS-2 although a GSM-7 spelling would have cost less."""
    savings: int = 0
    """Credits that those spellings would have saved."""


class CarrierRefused(Exception):
    """The simulated carrier did not take a message."""


async def send_to_carrier(*, is_refused: bool) -> None:
    """Stand in for the carrier: nothing leaves this machine."""
    await asyncio.sleep(0)
    if is_refused:
        raise CarrierRefused


class Story:
    """A plan on its way. `tally` is complete when `play` has ended."""

    def __init__(
        self, client: Client, plan: Plan, on_progress: Callable[[int, int], None] = lambda _done, _of: None
    ) -> None:
        """Tell a plan to a server. `on_progress` learns how many times a message was dealt with, and of how many."""
        self.tally: Final = Tally()
        self._client: Final = client
        self._plan: Final = plan
        self._on_progress: Final = on_progress
        self._dealt_with = 0
        self._denied_ids: Final[set[str]] = set()

    async def play(self) -> AsyncIterator[Scene]:
        """Do what was planned; give each scene when it is over. Raises CreditgateError."""
        plan = self._plan
        for account_id in (ORGANISATION, FIELD, SALES):
            await self._client.create_account(account_id)
        yield await self._grant(ORGANISATION, plan.purchase)
        yield await self._grant(FIELD, plan.allotment, GrantKind.ALLOTMENT)
        yield await self._send(ORGANISATION, plan.opening)
        yield await self._tell_released()
        yield await self._send(FIELD, plan.stopped)
        yield await self._send(SALES, plan.closing)
        yield await self._send(SALES, plan.unfunded)
        yield await self._charge(plan.replies)
        yield await self._send(SALES, plan.unfunded[:1])
        yield await self._grant(ORGANISATION, plan.top_up)
        yield await self._send(SALES, plan.unfunded)
        yield await self._send_again(plan.unfunded[0])

    async def price(self, text: str) -> Cost:
        """Ask what a text costs. Raises CreditgateError."""
        return (await self._client.quote(ORGANISATION, body=text)).cost

    async def _grant(self, account_id: str, credits_: int, kind: GrantKind = GrantKind.PURCHASED) -> Scene:
        granted = await self._client.grant(account_id, credits_, kind=kind, actor="creditgate demo")
        return Scene(
            event=Event.ALLOTTED if kind is GrantKind.ALLOTMENT else Event.GRANTED,
            account_id=account_id,
            credits=credits_,
            debt_repaid=granted.debt_repaid,
            available=granted.balance.available,
        )

    async def _send(self, account_id: str, deliveries: Sequence[Delivery]) -> Scene:
        """Send messages in any order. They are planned so that either all are allowed or all are denied."""
        sent, denials = self.tally.sent.total(), dict[str, Denial]()
        captured = self.tally.captured.total()

        async def send(delivery: Delivery) -> None:
            denial = await self._send_one(delivery)
            if denial is not None:
                denials[delivery.id] = denial

        denied_before = self._denied_ids.intersection(delivery.id for delivery in deliveries)
        await self._all(deliveries, send)
        self._denied_ids.update(denials)
        if not denials:
            return Scene(
                event=Event.SENT,
                account_id=account_id,
                messages=self.tally.sent.total() - sent,
                denied_before=len(denied_before),
                credits=self.tally.captured.total() - captured,
                available=await self._available(),
            )
        denied = [delivery for delivery in deliveries if delivery.id in denials]
        return Scene(
            event=Event.DENIED,
            account_id=account_id,
            messages=len(denied),
            credits=cost(denied),
            denial=denials[denied[0].id],
            available=await self._available(),
        )

    async def _send_one(self, delivery: Delivery) -> Denial | None:
        """Send a message, a second time if the carrier refuses it; return why not, if it must not be sent."""
        try:
            if delivery.is_refused_once:
                await self._try_in_vain(delivery)
            async with self._client.authorize(
                delivery.account_id, reservation_id=delivery.id, body=delivery.text
            ) as hold:
                await send_to_carrier(is_refused=False)
                committed = await hold.commit()
        except errors.Denied as denied:
            return denied.denial
        except errors.AlreadySettled:
            # It was allowed where a denial was expected; the reconciliation will tell whether all is well.
            return None
        if hold.cost is not None and hold.cost.cheaper_spelling is not None:
            self.tally.dear += 1
            self.tally.savings += hold.cost.credits - hold.cost.cheaper_spelling.credits
        self.tally.sent[delivery.account_id] += 1
        self.tally.captured[delivery.account_id] += committed.credits
        return None

    async def _try_in_vain(self, delivery: Delivery) -> None:
        """Try to send a message: the carrier refuses it, and its credits go back."""
        async with self._client.authorize(
            delivery.account_id, reservation_id=f"{delivery.id}-refused", body=delivery.text
        ) as hold:
            try:
                await send_to_carrier(is_refused=True)
            except CarrierRefused:
                released = await hold.release("the carrier refused the message")
                self.tally.refused[delivery.account_id] += 1
                self.tally.released[delivery.account_id] += released.restored

    async def _tell_released(self) -> Scene:
        return Scene(
            event=Event.RELEASED,
            account_id=ORGANISATION,
            messages=self.tally.refused.total(),
            credits=self.tally.released.total(),
            available=await self._available(),
        )

    async def _charge(self, replies: Sequence[Delivery]) -> Scene:
        async def charge(reply: Delivery) -> None:
            charged = await self._client.charge(
                reply.account_id, charge_id=reply.id, body=reply.text, direction=Direction.INBOUND
            )
            self.tally.received[reply.account_id] += 1
            self.tally.charged[reply.account_id] += charged.credits

        await self._all(replies, charge)
        return Scene(
            event=Event.CHARGED,
            account_id=ORGANISATION,
            messages=self.tally.received.total(),
            credits=self.tally.charged.total(),
            available=await self._available(),
        )

    async def _send_again(self, delivery: Delivery) -> Scene:
        """Send what was sent before, as a worker does that was restarted: its id tells that it is settled."""
        try:
            async with self._client.authorize(delivery.account_id, reservation_id=delivery.id, body=delivery.text):
                pass
        except errors.AlreadySettled:
            messages = 0
        else:
            messages = 1
        return Scene(
            event=Event.REPLAYED, account_id=delivery.account_id, messages=messages, available=await self._available()
        )

    async def _available(self) -> int:
        return (await self._client.get_balance(ORGANISATION)).balance.available

    async def _all(self, deliveries: Iterable[Delivery], deal_with: Callable[[Delivery], Awaitable[None]]) -> None:
        """Deal with deliveries, IN_FLIGHT at a time. Raises the first error."""
        waiting = iter(deliveries)

        async def work() -> None:
            for delivery in waiting:
                await deal_with(delivery)
                self._dealt_with += 1
                self._on_progress(self._dealt_with, self._plan.steps)

        workers = [asyncio.create_task(work()) for _ in range(IN_FLIGHT)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()

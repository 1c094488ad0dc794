"""Decides what the demo does: which team sends what, what fails, and how many credits make the story happen.

Pure: the story follows from the messages alone, so that it is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from creditgate.pricing.segments import count
from creditgate.pricing.usage import Direction
from creditgate_server.cli.demo_messages import Message

ORGANISATION: Final = "acme"
"""Its wallet pays for both teams."""

FIELD: Final = "acme/field"
"""The team that an allotment stops."""

SALES: Final = "acme/sales"
"""The team that goes on until the wallet is empty."""

OUTBOUND_MIN: Final = 12
"""Messages to send that the story needs; those of a shorter file are sent several times."""

REPLY_EVERY: Final = 10
"""Where a file does not tell both directions, every tenth message is taken for a reply."""

FAILURE_EVERY: Final = 50
"""Of the messages that go first, the simulated carrier refuses every fiftieth, the very first one included, once."""

TOP_UP_STEP: Final = 100
"""The top-up is rounded up to hundreds of credits, so that some are left in the end."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message of a team: one to send, or a reply that it has received. `credits` is what it must cost."""

    id: str
    account_id: str
    text: str = field(repr=False)
    credits: int
    is_refused_once: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The messages in the order of the story; those of one part may go in any order.

    `opening` of both teams and then `closing` of SALES are paid for by the first purchase, to the last credit.
    Between the two, `stopped` of FIELD are beyond its allotment. `unfunded` of SALES find the wallet empty, and go
    after the top-up, which repays first what the `replies` have cost.
    """

    opening: tuple[Delivery, ...]
    stopped: tuple[Delivery, ...]
    closing: tuple[Delivery, ...]
    unfunded: tuple[Delivery, ...]
    replies: tuple[Delivery, ...]

    @property
    def outbound(self) -> tuple[Delivery, ...]:
        """All messages to send."""
        return self.opening + self.stopped + self.closing + self.unfunded

    @property
    def messages(self) -> int:
        """How many messages there are, in both directions."""
        return len(self.outbound) + len(self.replies)

    @property
    def steps(self) -> int:
        """How many times a message is dealt with: those that find the wallet empty, and one in debt, go again."""
        return self.messages + 1 + len(self.unfunded)

    @property
    def allotment(self) -> int:
        """Credits that FIELD may spend."""
        return cost(delivery for delivery in self.opening if delivery.account_id == FIELD)

    @property
    def purchase(self) -> int:
        """Credits that ORGANISATION has at first."""
        return cost(self.opening) + cost(self.closing)

    @property
    def top_up(self) -> int:
        """Credits that it buys when it is in debt."""
        needed = cost(self.replies) + cost(self.unfunded)
        return needed - needed % -TOP_UP_STEP

    @property
    def expected_credits(self) -> int:
        """Credits that will be used in all: of every message but those of a team that was stopped."""
        return sum(map(cost, (self.opening, self.closing, self.unfunded, self.replies)))


def cost(deliveries: Iterable[Delivery]) -> int:
    """Sum the credits of deliveries."""
    return sum(delivery.credits for delivery in deliveries)


def make_plan(messages: Sequence[Message]) -> tuple[Plan, list[str]]:
    """Plan the story of some messages, at least one, and note what the file did not provide."""
    notes = []
    tells_directions = len({message.direction or Direction.OUTBOUND for message in messages}) > 1
    outbound = sum(message.direction is not Direction.INBOUND for message in messages)
    if not tells_directions:
        outbound = len(messages)
    if outbound < OUTBOUND_MIN:
        times = -(-OUTBOUND_MIN // outbound)
        messages = [*messages] * times
        notes.append(f"too few messages for the story: each is used {times} times")
    if not tells_directions:
        messages = [
            replace(message, direction=Direction.OUTBOUND if place % REPLY_EVERY else Direction.INBOUND)
            for place, message in enumerate(messages, start=1)
        ]
        notes.append(f"nothing tells sent from received: every {REPLY_EVERY}th message is taken for a reply")
    return _divide(messages), notes


def _divide(messages: Sequence[Message]) -> Plan:
    """Deal the messages out to the teams in turn, and each team's to the parts of the story."""
    numbered = list(enumerate(messages, start=1))
    outbound = [numbered_one for numbered_one in numbered if numbered_one[1].direction is not Direction.INBOUND]
    inbound = [numbered_one for numbered_one in numbered if numbered_one[1].direction is Direction.INBOUND]
    field_all, sales_all = _deliveries(FIELD, outbound[0::2]), _deliveries(SALES, outbound[1::2])
    field_paid = len(field_all) * 3 // 4
    sales_opening, sales_paid = len(sales_all) // 2, len(sales_all) * 3 // 4
    return Plan(
        opening=_refuse_some(field_all[:field_paid] + sales_all[:sales_opening]),
        stopped=field_all[field_paid:],
        closing=sales_all[sales_opening:sales_paid],
        unfunded=sales_all[sales_paid:],
        replies=_deliveries(FIELD, inbound[0::2]) + _deliveries(SALES, inbound[1::2]),
    )


def _deliveries(account_id: str, numbered: Iterable[tuple[int, Message]]) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(f"message-{number:05}", account_id, message.text, count(message.text).segments)
        for number, message in numbered
    )


def _refuse_some(deliveries: Iterable[Delivery]) -> tuple[Delivery, ...]:
    return tuple(
        replace(delivery, is_refused_once=place % FAILURE_EVERY == 0) for place, delivery in enumerate(deliveries)
    )

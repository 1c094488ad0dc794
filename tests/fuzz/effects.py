"""What messages did to the ledger, held against what their answers say: whatever was refused has done nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import grpc
from tests.fuzz.messages import Message
from tests.fuzz.sending import Answer

from creditgate.v1.decision_pb2 import DECISION_DENIED
from creditgate_server.store.ledger import Ledger

OF_ITSELF: Final = frozenset({"hold_expired", "grant_started", "grant_expired", "renewed"})
"""Entries of the journal that nobody asks for: time makes them."""


class Effect(NamedTuple):
    """An entry of the journal: of what kind, of which account, and under which id ("" for an account itself)."""

    kind: str
    account_id: str
    id: str


RATE_CARD: Final = "rate_card_put"
"""The kind of an effect that the journal does not tell: a version of a rate card."""


_OF_ACCOUNTS: Final = {
    "CreateAccount": "account_created",
    "UpdateAccount": "account_updated",
    "CloseAccount": "account_closed",
}
_BY_ID: Final = {
    "Release": ("released", "reservation_id"),
    "Extend": ("extended", "reservation_id"),
    "Charge": ("charged", "charge_id"),
    "Refund": ("refunded", "refund_id"),
    "Grant": ("granted", "grant_id"),
    "RevokeGrant": ("revoked", "grant_id"),
    "Transfer": ("transferred", "transfer_id"),
    "SetPlan": ("plan_set", "change_id"),
}
"""The kind of entry that a method makes, and the field that names its id."""


def accepted(message: Message, answer: Answer) -> Iterator[Effect]:
    """Give the effects that the answer to a message admits."""
    if message.method.name == "Stream":
        yield from _of_frames(message, answer)
    elif answer.code is grpc.StatusCode.OK and message.method.is_ours:
        request = message.method.read_request(message.data)
        response = message.method.read_response(answer.messages[0])
        if message.method.name != "Batch":
            yield from _of_call(message.method.name, request, response)
        elif not (request.atomic and any(map(_has_failed, response.results))):
            yield from _of_operations(request.operations, response.results)


def _of_frames(message: Message, answer: Answer) -> Iterator[Effect]:
    """Find the answers to frames, which may have overtaken each other, by their numbers and tags."""
    responses = [message.method.read_response(data) for data in answer.messages]
    for frame in filter(message.method.can_decode, (*message.before, message.data)):
        request = message.method.read_request(frame)
        tags = [operation.tag for operation in request.operations]
        for response in responses:
            if response.batch_id == request.batch_id and [result.tag for result in response.results] == tags:
                yield from _of_operations(request.operations, response.results)


def _has_failed(result: Any) -> bool:  # noqa: ANN401 (a message)
    kind = result.WhichOneof("result")
    return kind == "error" or getattr(getattr(result, kind), "decision", None) == DECISION_DENIED


def _of_operations(operations: Any, results: Any) -> Iterator[Effect]:  # noqa: ANN401 (messages)
    for operation, result in zip(operations, results, strict=True):
        kind = result.WhichOneof("result")
        if kind != "error":
            yield from _of_call(kind.capitalize(), getattr(operation, kind), getattr(result, kind))


def _of_call(name: str, request: Any, response: Any) -> Iterator[Effect]:  # noqa: ANN401 (messages)
    if getattr(response, "replayed", False) or getattr(response, "decision", None) == DECISION_DENIED:
        return
    if name == "Reserve":
        yield Effect("reserved", request.account_id, response.reservation_id)
    elif name == "Commit":
        kind = "captured" if request.keep_open else "committed"
        yield Effect(kind, request.account_id, request.reservation_id)
    elif name == "PutRateCard":
        yield Effect(RATE_CARD, "", "")
    elif name in _OF_ACCOUNTS:
        account_id = request.account_id if name == "CloseAccount" else request.account.account_id
        yield Effect(_OF_ACCOUNTS[name], account_id, "")
    elif name in _BY_ID:
        kind, field = _BY_ID[name]
        yield Effect(kind, request.account_id, getattr(request, field))


class Effects:
    """The effects that a ledger shows, from one look to the next."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen = [""] * ledger.partitions
        self._rate_cards = 0

    async def look(self) -> Counter[Effect]:
        """Count what has come since the last time."""
        found: Counter[Effect] = Counter()
        for partition in range(self._ledger.partitions):
            async for entry in self._ledger.journal(partition, self._seen[partition]):
                self._seen[partition] = entry.entry_id
                if entry.kind not in OF_ITSELF:
                    found[Effect(entry.kind, entry.account_id, entry.operation_id)] += 1
        rate_cards = await self._ledger.rate_cards_count()
        found[Effect(RATE_CARD, "", "")] = rate_cards - self._rate_cards
        self._rate_cards = rate_cards
        return found

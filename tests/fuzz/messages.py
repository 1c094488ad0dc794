"""The messages of a seed: half of them requests, if mostly odd ones, the other half bytes that are none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Request
from google.protobuf.message_factory import GetMessageClass
from tests.fuzz import wire
from tests.fuzz.interface import METHODS, Method
from tests.fuzz.tour import Call
from tests.fuzz.values import value_of

from creditgate.pricing.rate_cards import RULES_MAX
from creditgate_server.rpc.parse.batch import OPERATIONS_MAX

REQUEST_BYTES_MAX: Final = 1024 * 1024
"""Larger ones are refused by gRPC."""

ATTEMPTS_MAX: Final = 50
"""How often to break a request until it is none; most are at once."""

HUGE_ONE_IN: Final = 2000
"""How many messages come to one that is as large as may be, or larger."""

RENEWED_SHARE: Final = 0.5
"""How many requests are of other ids than they were recorded with, so that they do something anew."""

_NEW_IDS: Final = 12
"""Few, so that what one message has begun another one settles."""

_RENEWED: Final = re.compile("(reservation|commit|charge|refund|grant|transfer)_id")

_REPEATED_MAX: Final = 4


@dataclass(frozen=True)
class Message:
    """One message to send: the last of a stream where its method has one, after those `before` it."""

    number: int
    method: Method
    data: bytes
    is_request: bool
    before: tuple[bytes, ...] = ()


class Messages:
    """Makes messages out of recorded calls; the same ones from the same seed and calls."""

    def __init__(self, seed: str, recorded: Sequence[Call]) -> None:
        self._seed = seed
        self._by_method: dict[Method, list[bytes]] = defaultdict(list)
        self._ids: dict[str, list[str]] = defaultdict(list)
        for method, data in recorded:
            self._by_method[method].append(data)
            self._note_ids(method.read_request(data))

    def __iter__(self) -> Iterator[Message]:
        """Make messages without end."""
        number = 0
        while True:
            yield self.message(number)
            number += 1

    def message(self, number: int) -> Message:
        """Make one of them: an even number's is a request, an odd one's is none."""
        random = Random(f"{self._seed}/{number}")
        method = random.choice(_METHODS)
        is_request = number % 2 == 0
        data = self._request(random, method) if is_request else self._no_request(random, method)
        before: tuple[bytes, ...] = ()
        if method.streams_requests and self._by_method[method]:
            before = tuple(random.choices(self._by_method[method], k=random.randint(0, 3)))
        return Message(number, method, data, is_request, before)

    def _request(self, random: Random, method: Method) -> bytes:
        if random.randrange(HUGE_ONE_IN) == 0:
            return self._huge(random, method)
        known = self._by_method[method]
        request = method.request()
        way = random.random()
        if known and way < 0.8:
            request.ParseFromString(random.choice(known))
        if random.random() < RENEWED_SHARE:
            _renew(random, request)
        if way >= 0.1:
            for _ in range(random.choice((1, 1, 1, 2, 3))):
                self._change(random, request)
        data = request.SerializeToString(deterministic=True)
        if random.random() < 0.3:
            bent = wire.bend(random, data)
            data = bent if method.can_decode(bent) else data
        return data

    def _no_request(self, random: Random, method: Method) -> bytes:
        for _ in range(ATTEMPTS_MAX):
            known = self._by_method[method]
            data = random.choice(known) if known else b""
            for _ in range(random.randint(1, 2)):
                data = random.choice(wire.BREAKERS)(random, data)
                if not method.can_decode(data):
                    return data
        return b"\x00"

    def _huge(self, random: Random, method: Method) -> bytes:
        """Make a request of many operations, or rules, or else one that is padded: about as large as may be."""
        if method.name in {"Batch", "Stream", "PutRateCard"}:
            request = method.read_request(random.choice(self._by_method[method]))
            items = request.rules if method.name == "PutRateCard" else request.operations
            most = RULES_MAX if method.name == "PutRateCard" else OPERATIONS_MAX
            items.extend(random.choices(items, k=random.choice((most - 1, most, most + 1, 5 * most)) - len(items)))
            data: bytes = request.SerializeToString(deterministic=True)
            return data
        size = REQUEST_BYTES_MAX + random.choice((-100, -10, 0, 1, 100))
        return wire.encode([wire.Field(1000, wire.LENGTH, bytes(size))])

    def _change(self, random: Random, message: Request) -> None:
        """Change one field of a message, or of one in it: another value, one more, one less, or none."""
        if not message.DESCRIPTOR.fields:
            return
        field: Any = random.choice(message.DESCRIPTOR.fields)  # of protobuf's Python, or of its C
        if random.random() < 0.15:
            message.ClearField(field.name)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            labels = getattr(message, field.name)
            for _ in range(random.choice((1, 1, 1, 17))):
                key, value = (value_of(random, each, self._ids) for each in field.message_type.fields)
                labels[f"{key}{len(labels)}" if len(labels) > 1 else key] = value
        elif field.is_repeated:
            self._change_list(random, field, getattr(message, field.name))
        elif field.message_type is not None:
            within = getattr(message, field.name)
            within.SetInParent()
            self._change(random, within)
        else:
            setattr(message, field.name, value_of(random, field, self._ids))

    def _change_list(self, random: Random, field: FieldDescriptor, items: Any) -> None:  # noqa: ANN401 (of any kind)
        way = random.randrange(4)
        if field.message_type is None:
            if way == 0 and items:
                items.append(random.choice(items))
            else:
                items.extend(value_of(random, field, self._ids) for _ in range(random.choice((1, 1, 2, 33))))
        elif way == 0 and items:
            items.append(random.choice(items))
        elif way == 1 and items:
            del items[random.randrange(len(items))]
        elif way == 2 and items:
            self._change(random, random.choice(items))
        else:
            for _ in range(random.randint(1, _REPEATED_MAX)):
                item = GetMessageClass(field.message_type)()
                self._change(random, item)
                items.append(item)

    def _note_ids(self, message: Request) -> None:
        for field, value in message.ListFields():
            if field.type == FieldDescriptor.TYPE_STRING and field.name.endswith("_id"):
                self._ids[field.name].append(value)
            elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
                for each in value if field.is_repeated else [value]:
                    self._note_ids(each)


def _renew(random: Random, message: Request) -> None:
    """Give what a request is about other ids, in a batch too."""
    for field, value in message.ListFields():
        if field.message_type is None:
            if _RENEWED.fullmatch(field.name) and random.random() < 0.7:
                setattr(message, field.name, f"new-{random.randrange(_NEW_IDS)}")
        elif not field.message_type.GetOptions().map_entry:
            for each in value if field.is_repeated else [value]:
                _renew(random, each)


_METHODS: Final = tuple(method for method in METHODS.values() for _ in range(3 if method.is_ours else 1))
"""What to choose from: our methods thrice as often as gRPC's."""

"""The messages that fuzzing makes: half of them requests, the same from the same seed, and of every kind there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from random import Random

import pytest
from google.protobuf.descriptor import FieldDescriptor
from tests.fuzz import wire
from tests.fuzz.interface import METHODS
from tests.fuzz.messages import Messages
from tests.fuzz.tour import calls_of

RECORDED = calls_of("acme")


def test_every_method_is_recorded() -> None:
    assert {call.method.path for call in RECORDED} == METHODS.keys()


def test_half_of_the_messages_are_requests_and_the_others_are_none() -> None:
    for message in islice(Messages("1", RECORDED), 2000):
        assert message.method.can_decode(message.data) == message.is_request == (message.number % 2 == 0)


def test_a_seed_makes_the_same_messages_again_and_another_one_others() -> None:
    def made(seed: str) -> list[bytes]:
        return [message.data for message in islice(Messages(seed, RECORDED), 200)]

    assert made("1") == made("1")
    assert len(set(made("1")) & set(made("2"))) < 100


def test_recorded_calls_are_the_same_each_time() -> None:
    assert calls_of("acme") == RECORDED


def test_every_field_of_every_request_is_sent() -> None:
    sent: Counter[str] = Counter()
    expected: set[str] = set()

    for message in islice(Messages("1", RECORDED), 20_000):
        if message.is_request and message.method.is_ours:
            request = message.method.read_request(message.data)
            expected |= {field.full_name for field in request.DESCRIPTOR.fields}
            sent.update(field.full_name for field, _ in request.ListFields())

    assert sent.keys() == expected


def test_messages_are_taken_apart_and_put_together_again() -> None:
    for _, request in RECORDED:
        assert wire.encode(wire.decode(request)) == request


@pytest.mark.parametrize("breaker", wire.BREAKERS, ids=lambda breaker: breaker.__name__)
def test_every_way_to_break_a_message_does_at_times(breaker: Callable[[Random, bytes], bytes]) -> None:
    random = Random(1)
    method, request = next(call for call in RECORDED if call.method.name == "Reserve")

    broken = [breaker(random, request) for _ in range(100)]

    assert not all(map(method.can_decode, broken))


def test_a_varint_may_be_longer_than_it_need_be() -> None:
    assert [wire.varint(number).hex() for number in (0, 127, 128, -1)] == ["00", "7f", "8001", "ff" * 9 + "01"]
    assert wire.varint(1, 3).hex() == "818000"


def test_no_field_has_a_number_that_is_taken_for_unknown() -> None:
    numbers = {field.number for method in METHODS.values() for field in method.request.DESCRIPTOR.fields}

    assert max(numbers) < 1000
    assert FieldDescriptor.MAX_FIELD_NUMBER == wire.FIELD_NUMBER_MAX

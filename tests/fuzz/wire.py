"""The encoding of messages (protobuf.dev/programming-guides/encoding), as far as it takes to bend and to break it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, NamedTuple

VARINT, FIXED64, LENGTH, START_GROUP, END_GROUP, FIXED32 = range(6)

FIELD_NUMBER_MAX: Final = (1 << 29) - 1

NESTED_MAX: Final = 100
"""How deep every parser follows groups and messages; no request of ours is a tenth as deep."""

NO_UTF8: Final = (b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\x80")
"""A byte that is none, a beginning without an end, a surrogate, what lies beyond Unicode, and a zero too long."""


class Field(NamedTuple):
    """A field as it travels: its number, its kind, and its value without the length before it."""

    number: int
    kind: int
    value: bytes


def varint(number: int, size: int = 0) -> bytes:
    """Encode a whole number, in at least `size` bytes, of which the last ones then say nothing."""
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    while len(out) < size:
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def encode(fields: Sequence[Field]) -> bytes:
    """Put fields one behind the other."""
    out = bytearray()
    for number, kind, value in fields:
        out += varint(number << 3 | kind)
        if kind == LENGTH:
            out += varint(len(value))
        out += value
    return bytes(out)


def decode(data: bytes) -> list[Field]:
    """Take a message apart that has no groups, as none has that we make."""
    fields = []
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        kind = key & 7
        if kind == LENGTH:
            size, at = _read_varint(data, at)
            end = at + size
        elif kind == VARINT:
            _, end = _read_varint(data, at)
        else:
            end = at + (8 if kind == FIXED64 else 4)
        fields.append(Field(key >> 3, kind, data[at:end]))
        at = end
    return fields


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return number, at


def unknown_field(random: Random) -> Field:
    """Make a field that no message has."""
    number = random.choice((1000, 19_999, FIELD_NUMBER_MAX))
    value = {
        VARINT: varint(random.getrandbits(64)),
        FIXED64: random.randbytes(8),
        LENGTH: random.randbytes(random.choice((0, 1, 50))),
        FIXED32: random.randbytes(4),
    }
    kind = random.choice(tuple(value))
    return Field(number, kind, value[kind])


def nested_groups(depth: int) -> bytes:
    """Make groups within groups, of a field that no message has."""
    return varint(1000 << 3 | START_GROUP) * depth + varint(1000 << 3 | END_GROUP) * depth


def bend(random: Random, data: bytes) -> bytes:
    """Write a message otherwise, so that it may still be read, if with another meaning."""
    fields = decode(data)
    change = random.randrange(6)
    if change == 0 or not fields:
        fields.insert(random.randint(0, len(fields)), unknown_field(random))
    elif change == 1:
        fields.append(random.choice(fields))  # the last of a single field counts, the parts of a message are joined
    elif change == 2:
        random.shuffle(fields)
    elif change == 3:
        return data + nested_groups(random.randint(1, NESTED_MAX // 2))
    elif change == 4:
        at = random.randrange(len(fields))
        number, kind, value = fields[at]
        size = random.randint(1, 10)
        if kind == VARINT:
            fields[at] = Field(number, kind, varint(_read_varint(value, 0)[0], size))
        elif kind == LENGTH:
            return (
                encode(fields[:at])
                + varint(number << 3 | kind)
                + varint(len(value), min(size, 5))
                + value
                + encode(fields[at + 1 :])
            )
    else:
        at = random.randrange(len(fields))
        number, kind, value = fields[at]
        fields[at] = Field(random.choice((number, 1, 2, 3, 7, 15)), kind, value)
    return encode(fields)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randint(0, len(data))]


def _replace_bytes(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 6)):
        if changed:
            changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def _insert_garbage(random: Random, data: bytes) -> bytes:
    at = random.randint(0, len(data))
    return data[:at] + random.randbytes(random.randint(1, 20)) + data[at:]


def _spoil_text(random: Random, data: bytes) -> bytes:
    """Put what is no UTF-8 into the place of a text, or of what stands where one might."""
    fields = decode(data)
    places = [at for at, field in enumerate(fields) if field.kind == LENGTH]
    if places:
        at = random.choice(places)
        number, kind, value = fields[at]
        if random.random() < 0.5 and len(value) > 2:
            within = random.randrange(len(value))
            value = value[:within] + random.choice(NO_UTF8) + value[within + 1 :]
        else:
            value = random.choice(NO_UTF8)
        fields[at] = Field(number, kind, value)
    return encode(fields)


def _endless_varint(random: Random, data: bytes) -> bytes:
    return data + varint(random.randint(1, 9) << 3) + b"\xff" * random.randint(10, 30)


def _overlong_length(random: Random, data: bytes) -> bytes:
    size = random.choice((1, 100, 1 << 31, (1 << 31) - 1, 1 << 32, (1 << 64) - 1))
    return data + varint(random.randint(1, 9) << 3 | LENGTH) + varint(size)


def _wrong_kind(random: Random, data: bytes) -> bytes:
    return data + bytes([random.randint(1, 15) << 3 | random.choice((6, 7, END_GROUP, START_GROUP))])


def _field_zero(_: Random, data: bytes) -> bytes:
    return b"\x00\x00" + data


def _too_deep(random: Random, data: bytes) -> bytes:
    return data + nested_groups(NESTED_MAX * random.choice((2, 50, 1000)))


def _garbage(random: Random, _: bytes) -> bytes:
    return random.randbytes(random.choice((1, 5, 40, 400)))


BREAKERS: Final[tuple[Callable[[Random, bytes], bytes], ...]] = (
    _cut, _replace_bytes, _insert_garbage, _spoil_text, _endless_varint, _overlong_length, _wrong_kind, _field_zero,
    _too_deep, _garbage,
)  # fmt: skip
"""Ways to break a message: most of what they make cannot be read."""

"""Texts that must never be seen again: what stands for a body, a label, a remark, a number and a token."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

BODY: Final = "Canary-body: your code is 58 21 93, señor"
LABEL: Final = "canary-label ñ"
REMARK: Final = "canary-remark ñ"
NUMBER: Final = "+14155557391"
TOKEN: Final = "canary-token"

PATTERNS: Final = tuple(word.encode() for word in ("anary-", "58 21 93", NUMBER.lstrip("+")))
"""What is left of each where a mutation has cut off its ends. No id can hold one, but for the number's."""

_ECHOED: Final = re.compile(r".*_id")
"""The fields whose values errors and logs may name."""


def seen_in(data: bytes) -> bool:
    """Tell whether any of them is in some bytes."""
    return any(pattern in data for pattern in PATTERNS)


def is_echoed(request: Message) -> bool:
    """Tell whether a mutation has put a number where an id stands, which errors and logs may repeat."""
    return any(_ECHOED.fullmatch(name) and seen_in(text.encode()) for name, text in _texts(request))


def _texts(message: Message) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for each in values:
            if isinstance(each, Message):
                yield from _texts(each)
            elif field.type == FieldDescriptor.TYPE_STRING:
                yield field.name, each

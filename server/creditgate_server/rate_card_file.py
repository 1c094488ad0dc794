"""Reads a rate card from YAML, and names file, line, field and remedy of whatever is wrong with it.

```yaml
id: acme
rules:                        # the first rule that matches prices a usage
  - name: sms-bulk            # required, unique
    channel: SMS              # channel, direction, regions, priority: left out, they match everything
    direction: OUTBOUND
    regions: [US, CA]
    priority: BULK
    unit: SEGMENT             # required: SEGMENT, MESSAGE, BLOCK, MINUTE or DROP
    credits_per_unit: 1       # required
    maximum_segments: 3
  - name: mms
    channel: MMS
    unit: BLOCK
    block_size: 1600          # characters
    credits_per_unit: 2
    minimum_credits: 2
```

A file has no version: the server counts versions as cards are put.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import IntEnum
from typing import Final, TypeVar

import yaml

from creditgate.pricing.rate_cards import InvalidRateCard, RateCard, Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Priority

FILE_CHARACTERS_MAX: Final = 1_000_000
"""Largest file: room for the most rules a card may have, each naming every region."""

SHOWN_CHARACTERS_MAX: Final = 40
"""Most characters of a wrong value that a message repeats."""

_WHOLE_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NULL_TAG: Final = "tag:yaml.org,2002:null"
_INT_TAG: Final = "tag:yaml.org,2002:int"

_Choice = TypeVar("_Choice", bound=IntEnum)


class RateCardFileError(ValueError):
    """A file that is no rate card. `line` counts from 1; `field` is a path, empty for the file as a whole."""

    def __init__(self, filename: str, line: int, field: str, message: str) -> None:
        """Keep the parts, and print them as compilers do: editors find the place."""
        super().__init__(": ".join(filter(None, (f"{filename}:{line}", field, message))))
        self.filename = filename
        self.line = line
        self.field = field
        self.message = message


def load_rate_card(text: str, filename: str) -> RateCard:
    """Read the card in `text`, as version 1; `filename` is only for messages.

    Raises `RateCardFileError` for the first thing found wrong.
    """
    file = _File(filename)
    card = _Value(_compose(text, filename), "", file).entries(required=("id", "rules"))
    identity = card["id"].text()
    rules = tuple(_rule(value) for value in card["rules"].items())
    try:
        return RateCard(identity, 1, rules)
    except InvalidRateCard as error:
        raise RateCardFileError(filename, file.line_of(error.field), error.field, error.message) from error


def _rule(value: _Value) -> Rule:
    entries = value.entries(
        required=("name", "unit", "credits_per_unit"),
        optional=(
            "channel",
            "direction",
            "regions",
            "priority",
            "block_size",
            "minimum_credits",
            "maximum_segments",
        ),
    )
    return Rule(
        name=entries["name"].text(),
        unit=entries["unit"].choice(Unit),
        credits_per_unit=entries["credits_per_unit"].number(),
        channel=entries["channel"].choice(Channel) if "channel" in entries else None,
        direction=entries["direction"].choice(Direction) if "direction" in entries else None,
        regions=tuple(region.text() for region in entries["regions"].items()) if "regions" in entries else (),
        priority=entries["priority"].choice(Priority) if "priority" in entries else None,
        block_size=entries["block_size"].number() if "block_size" in entries else 0,
        minimum_credits=entries["minimum_credits"].number() if "minimum_credits" in entries else 0,
        maximum_segments=entries["maximum_segments"].number() if "maximum_segments" in entries else None,
    )


def _compose(text: str, filename: str) -> yaml.Node:
    """Parse `text` into nodes, which know their lines."""
    if len(text) > FILE_CHARACTERS_MAX:
        raise RateCardFileError(filename, 1, "", f"is longer than {FILE_CHARACTERS_MAX} characters")
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(filter(None, (error.context, error.problem)))
        raise RateCardFileError(filename, mark.line + 1 if mark else 1, "", f"is not valid YAML: {what}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"has a character that YAML forbids, U+{ord(text[error.position]):04X}: remove it"
        raise RateCardFileError(filename, line, "", message) from error
    except RecursionError as error:
        raise RateCardFileError(filename, 1, "", "is nested too deeply for a rate card") from error
    if root is None:
        raise RateCardFileError(filename, 1, "", "is empty: give id and rules")
    return root


@dataclass(slots=True)
class _File:
    """A file's name, and the line of each field read so far."""

    name: str
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """Return the line of a field, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path.rpartition(".")[0]
        return self.lines.get(path, 1)


@dataclass(frozen=True, slots=True)
class _Value:
    """A node and the path of its field."""

    node: yaml.Node
    path: str
    file: _File

    def text(self) -> str:
        """Return the characters of a scalar as they are written: NO is Norway's code, not false."""
        if not isinstance(self.node, yaml.ScalarNode):
            raise self._error("must be a single value, not a list or a mapping")
        if self.node.tag == _NULL_TAG:
            raise self._error("has no value: give one or remove the line")
        return str(self.node.value)

    def number(self) -> int:
        """Return a whole number."""
        written = self.text()
        if self.node.tag != _INT_TAG or _WHOLE_NUMBER.fullmatch(written) is None:
            raise self._error(f"must be a whole number in plain digits, not {_shown(written)}")
        return int(written)

    def choice(self, names: type[_Choice]) -> _Choice:
        """Return the member of `names` that is named."""
        written = self.text()
        if written not in names.__members__:
            raise self._error(f"must be one of {', '.join(names.__members__)}, not {_shown(written)}")
        return names[written]

    def items(self) -> Iterator[_Value]:
        """Yield the items of a list that has some."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self._error("must be a list")
        if not self.node.value:
            raise self._error("is an empty list: give an item or remove the line")
        for position, node in enumerate(self.node.value):
            yield self._child(f"{self.path}[{position}]", node, node)

    def entries(self, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, _Value]:
        """Return the entries of a mapping that has all required keys and none but these and the optional."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self._error(f"must be a mapping with the keys {', '.join(required)}")
        entries: dict[str, _Value] = {}
        for key_node, node in self.node.value:
            key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
            path = f"{self.path}.{key}" if self.path else key
            if key in entries:
                first = self.file.lines[path]
                raise self._error(f"key {key} is already given in line {first}: remove one of them", key_node)
            if key not in required + optional:
                raise self._error(_unknown_key(key, required + optional), key_node)
            entries[key] = self._child(path, key_node, node)
        missing = [key for key in required if key not in entries]
        if missing:
            raise self._error(f"lacks {' and '.join(missing)}")
        return entries

    def _child(self, path: str, place: yaml.Node, node: yaml.Node) -> _Value:
        self.file.lines[path] = _line(place)
        return _Value(node, path, self.file)

    def _error(self, message: str, place: yaml.Node | None = None) -> RateCardFileError:
        return RateCardFileError(self.file.name, _line(place or self.node), self.path, message)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _shown(written: str) -> str:
    return repr(written if len(written) <= SHOWN_CHARACTERS_MAX else f"{written[:SHOWN_CHARACTERS_MAX]}…")


def _unknown_key(key: str, known: Iterable[str]) -> str:
    close = get_close_matches(key, known, n=1)
    return f"has no key {_shown(key)}: " + (f"is it {close[0]}?" if close else f"use {', '.join(known)}")

"""Reads the messages of a file that a newcomer has at hand: plain text, CSV or TSV, in whatever encoding."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Final

from creditgate.pricing.usage import BODY_BYTES_MAX, Direction

FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Largest file: it is kept in memory as a whole."""

SAMPLE: Final = "sample_messages.tsv"
"""The messages that come with the package."""

_MESSAGE_COLUMNS: Final = ("message", "text", "body", "sms", "content", "msg")
"""What a message column is called, the likeliest first; `Message Body` and `sms_text` count too."""

_DIRECTION_COLUMNS: Final = ("direction",)

_DIRECTIONS: Final[Mapping[str, Direction]] = {
    **dict.fromkeys(("out", "outbound", "outgoing", "sent", "mt"), Direction.OUTBOUND),
    **dict.fromkeys(("in", "inbound", "incoming", "received", "mo"), Direction.INBOUND),
}

_SEPARATORS: Final = (",", ";", "\t")
"""What may separate the columns of a CSV file: spreadsheets take the semicolon where the comma is a decimal point."""

_ROWS_LOOKED_AT: Final = 1000
"""Rows that tell which column holds the messages."""

_ENCODINGS: Final = ("utf-8-sig", "cp1252", "latin-1")
"""Tried in turn: the last takes any byte."""

_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
"""How a file of UTF-16 begins, such as what spreadsheets call Unicode text."""

_CONTROL_BYTE: Final = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_Row = Sequence[str]


class MessagesUnreadable(Exception):
    """A file has no messages that could be sent; the text names it and says why."""


class _Unreadable(Exception):
    """Why it is so, before the file is named."""


@dataclass(frozen=True, slots=True)
class Message:
    """A text, and whether it was sent or received: None where the file does not say."""

    text: str = field(repr=False)
    direction: Direction | None = None


@dataclass(frozen=True, slots=True)
class MessageFile:
    """What a file holds, and in `notes` what was made of it that its owner may not expect. `is_sample`: it is ours."""

    name: str
    messages: tuple[Message, ...]
    notes: tuple[str, ...] = ()
    is_sample: bool = False


def read_sample() -> MessageFile:
    """Read the messages that come with the package."""
    raw = files(__package__).joinpath(SAMPLE).read_bytes()
    return replace(_read(raw, SAMPLE, "the sample"), is_sample=True)


def read_messages(path: Path) -> MessageFile:
    """Read a file of messages. Raises MessagesUnreadable."""
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise MessagesUnreadable(f"{path}: {error.strerror or error}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise MessagesUnreadable(f"{path}: it is larger than {FILE_BYTES_MAX // 1024**2} MiB")
    return _read(raw, str(path), path.name)


def _read(raw: bytes, path: str, name: str) -> MessageFile:
    try:
        text, notes = _decode(raw)
        table = _table(text, Path(path).suffix.lower())
        if table is None:
            messages = [Message(line) for line in text.split("\n")]
        else:
            messages, column_notes = _take_columns(table)
            notes += column_notes
        messages, left_out = _sendable(messages)
    except _Unreadable as error:
        raise MessagesUnreadable(f"{path}: {error}") from None
    return MessageFile(name, tuple(messages), (*notes, *left_out))


def _decode(raw: bytes) -> tuple[str, list[str]]:
    """Return the text of a file, with newlines as its only line ends, and a note where it is not UTF-8."""
    for encoding in ("utf-16",) if raw.startswith(_UTF_16_MARKS) else _ENCODINGS:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        is_unicode = encoding.startswith("utf")
        if "\0" in text or (not is_unicode and _CONTROL_BYTE.search(raw)):
            break
        # `splitlines` would also divide at U+2028 and others, which a message may well contain.
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text, [] if encoding == _ENCODINGS[0] else [f"it is not UTF-8: read as {encoding}"]
    raise _Unreadable("it is not a text file")


def _table(text: str, suffix: str) -> list[_Row] | None:
    """Divide a text into rows and columns if it is a table, by its name or by its looks; None: it is not."""
    lines = [line for line in text.split("\n") if line]
    if not lines:
        raise _Unreadable("it is empty")
    if suffix in (".tsv", ".tab") or (suffix != ".csv" and _has_even_tabs(lines)):
        # TSV knows no quoting (IANA text/tab-separated-values): many a message begins with a quotation mark.
        return [line.split("\t") for line in lines]
    separator = max(_SEPARATORS, key=lines[0].count)
    if suffix == ".csv" or (separator in lines[0] and _column(lines[0].split(separator), _MESSAGE_COLUMNS) is not None):
        return _csv_rows(text, separator)
    return None


def _has_even_tabs(lines: Iterable[str]) -> bool:
    """Tell whether every line has tabs, and as many as the others."""
    counts = {line.count("\t") for line in lines}
    return len(counts) == 1 and counts != {0}


def _csv_rows(text: str, separator: str) -> list[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        return [row for row in reader if row]
    except csv.Error as error:
        raise _Unreadable(f"line {reader.line_num} is not CSV ({error})") from error


def _take_columns(rows: Sequence[_Row]) -> tuple[list[Message], list[str]]:
    """Take texts and directions out of the columns that the header names; without one, out of the longest column."""
    notes = []
    text_column = _column(rows[0], _MESSAGE_COLUMNS)
    direction_column = None
    if text_column is None:
        text_column = _longest_column(rows)
        notes.append(f"no column is called message or text: column {text_column + 1} holds the longest texts")
    else:
        direction_column = _column(rows[0], _DIRECTION_COLUMNS)
        rows = rows[1:]
    return [
        Message(_cell(row, text_column), _DIRECTIONS.get(_cell(row, direction_column).strip().casefold()))
        for row in rows
    ], notes


def _column(header: _Row, names: Sequence[str]) -> int | None:
    """Return the column that a header calls by one of the names, or by two words that end in one."""
    labels = [re.sub("[ _-]+", " ", cell.strip().casefold()) for cell in header]
    for pattern in ("{}", "[a-z]+ {}"):
        for name in names:
            for column, label in enumerate(labels):
                if re.fullmatch(pattern.format(name), label):
                    return column
    return None


def _longest_column(rows: Sequence[_Row]) -> int:
    """Return the column with the longest texts, the last of several."""
    characters = Counter[int]()
    for row in rows[:_ROWS_LOOKED_AT]:
        for column, cell in enumerate(row):
            characters[column] += len(cell)
    return max(characters, key=lambda column: (characters[column], column))


def _cell(row: _Row, column: int | None) -> str:
    """Return a cell; rows may be shorter than the header."""
    return row[column] if column is not None and column < len(row) else ""


def _sendable(messages: Iterable[Message]) -> tuple[list[Message], list[str]]:
    """Leave out what cannot be sent, and note how many that were; blank lines are no messages."""
    kept, oversized = list[Message](), 0
    for message in messages:
        if len(message.text.encode()) > BODY_BYTES_MAX:
            oversized += 1
        elif message.text.strip():
            kept.append(message)
    if not kept:
        raise _Unreadable("there are no messages in it")
    return kept, [f"left out, for they are over {BODY_BYTES_MAX // 1024} KiB: {oversized:,}"] if oversized else []

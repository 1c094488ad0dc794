"""Draws views on a terminal, or into a pipe, with the package rich."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.progress import Progress
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text as RichText

from creditgate_server.cli.views import (
    CommandLine,
    Facts,
    OnProgress,
    Sentence,
    Table,
    Text,
    Tone,
    View,
    printable,
    text_of,
)

STYLES: Final[Mapping[Tone, str]] = {
    Tone.PLAIN: "",
    Tone.GOOD: "green",
    Tone.WARNING: "yellow",
    Tone.BAD: "red",
    Tone.QUIET: "dim",
}

PIPE_WIDTH: Final = 10_000
"""Where nobody looks at lines, none is cut or folded."""

COLUMN_GAP: Final = 2
"""Blanks between two columns."""

WORD_WIDTH_LEAST: Final = 18
"""What a column may be narrowed to though that breaks longer words, such as ids and paths: half a UUID."""

PROSE_WIDTH_LEAST: Final = 14
"""What a column with several words in a cell may be narrowed to: two or three short ones, but no tower of them."""

PROGRESS_DELAY_S: Final = 0.5
"""What takes no longer shows no bar: nobody could read it."""

_NUMBER: Final = re.compile(r"(-?[0-9,]+)?")

_PART: Final = re.compile(r"[^-/._:@]*[-/._:@]|[^-/._:@]+")
"""A part of an id, a path or an address, with the separator that ends it."""


class _Draft(StringIO):
    """What will be written to standard output, and how that looks: a failure to write is no concern of drawing."""

    @property
    def encoding(self) -> str:  # type: ignore[override] # nobody writes it
        """Tell in what it will be written: lines are drawn with characters that this has."""
        return sys.stdout.encoding

    def isatty(self) -> bool:
        """Tell whether colours can be seen."""
        return sys.stdout.isatty()


def drawn(views: Iterable[View]) -> str:
    """Return views as they are printed, one below the other: as wide as the terminal, or as a pipe is patient."""
    draft = _Draft()
    console = Console(file=draft, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    draw(console, views)
    # What fills the columns of a terminal is noise in a file.
    return draft.getvalue() if console.is_terminal else re.sub(r" +$", "", draft.getvalue(), flags=re.MULTILINE)


def draw(console: Console, views: Iterable[View]) -> None:
    """Print views, one below the other."""
    for place, view in enumerate(views):
        _draw(console, view, is_first=place == 0)


@contextmanager
def progress(description: str) -> Iterator[OnProgress]:
    """Show a bar on standard error, if that is a terminal, from a moment on for as long as the context lasts."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    begin_s = time.monotonic() + PROGRESS_DELAY_S
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task(description, total=None)

    def on_progress(done: int, of: int | None) -> None:
        bar.update(task, completed=done, total=of)
        if not bar.live.is_started and time.monotonic() >= begin_s:
            bar.start()

    try:
        yield on_progress
    finally:
        if bar.live.is_started:
            bar.stop()


@dataclass(frozen=True)
class _Column:
    """A column of a table: its heading, and what stands below it."""

    heading: str
    texts: tuple[RichText, ...]

    @cached_property
    def is_numeric(self) -> bool:
        """Whether it holds nothing but amounts, which are never broken."""
        return all(_NUMBER.fullmatch(text.plain) for text in self.texts)

    @cached_property
    def width(self) -> int:
        """What it needs for all to stand on one line."""
        return max(cell_len(self.heading), *(cell_len(text.plain) for text in self.texts))

    @cached_property
    def width_least(self) -> int:
        """What it can do with: breaks between words, and in those that are very long."""
        words = " ".join([self.heading, *(text.plain for text in self.texts)]).split()
        longest = max(map(cell_len, words))
        if self.is_numeric:
            return longest
        is_prose = any(" " in text.plain for text in self.texts)
        return min(self.width, max(PROSE_WIDTH_LEAST * is_prose, min(WORD_WIDTH_LEAST, longest)))


def _draw(console: Console, view: View, *, is_first: bool) -> None:
    if isinstance(view, Facts | Table) and view.title:
        console.print(RichText(view.title if is_first else f"\n{view.title}", style="bold"))
    match view:
        case Sentence(text):
            console.print(_rich(text), overflow="fold")
        case CommandLine(words):
            console.print(_rich(Text(f"  {words}")), soft_wrap=True)
        case Facts(rows):
            _draw_facts(console, [(name, _rich(text_of(value))) for name, value in rows])
        case Table():
            _draw_table(console, view)


def _draw_facts(console: Console, rows: Iterable[tuple[str, RichText]]) -> None:
    shown = [(f"  {name}", text) for name, text in rows if text.plain]
    if not shown:
        return
    room = console.width - max(cell_len(name) for name, _ in shown) - COLUMN_GAP
    grid = RichTable.grid(Column(style=STYLES[Tone.QUIET], no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, text in shown:
        grid.add_row(name, _fitted(text, room))
    console.print(grid)


def _draw_table(console: Console, table: Table) -> None:
    """Draw a table, or, where the terminal is too narrow for it, its rows as facts: nothing is cut."""
    if not table.rows:
        console.print(_rich(Text(f"  {table.empty}", Tone.QUIET)))
        return
    columns = [
        _Column(heading, tuple(_rich(text_of(value)) for value in values))
        for heading, values in zip(table.headings, zip(*table.rows, strict=True), strict=True)
    ]
    shown = [column for column in columns if any(text.plain for text in column.texts)]
    rows = zip(*(column.texts for column in shown), strict=True)
    widths = _widths(shown, console.width)
    if widths is None:
        for number, row in enumerate(rows):
            if number > 0:
                console.print()
            _draw_facts(console, zip((column.heading for column in shown), row, strict=True))
        return
    grid = RichTable(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, collapse_padding=True)
    for number, (column, width) in enumerate(zip(shown, widths, strict=True)):
        justify: JustifyMethod = "right" if column.is_numeric else "left"
        # Of the width of the first column Rich takes the padding that it has collapsed between the others.
        grid.add_column(column.heading, justify=justify, width=width + (number == 0), overflow="fold")
    for row in rows:
        grid.add_row(*map(_fitted, row, widths))
    console.print(grid)


def _widths(columns: Sequence[_Column], width: int) -> list[int] | None:
    """Return how wide each column is drawn, the widest narrowed first; None where they do not fit."""
    room = width - COLUMN_GAP * len(columns)
    widths = [column.width for column in columns]
    while sum(widths) > room:
        narrowable = [at for at, column in enumerate(columns) if widths[at] > column.width_least]
        if not narrowable:
            return None
        widths[max(narrowable, key=widths.__getitem__)] -= 1
    return widths


def _fitted(text: RichText, width: int) -> RichText:
    """Break words that are too wide, such as ids and paths, behind a separator rather than anywhere."""
    words = " ".join(word if cell_len(word) <= width else _broken(word, width) for word in text.plain.split(" "))
    return RichText(words, style=text.style)


def _broken(word: str, width: int) -> str:
    lines = [""]
    for part in _PART.findall(word):
        if cell_len(lines[-1] + part) <= width:
            lines[-1] += part
        else:
            lines.append(part)
    return "\n".join(filter(None, lines))


def _rich(text: Text) -> RichText:
    return RichText(printable(text.words), style=STYLES[text.tone])

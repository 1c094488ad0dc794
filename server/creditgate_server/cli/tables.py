"""Draws views on a terminal, or into a pipe, with the package rich."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from rich import box
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.progress import Progress
from rich.table import Column
from rich.table import Table as RichTable
from rich.text import Text as RichText

from creditgate_server.cli.views import Facts, OnProgress, Sentence, Table, Text, Tone, Value, View, printable, text_of

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

PROSE_WIDTH_LEAST: Final = 24
"""What a column of prose may be narrowed to, though that breaks longer words, such as paths."""

_NUMBER: Final = re.compile(r"(-?[0-9,]+)?")


def make_console() -> Console:
    """Make the console on standard output: as wide as the terminal, or as a pipe is patient."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def draw(console: Console, views: Iterable[View]) -> None:
    """Print views, one below the other."""
    for place, view in enumerate(views):
        if not isinstance(view, Sentence) and view.title:
            console.print(RichText(view.title if place == 0 else f"\n{view.title}", style="bold"))
        match view:
            case Sentence(text):
                console.print(_rich(text), soft_wrap=True)
            case Facts(rows):
                _draw_facts(console, [(name, _rich(text_of(value))) for name, value in rows])
            case Table():
                _draw_table(console, view)


@contextmanager
def progress(description: str) -> Iterator[OnProgress]:
    """Show a bar on standard error, if that is a terminal, for as long as the context lasts."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of a table: its heading, and what stands below it."""

    heading: str
    texts: tuple[RichText, ...]
    is_numeric: bool
    is_prose: bool
    """Whether a text may be broken, between its words if it can be; ids, amounts and times stay whole."""

    @property
    def least_width(self) -> int:
        texts = [self.heading, *(text.plain for text in self.texts)]
        if not self.is_prose:
            return max(map(cell_len, texts))
        return min(PROSE_WIDTH_LEAST, max(map(cell_len, " ".join(texts).split())))


def _draw_facts(console: Console, rows: Iterable[tuple[str, RichText]]) -> None:
    grid = RichTable.grid(Column(style=STYLES[Tone.QUIET], no_wrap=True), Column(overflow="fold"), padding=(0, 2))
    for name, text in rows:
        if text.plain:
            grid.add_row(f"  {name}", text)
    if grid.row_count:
        console.print(grid)


def _draw_table(console: Console, table: Table) -> None:
    """Draw a table, or, where the terminal is too narrow for it, its rows as facts: nothing is cut."""
    if not table.rows:
        console.print(_rich(Text(f"  {table.empty}", Tone.QUIET)))
        return
    columns = [
        _column(heading, values) for heading, values in zip(table.headings, zip(*table.rows, strict=True), strict=True)
    ]
    shown = [column for column in columns if any(text.plain for text in column.texts)]
    rows = zip(*(column.texts for column in shown), strict=True)
    if sum(column.least_width + COLUMN_GAP for column in shown) > console.width:
        for number, row in enumerate(rows):
            if number > 0:
                console.print()
            _draw_facts(console, zip((column.heading for column in shown), row, strict=True))
        return
    drawn = RichTable(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, collapse_padding=True)
    for column in shown:
        justify: JustifyMethod = "right" if column.is_numeric else "left"
        drawn.add_column(column.heading, justify=justify, no_wrap=not column.is_prose, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)


def _column(heading: str, values: Sequence[Value]) -> _Column:
    texts = tuple(_rich(text_of(value)) for value in values)
    return _Column(
        heading,
        texts,
        is_numeric=all(_NUMBER.fullmatch(text.plain) for text in texts),
        is_prose=any(isinstance(value, str | Text) and " " in text_of(value).words for value in values),
    )


def _rich(text: Text) -> RichText:
    return RichText(printable(text.words), style=STYLES[text.tone])

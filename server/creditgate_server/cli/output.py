"""Where answers and failures of a command go: standard output and standard error, as tables or as JSON."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from creditgate_server.cli.documents import Document
from creditgate_server.cli.views import OnProgress, View, printable

if TYPE_CHECKING:
    from types import ModuleType


class AnswerLost(Exception):
    """There was an answer, but standard output did not take it: its disk is full, for example."""


class Output:
    """Prints what a command has to say. `as_json` is what was asked for; without the package rich, all is JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._tables: ModuleType | None = None if as_json else _import_tables()

    @property
    def is_json(self) -> bool:
        """Whether answers are documents, for programs."""
        return self._tables is None

    def answer(self, document: Document, views: Iterable[View]) -> None:
        """Print an answer: the document to programs, the views to people."""
        self.document(document)
        self.show(views)

    def document(self, document: Document) -> None:
        """Print a document to programs. A command prints one."""
        if self.is_json:
            write_answer(json.dumps(document, indent=2, ensure_ascii=not _writes_unicode()) + "\n")

    def show(self, views: Iterable[View]) -> None:
        """Print views to people."""
        if self._tables is not None:
            write_answer(self._tables.drawn(views))

    def source(self, document: Document, text: str) -> None:
        """Print text that another program reads as it stands, unless JSON was asked for."""
        if self._as_json:
            self.document(document)
        else:
            write_answer(text)

    @contextmanager
    def progress(self, description: str) -> Iterator[OnProgress]:
        """Show people how far something has come, while the context lasts."""
        if self._tables is None:
            yield lambda _done, _of: None
            return
        with self._tables.progress(description) as on_progress:
            yield on_progress

    @staticmethod
    def problem(line: str) -> None:
        """Print what went wrong, or what stands against it, in one line on standard error."""
        sys.stderr.write(f"creditgate: {printable(line)}\n")


def write_answer(text: str) -> None:
    """Write text to standard output, and see it out. Raises AnswerLost, and BrokenPipeError where nobody reads on."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise AnswerLost(f"standard output cannot be written: {error.strerror}") from error


def _import_tables() -> ModuleType | None:
    try:
        return importlib.import_module("creditgate_server.cli.tables")
    except ModuleNotFoundError as missing:
        if missing.name != "rich":
            raise
        return None


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")

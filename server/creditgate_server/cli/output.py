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


class Output:
    """Prints what a command has to say. `as_json` is what was asked for; without the package rich, all is JSON."""

    def __init__(self, *, as_json: bool) -> None:
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
            sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=not _writes_unicode()) + "\n")

    def show(self, views: Iterable[View]) -> None:
        """Print views to people."""
        if self._tables is not None:
            self._tables.draw(self._tables.make_console(), views)

    @contextmanager
    def progress(self, description: str) -> Iterator[OnProgress]:
        """Show people how far something has come, while the context lasts."""
        if self._tables is None:
            yield lambda _done, _of: None
            return
        with self._tables.progress(description) as on_progress:
            yield on_progress

    def problem(self, line: str) -> None:
        """Print what went wrong, or what stands against it, in one line on standard error."""
        sys.stderr.write(f"creditgate: {printable(line)}\n")


def _import_tables() -> ModuleType | None:
    try:
        return importlib.import_module("creditgate_server.cli.tables")
    except ModuleNotFoundError as missing:
        if missing.name != "rich":
            raise
        return None


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")

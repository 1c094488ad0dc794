"""Logs: one line of JSON each, or for people on a terminal, to standard error.

What a line may hold is decided here, once: ids, names, numbers and our own words. No body, no phone number, no
password, and no text of an exception, which may quote any of them; of an exception its type and where it arose.
"""

from __future__ import annotations

import logging
import re
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from creditgate_server.options import LogFormat, LogLevel

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

VALUE_CHARACTERS_MAX: Final = 1000
"""Longest text of a line; a store's last words are the longest there are."""

FRAMES_MAX: Final = 20
"""Most places named of where an exception arose, the innermost ones."""

HIDDEN: Final = "(hidden)"

_SECRET_FIELDS: Final = frozenset({"body", "text", "sender", "recipient", "password", "token", "url", "redis_url"})
_CREDENTIALS: Final = re.compile(r"(?<=://)[^\s/]*@")

_log: FilteringBoundLogger = structlog.get_logger(__name__)


def configure_logs(level: LogLevel, form: LogFormat) -> None:
    """Send all logs of this process, those of libraries too, to standard error."""
    if form is LogFormat.AUTO:
        form = LogFormat.CONSOLE if sys.stderr.isatty() else LogFormat.JSON
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form is LogFormat.JSON
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    least = logging.getLevelNamesMapping()[level.name]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            _name_exception,
            _hide,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        # Looked up for every line, so that redirecting standard error redirects logs.
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
    )
    logging.basicConfig(handlers=[_LibraryLines()], level=max(least, logging.WARNING), force=True)


class LineBudget:
    """How many lines of one kind may be logged: at most `lines_max` a second, the rest is counted.

    A flood of denials or refusals must not cost more than answering them does.
    """

    def __init__(self, lines_max: int = 100) -> None:
        self._lines_max = lines_max
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def spend(self) -> int | None:
        """Return None when a line must be left out, else how many were since the last one."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._lines = second, 0
        if self._lines >= self._lines_max:
            self._left_out += 1
            return None
        self._lines += 1
        left_out, self._left_out = self._left_out, 0
        return left_out


class _LibraryLines(logging.Handler):
    """Lines that libraries log through the standard library: the first line of what they say, and any exception."""

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record on."""
        words = record.getMessage().partition("\n")[0]
        exception = record.exc_info[1] if record.exc_info else None
        _log.log(record.levelno, "library_log", logger=record.name, message=words, exc_info=exception)


def _name_exception(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and the places it came through, the innermost last."""
    exception = event.pop("exc_info", None)
    if isinstance(exception, BaseException):
        event["exception_type"] = type(exception).__qualname__
        frames = traceback.extract_tb(exception.__traceback__)[-FRAMES_MAX:]
        event["exception_places"] = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return event


def _hide(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide what must not be logged, should anybody try, and bound what may."""
    for name, value in event.items():
        if name in _SECRET_FIELDS:
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = _CREDENTIALS.sub("***@", value)[:VALUE_CHARACTERS_MAX]
    return event

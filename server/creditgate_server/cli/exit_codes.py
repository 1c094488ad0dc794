"""What the exit status of a command says to the script that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """The exit status of a command.

    They are small, as those of other tools that answer yes or no are: the range of sysexits begins at 64, and has no
    number for "no" at all.
    """

    DONE = 0
    NEGATIVE = 1
    USAGE = 2
    """argparse uses this number too."""
    UNREACHABLE = 3
    FAILED = 4
    NOT_NOW = 5
    INTERRUPTED = 130
    """128 + SIGINT, as shells report it."""
    PIPE_CLOSED = 141
    """128 + SIGPIPE, as shells report it."""


MEANINGS: Final[Mapping[ExitCode, str]] = {
    ExitCode.DONE: "done, or allowed",
    ExitCode.NEGATIVE: "the answer is no: denied, not serving, not conserved, a check failed",
    ExitCode.USAGE: "the command, or a value in it, is wrong",
    ExitCode.UNREACHABLE: "nobody answered: no server, or for `verify` no store",
    ExitCode.FAILED: "refused, or something else went wrong: the same command will fail again",
    ExitCode.NOT_NOW: (
        "not now: the store is away or full, the server has too much to do, or the answer was lost; the same command,"
        " with the same id, is safe to repeat"
    ),
    ExitCode.INTERRUPTED: "interrupted with Ctrl-C",
    ExitCode.PIPE_CLOSED: "whoever read the answer has left, as `head` does",
}
"""What each one says; `--help` and docs/command-line.md show these words."""

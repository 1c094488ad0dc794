"""What the exit status of a command says to the script that runs it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of a command; `--help` explains the same numbers."""

    DONE = 0
    """It was done, or allowed."""
    NEGATIVE = 1
    """There is an answer, and it is no: denied, not serving, or not conserved."""
    USAGE = 2
    """The command, or a value in it, is wrong: the same one will fail again. argparse uses this number too."""
    UNREACHABLE = 3
    """No server answered."""
    FAILED = 4
    """Anything else went wrong."""
    INTERRUPTED = 130
    """Somebody pressed Ctrl-C: 128 + SIGINT, as shells report it."""

"""The entry point of the command `creditgate`.

It imports nothing by itself but what Python has loaded already: before `main` runs, Ctrl-C would be a traceback.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""`ExitCode.INTERRUPTED`, before that can be imported."""


def main(argv: list[str] | tuple[str, ...] | None = None) -> int:
    """Run a command, by default the one of this process; return its exit status."""
    try:
        _obey_sigterm_as_first_process()
        from creditgate_server.cli.command import run  # noqa: PLC0415 -- see above

        return run(argv)
    except KeyboardInterrupt:
        sys.stderr.write("creditgate: interrupted\n")
        return INTERRUPTED


def _obey_sigterm_as_first_process() -> None:
    """Let SIGTERM end the first process of a container too, which the system spares until it says what it does then."""
    import os  # noqa: PLC0415 -- see above

    if os.getpid() == 1:
        import signal  # noqa: PLC0415 -- see above

        signal.signal(signal.SIGTERM, lambda number, _: os._exit(128 + number))


if __name__ == "__main__":
    sys.exit(main())

"""A terminal of a certain width, on which commands and shells run as people see them."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

PATIENCE_S = 30.0
"""Far beyond what any of it takes."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|\x1b\][^\x07]*\x07")


def without_control_sequences(text: str) -> str:
    """What is left for the eye: no colours, and a line end that is one character."""
    return _CONTROL.sub("", text).replace("\r\n", "\n")


class Terminal:
    """A process on a pseudo-terminal; it is killed if it is still there when the context ends."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str], width: int = 80) -> None:
        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
        self._read = b""
        self._process = subprocess.Popen(
            words,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={"TERM": "xterm", **environment},
            start_new_session=True,
            close_fds=True,
        )
        os.close(terminal)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._controller)

    def type(self, keys: str) -> None:
        os.write(self._controller, keys.encode())

    def wait_for(self, text: str) -> str:
        """Wait until a text is shown that was not before; give all that was shown up to it."""
        deadline_s = time.monotonic() + PATIENCE_S
        while text not in (shown := without_control_sequences(self._read.decode(errors="replace"))):
            assert self._more(deadline_s), f"{text!r} was never shown:\n{shown}"
        self._read = self._read[:0]
        return shown

    def read_all(self) -> str:
        """Wait for the end of the process; give all that it wrote, with its control sequences."""
        deadline_s = time.monotonic() + PATIENCE_S
        while self._more(deadline_s):
            pass
        self._process.wait(PATIENCE_S)
        return self._read.decode().replace("\r\n", "\n")

    @property
    def status(self) -> int | None:
        """The exit status of the process, once it has ended."""
        return self._process.returncode

    def _more(self, deadline_s: float) -> bool:
        """Read what there is, once there is something; False at the end, and after the deadline."""
        if not select.select([self._controller], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
            return False
        try:
            some = os.read(self._controller, 65_536)
        except OSError:  # EIO: nobody has the terminal open any more
            return False
        self._read += some
        return bool(some)

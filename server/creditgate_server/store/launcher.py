"""The program that a store process starts as: it ties its life to the supervisor's, then becomes the store.

Run by file name in an isolated interpreter, so it imports only the standard library. It exists because the
signal must be asked for in the child, before exec, and running Python code between fork and exec of a process
with threads (`preexec_fn`) can deadlock.

Arguments: the parent's process id, the inherited file descriptor of `store.lock`, a library to preload or
nothing, the binary, its options.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal that the kernel sends to this process when the thread that forked it ends."""


def die_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM when the parent dies, so that the store flushes and ends; it survives exec.

    A parent that died before the request would never be missed, hence the look at who the parent is now.
    Other systems than Linux have no such signal: there a store outlives a killed supervisor.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit(f"the supervisor {parent_pid} died while its store was being started")


def main(arguments: list[str]) -> None:
    """Become the store."""
    parent_pid, lock_fd, preload, *command = arguments
    die_with_parent(int(parent_pid))
    os.umask(0o077)
    os.ftruncate(int(lock_fd), 0)
    os.pwrite(int(lock_fd), b"%d\n" % os.getpid(), 0)
    if preload:
        os.environ["LD_PRELOAD"] = preload
    # Python ignores these two, and what is ignored stays so across exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execv(command[0], command)  # noqa: S606 (the program that the supervisor chose; no shell is wanted)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The first process of a container ends by SIGTERM from its first moments on."""

from __future__ import annotations

import subprocess
import sys

STARTS = """
import os, signal
process = os.getpid()
os.getpid = lambda: {process}
from creditgate_server.__main__ import main
try:
    main(["--version"])
except SystemExit:
    pass
os.kill(process, signal.SIGTERM)
print("spared")
"""


def ends(process: str) -> int:
    return subprocess.run([sys.executable, "-c", STARTS.format(process=process)], check=False).returncode


def test_the_first_process_of_a_container_takes_its_end_into_its_own_hands() -> None:
    assert ends("1") == 128 + 15


def test_any_other_process_leaves_that_to_the_system() -> None:
    assert ends("process") == -15

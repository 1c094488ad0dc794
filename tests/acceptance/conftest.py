"""The command as a newcomer types it, in a process of its own, and a server that `creditgate serve` runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "creditgate_server")

PATIENCE_S = 60.0
"""Far beyond what any command takes on a busy machine."""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**variables: str) -> dict[str, str]:
    """Ours without what would change the command's answers: its settings, and how wide a terminal is."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CREDITGATE_", "COLUMNS"))}
    return {**kept, **variables}


@pytest.fixture(scope="session")
def creditgate() -> Run:
    """Run the command to its end: `creditgate("demo", "--json", COLUMNS="80")`."""

    def run(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            env=environment(**variables),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    return run


@contextmanager
def serving(directory: Path, *options: str) -> Iterator[str]:
    """Run `creditgate serve` on a free port with its data and its log (`directory / "log"`) below; give the target."""
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", *options],
            env=environment(CREDITGATE_DATA_DIR=str(directory / "data")),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    with process.stdout as output:
        try:
            greeting = output.readline()
            assert " serves on " in greeting, (directory / "log").read_text()
            # The rest of what it says is read and dropped, or a full pipe would stop it.
            threading.Thread(target=output.read, daemon=True).start()
            yield greeting.split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(PATIENCE_S)
    assert status == 0


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[str]]:
    """Run a server of a test's own, with its data and log below a directory and further options; gives the target."""
    return serving


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server of this module serves."""
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address

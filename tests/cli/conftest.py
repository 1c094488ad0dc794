"""The command as scripts run it: in this process where nothing global is touched, else in one of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from creditgate_server.__main__ import main
from creditgate_server.store.embedded import EmbeddedStore

PATIENCE_S = 30.0
"""Far beyond what any of it takes."""


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:  # noqa: ANN401 (a test knows what it asked for)
        """The JSON document on standard output, which must be one."""
        return json.loads(self.out)


Command = Callable[..., Ran]
"""Takes the words of a command; keywords, where there are any, are settings of its environment."""


@dataclass(frozen=True)
class RunningServer:
    """A server that serves, started by the command."""

    process: subprocess.Popen[str]
    target: str
    data_dir: Path


def environment_of(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment without what developers have set for themselves, and with these settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CREDITGATE_", "COLUMNS"))}
    return {**kept, **{f"CREDITGATE_{name}": value for name, value in settings.items()}}


def _run_command(*arguments: str, **settings: str) -> Ran:
    """Run the command in a process of its own."""
    completed = subprocess.run(
        [sys.executable, "-W", "error", "-m", "creditgate_server", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment_of(settings),
        timeout=PATIENCE_S,
    )
    return Ran(completed.returncode, completed.stdout, completed.stderr)


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Iterator[RunningServer]:
    """Run `creditgate serve` on a free port until the context ends."""
    flags = ("--data-dir", str(data_dir), "--listen", "127.0.0.1:0", "--metrics-listen", "off", *arguments)
    process = subprocess.Popen(
        [sys.executable, "-m", "creditgate_server", "serve", *flags],
        env=environment_of({}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    assert process.stdout is not None
    with process, process.stdout:
        try:
            greeting = next(line for line in process.stdout if " serves on " in line)
            watchdog.cancel()
            yield RunningServer(process, greeting.rpartition(" ")[2].strip(), data_dir)
        finally:
            watchdog.cancel()
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def command() -> Command:
    """Run a command in a process of its own."""
    return _run_command


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Start servers of a test's own, all on one data directory: one after the other."""
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(serving(tmp_path / "data", *arguments))


@pytest.fixture
def freeze_store() -> Iterator[Callable[[RunningServer], None]]:
    """Let the embedded store of a server answer nobody any more, until the test ends."""
    frozen: list[int] = []

    def freeze(server: RunningServer) -> None:
        with socket.socket(socket.AF_UNIX) as store:
            store.connect(EmbeddedStore(server.data_dir).url.removeprefix("unix://"))
            store.sendall(b"INFO server\r\n")
            found = re.search(rb"process_id:(\d+)", store.recv(65_536))
        assert found is not None
        frozen.append(int(found[1]))
        os.kill(frozen[-1], signal.SIGSTOP)

    yield freeze
    for process_id in frozen:
        os.kill(process_id, signal.SIGCONT)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for the tests of a worker process; keep apart by organisation."""
    with serving(tmp_path_factory.mktemp("server") / "data", "--durability", "memory") as running:
        yield running


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command in this process, with tables for people unless it says --json."""
    monkeypatch.delenv("COLUMNS", raising=False)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        try:
            status = main(arguments)
        except SystemExit as ended:  # argparse ends the process by itself
            status = int(str(ended.code))
        return Ran(status, *capsys.readouterr())

    return run


@pytest.fixture
def ask(run: Command, server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command that asks the shared server."""
    monkeypatch.setenv("CREDITGATE_TARGET", server.target)
    return run


@pytest.fixture
def funded(ask: Command, organisation: str) -> str:
    """An account of an organisation of the test's own, with 100 credits."""
    assert ask("accounts", "create", organisation).status == 0
    assert ask("grant", organisation, "100", "--id", "first").status == 0
    return organisation


@pytest.fixture
def without_packages() -> Callable[..., list[str]]:
    """Give the words that run a command in a Python that lacks packages: their names, separated by blanks."""

    def words(packages: str, *arguments: str) -> list[str]:
        code = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {packages.split()!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, NotInstalled())
from creditgate_server.__main__ import main
sys.exit(main())
"""
        return [sys.executable, "-c", code, *arguments]

    return words

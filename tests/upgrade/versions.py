"""Other versions of the sidecar, to run beside this one: the revision before, and one whose library is another."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from creditgate_server.store.layout import SCHEMA_VERSION

REPOSITORY: Final = Path(__file__).resolve().parents[2]

FUNCTIONS: Final = Path("server/creditgate_server/store/lua")

PATIENCE_S: Final = 30.0
"""Far beyond what anything here takes."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the sidecar, in a directory with `client/` and `server/`."""

    name: str
    tree: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes Python import this version; settings of whoever runs the tests are not the test's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITGATE_")}
        return kept | {"PYTHONPATH": f"{self.tree / 'client'}:{self.tree / 'server'}"}

    @property
    def schema(self) -> int:
        """The schema that it writes."""
        files = sorted((self.tree / "server/creditgate_server/store").glob("*.py"))
        text = "".join(file.read_text("utf-8") for file in files)
        (schema,) = re.findall(r"^SCHEMA_VERSION: Final = (\d+)$", text, re.MULTILINE)
        return int(schema)

    def library_digest(self) -> str:
        """Ask it for the hash of its function library."""
        code = "from creditgate_server.store.library import library; print(library().digest)"
        return self._run(sys.executable, "-c", code).stdout.strip()

    def command(self, *words: str, target: str = "") -> subprocess.CompletedProcess[str]:
        """Run its `creditgate` to the end, which asks the server at a target, where one is named."""
        variables = {"CREDITGATE_TARGET": target} if target else {}
        return self._run(sys.executable, "-m", "creditgate_server", *words, **variables)

    def _run(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words, env=self.environment | variables, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )

    @contextmanager
    def serving(self, directory: Path, *flags: str) -> Iterator[Server]:
        """Run its server on a socket in a directory, until the context ends or somebody ends it."""
        directory.mkdir(exist_ok=True)
        target = f"unix:{directory}/rpc"
        words = (
            *(sys.executable, "-m", "creditgate_server", "serve", "--listen", target, "--metrics-listen", "off"),
            *("--data-dir", str(directory / "data"), "--log-format", "json", "--store-timeout-ms", "5000", *flags),
        )
        with (directory / "log").open("ab") as log:
            process = subprocess.Popen(
                words, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        watchdog = threading.Timer(PATIENCE_S, process.kill)
        watchdog.start()
        assert process.stdout is not None
        with process, process.stdout:
            try:
                greeted = any(b" serves on " in line for line in process.stdout)
                assert greeted, (directory / "log").read_text()
                watchdog.cancel()
                yield Server(self, process, target)
            finally:
                watchdog.cancel()
                process.terminate()
                process.wait(PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Server:
    """A server of a version, which serves."""

    version: Version
    process: subprocess.Popen[bytes]
    target: str

    def stop(self) -> int:
        """Let it end as a deploy does, and give its exit status."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


OURS: Final = Version("this version", REPOSITORY)


def sibling(directory: Path) -> Version:
    """Make a version that is ours, but for a comment in its functions: its library has another hash."""
    for part in ("client", "server"):
        shutil.copytree(REPOSITORY / part, directory / part, ignore=shutil.ignore_patterns("__pycache__", "examples"))
    with (directory / FUNCTIONS / "rights.lua").open("a", encoding="utf-8") as file:
        file.write("-- A comment makes another library.\n")
    return Version("a sibling", directory)


class NoRevision(Exception):
    """A revision is not to be had here, or cannot work on our stores; the message says why."""


def previous(directory: Path) -> Version:
    """Unpack the last revision whose functions are not ours. Raises NoRevision."""
    revision = "HEAD"
    if not _git("diff", "--name-only", "HEAD", "--", str(FUNCTIONS)):
        revision = f"{_git('rev-list', '--max-count=1', 'HEAD', '--', str(FUNCTIONS)).decode().strip()}^"
    version = unpack(revision, directory)
    if version.schema != SCHEMA_VERSION:
        raise NoRevision(f"{revision} has schema {version.schema}: it refuses our stores, and we refuse its")
    return version


def unpack(revision: str, directory: Path) -> Version:
    """Unpack a revision. Raises NoRevision."""
    archive = _git("archive", "--format=tar", revision, "--", "client", "server")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(directory, filter="data")
    return Version(revision, directory)


def _git(*words: str) -> bytes:
    try:
        ran = subprocess.run(("git", *words), cwd=REPOSITORY, capture_output=True, timeout=PATIENCE_S, check=True)
    except OSError as error:
        raise NoRevision(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise NoRevision(error.stderr.decode().strip()) from error
    return ran.stdout

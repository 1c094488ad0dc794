"""The requirement files: pinned, hashed, without addresses, and in step with `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))


@dataclass(frozen=True)
class Pin:
    """One package of a requirement file."""

    name: str
    version: str
    hashes: int


def pins(path: Path) -> Iterator[Pin]:
    """Read a requirement file: a logical line is a requirement with its hashes."""
    without_comments = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    for line in without_comments.replace("\\\n", " ").splitlines():
        requirement, *hashes = line.split(" --hash=sha256:")
        parsed = Requirement(requirement.strip())
        (specifier,) = parsed.specifier
        assert specifier.operator == "=="
        yield Pin(canonicalize_name(parsed.name), specifier.version, len(hashes))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def group(name: str) -> list[str]:
    """Resolve a dependency group with those that it includes."""
    lines: list[str] = []
    for item in project()["dependency-groups"][name]:
        lines += group(item["include-group"]) if isinstance(item, dict) else [item]
    return lines


def wanted(file_name: str) -> list[Requirement]:
    """Say what `pyproject.toml` wants to find in a requirement file."""
    table = project()["project"]
    runtime = [*table["dependencies"], *table["optional-dependencies"]["server"]]
    lines = {
        "server.txt": runtime,
        "dev.txt": [*runtime, *group("check")],
        "generate.txt": group("generate"),
    }[file_name]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_package_is_pinned_with_hashes(path: Path) -> None:
    unhashed = [pin.name for pin in pins(path) if pin.hashes == 0]

    assert unhashed == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_address_is_named(path: Path) -> None:
    assert "://" not in path.read_text()
    assert "-url" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pins_are_what_the_project_asks_for(path: Path) -> None:
    version_by_name = {pin.name: pin.version for pin in pins(path)}
    unmet = [
        str(requirement)
        for requirement in wanted(path.name)
        if not requirement.specifier.contains(version_by_name.get(canonicalize_name(requirement.name), "0"))
    ]

    assert unmet == [], "run scripts/generate requirements"


def test_all_run_time_packages_are_tested_in_the_versions_that_are_shipped() -> None:
    shipped, tested = (
        {pin.name: pin.version for pin in pins(ROOT / "requirements" / name)} for name in ("server.txt", "dev.txt")
    )

    assert shipped.items() <= tested.items()


def test_old_python_patch_releases_get_what_they_need() -> None:
    # redis needs async-timeout before Python 3.11.3, which a lock made for one version alone would leave out.
    assert "async-timeout" in {pin.name for pin in pins(ROOT / "requirements" / "server.txt")}

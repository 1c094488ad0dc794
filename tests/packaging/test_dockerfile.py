"""The image's recipe; building it needs a registry, so it is only read here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def dockerfile(root: Path) -> Path:
    return root / "Dockerfile"


def test_dockerfile_has_no_lint(dockerfile: Path) -> None:
    hadolint = shutil.which("hadolint")
    assert hadolint is not None
    completed = subprocess.run([hadolint, dockerfile], check=False, capture_output=True, text=True)

    assert completed.returncode == 0, completed.stdout


def test_build_context_holds_what_is_copied(dockerfile: Path, root: Path) -> None:
    admitted = {line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in dockerfile.read_text().splitlines()
        if line.startswith("COPY ") and "--from=" not in line
        for source in line.split()[1:-1]
    }

    assert copied == admitted


def test_what_is_shipped_serves_as_nobody_in_particular_and_says_how_it_is(dockerfile: Path) -> None:
    shipped = dockerfile.read_text().rpartition("\nFROM ")[2].splitlines()
    said = dict(line.split(maxsplit=1) for line in shipped if line[:1].isupper())

    assert int(said["USER"]) > 0
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["HEALTHCHECK"].endswith('CMD ["creditgate", "health"]')
    assert (said["ENTRYPOINT"], said["CMD"]) == ('["creditgate"]', '["serve"]')
    assert said["VOLUME"] == said["WORKDIR"]
    assert f"CREDITGATE_DATA_DIR={said['VOLUME']}/" in "".join(shipped)

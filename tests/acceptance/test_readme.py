"""README.md is true: every example runs as it stands, and every table and link says what is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from creditgate_server.options import OPTIONS
from creditgate_server.settings import load_settings, shown

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

GRPCURL = "github.com/fullstorydev/grpcurl/cmd/grpcurl"
GRPCURL_VERSION = "v1.9.3"

BUILD_TIMEOUT_S = 600
"""Go fetches and compiles some hundred packages, once: a minute on two idle cores."""

EXAMPLE_TIMEOUT_S = 60

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., "AbstractContextManager[str]"]


def blocks(*languages: str) -> list[tuple[str, str]]:
    """The code blocks of some languages, in order: language and code."""
    return [
        (language, code)
        for language, code in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
        if language in languages
    ]


def is_of_grpcurl(code: str) -> bool:
    return code.startswith("grpcurl ")


def section(text: str, title: str) -> list[str]:
    """The lines from a title to the next empty line, without spaces at their ends."""
    lines = [*map(str.rstrip, text.splitlines()), ""]
    start = lines.index(title)
    return lines[start : lines.index("", start)]


def run_example(language: str, code: str, target: str, directory: Path, *commands: Path) -> str:
    """Run a block in a directory, with our server in place of the usual one; give what it prints."""
    script = code.replace("127.0.0.1:50051", target)
    command = [sys.executable, "-c", script] if language == "python" else ["bash", "-euo", "pipefail", "-c", script]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITGATE_")}
    path = os.pathsep.join(map(str, (*commands, Path(sys.executable).parent, kept["PATH"])))
    done = subprocess.run(
        command,
        cwd=directory,
        env={**kept, "PATH": path, "CREDITGATE_TARGET": target, "CREDITGATE_DATA_DIR": str(directory / "data")},
        capture_output=True,
        text=True,
        timeout=EXAMPLE_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_every_example_runs_one_after_the_other(serve: Serve, tmp_path: Path) -> None:
    for _, card in blocks("yaml"):
        name = card.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(card, encoding="utf-8")

    with serve(tmp_path) as target:
        tour, worker, asynchronous, rates = [
            run_example(language, code, target, tmp_path)
            for language, code in blocks("bash", "python")
            if not is_of_grpcurl(code)
        ]

    assert '"account_id": "acme/field"' in tour
    assert "conserved" in tour
    assert [line.partition(":")[0] for line in worker.splitlines()] == ["to the carrier", "sent before"]
    assert asynchronous == "True 1 UCS_2 ('–',)\n"  # noqa: RUF001 (the dash is what it is about)
    assert "campaigns version 1" in rates


@pytest.mark.timeout(BUILD_TIMEOUT_S)
def test_every_grpcurl_example_runs(serve: Serve, tmp_path: Path, grpcurl: Path) -> None:
    with serve(tmp_path) as target:
        run_example("bash", "creditgate accounts create acme; creditgate grant acme 10", target, tmp_path)
        (printed,) = [
            run_example(language, code, target, tmp_path, grpcurl.parent)
            for language, code in blocks("bash")
            if is_of_grpcurl(code)
        ]

    assert printed.count("DECISION_ALLOWED") == 2
    assert "message ReserveRequest {" in printed


@pytest.fixture(scope="session")
def grpcurl() -> Path:
    """The program grpcurl: the one on PATH, or one that Go builds into a cache; else skips."""
    if found := shutil.which("grpcurl"):
        return Path(found)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "creditgate"
    program = cache / f"grpcurl-{GRPCURL_VERSION}" / "grpcurl"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        pytest.skip("neither grpcurl nor go is here: the examples for grpcurl were not run")
    built = subprocess.run(
        [go, "install", f"{GRPCURL}@{GRPCURL_VERSION}"],
        env={**os.environ, "GOBIN": str(program.parent), "GOFLAGS": "-trimpath"},
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if built.returncode != 0:
        pytest.skip(f"go cannot build grpcurl here: the examples for grpcurl were not run: {built.stderr[-500:]}")
    return program


def test_the_commands_that_it_names_first_are_there() -> None:
    named = re.findall(r"^\$ \./(\S+)", README, re.MULTILINE)

    assert set(named) == {"scripts/demo", "scripts/test"}
    for script in named:
        assert os.access(ROOT / script, os.X_OK)


def test_the_story_that_it_shows_is_the_one_that_the_demo_tells(creditgate: Run) -> None:
    ((_, shown_story),) = blocks("text")

    assert section(creditgate("demo", COLUMNS="80").stdout, "The story") == section(shown_story, "The story")


def test_the_settings_are_all_there_with_their_defaults() -> None:
    defaults = {**shown(load_settings({}, {})), "data_dir": "~/.local/share/creditgate"}
    rows = []
    for option in OPTIONS:
        default = defaults[option.name]
        words = "" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
        rows.append(f"| `{option.variable}` | {words} | {option.explanation} |")

    assert re.findall(r"^\| `CREDITGATE_.*$", README, re.MULTILINE) == rows


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", README)

    assert [link for link in links if not (ROOT / link).exists()] == []

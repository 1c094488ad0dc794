"""Where the blocks of a page run, and whether they print what the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.conftest import environment
from tests.acceptance.pages import Block
from tests.toolchains import SEARCH_PATH

BLOCK_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a page's blocks run: an empty directory, beside a server with its data elsewhere."""

    directory: Path
    target: str
    data_directory: Path

    def run(self, block: Block, program: Path | None = None) -> str:
        """Run a block, which must succeed, with this program on its PATH too; give all that it prints."""
        script = block.code.replace("127.0.0.1:50051", self.target)
        shell = ("bash", "-euo", "pipefail", "-c", script)
        done = subprocess.run(
            (sys.executable, "-c", script) if block.language == "python" else shell,
            cwd=self.directory,
            env=self._environment(program),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BLOCK_TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"line {block.line}: exit status {done.returncode}\n{block.code}\n{done.stdout}"
        return done.stdout

    def write(self, block: Block) -> None:
        """Write a block that names its file in its first line."""
        if named := re.fullmatch(r"# ([\w.-]+\.\w+)", block.first_line):
            (self.directory / named[1]).write_text(block.code, encoding="utf-8")

    def _environment(self, program: Path | None) -> dict[str, str]:
        return environment(
            PATH=SEARCH_PATH if program is None else f"{program.parent}{os.pathsep}{SEARCH_PATH}",
            COLUMNS="120",
            CREDITGATE_TARGET=self.target,
            CREDITGATE_DATA_DIR=str(self.data_directory),
        )


def first_line_missing(shown_output: str, printed: str) -> str | None:
    """Give the first line shown that is not among those printed, in order, whatever the spaces; `…` is anything."""
    lines = iter(map(without_padding, printed.splitlines()))
    for shown_line in filter(None, map(without_padding, shown_output.splitlines())):
        pattern = re.compile(".*".join(map(re.escape, shown_line.split("…"))))
        if not any(pattern.fullmatch(line) for line in lines):
            return shown_line
    return None


def without_padding(line: str) -> str:
    return " ".join(line.split())

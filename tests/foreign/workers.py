"""The workers of client/examples, built as their README says, in a copy of what another team would have."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.acceptance.pages import Page
from tests.toolchains import ROOT, fetch, find, succeed

EXAMPLES: Final = "client/examples"
README: Final = Page(f"{EXAMPLES}/README.md")

DELIVERY_TIMEOUT_S: Final = 60.0
"""Far beyond the 5 seconds that a call may take."""


@dataclass(frozen=True, slots=True)
class Message:
    """A line of a worker's input."""

    message_id: str
    account: str
    text: str = "Your table is ready"
    number: str = "+14155550100"

    def __str__(self) -> str:
        return f"{self.message_id}\t{self.account}\t{self.number}\t{self.text}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a worker made of its messages."""

    status: int
    sent: Sequence[str]
    """The lines that went to the carrier."""
    outcomes: Sequence[str]
    """What it says of each message that did not fail, without its id."""
    errors: str


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that has been built, in a directory of its own."""

    directory: Path
    command: tuple[str, ...]

    def deliver(self, target: str, *messages: Message) -> Delivery:
        """Deliver messages to it, whose server is at `target`."""
        done = subprocess.run(
            self.command,
            cwd=self.directory,
            env={**os.environ, "CREDITGATE_TARGET": target},
            input="".join(f"{message}\n" for message in messages),
            capture_output=True,
            text=True,
            timeout=DELIVERY_TIMEOUT_S,
            check=False,
        )
        lines = done.stdout.splitlines()
        sent = [line for line in lines if line.startswith("to the carrier: ")]
        outcomes = [line.partition(" ")[2] for line in lines if line not in sent]
        return Delivery(done.returncode, sent, outcomes, done.stderr)


def build_go_worker(root: Path) -> Worker:
    """Build the worker of Go below a directory that has `proto/`; skips where that cannot be."""
    find("go")
    find("buf")
    directory = _copy("go", root)
    fetch("go", "mod", "download", cwd=directory)
    _follow("go", root)
    return Worker(directory, ("./worker",))


def build_node_worker(root: Path) -> Worker:
    """Build the worker of Node below a directory that has `proto/`; skips where that cannot be."""
    node = find("node")
    find("npm")
    directory = _copy("node", root)
    fetch("npm", "ping", cwd=directory)
    _follow("node", root)
    return Worker(directory, (str(node), "dist/main.js"))


def commands_of_readme(first_line: str) -> tuple[str, ...]:
    """Give the command that does what the README's block with this first line says."""
    (commands,) = [block.code for block in README.blocks if block.first_line == first_line]
    return "bash", "-euo", "pipefail", "-c", commands


def _copy(language: str, root: Path) -> Path:
    """Copy an example to its place below a root, but not what was made in it."""
    made = shutil.ignore_patterns("gen", "dist", "node_modules", "worker")
    return shutil.copytree(ROOT / EXAMPLES / language, root / EXAMPLES / language, ignore=made)


def _follow(language: str, root: Path) -> None:
    succeed(*commands_of_readme(f"cd {EXAMPLES}/{language}"), cwd=root)

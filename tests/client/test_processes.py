"""One client in several processes, threads and event loops."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import creditgate
from creditgate import aio

if TYPE_CHECKING:
    from tests.client.conftest import FakeServer

PREFORK = """
import os, sys
import creditgate

# A repetition would hide that a child uses its parent's connection.
client = creditgate.Client(sys.argv[1], retries=creditgate.RetryPolicy(attempts_max=1))
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


MULTIPROCESSING = """
import asyncio, inspect, multiprocessing, sys
import creditgate

async def awaited(call):
    return await call

def reserve(client, name):
    call = client.reserve("acme", reservation_id=name, segments=1)
    if inspect.iscoroutine(call):
        asyncio.run(awaited(call))

def work(client, child):
    for call in range(2):
        reserve(client, f"{child}-{call}")

def main(target, kind, method, made):
    client = (creditgate.aio.Client if kind == "aio" else creditgate.Client)(target)
    if made == "used":
        reserve(client, "parent-before")
    context = multiprocessing.get_context(method)
    children = [context.Process(target=work, args=(client, f"child-{number}")) for number in range(2)]
    for child in children:
        child.start()
    reserve(client, "parent-during")
    for child in children:
        child.join()
    sys.exit(any(child.exitcode for child in children))

if __name__ == "__main__":
    main(*sys.argv[1:])
"""

FORK_OF_A_FORK = """
import os, sys
import creditgate

def forked(work):
    child = os.fork()
    if child == 0:
        work()
        sys.exit()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def reserve(name):
    client.reserve("acme", reservation_id=name, segments=1)

def worker():
    reserve("worker")
    if forked(lambda: reserve("grandchild")):
        sys.exit(1)
    reserve("worker-after")

client = creditgate.Client(sys.argv[1], retries=creditgate.RetryPolicy(attempts_max=1))
reserve("parent")
status = forked(worker) or forked(client.close)
reserve("parent-after")
sys.exit(status)
"""


def run(program: str | Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = ["-c", program] if isinstance(program, str) else [str(program)]
    return subprocess.run(
        # From 3.12 on Python warns of every fork that follows a call, for gRPC has threads; that it works is the point.
        [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", *code, *arguments],
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


@pytest.mark.parametrize(
    "choices",
    [
        ("sync", "fork", "unused"),
        ("sync", "fork", "used"),
        ("sync", "spawn", "unused"),
        ("sync", "spawn", "used"),
        ("aio", "fork", "unused"),
        ("aio", "spawn", "used"),
    ],
    ids="-".join,
)
def test_a_client_is_passed_to_processes(
    server: FakeServer, address: str, tmp_path: Path, choices: tuple[str, str, str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text(MULTIPROCESSING)

    completed = run(program, address, *choices)

    assert completed.returncode == 0, completed.stderr
    expected = {f"child-{number}-{call}" for number in range(2) for call in range(2)}
    assert reservations(server) == expected | {"parent-during"} | ({"parent-before"} if "used" in choices else set())


def test_children_fork_again_and_close_without_harm_to_their_parents(server: FakeServer, address: str) -> None:
    completed = run(FORK_OF_A_FORK, address)

    assert completed.returncode == 0, completed.stderr
    assert reservations(server) == {"parent", "worker", "grandchild", "worker-after", "parent-after"}


@pytest.mark.parametrize("kind", [creditgate.Client, aio.Client], ids=["sync", "aio"])
def test_a_pickled_client_is_made_of_the_same(kind: type[creditgate.Client | aio.Client]) -> None:
    made = kind("unix:/run/creditgate.sock", timeout_s=7, retries=creditgate.RetryPolicy(attempts_max=3))

    copy = pickle.loads(pickle.dumps(made))

    (make, _), (make_copy, _) = made.__reduce__(), copy.__reduce__()
    assert type(copy) is kind
    assert (make_copy.args, make_copy.keywords) == (make.args, make.keywords)
    assert make.keywords == {"timeout_s": 7, "retries": creditgate.RetryPolicy(attempts_max=3)}


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

"""A worker that is cancelled, interrupted or killed, at whatever point, has its message paid once.

Each message is delivered again after that, with the same id, as a queue does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Coroutine, Generator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
import pytest

import creditgate
from creditgate import aio, authorized, errors
from creditgate.client import Hold
from creditgate.retries import Attempts

if TYPE_CHECKING:
    from creditgate.testing import AccountMaker, Server

Request = TypeVar("Request")
Response = TypeVar("Response")


@coroutine
def cancelled_at(running: Coroutine[Any, Any, object], suspension: int) -> Generator[Any, Any, bool]:
    """Run a coroutine whose task is cancelled where it waits for the nth time. Tell whether it came so far."""
    step = partial(running.send, None)
    for number in count():
        try:
            awaited = step()
        except StopIteration:
            return False
        except asyncio.CancelledError:
            return True
        if number == suspension:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            sent = yield awaited
        except BaseException as error:  # noqa: BLE001 -- handed over to the coroutine, as Python would
            step = partial(running.throw, error)
        else:
            step = partial(running.send, sent)
    raise AssertionError


async def is_cancelled_at(running: Coroutine[Any, Any, object], suspension: int) -> bool:
    """Run a coroutine in a task of its own, and cancel that where it waits for the nth time."""
    return await asyncio.create_task(cancelled_at(running, suspension))


def conserved(server: Server) -> bool:
    """Ask `creditgate verify` whether every credit is accounted for."""
    command = [sys.executable, "-m", "creditgate_server", "verify", "--data-dir", str(server.data_dir)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def held_and_spent(client: creditgate.Client, account_id: str) -> tuple[int, int]:
    balance = client.get_balance(account_id).balance
    return balance.reserved, 1000 - balance.available


@pytest.mark.parametrize("commits_early", [False, True], ids=["on-leaving", "early"])
async def test_a_task_cancelled_at_any_await_is_paid_once_when_it_is_delivered_again(
    creditgate_server: Server,
    creditgate_client: creditgate.Client,
    creditgate_account: str,
    commits_early: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    carried: list[str] = []
    async with aio.Client(creditgate_server.target) as client:

        @authorized(
            lambda message_id: client.authorize(
                creditgate_account, reservation_id=message_id, attempts_max=3, segments=2
            )
        )
        async def send(hold: aio.Hold, message_id: str) -> None:
            await asyncio.sleep(0)
            carried.append(message_id)
            if commits_early:
                await hold.commit(segments=2)
                await asyncio.sleep(0)

        points = 0
        while await is_cancelled_at(send(f"message-{points}"), points):
            await send(f"message-{points}")
            points += 1

    assert points >= 3, "to reserve, to send and to commit are three points at least"
    assert set(carried) == {f"message-{point}" for point in range(points + 1)}
    assert held_and_spent(creditgate_client, creditgate_account) == (0, 2 * (points + 1))


class Interrupted(BaseException):
    """What a signal raises wherever the worker is, as a task queue's time limit does."""


class InterruptedClient(creditgate.Client):
    """A client whose worker is interrupted at one of its calls, before it is sent or after it was answered."""

    calls_left = 0
    is_after = False

    def _attempt(
        self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request, attempts: Attempts
    ) -> Response:
        self.calls_left -= 1
        if self.calls_left == 0 and not self.is_after:
            raise Interrupted
        response = super()._attempt(method, request, attempts)
        if self.calls_left == 0:
            raise Interrupted
        return response


@pytest.mark.parametrize("is_after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", [1, 2], ids=["reserve", "commit"])
def test_a_worker_interrupted_at_any_call_has_its_message_paid_once(
    creditgate_client: creditgate.Client,
    creditgate_account: str,
    call: int,
    is_after: bool,  # noqa: FBT001 -- a parameter of the test
) -> None:
    with InterruptedClient() as client:
        client.calls_left, client.is_after = call, is_after

        @authorized(lambda message_id: client.authorize(creditgate_account, reservation_id=message_id, segments=2))
        def send(_: Hold, message_id: str) -> str:
            return message_id

        with pytest.raises(Interrupted):
            send("message-1")
        send("message-1")

    assert held_and_spent(creditgate_client, creditgate_account) == (0, 2)


WORKER = """
import sys
import creditgate

account, message, carrier, dies_at = sys.argv[1:]

def at(point):
    if point == dies_at:
        print(point, flush=True)
        sys.stdin.read()  # for ever: only a signal ends it

class Client(creditgate.Client):
    def commit(self, *arguments, **options):
        at("sent")
        answer = super().commit(*arguments, **options)
        at("committed")
        return answer

with Client() as client:
    at("delivered")
    with client.authorize(account, reservation_id=message, segments=2):
        at("held")
        with open(carrier, "a") as carried:
            carried.write(message + "\\n")
"""

POINTS = {"delivered": 1, "held": 1, "sent": 2, "committed": 1}
"""Where a worker dies, and how often its message goes to the carrier: once more where nobody can tell that it went."""


def test_a_worker_killed_at_any_point_has_its_message_paid_once(
    creditgate_server: Server,
    creditgate_client: creditgate.Client,
    new_creditgate_account: AccountMaker,
    tmp_path: Path,
) -> None:
    carrier = tmp_path / "carrier"
    account_id = new_creditgate_account()
    workers = {
        point: subprocess.Popen(
            [sys.executable, "-c", WORKER, account_id, f"killed-{point}", str(carrier), point],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for point in POINTS
    }
    for point, worker in workers.items():
        with worker:
            assert worker.stdout is not None
            assert worker.stdout.readline().decode().strip() == point
            worker.kill()

    for point in POINTS:
        with (
            suppress(errors.AlreadyCommitted),
            creditgate_client.authorize(account_id, reservation_id=f"killed-{point}", segments=2),
            carrier.open("a") as carried,
        ):
            carried.write(f"killed-{point}\n")

    sent = carrier.read_text().split()
    assert {point: sent.count(f"killed-{point}") for point in POINTS} == POINTS
    assert held_and_spent(creditgate_client, account_id) == (0, 2 * len(POINTS))
    assert conserved(creditgate_server)

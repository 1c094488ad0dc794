"""The workers of client/examples: built by other tool chains, and run against a real server.

Each test is one behaviour that both have. They are built as their README says, from a copy of `proto/` alone.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from tests.foreign.sidecars import always, losing_an_answer, refusal, refusing
from tests.foreign.workers import Message, Worker, commands_of_readme
from tests.toolchains import FETCH_TIMEOUT_S, succeed

import creditgate

pytestmark = pytest.mark.timeout(FETCH_TIMEOUT_S)

RETRY_DELAY_MS = 400

DEADLINE_S = 5
"""Of a call of the workers, with all its attempts."""

OVERLOADED = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", RETRY_DELAY_MS)
OVERLOADED_FOR_LONG = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED", 60_000)
MISCONFIGURED = refusal(grpc.StatusCode.UNAVAILABLE, "STORE_MISCONFIGURED")


def balance_of(target: str, account: str) -> tuple[int, int]:
    """What the account has available, and what it holds."""
    with creditgate.Client(target) as client:
        balance = client.get_balance(account).balance
    return balance.available, balance.reserved


@pytest.mark.usefixtures("go_worker", "node_worker")
def test_both_run_as_their_readme_says(team_directory: Path, target: str) -> None:
    run = commands_of_readme("creditgate accounts create acme")

    said = succeed(*run, cwd=team_directory, variables={"CREDITGATE_TARGET": target})

    assert said.count("to the carrier: ") == 2
    assert "message-1 sent for 1, 9 left" in said
    assert "message-2 sent for 1, 8 left" in said


def test_it_reserves_sends_and_commits(worker: Worker, target: str, account: str) -> None:
    delivery = worker.deliver(target, Message("message-1", account), Message("message-2", account, "x" * 161))

    assert (delivery.status, delivery.errors) == (0, "")
    assert delivery.sent[0] == "to the carrier: +14155550100: Your table is ready"
    assert delivery.outcomes == ["sent for 1, 9 left", "sent for 2, 7 left"]
    assert balance_of(target, account) == (7, 0)


def test_it_sends_no_message_twice_that_the_queue_delivers_twice(worker: Worker, target: str, account: str) -> None:
    worker.deliver(target, Message("message-1", account))
    again = worker.deliver(target, Message("message-1", account))

    assert (again.status, again.sent) == (0, [])
    assert again.outcomes == ["sent before: the queue has delivered it twice"]
    assert balance_of(target, account) == (9, 0)


def test_a_denial_is_an_answer_that_says_what_is_missing(worker: Worker, target: str, account: str) -> None:
    delivery = worker.deliver(target, Message("message-1", account, "x" * 153 * 13))

    assert (delivery.status, delivery.sent, delivery.errors) == (0, [], "")
    assert delivery.outcomes == [f"denied by {account}: INSUFFICIENT_CREDITS, 3 short"]
    assert balance_of(target, account) == (10, 0)


def test_what_was_denied_is_granted_under_the_same_id_after_a_top_up(worker: Worker, target: str, account: str) -> None:
    message = Message("message-1", account, "x" * 153 * 13)
    worker.deliver(target, message)
    with creditgate.Client(target) as client:
        client.grant(account, 3)

    assert worker.deliver(target, message).outcomes == ["sent for 13, 0 left"]


def test_it_releases_what_could_not_be_sent(worker: Worker, target: str, account: str) -> None:
    message = Message("message-1", account, number="+99955550100")
    first, second = (worker.deliver(target, message) for _ in range(2))

    assert (first.status, first.sent) == (0, [])
    assert first.outcomes[0].startswith("not sent, 1 given back: ")
    assert second.outcomes == ["ended before as RELEASED: a new attempt needs a new id"]
    assert balance_of(target, account) == (10, 0)


def test_it_reads_the_error_info_of_a_failed_call(worker: Worker, target: str, organisation: str) -> None:
    delivery = worker.deliver(target, Message("message-1", organisation))

    assert (delivery.status, delivery.sent, delivery.outcomes) == (1, [], [])
    for word in ("message-1", f"there is no account {organisation}", "ACCOUNT_NOT_FOUND", "request_id"):
        assert word in delivery.errors


async def test_a_lost_answer_is_asked_for_again_by_the_same_id(worker: Worker, target: str, account: str) -> None:
    async with losing_an_answer(target, "message-1") as loss:
        delivery = await asyncio.to_thread(worker.deliver, loss.target, Message("message-1", account))

    assert (loss.lost, loss.connections) == (1, 2)
    assert (delivery.status, len(delivery.sent), delivery.errors) == (0, 1, "")
    assert delivery.outcomes == ["sent for 1, 9 left"]
    assert balance_of(target, account) == (9, 0)


def test_it_waits_as_long_as_an_overloaded_server_asks(worker: Worker, target: str, account: str) -> None:
    with refusing(target, Reserve=OVERLOADED, Commit=OVERLOADED) as server:
        delivery = worker.deliver(server.target, Message("message-1", account))

    assert delivery.outcomes == ["sent for 1, 9 left"]
    for method in ("Reserve", "Commit"):
        (first, first_s), (second, second_s) = server.calls_of(method)
        assert first == second
        assert second_s - first_s >= RETRY_DELAY_MS / 1000


def test_it_gives_up_within_its_deadline_and_says_why(worker: Worker, target: str, account: str) -> None:
    with refusing(target, Reserve=always(OVERLOADED)) as server:
        delivery = worker.deliver(server.target, Message("message-1", account))

    assert (delivery.status, delivery.sent) == (1, [])
    assert "OVERLOADED" in delivery.errors
    times_s = [time_s for _, time_s in server.calls_of("Reserve")]
    assert 1 < len(times_s) <= DEADLINE_S * 1000 / RETRY_DELAY_MS
    assert times_s[-1] - times_s[0] < DEADLINE_S


def test_it_waits_for_no_delay_that_outlasts_its_deadline(worker: Worker, target: str, account: str) -> None:
    with refusing(target, Reserve=always(OVERLOADED_FOR_LONG)) as server:
        delivery = worker.deliver(server.target, Message("message-1", account))
        ended_s = time.monotonic()

    ((_, called_s),) = server.calls_of("Reserve")
    assert "OVERLOADED" in delivery.errors
    assert ended_s - called_s < DEADLINE_S - 1


def test_it_does_not_repeat_what_would_be_refused_again(worker: Worker, target: str, account: str) -> None:
    with refusing(target, Reserve=always(MISCONFIGURED)) as server:
        delivery = worker.deliver(server.target, Message("message-1", account))

    assert len(server.calls_of("Reserve")) == 1
    assert "STORE_MISCONFIGURED" in delivery.errors


def test_what_was_sent_and_not_committed_is_not_to_be_sent_again(worker: Worker, target: str, account: str) -> None:
    with refusing(target, Commit=MISCONFIGURED) as server:
        delivery = worker.deliver(server.target, Message("message-1", account))

    assert (delivery.status, len(delivery.sent), delivery.outcomes) == (1, 1, [])
    assert "not to be sent again" in delivery.errors
    assert "STORE_MISCONFIGURED" in delivery.errors
    assert balance_of(target, account) == (9, 1)

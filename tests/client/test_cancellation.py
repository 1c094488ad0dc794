"""A cancelled task neither keeps a hold nor loses a commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from creditgate import aio
from creditgate.retries import RetryPolicy

if TYPE_CHECKING:
    from tests.client.conftest import FakeServer


@pytest.fixture
async def client(address: str) -> AsyncIterator[aio.Client]:
    async with aio.Client(address, retries=RetryPolicy(backoff_s=0.001, attempt_timeout_s=0.3)) as made:
        yield made


async def test_a_cancelled_block_releases(server: FakeServer, client: aio.Client) -> None:
    entered = asyncio.Event()

    async def send() -> None:
        async with client.authorize("acme", reservation_id="msg-1", body="hi"):
            entered.set()
            await asyncio.Event().wait()

    sending = asyncio.create_task(send())
    await entered.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending

    (release,) = server.calls("Release")
    assert (release.request.reservation_id, release.request.reason) == ("msg-1", "CancelledError")
    assert server.calls("Commit") == []


async def test_a_timeout_around_the_block_releases(server: FakeServer, client: aio.Client) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2), client.authorize("acme", body="hi"):
            await asyncio.Event().wait()

    assert len(server.calls("Release")) == 1


async def test_a_release_that_gets_no_answer_delays_a_cancellation_by_a_bounded_time(
    server: FakeServer, client: aio.Client
) -> None:
    server.script("Release", server.silence())

    async with asyncio.timeout(10):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2), client.authorize("acme", body="hi"):
                await asyncio.Event().wait()


async def test_a_second_cancellation_leaves_the_release_under_way(server: FakeServer, client: aio.Client) -> None:
    server.script("Release", server.silence(), server.succeed)
    entered = asyncio.Event()

    async def send() -> None:
        async with client.authorize("acme", reservation_id="msg-1", body="hi"):
            entered.set()
            await asyncio.Event().wait()

    sending = asyncio.create_task(send())
    await entered.wait()
    sending.cancel()
    await asyncio.to_thread(server.wait_for, "Release")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await client.close()

    assert len(server.calls("Release")) == 2


@pytest.mark.parametrize("early", [True, False], ids=["inside-the-block", "on-leaving"])
async def test_a_cancelled_commit_goes_on(server: FakeServer, client: aio.Client, early: bool) -> None:  # noqa: FBT001
    server.script("Commit", server.silence(), server.succeed)

    async def send() -> None:
        async with client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
            if early:
                await hold.commit()

    sending = asyncio.create_task(send())
    await asyncio.to_thread(server.wait_for, "Commit")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await client.close()

    first, second = (call.request for call in server.calls("Commit"))
    assert first == second
    assert server.calls("Release") == []


async def test_a_commit_that_fails_unseen_is_logged(
    server: FakeServer, client: aio.Client, caplog: pytest.LogCaptureFixture
) -> None:
    lost = server.failure("FAILED_PRECONDITION", "HOLD_EXPIRED", "too late")
    server.script("Commit", server.silence(), lost)

    async def send() -> None:
        async with client.authorize("acme", reservation_id="msg-1", body="hi"):
            pass

    sending = asyncio.create_task(send())
    await asyncio.to_thread(server.wait_for, "Commit")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    with caplog.at_level(logging.WARNING, "creditgate"):
        await client.close()

    assert [record.getMessage() for record in caplog.records] == [
        "commit of msg-1 of acme failed after its task was cancelled: too late"
    ]


async def test_a_cancelled_reserve_is_not_waited_for(server: FakeServer, client: aio.Client) -> None:
    server.script("Reserve", server.silence())

    reserving = asyncio.create_task(client.reserve("acme", body="hi", timeout_s=60))
    await asyncio.to_thread(server.wait_for, "Reserve")
    reserving.cancel()

    async with asyncio.timeout(10):
        with pytest.raises(asyncio.CancelledError):
            await reserving


async def test_a_block_whose_coroutine_is_closed_awaits_nothing(server: FakeServer, client: aio.Client) -> None:
    entered, left = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def send() -> None:
        async with client.authorize("acme", body="hi"):
            entered.set()
            await left

    sending = asyncio.create_task(send())
    await entered.wait()
    sending.get_coro().close()  # as Python does with what a closed event loop has left behind
    left.set_result(None)
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        await sending

    assert server.calls("Release") == []


async def test_a_cancelled_commit_of_a_part_goes_on_and_nothing_follows_it(
    server: FakeServer, client: aio.Client
) -> None:
    server.script("Commit", server.silence(), server.succeed)

    async def send() -> None:
        async with client.authorize("acme", reservation_id="msg-1", body="hi", recipient_count=2) as hold:
            await hold.commit(recipient_count=1, keep_open=True, commit_id="part-1")

    sending = asyncio.create_task(send())
    await asyncio.to_thread(server.wait_for, "Commit")
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await client.close()

    assert [call.request.commit_id for call in server.calls("Commit")] == ["part-1", "part-1"]
    assert server.calls("Release") == []

"""`authorized`: a task queue may deliver a task as often as it likes."""

from __future__ import annotations

import inspect
import logging
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

import creditgate
from creditgate import DenialReason, ReservationState, aio, authorized, errors
from creditgate.client import Hold
from creditgate.v1 import authorization_pb2, decision_pb2, reservation_pb2

if TYPE_CHECKING:
    from tests.client.conftest import FakeServer

    from creditgate.testing import AccountMaker, Clock


class SendFailed(Exception):
    """What a carrier's library raises."""


@pytest.fixture
def sync_client(server: FakeServer) -> Iterator[creditgate.Client]:
    with creditgate.Client(server.address) as made:
        yield made


def sender(
    client: creditgate.Client,
    sent: list[str],
    **how: Any,  # noqa: ANN401 -- keywords of authorize
) -> Callable[[str, str], str | None]:
    @authorized(lambda message_id, text: client.authorize("acme", reservation_id=message_id, body=text, **how))
    def send(hold: Hold, message_id: str, text: str) -> str:
        """Send a text."""
        if text == "fail":
            raise SendFailed
        sent.append(hold.reservation_id)
        return f"{message_id} is sent"

    return send


def replay(reservation_id: str, state: ReservationState) -> authorization_pb2.ReserveResponse:
    return authorization_pb2.ReserveResponse(
        reservation_id=reservation_id,
        decision=decision_pb2.DECISION_ALLOWED,
        state=reservation_pb2.ReservationState.Value(f"RESERVATION_STATE_{state.name}"),
        replayed=True,
    )


def settlements(server: FakeServer) -> list[str]:
    return [call.method for call in server.received if call.method != "Reserve"]


def test_a_call_runs_inside_the_authorization_of_its_arguments(
    server: FakeServer, sync_client: creditgate.Client
) -> None:
    sent: list[str] = []

    assert sender(sync_client, sent)("message-1", "hi") == "message-1 is sent"

    (reserve,) = (call.request for call in server.calls("Reserve"))
    assert (reserve.account_id, reserve.reservation_id, reserve.usage.body) == ("acme", "message-1", "hi")
    assert (sent, settlements(server)) == (["message-1"], ["Commit"])


def test_a_call_that_fails_gives_back_and_raises(server: FakeServer, sync_client: creditgate.Client) -> None:
    with pytest.raises(SendFailed):
        sender(sync_client, [])("message-1", "fail")

    assert settlements(server) == ["Release"]


def test_a_message_that_was_sent_is_not_sent_again(
    server: FakeServer, sync_client: creditgate.Client, caplog: pytest.LogCaptureFixture
) -> None:
    server.script("Reserve", replay("message-1", ReservationState.COMMITTED))
    sent: list[str] = []

    with caplog.at_level(logging.INFO, "creditgate"):
        assert sender(sync_client, sent)("message-1", "hi") is None

    assert (sent, settlements(server)) == ([], [])
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.endswith("send is not run again: reservation message-1 is already COMMITTED: its message was sent")


def test_the_hold_tells_the_call_what_it_may_send(server: FakeServer, sync_client: creditgate.Client) -> None:
    def send(hold: Hold, text: str) -> int:
        hold.commit(credits=1)
        if text == "then fail":
            raise SendFailed
        return hold.recipients_granted

    task = authorized(lambda text: sync_client.authorize("acme", body=text, recipient_count=7))(send)

    assert task("hi") == 7
    with pytest.raises(SendFailed):
        task("then fail")
    assert settlements(server) == ["Commit", "Commit"]


def test_a_denial_is_raised(server: FakeServer, sync_client: creditgate.Client) -> None:
    server.deny(DenialReason.INSUFFICIENT_CREDITS, shortfall=3)
    sent: list[str] = []

    with pytest.raises(errors.InsufficientCredits):
        sender(sync_client, sent)("message-1", "hi")

    assert sent == []


def test_a_denial_that_is_not_to_be_raised_sends_nothing_all_the_same(
    server: FakeServer, sync_client: creditgate.Client
) -> None:
    server.deny(DenialReason.INSUFFICIENT_CREDITS, shortfall=3)
    sent: list[str] = []

    assert sender(sync_client, sent, raise_on_denial=False)("message-1", "hi") is None

    assert (sent, settlements(server)) == ([], [])


@pytest.mark.parametrize(
    ("state", "kind"),
    [(ReservationState.RELEASED, errors.AlreadyReleased), (ReservationState.EXPIRED, errors.AlreadyExpired)],
    ids=["released", "expired"],
)
def test_an_id_is_good_for_one_attempt_unless_told_otherwise(
    server: FakeServer, sync_client: creditgate.Client, state: ReservationState, kind: type[errors.AlreadySettled]
) -> None:
    server.script("Reserve", replay("message-1", state))

    with pytest.raises(kind):
        sender(sync_client, [])("message-1", "hi")

    assert len(server.calls("Reserve")) == 1


def test_attempts_follow_released_ones_up_to_their_bound(server: FakeServer, sync_client: creditgate.Client) -> None:
    server.script("Reserve", replay("message-1", ReservationState.RELEASED))

    with pytest.raises(errors.AlreadyReleased):
        sender(sync_client, [], attempts_max=3)("message-1", "hi")

    asked = [call.request.reservation_id for call in server.calls("Reserve")]
    assert asked == ["message-1", "message-1~2", "message-1~3"]


def test_a_message_without_an_id_has_no_other_attempts(server: FakeServer, sync_client: creditgate.Client) -> None:
    server.script("Reserve", replay("made-up", ReservationState.RELEASED))

    with pytest.raises(errors.AlreadyReleased), sync_client.authorize("acme", body="hi", attempts_max=3):
        pytest.fail("sent")

    assert len(server.calls("Reserve")) == 1


def test_an_attempt_that_expired_is_followed_only_where_that_may_be(
    server: FakeServer, sync_client: creditgate.Client
) -> None:
    sent: list[str] = []
    expired = replay("message-1", ReservationState.EXPIRED)
    server.script("Reserve", expired)
    with pytest.raises(errors.AlreadyExpired):
        sender(sync_client, sent, attempts_max=3)("message-1", "hi")
    assert len(server.calls("Reserve")) == 1
    server.script("Reserve", expired, server.succeed)

    sender(sync_client, sent, attempts_max=3, again_after_expiry=True)("message-1", "hi")

    assert sent == ["message-1~2"]


def test_where_no_attempt_may_follow_none_follows_an_expiry(server: FakeServer, sync_client: creditgate.Client) -> None:
    with pytest.raises(TypeError, match="attempts_max"):
        sender(sync_client, [], again_after_expiry=True)("message-1", "hi")

    assert server.received == []


def test_what_expiry_pays_for_is_not_attempted_again(server: FakeServer, sync_client: creditgate.Client) -> None:
    how = {"again_after_expiry": True, "expiry_action": creditgate.ExpiryAction.COMMIT}

    with pytest.raises(TypeError, match="would be paid again"):
        sender(sync_client, [], **how)("message-1", "hi")

    assert server.received == []


def test_what_a_call_meets_by_itself_is_not_taken_for_its_own_message(
    server: FakeServer, sync_client: creditgate.Client
) -> None:
    @authorized(lambda: sync_client.authorize("acme", body="hi"))
    def send(_: Hold) -> None:
        raise errors.already_settled("another", ReservationState.COMMITTED)

    with pytest.raises(errors.AlreadyCommitted):
        send()

    assert settlements(server) == ["Release"]


def test_a_task_looks_like_its_function_without_the_hold(sync_client: creditgate.Client) -> None:
    send = sender(sync_client, [])

    assert (send.__name__, send.__doc__) == ("send", "Send a text.")
    assert list(inspect.signature(send).parameters) == ["message_id", "text"]


def test_a_generator_is_refused(sync_client: creditgate.Client) -> None:
    def send(hold: Hold) -> Iterator[str]:
        yield hold.reservation_id

    async def send_async(hold: Hold) -> Any:  # noqa: ANN401 -- refused before anything is typed
        yield hold.reservation_id

    for generator in (send, send_async):
        with pytest.raises(TypeError, match="is a generator"):
            authorized(lambda: sync_client.authorize("acme", body="hi"))(generator)


async def test_a_coroutine_function_runs_with_the_asyncio_client(server: FakeServer) -> None:
    sent: list[str] = []
    async with aio.Client(server.address) as client:

        @authorized(lambda message_id, text: client.authorize("acme", reservation_id=message_id, body=text))
        async def send(hold: aio.Hold, message_id: str, text: str) -> str:
            if text == "fail":
                raise SendFailed
            sent.append(hold.reservation_id)
            return f"{message_id} is sent"

        assert inspect.iscoroutinefunction(send)
        assert await send("message-1", "hi") == "message-1 is sent"
        with pytest.raises(SendFailed):
            await send("message-2", text="fail")
        server.script("Reserve", replay("message-1", ReservationState.COMMITTED))
        assert await send("message-1", "hi") is None

    assert (sent, settlements(server)) == (["message-1"], ["Commit", "Release"])


class Queue:
    """Delivers each task at least once: again after a failure, and now and then without reason."""

    def __init__(self, task: Callable[..., object], chance: random.Random) -> None:
        self._task = task
        self._chance = chance
        self._waiting: deque[tuple[object, ...]] = deque()

    def put(self, *arguments: object) -> None:
        self._waiting.append(arguments)

    def work(self) -> None:
        while self._waiting:
            arguments = self._waiting.popleft()
            try:
                self._task(*arguments)
            except (SendFailed, errors.Denied):
                self._waiting.append(arguments)
            else:
                if self._chance.random() < 0.5:
                    self._waiting.append(arguments)


def test_a_queue_that_delivers_again_sends_and_pays_once(
    creditgate_client: creditgate.Client, creditgate_account: str
) -> None:
    chance = random.Random(20)
    carried: list[str] = []

    @authorized(
        lambda message_id, text: creditgate_client.authorize(
            creditgate_account, reservation_id=message_id, attempts_max=20, body=text
        )
    )
    def send(_: Hold, message_id: str, text: str) -> None:
        if chance.random() < 0.4:
            raise SendFailed(text)
        carried.append(message_id)

    queue = Queue(send, chance)
    for number in range(25):
        queue.put(f"message-{number}", "Your table is ready")
    queue.work()

    assert sorted(carried) == sorted(f"message-{number}" for number in range(25))
    balance = creditgate_client.get_balance(creditgate_account).balance
    assert (balance.available, balance.reserved) == (1000 - 25, 0)


def test_a_task_that_was_denied_is_done_once_there_are_credits(
    creditgate_client: creditgate.Client, new_creditgate_account: AccountMaker
) -> None:
    account_id = new_creditgate_account(credits=0)
    carried: list[str] = []

    @authorized(lambda message_id: creditgate_client.authorize(account_id, reservation_id=message_id, segments=2))
    def send(hold: Hold, message_id: str) -> None:
        assert hold.reservation_id == message_id
        carried.append(message_id)

    with pytest.raises(errors.InsufficientCredits) as denied:
        send("message-1")
    creditgate_client.grant(account_id, denied.value.shortfall)
    send("message-1")
    send("message-1")

    assert carried == ["message-1"]
    assert creditgate_client.get_balance(account_id).balance.available == 0


def test_a_worker_that_outlived_its_hold_and_its_successor_pay_for_what_each_has_sent(
    creditgate_client: creditgate.Client, creditgate_account: str, creditgate_clock: Clock
) -> None:
    carried: list[str] = []

    @authorized(
        lambda message_id: creditgate_client.authorize(
            creditgate_account, reservation_id=message_id, ttl=60, attempts_max=2, again_after_expiry=True, segments=1
        )
    )
    def send(hold: Hold, message_id: str) -> None:
        carried.append(hold.reservation_id)
        if len(carried) == 1:  # the first one hangs, and the queue delivers again
            creditgate_clock.advance(61)
            send(message_id)

    send("message-1")

    assert carried == ["message-1", "message-1~2"]
    assert creditgate_client.get_balance(creditgate_account).balance.available == 998

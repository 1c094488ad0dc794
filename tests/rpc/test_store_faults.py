"""The store gone, frozen, read-only or refusing: a documented error, and nothing lost when it is back."""

from __future__ import annotations

import os
import signal
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tests.rpc.stores import frozen, store_of, store_pid, until

from creditgate.v1 import authorization_pb2

if TYPE_CHECKING:
    from tests.rpc.conftest import Api, ServerProcess

    Start = Callable[..., ServerProcess]
    Connect = Callable[[ServerProcess], Api]


def reserve(account_id: str, reservation_id: str) -> authorization_pb2.ReserveRequest:
    return authorization_pb2.ReserveRequest(
        account_id=account_id,
        reservation_id=reservation_id,
        usage={"channel": 1, "segments": 1},  # type: ignore[arg-type]
    )


def reserve_operation(reservation_id: str, account_id: str) -> authorization_pb2.Operation:
    return authorization_pb2.Operation(reserve=reserve(account_id, reservation_id))


@pytest.fixture
def directory(short_directory: Path, organisation: str) -> Path:
    """A place for data that a store's socket fits into."""
    return short_directory / organisation


@pytest.fixture
def keeper(start: Start, directory: Path) -> ServerProcess:
    """A server for the sake of its store."""
    return start(directory)


@pytest.fixture
def guest(start: Start, keeper: ServerProcess) -> ServerProcess:
    """A server on the keeper's store, as on any that is not embedded."""
    return start(REDIS_URL=f"unix://{keeper.data_dir}/store.sock")


def test_a_store_that_is_gone_is_unavailable_until_it_is_back(
    keeper: ServerProcess, guest: ServerProcess, start: Start, connect: Connect, organisation: str
) -> None:
    api = connect(guest)
    api.open_account(organisation, 10)
    keeper.stop()

    refusal = api.refusal("AuthorizationService/Reserve", reserve(organisation, "r"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNREACHABLE")
    assert refusal.retry_delay_ms
    until(lambda: not api.is_serving())

    start(keeper.data_dir)
    until(api.is_serving)
    assert api.available(organisation) == 10
    assert api.reserve(organisation, "r").credits == 1


def test_the_embedded_store_comes_back_by_itself_when_it_dies(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)

    os.kill(store_pid(keeper), signal.SIGKILL)

    def answers() -> bool:
        return api.code("AuthorizationService/Reserve", reserve(organisation, "r").SerializeToString()) is (
            grpc.StatusCode.OK
        )

    until(answers)
    until(lambda: any("store_restarted" in line for line in keeper.output))


def test_a_frozen_store_is_answered_in_time_and_has_one_effect_after_the_thaw(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)
    request = reserve(organisation, "r")

    with frozen(store_pid(keeper)):
        refusal = api.refusal("AuthorizationService/Reserve", request)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")
    assert (refusal.metadata["account_id"], refusal.metadata["reservation_id"]) == (organisation, "r")
    until(api.is_serving)
    assert api.authorization.Reserve(request).credits == 1
    assert api.available(organisation) == 9


def test_a_batch_in_a_frozen_store_says_of_each_operation_that_it_is_not_known(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)
    batch = authorization_pb2.BatchRequest(operations=[reserve_operation(name, organisation) for name in ("r", "s")])

    with frozen(store_pid(keeper)):
        errors = [result.error for result in api.authorization.Batch(batch).results]

    assert [error.reason for error in errors] == ["OUTCOME_UNKNOWN"] * 2
    assert [error.metadata["reservation_id"] for error in errors] == ["r", "s"]
    assert all(error.HasField("retry_delay") for error in errors)
    until(api.is_serving)
    assert [result.reserve.credits for result in api.authorization.Batch(batch).results] == [1, 1]
    assert api.available(organisation) == 8


def test_an_atomic_batch_in_a_frozen_store_is_not_known_as_a_whole(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)
    operations = [reserve_operation(name, organisation) for name in ("r", "s")]
    batch = authorization_pb2.BatchRequest(operations=operations, atomic=True)

    with frozen(store_pid(keeper)):
        refusal = api.refusal("AuthorizationService/Batch", batch)

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "OUTCOME_UNKNOWN")
    assert refusal.retry_delay_ms
    until(api.is_serving)
    assert [result.reserve.credits for result in api.authorization.Batch(batch).results] == [1, 1]
    assert api.available(organisation) == 8


def test_a_read_only_store_refuses_changes_and_answers_questions(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)
    with store_of(keeper) as store:
        store.replicaof("127.0.0.1", "1")

        refusal = api.refusal("AuthorizationService/Reserve", reserve(organisation, "r"))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_READ_ONLY")
        assert refusal.retry_delay_ms
        assert api.available(organisation) == 10

        store.replicaof("NO", "ONE")
    assert api.reserve(organisation, "r").credits == 1


def test_a_full_store_refuses_reserves_and_settles_holds(
    keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(keeper)
    api.open_account(organisation, 10)
    api.reserve(organisation, "held")
    with store_of(keeper) as store:
        store.config_set("maxmemory", "1")

        refusal = api.refusal("AuthorizationService/Reserve", reserve(organisation, "r"))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL")
        release = authorization_pb2.ReleaseRequest(account_id=organisation, reservation_id="held")
        assert api.authorization.Release(release).restored == 1

        store.config_set("maxmemory", "0")
    assert api.available(organisation) == 10


def test_a_store_that_refuses_us_is_misconfigured_and_the_log_says_how(
    keeper: ServerProcess, guest: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(guest)
    api.open_account(organisation, 10)
    with store_of(keeper) as store:
        store.config_set("requirepass", "secret")
        store.client_kill_filter(_type="normal", skipme=True)

        refusal = api.refusal("AuthorizationService/Reserve", reserve(organisation, "r"))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_MISCONFIGURED")
        until(lambda: any("NOAUTH" in line for line in guest.output))

        store.config_set("requirepass", "")
    until(lambda: api.available(organisation) == 10)


def test_a_wrong_password_keeps_a_server_from_starting(
    keeper: ServerProcess, start_failure: Callable[..., Any]
) -> None:
    with store_of(keeper) as store:
        store.config_set("requirepass", "secret")

        failure = start_failure(REDIS_URL=f"unix://:not-it@{keeper.data_dir}/store.sock")

        store.config_set("requirepass", "")
    assert failure.status == 1
    assert "put the right user and password into its address" in failure.output
    assert "not-it" not in failure.output


class OldStore(socketserver.StreamRequestHandler):
    """Answers as a Redis 6.2 would, which has no function libraries."""

    INFORMATION = b"redis_version:6.2.14\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n"

    def handle(self) -> None:
        """Answer each command: an array of bulk strings, of which the first names it."""
        while header := self.rfile.readline():
            words = [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2] for _ in range(int(header[1:]))]
            replies = {
                b"PING": b"+PONG\r\n",
                b"INFO": b"$%d\r\n%s\r\n" % (len(self.INFORMATION), self.INFORMATION),
            }
            self.wfile.write(replies.get(words[0], b"-ERR unknown command\r\n"))


def test_an_old_store_keeps_a_server_from_starting(start_failure: Callable[..., Any]) -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), OldStore) as store:
        store.daemon_threads = True
        thread = threading.Thread(target=store.serve_forever)
        thread.start()

        failure = start_failure(REDIS_URL=f"redis://127.0.0.1:{store.server_address[1]}")

        store.shutdown()
        thread.join()
    assert failure.status == 1
    assert "its version is 6.2.14" in failure.output


def test_no_store_at_all_keeps_a_server_from_starting(start_failure: Callable[..., Any]) -> None:
    failure = start_failure(REDIS_URL="redis://user:hunter2@127.0.0.1:1")

    assert failure.status == 1
    assert "redis://***@127.0.0.1:1" in failure.output
    assert "hunter2" not in failure.output

"""Calls are made again until there is an answer, with the same id, within one deadline."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

import creditgate
from creditgate import Direction, errors
from creditgate.retries import RetryPolicy

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer


@dataclass(frozen=True)
class Mutation:
    """A call that changes something, and the field of its request that makes repeating it safe."""

    method: str
    id_field: str
    call: Callable[[creditgate.Client], object]


MUTATIONS = [
    Mutation("Reserve", "reservation_id", lambda client: client.reserve("acme", segments=1)),
    Mutation("Commit", "reservation_id", lambda client: client.commit("acme", "msg-1")),
    Mutation("Release", "reservation_id", lambda client: client.release("acme", "msg-1")),
    Mutation("Charge", "charge_id", lambda client: client.charge("acme", segments=1, direction=Direction.INBOUND)),
    Mutation("Commit", "commit_id", lambda client: client.commit("acme", "msg-1", credits=1, keep_open=True)),
    Mutation("Extend", "reservation_id", lambda client: client.extend("acme", "msg-1", 60)),
    Mutation("Refund", "refund_id", lambda client: client.refund("acme", charge_id="in-1")),
    Mutation("Grant", "grant_id", lambda client: client.grant("acme", 100)),
    Mutation("RevokeGrant", "grant_id", lambda client: client.revoke_grant("acme", "g1")),
    Mutation("Transfer", "transfer_id", lambda client: client.transfer("acme", "acme/field", 100)),
    Mutation("CloseAccount", "account_id", lambda client: client.close_account("acme")),
]
REPEATED = [
    ("UNAVAILABLE", "STORE_UNREACHABLE"),
    ("UNAVAILABLE", "STORE_READ_ONLY"),
    ("UNAVAILABLE", "OUTCOME_UNKNOWN"),
    ("RESOURCE_EXHAUSTED", "OVERLOADED"),
    ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"),
    ("CANCELLED", ""),  # by a server that stops
]
FINAL = [
    pytest.param("INVALID_ARGUMENT", "INVALID_FIELD", errors.InvalidRequest, id="invalid-field"),
    pytest.param("NOT_FOUND", "ACCOUNT_NOT_FOUND", errors.AccountNotFound, id="account-not-found"),
    pytest.param("ALREADY_EXISTS", "ID_REUSED", errors.IdReused, id="id-reused"),
    pytest.param("RESOURCE_EXHAUSTED", "STORE_FULL", errors.StoreFull, id="store-full"),
    pytest.param("UNAVAILABLE", "STORE_MISCONFIGURED", errors.StoreMisconfigured, id="store-misconfigured"),
    pytest.param("INTERNAL", "INTERNAL", errors.InternalError, id="internal"),
]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: f"{mutation.method} {mutation.id_field}")
@pytest.mark.parametrize("error", REPEATED, ids=" ".join)
def test_a_mutation_is_repeated_as_it_was(
    server: FakeServer, client: creditgate.Client, mutation: Mutation, error: tuple[str, str]
) -> None:
    failure = server.failure(*error)
    server.script(mutation.method, failure, failure, server.succeed)

    mutation.call(client)

    requests = [received.request for received in server.calls(mutation.method)]
    assert len(requests) == 3
    assert getattr(requests[0], mutation.id_field)
    assert requests[0] == requests[1] == requests[2]


@pytest.mark.parametrize("error", REPEATED, ids=" ".join)
def test_a_read_is_repeated(server: FakeServer, client: creditgate.Client, error: tuple[str, str]) -> None:
    server.script("Quote", server.failure(*error), server.succeed)
    server.script("ListGrants", server.failure(*error), server.succeed)

    client.quote("acme", segments=1)
    list(client.list_grants("acme"))

    assert (len(server.calls("Quote")), len(server.calls("ListGrants"))) == (2, 2)


@pytest.mark.parametrize(("code", "reason", "kind"), FINAL)
def test_what_would_fail_again_is_not_repeated(
    server: FakeServer, client: creditgate.Client, code: str, reason: str, kind: type[errors.CallFailed]
) -> None:
    server.script("Reserve", server.failure(code, reason))

    with pytest.raises(kind):
        client.reserve("acme", segments=1)

    assert len(server.calls("Reserve")) == 1


def test_repetition_ends_with_the_attempts(server: FakeServer, make_client: ClientMaker) -> None:
    client = make_client(retries=RetryPolicy(attempts_max=3, backoff_s=0.001))
    server.script("Reserve", server.failure("RESOURCE_EXHAUSTED", "OVERLOADED"))

    with pytest.raises(errors.Overloaded):
        client.reserve("acme", segments=1)

    assert len(server.calls("Reserve")) == 3


def test_an_attempt_that_gets_no_answer_leaves_time_for_another(server: FakeServer, make_client: ClientMaker) -> None:
    client = make_client(retries=RetryPolicy(attempt_timeout_s=0.1, backoff_s=0.001))
    server.script("Reserve", server.silence(), server.succeed)

    assert client.reserve("acme", segments=1).allowed
    assert len(server.calls("Reserve")) == 2


def test_a_call_ends_at_its_deadline(server: FakeServer, make_client: ClientMaker) -> None:
    client = make_client(timeout_s=30)
    server.script("Reserve", server.silence())

    with pytest.raises(errors.DeadlineExceeded, match=r"no answer from unix:.* in time"):
        client.reserve("acme", segments=1, timeout_s=0.2)


def test_every_attempt_has_a_deadline_and_the_same_request_id(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Quote", server.failure("UNAVAILABLE", "STORE_UNREACHABLE"), server.succeed)

    client.quote("acme", segments=1)

    first, second = server.calls("Quote")
    assert 0 < first.seconds_left < 3
    assert 0 < second.seconds_left < 3
    assert first.metadata["x-request-id"] == second.metadata["x-request-id"] != ""


def test_a_server_that_comes_back_is_found_within_the_deadline(server: FakeServer, make_client: ClientMaker) -> None:
    server.stop()
    with pytest.raises(errors.Unavailable):
        make_client(timeout_s=0.05).quote("acme", segments=1)
    client = make_client(retries=RetryPolicy())
    with pytest.raises(errors.Unavailable):
        client.quote("acme", segments=1, timeout_s=0.05)

    server.start()

    client.quote("acme", segments=1)


def test_a_call_whose_server_dies_is_made_again_with_its_id(server: FakeServer, make_client: ClientMaker) -> None:
    client = make_client(retries=RetryPolicy())
    server.script("Reserve", server.silence(), server.succeed)

    with ThreadPoolExecutor() as background:
        restarted = background.submit(server.restart_during, "Reserve")
        assert client.reserve("acme", segments=1).allowed
    restarted.result()

    first, second = (received.request for received in server.calls("Reserve"))
    assert first == second


def test_health_is_asked_once(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Check", server.failure("UNAVAILABLE"), server.succeed)

    with pytest.raises(errors.Unavailable):
        client.health()
    assert client.health("creditgate.v1.AuthorizationService") is creditgate.ServingStatus.SERVING
    assert [received.request.value for received in server.received] == ["", "creditgate.v1.AuthorizationService"]

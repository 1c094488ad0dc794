"""Every failure is one typed error that says what to do."""

from __future__ import annotations

import pickle
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import grpc
import grpc.aio
import pytest

import creditgate
from creditgate import errors
from creditgate._failures import CLASS_BY_REASON, failure_of
from creditgate.answers import Balance, Denial
from creditgate.retries import RetryPolicy
from creditgate.terms import DenialReason, ReservationState
from creditgate.v1.error_reason_pb2 import ErrorReason

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer

REASONS = [name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number]
ONCE = RetryPolicy(attempts_max=1)


def test_every_reason_of_the_interface_has_its_class() -> None:
    assert set(CLASS_BY_REASON) == set(REASONS)


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_becomes_its_class_with_what_the_server_said(
    server: FakeServer, make_client: ClientMaker, reason: str
) -> None:
    metadata = {"request_id": "0192f3c1", "reservation_id": "msg-1"}
    server.script("Commit", server.failure("UNAVAILABLE", reason, "what happened", metadata=metadata))

    with pytest.raises(CLASS_BY_REASON[reason], match=r"^what happened$") as raised:
        make_client(retries=ONCE).commit("acme", "msg-1")

    error = raised.value
    assert (error.code, error.reason, error.metadata) == ("UNAVAILABLE", reason, metadata)
    assert error.request_id == "0192f3c1"


def test_violations_name_field_and_bound(server: FakeServer, client: creditgate.Client) -> None:
    violations = {"usage.channel": "is required", "ttl": "must be 1 second to 7 days"}
    server.script("Reserve", server.failure("INVALID_ARGUMENT", "INVALID_FIELD", violations=violations))

    with pytest.raises(errors.InvalidRequest) as raised:
        client.reserve("acme", seconds=60)

    assert raised.value.violations == tuple(errors.Violation(*violation) for violation in violations.items())


def test_a_transfer_that_is_not_covered_tells_how_much_is_missing(
    server: FakeServer, client: creditgate.Client
) -> None:
    server.script(
        "Transfer", server.failure("FAILED_PRECONDITION", "INSUFFICIENT_CREDITS", metadata={"shortfall": "25"})
    )

    with pytest.raises(errors.TransferNotCovered) as raised:
        client.transfer("acme", "acme/field", 125)

    assert raised.value.shortfall == 25


def test_the_delay_that_the_server_asks_for_is_told(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Quote", server.failure("RESOURCE_EXHAUSTED", "OVERLOADED", retry_after_s=0.25))

    with pytest.raises(errors.Overloaded) as raised:
        make_client(retries=ONCE).quote("acme", body="hi")

    assert raised.value.retry_delay_s == 0.25


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("INVALID_ARGUMENT", errors.InvalidRequest),
        ("NOT_FOUND", errors.NotFound),
        ("UNAVAILABLE", errors.OutcomeUnknown),
        ("FAILED_PRECONDITION", errors.CallFailed),
    ],
)
def test_a_reason_that_a_newer_server_added_keeps_the_meaning_of_its_code(
    server: FakeServer, make_client: ClientMaker, code: str, kind: type[errors.CallFailed]
) -> None:
    server.script("Quote", server.failure(code, "ADDED_LATER", "a new case"))

    with pytest.raises(kind, match="a new case") as raised:
        make_client(retries=ONCE).quote("acme", body="hi")

    assert type(raised.value) is kind
    assert raised.value.reason == "ADDED_LATER"


def test_reasons_of_other_domains_are_not_taken_for_ours(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Quote", server.failure("UNAUTHENTICATED", "ID_REUSED", "who are you", domain="proxy.example"))

    with pytest.raises(errors.CallFailed, match="answered UNAUTHENTICATED: who are you") as raised:
        make_client(retries=ONCE).quote("acme", body="hi")

    assert type(raised.value) is errors.CallFailed
    assert raised.value.reason == ""


def test_no_server_says_how_to_start_or_find_one(make_client: ClientMaker) -> None:
    with pytest.raises(errors.Unavailable, match="no Creditgate server at unix:/nowhere: start one with") as raised:
        make_client("unix:/nowhere", retries=ONCE).quote("acme", body="hi")

    assert not isinstance(raised.value, errors.OutcomeUnknown)
    assert raised.value.request_id


@pytest.mark.parametrize(
    "details",
    [
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:50051: Connection refused",
        "connections to all backends failing; last error: UNKNOWN: ipv4:127.0.0.1:50051: Connection refused",
        "errors resolving nowhere:50051: [field:hostname lookup error:address lookup failed for nowhere:50051]",
        "DNS resolution failed for nowhere:50051: C-ares status is not ARES_SUCCESS",
    ],
)
def test_what_grpc_says_of_a_call_that_never_left_is_known(details: str) -> None:
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details)

    assert type(failure_of(error, "nowhere:50051", "id-1")) is errors.Unavailable


def test_a_lost_connection_leaves_the_outcome_open(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Reserve", server.hang_up)

    with pytest.raises(errors.OutcomeUnknown, match="was lost before an answer came"):
        make_client(retries=ONCE).reserve("acme", body="hi")


def test_a_method_that_the_server_lacks_says_so(server: FakeServer, make_client: ClientMaker) -> None:
    server.missing.add("GetBalance")

    with pytest.raises(errors.CallFailed, match="is older than this client library, or no Creditgate server"):
        make_client().get_balance("acme")


@pytest.fixture
def web_server() -> Iterator[str]:
    """Something that listens and does not speak gRPC."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_never_speaks_is_given_up_at_the_deadline(web_server: str, make_client: ClientMaker) -> None:
    with pytest.raises(errors.DeadlineExceeded):
        make_client(web_server).quote("acme", body="hi", timeout_s=0.2)


def test_a_closed_client_says_so(make_client: ClientMaker) -> None:
    client = make_client()
    client.close()

    with pytest.raises(RuntimeError, match="this client is closed"):
        client.quote("acme", body="hi")


DENIAL = Denial(
    reason=DenialReason.INSUFFICIENT_CREDITS,
    account_id="acme",
    shortfall=3,
    next_credit_time=datetime(2030, 1, 1, tzinfo=UTC),
)
BALANCE = Balance(
    account_id="acme/field",
    payer_id="acme",
    available=2,
    usable=2,
    reserved=0,
    debt=0,
    limit_left=None,
    units_left=0,
)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(errors.InsufficientCredits(DENIAL, BALANCE), id="denied"),
        pytest.param(errors.already_settled("msg-1", ReservationState.RELEASED), id="already-settled"),
        pytest.param(errors.not_committed("acme", "msg-1", errors.Overloaded("busy")), id="not-committed"),
        pytest.param(
            errors.Overloaded("busy", code="RESOURCE_EXHAUSTED", metadata={"a": "b"}, retry_delay_s=1.0),
            id="overloaded",
        ),
    ],
)
def test_errors_pass_between_processes(error: errors.CreditgateError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_the_tree_in_the_documentation_names_every_error() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}

    assert kinds <= set(re.findall(r"\w+", errors.__doc__ or ""))

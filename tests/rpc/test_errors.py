"""Failures as their callers see them: complete, bounded, and in step with `error_reason.proto`."""

from __future__ import annotations

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tests.rpc.documented import documented

from creditgate.v1 import error_reason_pb2
from creditgate_server.credit.operations import Release
from creditgate_server.engine import errors as engine_errors
from creditgate_server.rpc.errors import (
    CODES,
    RETRY_DELAYS_MS,
    DeadlineExceeded,
    Failure,
    MalformedRequest,
    error_of,
    failure_of,
    status_of,
)
from creditgate_server.rpc.parse.checks import VIOLATIONS_MAX, Checks, InvalidRequest

METADATA_BYTES_MAX = 8 * 1024
OPERATION = Release("acme", "r-1")
DOCUMENTED = documented()


def details(failure: Failure) -> dict[str, object]:
    status = status_pb2.Status.FromString(status_of(failure, "request-1"))
    kinds = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
    found: dict[str, object] = {}
    for packed in status.details:
        for kind in kinds:
            message = kind()
            if packed.Unpack(message):
                found[kind.__name__] = message
    return found


def operation_errors() -> list[type[engine_errors.OperationError]]:
    return engine_errors.OperationError.__subclasses__()


def test_every_reason_of_the_interface_has_a_code() -> None:
    names = {name.removeprefix("ERROR_REASON_") for name in error_reason_pb2.ErrorReason.keys()}  # noqa: SIM118

    assert CODES.keys() == names - {"UNSPECIFIED"}


@pytest.mark.parametrize("reason", sorted(CODES))
def test_the_code_is_the_one_that_the_interface_documents(reason: str) -> None:
    assert DOCUMENTED[reason].code == CODES[reason].name


@pytest.mark.parametrize("reason", sorted(CODES))
def test_the_interface_shows_a_sample(reason: str) -> None:
    assert DOCUMENTED[reason].sample["request_id"]


@pytest.mark.parametrize("reason", sorted(CODES))
def test_a_delay_to_retry_is_sent_where_the_interface_says_so(reason: str) -> None:
    assert ("google.rpc.RetryInfo" in DOCUMENTED[reason].details) == (reason in RETRY_DELAYS_MS)
    assert ("RetryInfo" in details(Failure(reason, "message"))) == (reason in RETRY_DELAYS_MS)


@pytest.mark.parametrize("reason", sorted(CODES))
def test_the_interface_says_whether_to_ask_again_and_why(reason: str) -> None:
    said = DOCUMENTED[reason]

    is_open = not said.has_no_effect
    assert is_open == (said.again == "yes, with the same id, to learn which.")
    assert (said.again == "yes, after the delay, with the same id.") == (reason in RETRY_DELAYS_MS and not is_open)
    assert said.again.startswith(("no, ", "yes, ", "after the remedy."))


@pytest.mark.parametrize("kind", operation_errors(), ids=lambda kind: kind.__name__)
def test_every_error_of_the_engine_has_a_code(kind: type[engine_errors.OperationError]) -> None:
    assert kind.reason in CODES


def test_an_error_of_the_engine_keeps_its_words_and_gets_the_ids() -> None:
    failure = failure_of(engine_errors.ParentNotFound("create it first", parent_id="acme"), OPERATION)

    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.message == "create it first"
    assert failure.metadata == {"account_id": "acme", "reservation_id": "r-1", "parent_id": "acme"}


def test_a_field_that_only_the_ledger_could_check_is_a_violation_too() -> None:
    failure = failure_of(engine_errors.InvalidField("page_token", "must be another"), OPERATION)

    assert failure.violations == (("page_token", "must be another"),)
    assert failure.metadata["field"] == "page_token"


def test_an_invalid_request_names_all_fields_and_says_the_first() -> None:
    failure = failure_of(InvalidRequest((("a", "must be 1"), ("b", "must be 2"))), None)

    assert (failure.reason, failure.message) == ("INVALID_FIELD", "a must be 1 (and 1 more)")
    bad_request = details(failure)["BadRequest"]
    assert isinstance(bad_request, error_details_pb2.BadRequest)
    assert [each.field for each in bad_request.field_violations] == ["a", "b"]


def test_undecodable_bytes_name_the_message_that_was_expected() -> None:
    failure = failure_of(MalformedRequest("creditgate.v1.ReserveRequest"), None)

    assert failure.reason == "MALFORMED_REQUEST"
    assert failure.metadata == {"message_type": "creditgate.v1.ReserveRequest"}


def test_a_deadline_carries_the_ids_to_ask_again_with() -> None:
    failure = failure_of(DeadlineExceeded(), OPERATION)

    assert failure.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert failure.metadata == {"account_id": "acme", "reservation_id": "r-1"}


def test_a_defect_says_nothing_of_its_exception() -> None:
    failure = failure_of(ValueError("redis://user:password@host"), OPERATION)

    assert failure.code is grpc.StatusCode.INTERNAL
    assert "password" not in failure.message + str(failure.metadata)


def test_every_error_names_domain_reason_and_request() -> None:
    info = details(Failure("STORE_FULL", "message", {"account_id": "acme"}))["ErrorInfo"]

    assert isinstance(info, error_details_pb2.ErrorInfo)
    assert (info.domain, info.reason) == ("creditgate", "STORE_FULL")
    assert info.metadata == {"account_id": "acme", "request_id": "request-1"}


@pytest.mark.parametrize("reason", sorted(CODES))
def test_an_operation_of_a_batch_fails_with_the_same_as_a_call(reason: str) -> None:
    failure = Failure(reason, "message", {"account_id": "acme"})

    error = error_of(failure, "request-1")

    status = status_pb2.Status.FromString(status_of(failure, "request-1"))
    assert (error.code, error.message, error.reason) == (status.code, status.message, reason)
    assert error.metadata == {"account_id": "acme", "request_id": "request-1"}
    assert error.HasField("retry_delay") == (reason in RETRY_DELAYS_MS)


def test_an_operation_of_a_batch_names_all_fields_in_its_message() -> None:
    error = error_of(failure_of(InvalidRequest((("a", "must be 1"), ("b", "must be 2"))), None), "request-1")

    assert error.message == "a must be 1; b must be 2"
    assert error.metadata["field"] == "a"


def test_the_largest_error_fits_into_what_clients_accept() -> None:
    checks = Checks()
    for position in range(2 * VIOLATIONS_MAX):
        checks.refuse(f"rules[{position}].maximum_segments", "must be a number and a rule in words " * 4)
    with pytest.raises(InvalidRequest) as refused:
        checks.finish()

    failure = failure_of(refused.value, None)

    size = len(status_of(failure, "r" * 128)) * 4 / 3 + len(failure.message)
    assert size < METADATA_BYTES_MAX

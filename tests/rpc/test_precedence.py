"""Which of several things that are wrong with a request is told: the order that docs/errors.md gives."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.rpc.ladders import DENIALS, LADDERS
from tests.rpc.rungs import ALWAYS, Ladder, Rung
from tests.rpc.scenes import Scene
from tests.rpc.stores import frozen, store_pid, until
from tests.rpc.wrongs import sms

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2
from creditgate.v1.authorization_pb2 import BatchRequest, Operation, ReleaseRequest, ReserveRequest
from creditgate.v1.decision_pb2 import DECISION_ALLOWED, DECISION_DENIED

if TYPE_CHECKING:
    from tests.rpc.conftest import Api, ServerProcess

PAGE = (Path(__file__).resolve().parents[2] / "docs/errors.md").read_text("utf-8")

METHODS = {
    method.name: f"{service.name}/{method.name}"
    for file in (accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}

Order = list[list[str]]
"""Names of what can be wrong, by place; those of one place exclude each other."""


def documented_orders() -> dict[str, Order]:
    """Read the table of the page, by method."""
    table = PAGE.partition("| method | order |\n|---|---|\n")[2].partition("\n\n")[0]
    found = {}
    for methods, order in re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.MULTILINE):
        places = [re.findall(r"`\w+`(?: \([a-z ]+\))?|denial", place) for place in order.split(" → ")]
        names = [[name.replace("`", "") for name in place] for place in places]
        found.update(dict.fromkeys(methods.split(", "), names))
    return found


ORDERS = documented_orders()


def places_of(ladder: Ladder) -> list[int]:
    """Find where the rungs of a ladder stand in the order of its method."""
    order = ORDERS[ladder.method]
    return [next(at for at, names in enumerate(order) if rung.name in names) for rung in ladder.rungs]


def is_first(ladder: Ladder) -> bool:
    """Whether no other ladder of the method comes before it: what is always looked at is tried once for each."""
    return next(each for each in LADDERS if each.method == ladder.method) is ladder


CASES = [
    pytest.param(ladder, at, id=f"{ladder}; {rung.name}")
    for ladder in LADDERS
    for at, rung in enumerate((*ALWAYS, *ladder.rungs))
    if rung not in ALWAYS or is_first(ladder)
]

DENIED_CASES = [
    pytest.param(ladder, at, id=f"{ladder}; {rung.name}") for ladder in DENIALS for at, rung in enumerate(ladder.rungs)
]


@pytest.fixture
def scene(server: ServerProcess, api: Api, organisation: str) -> Scene:
    return Scene(server, api, organisation)


@pytest.mark.parametrize("method", METHODS)
def test_every_order_of_the_page_is_tried_from_place_to_place(method: str) -> None:
    if method in {"Batch", "Stream"}:
        return  # what their operations have
    ladders = [ladder for ladder in LADDERS if ladder.method == method]
    order = ORDERS[method]

    tried = {rung.name for ladder in ladders for rung in ladder.rungs}
    steps = {step for ladder in ladders for step in pairwise(places_of(ladder))}

    assert tried == {name for names in order for name in names}
    assert set(pairwise(range(len(order)))) <= steps
    assert all(place < following for place, following in steps)


@pytest.mark.parametrize(("ladder", "at"), CASES)
def test_the_first_that_is_wrong_is_told(ladder: Ladder, at: int, scene: Scene) -> None:
    rung = (*ALWAYS, *ladder.rungs)[at]
    request = ladder.prepared(scene, at)

    if rung.denial:
        assert_denied(ladder, rung, scene.api.send(METHODS[ladder.method], request))
        return
    refused = scene.refusal(METHODS[ladder.method], request)

    assert refused.reason == rung.reason
    assert rung.field in {"", *refused.violations}


@pytest.mark.parametrize("ladder", LADDERS, ids=str)
def test_where_nothing_is_wrong_it_is_done(ladder: Ladder, scene: Scene) -> None:
    answer = scene.api.send(METHODS[ladder.method], ladder.prepared(scene, len(ALWAYS) + len(ladder.rungs)))

    if ladder.method in {"Quote", "Reserve", "Charge"}:
        assert response_of(ladder, answer).decision == DECISION_ALLOWED


def response_of(ladder: Ladder, answer: bytes) -> authorization_pb2.ReserveResponse:
    """Read the answer of a method that decides."""
    response_type = getattr(authorization_pb2, f"{ladder.method}Response")
    response: authorization_pb2.ReserveResponse = response_type.FromString(answer)
    return response


def assert_denied(ladder: Ladder, rung: Rung, answer: bytes) -> None:
    response = response_of(ladder, answer)
    assert (response.decision, response.denial.reason) == (DECISION_DENIED, rung.denial)


@pytest.mark.parametrize(("ladder", "at"), DENIED_CASES)
def test_of_several_denials_status_is_told_before_price_and_price_before_credits(
    ladder: Ladder, at: int, scene: Scene
) -> None:
    request = ladder.prepared(scene, len(ALWAYS) + at)

    assert_denied(ladder, ladder.rungs[at], scene.api.send(METHODS[ladder.method], request))


def test_a_batch_is_looked_at_as_a_whole_before_its_operations(scene: Scene) -> None:
    wrong = Operation(reserve=ReserveRequest())
    too_many = BatchRequest(operations=[wrong] * 1001)

    assert list(scene.refusal("AuthorizationService/Batch", too_many).violations) == ["operations"]


def test_an_atomic_batch_is_refused_for_what_requests_tell_before_the_ledger_is_asked(scene: Scene) -> None:
    unknown = Operation(release=ReleaseRequest(account_id=scene.root, reservation_id="unknown"))
    wrong = Operation(release=ReleaseRequest(account_id=scene.root))
    batch = BatchRequest(operations=[unknown, wrong, wrong], atomic=True)

    refused = scene.refusal("AuthorizationService/Batch", batch)

    fields = [f"operations[{at}].release.reservation_id" for at in (1, 2)]
    assert (refused.reason, list(refused.violations)) == ("INVALID_FIELD", fields)


def test_the_operations_of_a_batch_fail_each_for_its_own_first_reason(scene: Scene) -> None:
    scene.open()
    wrong = Operation(release=ReleaseRequest(account_id=scene.path("nowhere")))
    nowhere = Operation(release=ReleaseRequest(account_id=scene.path("nowhere"), reservation_id="r"))
    unknown = Operation(release=ReleaseRequest(account_id=scene.root, reservation_id="r"))
    batch = BatchRequest(operations=[unknown, nowhere, wrong])

    reasons = [result.error.reason for result in scene.api.authorization.Batch(batch).results]

    assert reasons == ["RESERVATION_NOT_FOUND", "ACCOUNT_NOT_FOUND", "INVALID_FIELD"]


def test_what_a_request_tells_of_itself_is_told_while_the_store_is_away(
    mistreated: tuple[ServerProcess, Api], organisation: str
) -> None:
    scene = Scene(*mistreated, organisation)
    request = ReserveRequest(account_id=organisation, reservation_id="r")

    with frozen(store_pid(scene.server)):
        malformed = scene.refusal_at_once("AuthorizationService/Reserve", request.SerializeToString() + b"\xff")
        invalid = scene.refusal_at_once("AuthorizationService/Reserve", request)
        valid = scene.refusal_at_once(
            "AuthorizationService/Reserve", ReserveRequest(account_id=organisation, usage=sms())
        )
    until(scene.api.is_serving)

    assert (malformed.reason, invalid.reason) == ("MALFORMED_REQUEST", "INVALID_FIELD")
    assert valid.reason == "OUTCOME_UNKNOWN"

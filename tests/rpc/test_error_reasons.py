"""Every reason of `error_reason.proto` can be reached, and looks as its comment and docs/errors.md say."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.fuzz.canaries import seen_in
from tests.rpc.documented import documented
from tests.rpc.provocations import BY_REQUEST
from tests.rpc.scenes import Scene
from tests.rpc.store_provocations import BY_END, BY_STORE

from creditgate.v1.error_reason_pb2 import ErrorReason

if TYPE_CHECKING:
    from tests.rpc.conftest import Api, Failed, ServerProcess

REASONS = sorted(
    name.removeprefix("ERROR_REASON_")
    for name in ErrorReason.keys()  # noqa: SIM118 (it is no dict)
    if name != "ERROR_REASON_UNSPECIFIED"
)

MESSAGE_CHARACTERS_MAX = 200

DOCUMENTED = documented()


@pytest.fixture
def scene(server: ServerProcess, api: Api, organisation: str) -> Scene:
    """An organisation on the server that most tests share."""
    return Scene(server, api, organisation)


def assert_as_documented(told: Failed, reason: str) -> None:
    """Hold a failure against what the interface says of its reason."""
    said = DOCUMENTED[reason]
    assert (told.reason, told.code.name) == (reason, said.code)
    assert told.metadata.keys() == said.sample.keys()
    assert bool(told.violations) == ("google.rpc.BadRequest" in said.details)
    assert (told.retry_delay_ms is not None) == ("google.rpc.RetryInfo" in said.details)
    assert told.message.isprintable()
    assert 10 < len(told.message) <= MESSAGE_CHARACTERS_MAX
    assert not {"Error", "Traceback", "None", "{"} & set(told.message.split())


def test_every_reason_has_its_provocation() -> None:
    assert sorted([*BY_REQUEST, *BY_STORE, *BY_END]) == REASONS


@pytest.mark.parametrize("reason", BY_REQUEST)
def test_a_request_that_cannot_be_is_refused_with_its_reason(reason: str, scene: Scene) -> None:
    scene.open(credits_=1000)

    told = BY_REQUEST[reason](scene)

    assert_as_documented(told, reason)
    assert DOCUMENTED[reason].has_no_effect


@pytest.mark.parametrize("reason", BY_STORE)
def test_a_store_that_fails_is_told_with_its_reason(
    reason: str, mistreated: tuple[ServerProcess, Api], organisation: str
) -> None:
    scene = Scene(*mistreated, organisation)
    scene.open(credits_=1000)

    told = BY_STORE[reason](scene)

    assert_as_documented(told, reason)
    assert not seen_in("".join(scene.server.output).encode())


@pytest.mark.parametrize("reason", BY_END)
def test_a_server_that_ends_says_so(
    reason: str, start: Callable[..., ServerProcess], connect: Callable[[ServerProcess], Api], organisation: str
) -> None:
    server = start()

    told = BY_END[reason](Scene(server, connect(server), organisation))

    assert_as_documented(told, reason)
    assert server.process.wait(20) == 0

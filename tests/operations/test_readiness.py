"""Readiness: said alike over gRPC, HTTP and by the command, when it should be and not before."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import grpc
import pytest
from tests.operations.observing import PATIENCE_S, frozen_store, metric, page, said, until
from tests.rpc.conftest import failed, reserve_request

if TYPE_CHECKING:
    from tests.operations.observing import Connect, Start
    from tests.rpc.conftest import ServerProcess


def status_of_command(server: ServerProcess) -> int:
    """Ask as the image's health check does; give the exit status."""
    command = [sys.executable, "-m", "creditgate_server", "health", "--target", server.target]
    return subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S).returncode


def test_a_store_that_stays_silent_takes_a_server_out_of_service_and_a_short_silence_does_not(
    start: Start, connect: Connect, organisation: str
) -> None:
    server = start(METRICS_LISTEN="127.0.0.1:0")
    api = connect(server)
    api.open_account(organisation, 5)

    with frozen_store(server):
        # For longer than the store is asked again, and has time for its answer.
        refusals = [api.refusal("AuthorizationService/Reserve", reserve_request(organisation, "r")) for _ in range(4)]
    assert {refusal.reason for refusal in refusals} <= {"OUTCOME_UNKNOWN", "STORE_UNREACHABLE"}
    assert api.reserve(organisation, "r").credits == 1
    assert page(server, "/readyz") == (200, "serving\n")
    assert not said(server, "store_lost")

    with frozen_store(server):
        until(lambda: page(server, "/readyz") == (503, "its store is of no use\n"))
        assert not api.is_serving()
        assert status_of_command(server) == 1
        assert page(server, "/livez") == (200, "live\n")
        assert said(server, "store_lost")
    until(api.is_serving)
    assert page(server, "/readyz") == (200, "serving\n")
    assert status_of_command(server) == 0
    assert said(server, "store_back")


def test_what_is_asked_after_the_drain_began_is_told_so(start: Start, connect: Connect, organisation: str) -> None:
    server = start(STORE_TIMEOUT_MS="10000", METRICS_LISTEN="127.0.0.1:0")
    api = connect(server)
    api.open_account(organisation, 5)

    with frozen_store(server):
        call = api.authorization.Reserve.future(reserve_request(organisation, "begun"))
        until(lambda: metric(server, "creditgate_calls_under_way") == 1)
        server.process.terminate()
        until(lambda: said(server, "draining"))
        with pytest.raises(grpc.RpcError) as raised:
            api.reserve(organisation, "refused")
    assert failed(raised.value).reason == "SHUTTING_DOWN"
    assert call.result().credits == 1
    assert server.process.wait(PATIENCE_S) == 0

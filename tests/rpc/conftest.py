"""A real server in a process of its own, and ways to speak to it: stubs, and bytes as they are."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from creditgate.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    authorization_pb2,
    authorization_pb2_grpc,
    credits_pb2,
    credits_pb2_grpc,
    rate_cards_pb2_grpc,
    usage_pb2,
)
from creditgate_server.rpc.parse.checks import InvalidRequest

RUN = """
import os, sys
from creditgate_server.app import run
from creditgate_server.settings import load_settings
sys.exit(run(load_settings({}, os.environ)))
"""
"""The server as `creditgate serve` runs it, told by its environment."""

PATIENCE_S = 20.0
"""Far beyond what any of it takes."""


@dataclass
class ServerProcess:
    """A server that has said that it serves; `output` is what it has said so far, logs included."""

    process: subprocess.Popen[str]
    target: str
    data_dir: Path
    output: list[str] = field(default_factory=list)

    def stop(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end, and give its exit status."""
        self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE_S)


class StartFailed(Exception):
    """A server ended before it served; its words, and its exit status."""

    def __init__(self, output: str, status: int) -> None:
        super().__init__(output)
        self.output = output
        self.status = status


@contextmanager
def running_server(directory: Path, **settings: str) -> Iterator[ServerProcess]:
    """Run a server with its data in `directory` on a free port, and end it. Raises StartFailed."""
    options = {
        "DATA_DIR": str(directory),
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "off",
        "LOG_FORMAT": "json",
        **settings,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CREDITGATE_")}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        env=kept | {f"CREDITGATE_{name}": value for name, value in options.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    output: list[str] = []
    assert process.stdout is not None
    with process.stdout, ExitStack() as stack:
        stack.callback(_end, process)
        target = _read_until_serving(process, output)
        reader = threading.Thread(target=output.extend, args=(process.stdout,))
        reader.start()
        stack.callback(reader.join)
        stack.callback(_end, process)
        yield ServerProcess(process, target, directory, output)


def _read_until_serving(process: subprocess.Popen[str], output: list[str]) -> str:
    assert process.stdout is not None
    watchdog = threading.Timer(PATIENCE_S, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            output.append(line)
            if line.startswith("Creditgate ") and " serves on " in line:
                return line.partition(" serves on ")[2].strip()
    finally:
        watchdog.cancel()
    raise StartFailed("".join(output), process.wait(PATIENCE_S))


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(PATIENCE_S)


@dataclass(frozen=True)
class Failed:
    """A failed call as its caller sees it."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]
    retry_delay_ms: int | None


class NoDetails(Exception):
    """An error does not come from our code: gRPC itself, here or there, has ended the call."""


def failed(error: grpc.RpcError) -> Failed:
    """Read the details of an error, which must be complete. Raises NoDetails."""
    trailing: dict[str, Any] = {each.key: each.value for each in error.trailing_metadata() or ()}
    if "grpc-status-details-bin" not in trailing:
        raise NoDetails(f"{error.code()}: {error.details()}")
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    assert status.message == error.details()
    info, bad_request, retry = (
        error_details_pb2.ErrorInfo(),
        error_details_pb2.BadRequest(),
        error_details_pb2.RetryInfo(),
    )
    kinds = {detail.TypeName() for detail in status.details}
    for detail in status.details:
        assert detail.Unpack(info) or detail.Unpack(bad_request) or detail.Unpack(retry)
    assert info.domain == "creditgate"
    assert info.metadata["request_id"] == trailing["x-request-id"]
    return Failed(
        code=error.code(),
        message=status.message,
        reason=info.reason,
        metadata=dict(info.metadata),
        violations={each.field: each.description for each in bad_request.field_violations},
        retry_delay_ms=retry.retry_delay.ToMilliseconds() if "google.rpc.RetryInfo" in kinds else None,
    )


class Api:
    """The services of one server."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.authorization = authorization_pb2_grpc.AuthorizationServiceStub(channel)
        self.accounts = accounts_pb2_grpc.AccountServiceStub(channel)
        self.credits = credits_pb2_grpc.CreditServiceStub(channel)
        self.rate_cards = rate_cards_pb2_grpc.RateCardServiceStub(channel)

    def send(
        self, method: str, data: bytes, metadata: tuple[tuple[str, str], ...] = (), timeout_s: float = PATIENCE_S
    ) -> bytes:
        """Send bytes as they are to a method such as `AuthorizationService/Reserve`; give the answer's."""
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(f"/creditgate.v1.{method}")
        return call(data, timeout=timeout_s, metadata=metadata)

    def code(self, method: str, data: bytes) -> grpc.StatusCode:
        """Send bytes as they are, and give the code of the answer."""
        try:
            self.send(method, data)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def refusal(self, method: str, request: Message | bytes) -> Failed:
        """Call a method that must fail, and give the failure."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        with pytest.raises(grpc.RpcError) as raised:
            self.send(method, data)
        return failed(raised.value)

    def open_account(self, account_id: str, credits_: int = 0) -> str:
        """Create an account, with so many credits of one grant `first`."""
        account = accounts_pb2.Account(account_id=account_id)
        self.accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account))
        if credits_:
            grant = credits_pb2.GrantRequest(account_id=account_id, grant_id="first", credits=credits_)
            self.credits.Grant(grant)
        return account_id

    def is_serving(self) -> bool:
        """Ask for the server's health."""
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary("/grpc.health.v1.Health/Check")
        status = health_pb2.HealthCheckResponse.FromString(call(b"", timeout=PATIENCE_S)).status
        return status == health_pb2.HealthCheckResponse.SERVING

    def watch_health(self) -> Iterator[bool]:
        """Be told of the server's health, and of every change of it."""
        call: grpc.UnaryStreamMultiCallable[bytes, bytes] = self.channel.unary_stream("/grpc.health.v1.Health/Watch")
        for answer in call(b"", timeout=PATIENCE_S):
            status = health_pb2.HealthCheckResponse.FromString(answer).status
            yield status == health_pb2.HealthCheckResponse.SERVING

    def reserve(self, account_id: str, reservation_id: str = "", **usage: object) -> authorization_pb2.ReserveResponse:
        """Reserve an SMS, of one segment unless `usage` says otherwise."""
        return self.authorization.Reserve(reserve_request(account_id, reservation_id, **usage))

    def available(self, account_id: str) -> int:
        """Read how many credits an account has left."""
        answer = self.accounts.GetBalance(accounts_pb2.GetBalanceRequest(account_id=account_id))
        return answer.balance.available


def reserve_request(account_id: str, reservation_id: str = "", **usage: object) -> authorization_pb2.ReserveRequest:
    """Make a request for an SMS, of one segment unless `usage` says otherwise."""
    fields: dict[str, object] = {"channel": usage_pb2.CHANNEL_SMS, **(usage or {"segments": 1})}
    return authorization_pb2.ReserveRequest(
        account_id=account_id,
        reservation_id=reservation_id,
        usage=usage_pb2.Usage(**fields),  # type: ignore[arg-type]
    )


@contextmanager
def api_of(target: str) -> Iterator[Api]:
    """Speak to a server by a connection of its own."""
    with grpc.insecure_channel(target, options=(("grpc.use_local_subchannel_pool", 1),)) as channel:
        yield Api(channel)


@pytest.fixture(scope="session")
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for sockets, whatever the system's temporary directory is."""
    directory = Path(tempfile.mkdtemp(prefix="cg-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def server(short_directory: Path) -> Iterator[ServerProcess]:
    """One server for all tests of a worker process that leave it as it is; keep apart by organisation."""
    with running_server(short_directory / "shared", DURABILITY="memory") as process:
        yield process


@pytest.fixture(scope="session")
def api(server: ServerProcess) -> Iterator[Api]:
    """The shared server's services."""
    with api_of(server.target) as services:
        yield services


@pytest.fixture(scope="session")
def mistreated(short_directory: Path) -> Iterator[tuple[ServerProcess, Api]]:
    """A server whose store tests may mistreat, if it is well again after each; a second call that waits is too much."""
    directory = short_directory / "mistreated"
    with running_server(directory, DURABILITY="memory", QUEUE_MAX="1") as process, api_of(process.target) as services:
        yield process, services


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., ServerProcess]]:
    """Start servers of a test's own, each with a directory of its own unless one is named."""
    with ExitStack() as stack:

        def run(directory: Path | None = None, **settings: str) -> ServerProcess:
            place = directory or tmp_path_factory.mktemp("server") / "data"
            return stack.enter_context(running_server(place, **{"DURABILITY": "memory", **settings}))

        yield run


@pytest.fixture
def violations() -> Callable[[Callable[[Any], object], Message], dict[str, str]]:
    """Parse a request that must be refused, and give what is wrong with it, by field."""

    def refused(parse: Callable[[Any], object], request: Message) -> dict[str, str]:
        with pytest.raises(InvalidRequest) as raised:
            parse(request)
        return dict(raised.value.violations)

    return refused


@pytest.fixture
def start_failure(start: Callable[..., ServerProcess]) -> Callable[..., StartFailed]:
    """Start a server that must not come up, and give what it said."""

    def fail(**settings: str) -> StartFailed:
        with pytest.raises(StartFailed) as raised:
            start(**settings)
        return raised.value

    return fail


@pytest.fixture
def connect() -> Iterator[Callable[[ServerProcess], Api]]:
    """Speak to servers of a test's own."""
    with ExitStack() as stack:
        yield lambda process: stack.enter_context(api_of(process.target))

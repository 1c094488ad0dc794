"""A server that answers as a test tells it, and both clients behind one face."""

from __future__ import annotations

import asyncio
import inspect
import shutil
import tempfile
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.wrappers_pb2 import Int32Value, StringValue
from google.rpc.code_pb2 import Code
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc_status.rpc_status import to_status

import creditgate
from creditgate import ServingStatus, aio
from creditgate._channel import HEALTH_CHECK, Options
from creditgate.retries import DEFAULT_TIMEOUT_S, RetryPolicy
from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, decision_pb2, rate_cards_pb2, reservation_pb2

HEALTH_WATCH = "/grpc.health.v1.Health/Watch"

Answer = Callable[[Message, grpc.ServicerContext], Message]
Step = Message | Answer

METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in (accounts_pb2, authorization_pb2, credits_pb2, rate_cards_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}


@dataclass(frozen=True)
class Received:
    """A call as the server saw it."""

    method: str
    request: Any
    metadata: Mapping[str, str]
    seconds_left: float


class FakeServer(grpc.GenericRpcHandler):
    """Answers each method with the steps of its script, one a call; the last one stays. Without a script, it allows."""

    def __init__(self, address: str, options: Options = ()) -> None:
        self.address = address
        self.options = options
        self.received: list[Received] = []
        self.missing: set[str] = set()
        self._script: dict[str, deque[Step]] = defaultdict(deque)
        self._arrived = threading.Condition()
        self._serves = True
        self._server: grpc.Server | None = None

    def start(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(8), handlers=[self], options=self.options)
        port = self._server.add_insecure_port(self.address)
        if self.address.endswith(":0"):
            self.address = f"{self.address.removesuffix('0')}{port}"
        self._server.start()

    def stop(self) -> None:
        """Hang up on everybody."""
        if self._server is not None:
            self._server.stop(grace=None).wait()
            self._server = None

    def script(self, method: str, *steps: Step) -> None:
        self._script[method] = deque(steps)

    def deny(self, reason: int, shortfall: int) -> None:
        """Script a Reserve of acme/field that acme denies."""
        denial = decision_pb2.Denial(reason=cast("Any", reason), account_id="acme", shortfall=shortfall)
        denied = authorization_pb2.ReserveResponse(decision=decision_pb2.DECISION_DENIED, denial=denial)
        denied.balance.account_id = "acme/field"
        self.script("Reserve", denied)

    def failure(  # noqa: PLR0913 -- all but three by keyword
        self,
        code: str,
        reason: str = "",
        message: str = "it failed",
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        domain: str = "creditgate",
    ) -> Step:
        """A step that fails, with the details that a server sends."""
        status = Status(code=Code.Value(code), message=message)
        if reason:
            status.details.add().Pack(ErrorInfo(reason=reason, domain=domain, metadata=metadata or {}))
        if violations:
            listed = [BadRequest.FieldViolation(field=f, description=d) for f, d in violations.items()]
            status.details.add().Pack(BadRequest(field_violations=listed))
        if retry_after_s is not None:
            retry = RetryInfo()
            retry.retry_delay.FromMilliseconds(round(retry_after_s * 1000))
            status.details.add().Pack(retry)

        def fail(_: Message, context: grpc.ServicerContext) -> Message:
            context.abort_with_status(to_status(status))

        return fail

    def succeed(self, request: Message, context: grpc.ServicerContext) -> Message:  # noqa: ARG002 -- a step has both
        """A step that answers as if there were no end of credits."""
        return allow(request)

    def silence(self) -> Answer:
        """A step that keeps its caller waiting until that one gives up, or the server stops."""

        def wait(request: Message, context: grpc.ServicerContext) -> Message:
            given_up = threading.Event()
            if context.add_callback(given_up.set):
                given_up.wait()
            return allow(request)

        return wait

    def hang_up(self, request: Message, context: grpc.ServicerContext) -> Message:
        """A step that ends the connection instead of answering."""
        assert self._server is not None
        self._server.stop(grace=None)
        return self.silence()(request, context)

    def calls(self, method: str) -> list[Received]:
        return [call for call in self.received if call.method == method]

    def wait_for(self, method: str) -> None:
        """Wait until a method has been called."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: bool(self.calls(method)), timeout=20), self.received

    def restart_during(self, method: str) -> None:
        """Hang up on a call of this method, and be there again."""
        self.wait_for(method)
        self.stop()
        self.start()

    def say(self, *, serves: bool) -> None:
        """Tell all who watch whether this server serves, and do as before."""
        with self._arrived:
            self._serves = serves
            self._arrived.notify_all()

    def _watched(self, _: StringValue, context: grpc.ServicerContext) -> Iterator[Int32Value]:
        context.add_callback(lambda: self.say(serves=self._serves))
        while context.is_active():
            told = self._serves
            yield Int32Value(value=ServingStatus.SERVING if told else ServingStatus.NOT_SERVING)
            with self._arrived:
                while self._serves is told and context.is_active():
                    self._arrived.wait()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        path = handler_call_details.method
        if path == HEALTH_WATCH:
            return grpc.unary_stream_rpc_method_handler(
                self._watched, StringValue.FromString, Int32Value.SerializeToString
            )
        if path == HEALTH_CHECK:
            request_type: type[Message] = StringValue
        elif path in METHODS and METHODS[path].name not in self.missing:
            request_type = GetMessageClass(METHODS[path].input_type)
        else:
            return None
        name = path.rpartition("/")[2]

        def handle(request: Message, context: grpc.ServicerContext) -> Message:
            metadata = {key: str(value) for key, value in context.invocation_metadata()}
            with self._arrived:
                self.received.append(Received(name, request, metadata, context.time_remaining()))
                steps = self._script[name]
                step = self.succeed if not steps else steps[0] if len(steps) == 1 else steps.popleft()
                self._arrived.notify_all()
            return step if isinstance(step, Message) else step(request, context)

        return grpc.unary_unary_rpc_method_handler(
            handle,
            request_deserializer=request_type.FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )


def allow(request: Message) -> Message:
    match request:
        case authorization_pb2.ReserveRequest():
            response = authorization_pb2.ReserveResponse(
                reservation_id=request.reservation_id,
                decision=decision_pb2.DECISION_ALLOWED,
                state=reservation_pb2.RESERVATION_STATE_PENDING,
                credits=1,
                recipients_granted=request.usage.recipient_count or 1,
            )
            response.expire_time.FromSeconds(1_900_000_000)
            return response
        case authorization_pb2.CommitRequest():
            return authorization_pb2.CommitResponse(
                state=reservation_pb2.RESERVATION_STATE_COMMITTED, credits=request.credits or 1
            )
        case authorization_pb2.ReleaseRequest():
            return authorization_pb2.ReleaseResponse(state=reservation_pb2.RESERVATION_STATE_RELEASED, restored=1)
        case StringValue():
            return Int32Value(value=1)
        case _:
            answers = (method.output_type for method in METHODS.values() if method.input_type is request.DESCRIPTOR)
            return GetMessageClass(next(answers))()


class Blocking:
    """An asyncio client, or a hold of one, that can be called without `await`: one test then speaks for both."""

    def __init__(self, wrapped: object, runner: asyncio.Runner) -> None:
        self._wrapped = wrapped
        self._runner = runner

    def __getattr__(self, name: str) -> object:
        attribute = getattr(self._wrapped, name)
        return (lambda *a, **k: self._driven(attribute(*a, **k))) if inspect.ismethod(attribute) else attribute

    def _driven(self, result: object) -> object:
        if inspect.iscoroutine(result):
            return self._runner.run(result)
        if inspect.isasyncgen(result):
            return self._iterated(result)
        return self._entered(result) if isinstance(result, AbstractAsyncContextManager) else result

    def _iterated(self, generator: AsyncIterator[object]) -> Iterator[object]:
        async def step() -> object:
            return await anext(generator, end)

        end = object()
        while (item := self._runner.run(step())) is not end:
            yield item

    @contextmanager
    def _entered(self, manager: AbstractAsyncContextManager[object]) -> Iterator[object]:
        async def leave(error: BaseException | None) -> bool | None:
            return await manager.__aexit__(type(error) if error else None, error, None)

        async def enter() -> object:
            return await manager.__aenter__()

        hold = self._runner.run(enter())
        try:
            yield Blocking(hold, self._runner)
        except BaseException as error:
            if not self._runner.run(leave(error)):
                raise
        else:
            self._runner.run(leave(None))


@pytest.fixture
def address() -> Iterator[str]:
    """An address for a server; short, for the path of a socket is bounded."""
    directory = Path(tempfile.mkdtemp(prefix="cg-"))
    yield f"unix:{directory}/s"
    shutil.rmtree(directory)


@pytest.fixture
def server(address: str) -> Iterator[FakeServer]:
    fake = FakeServer(address)
    fake.start()
    yield fake
    fake.stop()


QUICK = RetryPolicy(backoff_s=0.001, backoff_s_max=0.002)


class ClientMaker(Protocol):
    """Makes a client of the kind that the test runs with."""

    def __call__(
        self, target: str | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S, retries: RetryPolicy = QUICK
    ) -> creditgate.Client: ...


@pytest.fixture(params=["sync", "aio"])
def make_client(request: pytest.FixtureRequest, address: str) -> Iterator[ClientMaker]:
    """Make clients of either kind; tests see both as the synchronous one."""
    clients: list[creditgate.Client] = []

    def make(
        target: str | None = None, *, timeout_s: float = DEFAULT_TIMEOUT_S, retries: RetryPolicy = QUICK
    ) -> creditgate.Client:
        kind = creditgate.Client if request.param == "sync" else aio.Client
        made: object = kind(target or address, timeout_s=timeout_s, retries=retries)
        client = cast("creditgate.Client", made if request.param == "sync" else Blocking(made, runner))
        clients.append(client)
        return client

    with asyncio.Runner() as runner:
        yield make
        for client in clients:
            client.close()


@pytest.fixture
def client(make_client: ClientMaker) -> creditgate.Client:
    return make_client()

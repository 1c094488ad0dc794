"""The calls of one server: which are under way, and what metrics and logs say about each.

A line is logged for a denial, an error and a slow call, never for a send that was allowed. It carries the
request id, and so does what the caller gets: the id of the `x-request-id` metadata, or one made here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Final, Self

import structlog

from creditgate_server.credit.ids import is_operation_id
from creditgate_server.credit.outcomes import Authorization
from creditgate_server.credit.terms import Decision
from creditgate_server.engine.failures import ids_of
from creditgate_server.logs import LineBudget
from creditgate_server.rpc.errors import REQUEST_ID_KEY, ShuttingDown
from creditgate_server.rpc.ids import new_request_id
from creditgate_server.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grpc.aio import ServicerContext
    from structlog.typing import FilteringBoundLogger

    from creditgate_server.metrics import Metrics
    from creditgate_server.rpc.errors import Failure

TRACE_KEY: Final = "traceparent"
"""W3C Trace Context."""

_TRACE: Final = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=-|$)")
"""Its version 00. What later versions may append is left out of logs: nobody knows what it says."""

QUIET_S: Final = 0.1
"""When no call has come for so long, gRPC holds none back."""

CLOSING_S_MAX: Final = 1.0
"""How long callers that keep calling are refused one by one before gRPC refuses them all."""

SLOW_S: Final = 0.1
"""A call that takes longer is logged: most take a few milliseconds, and none should take the store's whole time."""

SLOW_OPERATION_S: Final = 0.001
"""What each further operation of a batch may add to that."""

GRAVITY: Final = {
    "INTERNAL": logging.ERROR,
    "STORE_MISCONFIGURED": logging.ERROR,
    "STORE_READ_ONLY": logging.ERROR,
    "STORE_FULL": logging.ERROR,
    "STORE_UNREACHABLE": logging.WARNING,
    "OUTCOME_UNKNOWN": logging.WARNING,
    "OVERLOADED": logging.WARNING,
    "DEADLINE_EXCEEDED": logging.WARNING,
}
"""How grave a failure is to whoever runs the server; what a caller has done wrong is information."""

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """What a call's metadata says about its caller's own logs and traces."""

    request_id: str
    traceparent: str


def caller_of(metadata: Iterable[tuple[str, str | bytes]] | None) -> Caller:
    """Read a call's metadata; what is not fit for a log counts as absent."""
    given = {key: value for key, value in metadata or () if key in {REQUEST_ID_KEY, TRACE_KEY}}
    request_id, trace = given.get(REQUEST_ID_KEY), _TRACE.match(str(given.get(TRACE_KEY, "")))
    return Caller(
        request_id if isinstance(request_id, str) and is_operation_id(request_id) else new_request_id(),
        trace[0] if trace else "",
    )


class Calls:
    """The calls of one server that are under way, and what may be logged of them all.

    Every frame of a stream is a call.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.lines = {event: LineBudget() for event in ("denied", "slow_call", "call_failed")}
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = asyncio.Event()
        self._refused = 0

    @property
    def under_way(self) -> int:
        """How many calls have begun and not ended."""
        return self._under_way

    def check_open(self) -> None:
        """Refuse a call that begins after `close`. Raises ShuttingDown."""
        if self._closed.is_set():
            self._refused += 1
            raise ShuttingDown

    async def close(self) -> None:
        """Refuse every call from now on, until none has come for a while.

        gRPC has read calls that it has not handed over. What it still holds when it is stopped it cancels, and no
        caller could tell that from a call that was begun.
        """
        self._closed.set()
        loop = asyncio.get_running_loop()
        ends_s, seen = loop.time() + CLOSING_S_MAX, -1
        while seen != self._refused and loop.time() < ends_s:
            seen = self._refused
            await asyncio.sleep(QUIET_S)

    async def wait_until_closed(self) -> None:
        """Wait until new calls are refused."""
        await self._closed.wait()

    async def wait_until_idle(self) -> None:
        """Wait until no call is under way."""
        await self._idle.wait()

    def begun(self) -> None:
        """Count one more."""
        self._under_way += 1
        self._idle.clear()

    def ended(self) -> None:
        """Count one less."""
        self._under_way -= 1
        if self._under_way == 0:
            self._idle.set()


class Call:
    """One call, under way while its context is entered. `operation` is what it asks for, once that is known."""

    __slots__ = ("_caller", "_calls", "_context", "_method", "_started_s", "operation")

    def __init__(
        self, calls: Calls, method: str, context: ServicerContext[bytes, bytes], caller: Caller | None = None
    ) -> None:
        """Begin to count time. The caller of many calls, such as a stream's, is given to each."""
        self.operation: object = None
        self._caller = caller
        self._calls = calls
        self._method = method
        self._context = context
        self._started_s = perf_counter()

    def __enter__(self) -> Self:
        """Begin."""
        self._calls.begun()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End, in whatever way; a call that is cancelled has lost its caller, by its deadline for one."""
        if kind is asyncio.CancelledError:
            self._calls.metrics.errors.labels(self._method, "CANCELLED").inc()
        self._calls.ended()

    @property
    def caller(self) -> Caller:
        """What the call's metadata says of its caller."""
        if self._caller is None:
            self._caller = caller_of(self._context.invocation_metadata())
        return self._caller

    @property
    def remaining_s(self) -> float | None:
        """How long the caller still waits; None: for ever."""
        return self._context.time_remaining()

    def answered(self, outcome: object, operations: int = 1) -> None:
        """Count an answer. A denial and a slow answer are logged, and their callers told the request id.

        Of a batch, `operations` tells how many it has, and each is counted by `did` or `did_not`.
        """
        elapsed_s = perf_counter() - self._started_s
        self._calls.metrics.observe_call(self._method, elapsed_s)
        if isinstance(outcome, Authorization) and self._count_decision(self._method, outcome, self.operation):
            return
        if elapsed_s >= SLOW_S + (operations - 1) * SLOW_OPERATION_S:
            self._log(logging.WARNING, "slow_call", self._method, self.operation)
            self._tell_request_id()

    def failed(self, error: Exception, failure: Failure) -> str:
        """Count a failure and log it, a defect with where it arose. Gives the request id to tell the caller."""
        self._calls.metrics.observe_call(self._method, perf_counter() - self._started_s)
        return self.broken(error, failure)

    def broken(self, error: Exception, failure: Failure) -> str:
        """Count the failure of what lasts as long as its caller likes, such as a stream; else as `failed`."""
        self._count_failure(self._method, error, failure, self.operation)
        return self.caller.request_id

    def did(self, method: str, outcome: object, operation: object) -> None:
        """Count an answered operation of a batch as what it is, a Reserve for one."""
        if isinstance(outcome, Authorization):
            self._count_decision(method, outcome, operation, within=self._method)

    def did_not(self, method: str, error: Exception, failure: Failure, operation: object) -> str:
        """Count an operation of a batch that failed. Gives the request id to tell the caller."""
        self._count_failure(method or self._method, error, failure, operation, within=self._method)
        return self.caller.request_id

    def _count_decision(self, method: str, outcome: Authorization, operation: object, **fields: object) -> bool:
        """Count a decision, and log it if it is a denial. Tells whether it is."""
        self._calls.metrics.count_decision(method, outcome)
        denial = outcome.denial
        if denial is None or outcome.decision is not Decision.DENIED:
            return False
        self._log(
            logging.INFO,
            "denied",
            method,
            operation,
            reason=denial.reason.name,
            denied_by=denial.account_id,
            shortfall=denial.shortfall,
            **fields,
        )
        self._tell_request_id()
        return True

    def _count_failure(
        self, method: str, error: Exception, failure: Failure, operation: object, **fields: object
    ) -> None:
        self._calls.metrics.errors.labels(method, failure.reason).inc()
        if failure.reason == "BATCH_NOT_APPLIED":
            # Another operation's line says why.
            return
        causes = fields
        if failure.violations:
            causes["fields"] = [field for field, _ in failure.violations]
        for cause in (error, error.__cause__):
            if isinstance(cause, StoreError):
                causes["store_error"] = str(cause)
        if failure.reason == "INTERNAL":
            causes["exc_info"] = error
        gravity = GRAVITY.get(failure.reason, logging.INFO)
        self._log(gravity, "call_failed", method, operation, reason=failure.reason, **causes)

    def _tell_request_id(self) -> None:
        self._context.set_trailing_metadata(((REQUEST_ID_KEY, self.caller.request_id),))

    def _log(self, gravity: int, event: str, method: str, operation: object, **fields: object) -> None:
        left_out = self._calls.lines[event].spend()
        if left_out is None:
            return
        if left_out:
            fields["left_out"] = left_out
        if self.caller.traceparent:
            fields["traceparent"] = self.caller.traceparent
        fields["elapsed_ms"] = round((perf_counter() - self._started_s) * 1000, 1)
        _log.log(
            gravity,
            event,
            method=method,
            request_id=self.caller.request_id,
            **ids_of(operation),
            **fields,
        )

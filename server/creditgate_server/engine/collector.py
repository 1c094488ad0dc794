"""Collecting: operations that arrive close together travel to the store in one pipeline."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from creditgate_server.engine.errors import Overloaded
from creditgate_server.store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from creditgate_server.store.ledger import Group, Ledger, Reply, Request

PIPELINES_MAX: Final = 4
"""Pipelines under way at once, one per connection: what comes meanwhile is collected for the next."""

BATCH_MAX: Final = 512
"""Operations of one pipeline, those of its last group aside: some 20 ms of the store."""


@dataclass(frozen=True, slots=True)
class CollectorSettings:
    """How long to collect (seconds between two sends), how many operations may wait to be sent, and how long.

    One that waits longer is refused. With the store's time-out beside it, that is how long an answer takes at most.
    """

    interval_s: float = 0.001
    waiting_max: int = 10_000
    wait_max_s: float = 0.05


@dataclass(slots=True)
class _Waiting:
    request: Request | Group
    answer: asyncio.Future[Reply]
    since_s: float


class Collector:
    """Sends the first operation at once, and the next pipeline no sooner than an interval later.

    grpc.aio wakes the loop for every call, so a pipeline per turn of the loop would carry one operation each. A caller
    that is cancelled leaves its operation to its fate: the pipeline is not its own.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: CollectorSettings | None = None,
        *,
        on_batch: Callable[[int, float], None] = lambda _size, _seconds: None,
    ) -> None:
        """Collect for a ledger. `on_batch` learns of each pipeline's operations and duration."""
        self._ledger = ledger
        self._settings = settings or CollectorSettings()
        self._on_batch = on_batch
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[_Waiting] = deque()
        self._operations = 0
        self._timer: asyncio.TimerHandle | None = None
        self._next_send_s = 0.0
        self._pipelines: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many operations have not been sent yet."""
        return self._operations

    def submit(self, request: Request | Group) -> asyncio.Future[Reply]:
        """Queue an operation. The future's result is its reply, or the StoreError that befell its pipeline.

        Raises Overloaded at once when too many wait, and through the future when it waited too long.
        """
        if self._operations >= self._settings.waiting_max:
            raise Overloaded("too many operations are waiting; ask again with the same id")
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append(_Waiting(request, answer, self._loop.time()))
        self._operations += request.size
        if self._timer is None:
            self._schedule()
        return answer

    async def close(self) -> None:
        """Wait until all that was submitted has been answered."""
        while self._waiting or self._pipelines:
            if self._pipelines:
                await asyncio.wait(self._pipelines, return_when=asyncio.FIRST_COMPLETED)
            else:
                self._send()
        self._unschedule()

    def _unschedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        """Set the timer for the next send, or, while all pipelines are under way, for giving up on the oldest."""
        self._unschedule()
        may_send = len(self._pipelines) < PIPELINES_MAX
        at_s = self._next_send_s if may_send else self._waiting[0].since_s + self._settings.wait_max_s
        self._timer = self._loop.call_at(at_s, self._send)

    def _send(self) -> None:
        self._unschedule()
        if self._waiting and len(self._pipelines) < PIPELINES_MAX:
            batch, size = self._next_batch()
            self._next_send_s = self._loop.time() + self._settings.interval_s
            pipeline = self._loop.create_task(self._run(batch, size))
            self._pipelines.add(pipeline)
            pipeline.add_done_callback(self._ended)
        if len(self._pipelines) == PIPELINES_MAX:
            self._refuse_old()
        if self._waiting:
            self._schedule()

    def _next_batch(self) -> tuple[list[_Waiting], int]:
        """Take off what the next pipeline carries; with the number of its operations."""
        batch: list[_Waiting] = []
        size = 0
        while self._waiting and size < BATCH_MAX:
            waiting = self._waiting.popleft()
            batch.append(waiting)
            size += waiting.request.size
        self._operations -= size
        return batch, size

    def _refuse_old(self) -> None:
        wait_max_s = self._settings.wait_max_s
        oldest_s = self._loop.time() - wait_max_s
        while self._waiting and self._waiting[0].since_s < oldest_s:
            waiting = self._waiting.popleft()
            self._operations -= waiting.request.size
            if not waiting.answer.done():
                message = f"it was not sent to the store for {wait_max_s * 1000:.0f} ms; ask again with the same id"
                waiting.answer.set_exception(Overloaded(message))

    def _ended(self, pipeline: asyncio.Task[None]) -> None:
        self._pipelines.discard(pipeline)
        if self._waiting:
            self._schedule()

    async def _run(self, batch: list[_Waiting], size: int) -> None:
        started_s = self._loop.time()
        try:
            replies = await self._ledger.send([waiting.request for waiting in batch])
        except StoreError as error:
            replies = [error] * len(batch)
        except BaseException as error:
            for waiting in batch:
                if not waiting.answer.done():
                    waiting.answer.set_exception(error)
            raise
        finally:
            self._on_batch(size, self._loop.time() - started_s)
        for waiting, reply in zip(batch, replies, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(reply)

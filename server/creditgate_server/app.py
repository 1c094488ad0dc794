"""The composition root: everything a server is made of, put together by hand, and taken apart in reverse."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from creditgate import __version__
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.jobs.sweeper import Sweeper
from creditgate_server.listen import ListenFailed
from creditgate_server.logs import configure_logs
from creditgate_server.metrics import Metrics
from creditgate_server.monitoring import Pages, serving_monitoring
from creditgate_server.process import collect_garbage_seldom, new_runner
from creditgate_server.readiness import Readiness
from creditgate_server.rpc.calls import Calls
from creditgate_server.rpc.server import Listening, serving_calls
from creditgate_server.settings import LISTEN, Settings, shown
from creditgate_server.store.checks import check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreAccessRefused, StoreError
from creditgate_server.store.ledger import Ledger, LedgerSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from structlog.typing import FilteringBoundLogger

    from creditgate_server.listen import ListenAddress, TcpAddress
    from creditgate_server.store.checks import StoreReport

_log: FilteringBoundLogger = structlog.get_logger(__name__)


WAITING_SHARE: Final = 0.2
"""How long an operation may wait to be sent, of the time that the store has for its answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that serves: its addresses with their true ports, and the store behind it."""

    address: ListenAddress
    metrics_address: TcpAddress | None
    store_name: str
    store: StoreReport
    engine: Engine


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """Run a server while the context lasts, in this event loop; the thread of the loop must outlive it.

    Raises ListenFailed and StoreError, which say what to do; then nothing is left running.
    """
    async with AsyncExitStack() as stack:
        metrics, readiness = Metrics(), Readiness()
        # First, and so closed last: who looks after a server wants to see it start and drain.
        metrics_address = None
        if settings.metrics_listen is not None:
            pages = Pages(metrics, readiness, asyncio.get_running_loop())
            metrics_address = stack.enter_context(serving_monitoring(pages, settings.metrics_listen))
        connections = await _connect(settings, stack)
        report = await check_store(connections, settings.durability, is_embedded=settings.redis_url is None)
        ledger = Ledger(connections, _ledger_settings(settings))
        await ledger.prepare()
        engine = Engine(
            ledger,
            CollectorSettings(
                settings.collect_ms / 1000, settings.queue_max, settings.store_timeout_ms / 1000 * WAITING_SHARE
            ),
            on_batch=metrics.observe_batch,
        )
        await stack.enter_async_context(engine)
        await stack.enter_async_context(Sweeper(ledger, metrics, settings.sweep_interval_ms / 1000))
        calls = Calls(metrics)
        metrics.watch("calls_under_way", lambda: calls.under_way)
        metrics.watch("queue_operations", lambda: engine.waiting)
        metrics.watch("store_up", lambda: engine.available)
        metrics.watch("store_clock_disagreement_seconds", lambda: ledger.clock.disagreement_ms / 1000)
        listening = Listening(settings.listen, settings.socket_mode, settings.drain_s)
        address = await stack.enter_async_context(serving_calls(engine, calls, readiness, listening))
        yield Server(address, metrics_address, connections.name, report, engine)


def run(settings: Settings) -> int:
    """Run a server until SIGTERM or SIGINT; return the exit status of the process.

    The first signal drains. A second one ends the process at once, which loses nothing that was answered; the
    embedded store ends by itself then.
    """
    configure_logs(settings.log_level, settings.log_format)
    try:
        with new_runner() as runner:
            runner.run(_serve_until_told(settings))
    except asyncio.CancelledError:
        _log.info("stopped")
    except (ListenFailed, StoreError) as error:
        print(f"creditgate: {error}", file=sys.stderr)  # noqa: T201 (to whoever started it, whatever the log's form)
        return 1
    return 0


async def _serve_until_told(settings: Settings) -> None:
    told = _wait_for_signals()
    async with serving(settings) as server:
        told.cancels = None
        _log.info("serving", address=str(server.address), version=__version__, settings=shown(settings))
        for warning in server.store.warnings:
            _log.warning("store_warning", warning=warning)
        collect_garbage_seldom()
        print(_greeting(settings, server), flush=True)  # noqa: T201 (to whoever started it)
        await told.event.wait()
        _log.info("draining", drain_s=settings.drain_s)
    _log.info("stopped")


@dataclass(slots=True)
class _Told:
    """Whether a signal has told the server to end, and the task that it cancels: a start, which may take long."""

    event: asyncio.Event
    cancels: asyncio.Task[None] | None


def _wait_for_signals() -> _Told:
    """Listen to signals: the first lets the server end, the second ends the process, be it the first of a container."""
    told = _Told(asyncio.Event(), asyncio.current_task())
    loop = asyncio.get_running_loop()

    def tell(signal_number: int) -> None:
        if told.event.is_set():
            os._exit(128 + signal_number)
        told.event.set()
        if told.cancels is not None:
            told.cancels.cancel()

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, tell, each)
    return told


def _greeting(settings: Settings, server: Server) -> str:
    kind = f"embedded in {settings.data_dir}" if settings.redis_url is None else server.store_name
    durability = (
        "every decision is on disk before it is answered"
        if settings.durability is Durability.FSYNC
        else "DURABILITY MEMORY: a crash may lose decisions that were answered"
    )
    first = "" if server.address == LISTEN else f"export CREDITGATE_TARGET={server.address}; "
    metrics = f"http://{server.metrics_address}/metrics" if server.metrics_address else "off"
    return (
        f"Creditgate {__version__} serves on {server.address}\n"
        f"  store    {kind} ({server.store.product} {server.store.version}); {durability}\n"
        f"  metrics  {metrics}\n"
        f"  try      {first}creditgate accounts create acme && creditgate grant acme 1000\n"
    )


async def _connect(settings: Settings, stack: AsyncExitStack) -> StoreConnections:
    """Start the embedded store unless another is named, and open the way to it."""
    url = settings.redis_url
    if url is None:
        embedded = EmbeddedStore(settings.data_dir, durability=settings.durability)
        await stack.enter_async_context(embedded)
        url = embedded.url
    connections = StoreConnections(url, reply_timeout_s=settings.store_timeout_ms / 1000)
    stack.push_async_callback(connections.close)
    with suppress(StoreAccessRefused):  # the check of the store meets it again, and says what mends it
        await connections.open()
    return connections


def _ledger_settings(settings: Settings) -> LedgerSettings:
    return LedgerSettings(
        settled_ms=settings.settled_window_s * 1000,
        expired_ms=settings.expired_window_s * 1000,
        charge_ms=settings.charge_window_s * 1000,
        journal_length=settings.journal_length,
        test_clock=settings.test_clock,
    )

"""Metrics for Prometheus. Labels are bounded: names of methods, decisions and reasons, never accounts or ids."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    start_http_server,
)

from creditgate import __version__
from creditgate_server.listen import ListenFailed, TcpAddress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from creditgate_server.credit.outcomes import Authorization
    from creditgate_server.credit.terms import Decision, DenialReason

CALL_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Buckets from the fastest unary call to the slowest answer that callers wait for."""

BATCH_OPERATIONS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Metrics:
    """What one server counts and times, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        Info("creditgate_build", "What runs.", registry=self.registry).info({"version": __version__})
        self.decisions = Counter(
            "creditgate_decisions",
            "Answers to Quote, Reserve and Charge; the reason is that of a denial, or empty.",
            ["method", "decision", "reason"],
            registry=self.registry,
        )
        self.errors = Counter(
            "creditgate_errors",
            "Calls, and operations of batches, that failed, by ErrorReason, or CANCELLED where the caller left first.",
            ["method", "reason"],
            registry=self.registry,
        )
        self.call_seconds = Histogram(
            "creditgate_call_seconds",
            "From a request's bytes to its answer's.",
            ["method"],
            buckets=CALL_SECONDS,
            registry=self.registry,
        )
        self.store_seconds = Histogram(
            "creditgate_store_seconds", "One pipeline to the store.", buckets=CALL_SECONDS, registry=self.registry
        )
        self.batch_operations = Histogram(
            "creditgate_batch_operations",
            "Operations that travelled in one pipeline.",
            buckets=BATCH_OPERATIONS,
            registry=self.registry,
        )
        self.swept = Counter(
            "creditgate_swept", "Holds and grants whose end the sweeper carried out.", registry=self.registry
        )
        self.sweep_failures = Counter(
            "creditgate_sweep_failures", "Turns of the sweeper that the store broke off.", registry=self.registry
        )
        self.open_holds = Gauge(
            "creditgate_open_holds", "Open holds of the whole store, as of the last turn.", registry=self.registry
        )
        self.sweeper_lag_seconds = Gauge(
            "creditgate_sweeper_lag_seconds",
            "By how much the latest end of a hold or grant is overdue.",
            registry=self.registry,
        )

        self._call_seconds: dict[str, Histogram] = {}
        self._decisions: dict[tuple[str, Decision, DenialReason | None], Counter] = {}

    def expect_calls(self, method: str) -> None:
        """Make a method known before its first call, so that its series begins at 0."""
        self._call_seconds[method] = self.call_seconds.labels(method)

    def observe_call(self, method: str, seconds: float) -> None:
        """Time a call of a known method."""
        self._call_seconds[method].observe(seconds)

    def count_decision(self, method: str, outcome: Authorization) -> None:
        """Count a decision; looking a series up by its labels costs more than counting."""
        reason = outcome.denial.reason if outcome.denial else None
        key = (method, outcome.decision, reason)
        counter = self._decisions.get(key)
        if counter is None:
            labels = (method, outcome.decision.name, reason.name if reason else "")
            counter = self._decisions[key] = self.decisions.labels(*labels)
        counter.inc()

    def observe_batch(self, operations: int, seconds: float) -> None:
        """Count a pipeline."""
        self.batch_operations.observe(operations)
        self.store_seconds.observe(seconds)

    def watch(self, name: str, explanation: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for whenever metrics are read."""
        Gauge(f"creditgate_{name}", explanation, registry=self.registry).set_function(value)


@contextlib.contextmanager
def serving_metrics(metrics: Metrics, address: TcpAddress) -> Iterator[TcpAddress]:
    """Serve metrics over HTTP, from a thread, while the context lasts; gives the address with its true port.

    Raises ListenFailed.
    """
    try:
        server, thread = start_http_server(address.port, address.host, metrics.registry)
    except OSError as error:
        raise ListenFailed("metrics_listen", address, error.strerror or str(error)) from error
    try:
        yield TcpAddress(address.host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

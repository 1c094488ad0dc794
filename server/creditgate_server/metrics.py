"""Metrics for Prometheus. Labels are bounded: names of methods, decisions and reasons, never accounts or ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
)

from creditgate import __version__
from creditgate_server.store.layout import SCHEMA_VERSION
from creditgate_server.store.library import library

if TYPE_CHECKING:
    from collections.abc import Callable

    from creditgate_server.credit.outcomes import Authorization
    from creditgate_server.credit.terms import Decision, DenialReason

CALL_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Buckets from the fastest unary call to the slowest answer that callers wait for."""

BATCH_OPERATIONS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)

WATCHED: Final = {
    "calls_under_way": "Calls that have begun and not ended.",
    "queue_operations": "Operations not sent to the store yet.",
    "store_up": "Whether the store is of use: 1 or 0.",
    "store_clock_disagreement_seconds": (
        "How far the store's clock is ahead (or behind, negative) of what this server expects, beyond tolerance."
    ),
}
"""Numbers that are known elsewhere, without our prefix, each with its explanation."""


class Metrics:
    """What one server counts and times, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        # When each series began would be half of what is shown, and nobody asks.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self.registry)
        build = Info(
            "creditgate_build", "What runs, its functions and its schema in the store.", registry=self.registry
        )
        build.info({"version": __version__, "library": library().digest, "schema": str(SCHEMA_VERSION)})
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
            "How long calls took, from a request's bytes to its answer's; each frame of a Stream is a call.",
            ["method"],
            buckets=CALL_SECONDS,
            registry=self.registry,
        )
        self.store_seconds = Histogram(
            "creditgate_store_seconds",
            "How long pipelines to the store took, from the wait for a connection to the last reply.",
            buckets=CALL_SECONDS,
            registry=self.registry,
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
            "creditgate_open_holds",
            "Open holds of the whole store, as of the sweeper's last turn.",
            registry=self.registry,
        )
        self.sweeper_lag_seconds = Gauge(
            "creditgate_sweeper_lag_seconds",
            "How late the most overdue end of a hold or grant was, as of the sweeper's last turn.",
            registry=self.registry,
        )

        self._watched = {
            name: Gauge(f"creditgate_{name}", explanation, registry=self.registry)
            for name, explanation in WATCHED.items()
        }
        self._call_seconds: dict[str, Histogram] = {}
        self._decisions: dict[tuple[str, Decision, DenialReason | None], Counter] = {}

    def expect_calls(self, method: str) -> None:
        """Make a method known before its first call, so that its series begin at 0: a defect is one step from there."""
        self._call_seconds[method] = self.call_seconds.labels(method)
        self.errors.labels(method, "INTERNAL")

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

    def watch(self, name: str, value: Callable[[], float]) -> None:
        """Show one of WATCHED, which is asked for whenever metrics are read."""
        self._watched[name].set_function(value)

"""The clock of a server under test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.wrappers_pb2 import Int64Value

from creditgate._caller import Caller
from creditgate.retries import DEFAULT_TIMEOUT_S, RetryPolicy

_ADVANCE: Final = "/creditgate.testing.TestClock/Advance"

_ONCE: Final = RetryPolicy(attempts_max=1, attempt_timeout_s=DEFAULT_TIMEOUT_S)
"""Unlike all other calls this one has no id under which it could be repeated."""


class Clock(Caller):
    """The time by which a server that was run with `--test-clock` lets holds and grants begin and expire.

    It is the machine's time, plus all that tests have let pass: it runs on, and only forward. How long settled
    reservations and charges are remembered is counted by the machine's time alone.
    """

    def advance(self, step: timedelta | float) -> datetime:
        """Let time pass, a timedelta or seconds: 0 to ten years. Give the time that it is then, aware and in UTC."""
        seconds = step.total_seconds() if isinstance(step, timedelta) else step
        method = self._connection.channel.unary_unary(
            _ADVANCE, request_serializer=Int64Value.SerializeToString, response_deserializer=Int64Value.FromString
        )
        ahead_ms = self._call(method, Int64Value(value=round(seconds * 1000)), None, _ONCE).value
        return datetime.now(UTC) + timedelta(milliseconds=ahead_ms)

    def now(self) -> datetime:
        """Give the time that it is, aware and in UTC."""
        return self.advance(0)

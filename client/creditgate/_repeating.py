"""What the callers of both clients have in common: whom they call, for how long, and how often again."""

from __future__ import annotations

from functools import partial
from typing import Final, Self

from creditgate._channel import target_of
from creditgate.retries import DEFAULT_POLICY, DEFAULT_TIMEOUT_S, Attempts, RetryBudget, RetryPolicy


class Repeating:
    """Whoever calls, and calls again within a deadline and a budget."""

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        self.target: Final = target_of(target)
        self._timeout_s = timeout_s
        self._retries = retries
        self._budget = RetryBudget(retries)
        self._closed = False

    def __reduce__(self) -> tuple[partial[Self], tuple[()]]:
        """Pickle what it was made of: another process, such as one that was spawned, has connections of its own."""
        return partial(type(self), self.target, timeout_s=self._timeout_s, retries=self._retries), ()

    def _attempts(
        self, timeout_s: float | None, retries: RetryPolicy | None = None, *, is_owed: bool = False
    ) -> Attempts:
        """Begin a call. What `is_owed`, for it follows from what was sent, is repeated whatever the budget says."""
        self._budget.pay_in()
        return Attempts(
            retries or self._retries,
            self._timeout_s if timeout_s is None else timeout_s,
            None if is_owed else self._budget,
        )

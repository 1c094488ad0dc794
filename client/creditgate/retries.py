"""When a call is made again. Every call is safe to repeat.

What moves credits carries an id, under which it takes effect once; what changes settings sets values.

>>> policy = creditgate.RetryPolicy(attempts_max=5, backoff_s=0.1)
>>> with creditgate.Client(timeout_s=10, retries=policy) as patient_client:
...     patient_client.get_balance("acme").balance.available
1000
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from creditgate.errors import CallFailed, OutcomeUnknown, Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how fast a call is made again; its deadline bounds all attempts together.

    The wait before the first repetition is drawn between 0 and `backoff_s`, that bound doubles for each further one
    up to `backoff_s_max`, and the delay that the server asked for is added. That is exponential backoff with full
    jitter: callers who failed together do not come back together.

    All calls of a client share a budget, so that an outage is not made worse by everybody asking twenty times: every
    call pays `budget_per_call` repetitions into it, every second `budget_per_s`, and it never has more than
    `budget_max`, with which it begins. Where it is used up, a call fails at once, with what it failed with. Two
    kinds of repetitions cost nothing: those after an attempt that never left, since no server could be reached, and
    those of a commit, for what was sent must be paid.
    """

    attempts_max: int = 20
    """Attempts of one call; the default outlasts a restart of the server."""
    attempt_timeout_s: float = 2.0
    """Seconds for one attempt: a connection that has silently died must leave time for another one."""
    backoff_s: float = 0.05
    """Seconds that bound the first wait."""
    backoff_s_max: float = 1.0
    """Seconds that bound every wait."""
    budget_per_call: float = 0.2
    """Repetitions that a call pays into the budget: one for every five calls."""
    budget_per_s: float = 10.0
    """Repetitions that a second pays into the budget: what a client of few calls lives on."""
    budget_max: float = 500.0
    """Most repetitions that the budget has at once: as many calls may be under way when a server dies. `math.inf`: no
    budget."""


DEFAULT_TIMEOUT_S: Final = 5.0
"""Seconds that a call may take in all, unless told otherwise: longer than a restart of the server."""

DEFAULT_POLICY: Final = RetryPolicy()
ONE_ATTEMPT: Final = RetryPolicy(attempts_max=1)


class RetryBudget:
    """How many repetitions the calls of one client may still make, as its policy says.

    It has no lock, which a fork could copy while it is held: threads that race may gain or lose a repetition, and
    nothing else.
    """

    def __init__(self, policy: RetryPolicy, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._left = policy.budget_max
        self._filled_at_s = clock()

    def pay_in(self) -> None:
        """Take in what one call pays."""
        self._add(self._policy.budget_per_call)

    def spend(self) -> bool:
        """Take out one repetition, if there is one."""
        now_s = self._clock()
        self._filled_at_s, elapsed_s = now_s, now_s - self._filled_at_s
        self._add(elapsed_s * self._policy.budget_per_s)
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _add(self, repetitions: float) -> None:
        self._left = min(self._policy.budget_max, self._left + repetitions)


class Attempts:
    """The attempts of one call. It only decides; the clients call and wait.

    Their repetitions are taken from `budget`; None: they cost nothing.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        timeout_s: float,
        budget: RetryBudget | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.request_id: Final = uuid.uuid4().hex
        """Names the call, with all its attempts, in the server's logs and errors."""
        self._policy = policy
        self._deadline = clock() + timeout_s
        self._budget = budget
        self._clock = clock
        self._draw = draw
        self._made = 0
        self._unknown: OutcomeUnknown | None = None

    def timeout_s(self) -> float:
        """Return how many seconds the next attempt may take."""
        return max(0.0, min(self._policy.attempt_timeout_s, self._deadline - self._clock()))

    def wait_s_after(self, failure: CallFailed) -> float:
        """Return how many seconds to wait before the next attempt. Raise what the call fails with if there is none."""
        self._made += 1
        if isinstance(failure, OutcomeUnknown):
            self._unknown = failure
        if failure.repeatable and self._made < self._policy.attempts_max:
            # Doubling is bounded before it is computed: a float cannot hold 2 to the power of a large attempts_max.
            doublings = min(self._made - 1, 30)
            bound_s = min(self._policy.backoff_s_max, self._policy.backoff_s * 2**doublings)
            wait_s = failure.retry_delay_s + self._draw(0.0, bound_s)
            if self._clock() + wait_s < self._deadline and self._may_repeat(failure):
                return wait_s
        if self._unknown is not None and isinstance(failure, Unavailable):
            # That the last attempt had no effect says nothing about an earlier one whose answer was lost.
            raise self._unknown from failure
        raise failure

    def _may_repeat(self, failure: CallFailed) -> bool:
        # A server gives a reason, and what got lost on its way may have reached one: all else never left.
        has_left = bool(failure.reason) or isinstance(failure, OutcomeUnknown)
        return self._budget is None or not has_left or self._budget.spend()

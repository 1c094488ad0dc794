"""When another attempt is made, and what a call fails with: decided without a clock that runs."""

from __future__ import annotations

import pytest

from creditgate.errors import DeadlineExceeded, IdReused, OutcomeUnknown, Overloaded, StoreFull, Unavailable
from creditgate.retries import Attempts, RetryPolicy


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def highest(_: float, bound: float) -> float:
    return bound


@pytest.fixture
def clock() -> Clock:
    return Clock()


def attempts(clock: Clock, timeout_s: float = 5.0, policy: RetryPolicy | None = None) -> Attempts:
    return Attempts(policy or RetryPolicy(), timeout_s, clock=clock, draw=highest)


def test_waits_double_up_to_their_bound(clock: Clock) -> None:
    tried = attempts(clock, 60, RetryPolicy(backoff_s=0.1, backoff_s_max=0.5))

    waits = [tried.wait_s_after(Unavailable("away")) for _ in range(5)]

    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.5, 0.5])


def test_waits_are_drawn_from_zero_up(clock: Clock) -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    tried = Attempts(RetryPolicy(backoff_s=0.1), 5, clock=clock, draw=draw)

    assert tried.wait_s_after(Unavailable("away")) == 0
    assert drawn == [(0.0, 0.1)]


def test_a_wait_is_never_shorter_than_the_server_asks(clock: Clock) -> None:
    assert attempts(clock).wait_s_after(Overloaded("busy", retry_delay_s=2.0)) == pytest.approx(2.05)


def test_a_wait_beyond_the_deadline_is_not_begun(clock: Clock) -> None:
    with pytest.raises(Overloaded):
        attempts(clock).wait_s_after(Overloaded("busy", retry_delay_s=5.0))


def test_an_attempt_takes_no_longer_than_the_call(clock: Clock) -> None:
    tried = attempts(clock, timeout_s=5, policy=RetryPolicy(attempt_timeout_s=2))
    assert tried.timeout_s() == 2

    clock.now_s += 4
    assert tried.timeout_s() == 1

    clock.now_s += 4
    assert tried.timeout_s() == 0


def test_any_number_of_attempts_can_be_allowed(clock: Clock) -> None:
    tried = attempts(clock, 1e9, RetryPolicy(attempts_max=3_000, backoff_s_max=1.0))

    assert [tried.wait_s_after(Unavailable("away")) for _ in range(2_999)][-1] == 1.0


def test_a_lost_answer_is_not_forgotten_because_a_later_attempt_had_no_effect(clock: Clock) -> None:
    tried = attempts(clock, policy=RetryPolicy(attempts_max=3))
    lost = DeadlineExceeded("no answer")
    tried.wait_s_after(lost)
    tried.wait_s_after(Unavailable("away"))

    with pytest.raises(OutcomeUnknown) as raised:
        tried.wait_s_after(StoreFull("full"))

    assert raised.value is lost
    assert isinstance(raised.value.__cause__, StoreFull)


def test_a_definite_answer_settles_what_an_earlier_attempt_left_open(clock: Clock) -> None:
    tried = attempts(clock)
    tried.wait_s_after(OutcomeUnknown("lost"))

    with pytest.raises(IdReused):
        tried.wait_s_after(IdReused("used before"))

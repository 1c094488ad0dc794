"""What the store's clock should show: followed while it drifts, not believed when it steps, no alarm without cause."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from creditgate_server.store.clock import SLEW_MS, TOLERANCE_MS, StoreClock, own_ms
from creditgate_server.store.library import bodies

INTERVAL_MS = 500.0
"""How often the engine looks at the store's clock."""

STORE_AHEAD_MS = 1_800_000_000_000.0
"""A wall clock against one that began when the machine did."""

ROUNDING_MS = 1

quick_ms = st.floats(0, 200)
any_delay_ms = st.floats(0, 120_000)
steps_ms = st.one_of(st.floats(2 * TOLERANCE_MS, 1e12), st.floats(-1e12, -2 * TOLERANCE_MS))


@dataclass
class Watched:
    """A store's clock, which may be moved, and what an observer of it makes of it."""

    clock: StoreClock
    own: float = 1_000_000.0
    ahead: float = STORE_AHEAD_MS

    def look(self, there_ms: float = 0.5, back_ms: float = 0.5) -> None:
        """Ask for the time; the question takes `there_ms`, the answer `back_ms`."""
        sent = self.own
        self.own += there_ms
        shown = self.own + self.ahead
        self.own += back_ms
        self.clock.observe(shown, sent, self.own)

    @property
    def error_ms(self) -> float:
        """How far what is expected lies ahead of what the store's clock shows."""
        return self.clock.expected_ms(self.own) - (self.own + self.ahead)


def watched() -> Watched:
    """Return a clock that was looked at once."""
    store = Watched(StoreClock())
    store.look()
    return store


def test_before_anything_is_known_nothing_is_expected() -> None:
    clock = StoreClock()
    assert (clock.expected_ms(own_ms()), clock.disagreement_ms) == (0, 0)


@given(there_ms=quick_ms, back_ms=quick_ms, later_ms=st.floats(0, 1e9))
def test_one_answer_tells_the_time_to_half_of_what_it_took(there_ms: float, back_ms: float, later_ms: float) -> None:
    store = Watched(StoreClock())
    store.look(there_ms, back_ms)
    store.own += later_ms
    assert abs(store.error_ms) <= (there_ms + back_ms) / 2 + ROUNDING_MS
    assert store.clock.disagreement_ms == 0


@given(slow_ms=st.floats(TOLERANCE_MS + 1, 1e6), late=st.booleans())
def test_a_first_answer_that_is_slow_tells_nothing(slow_ms: float, late: bool) -> None:  # noqa: FBT001
    store = Watched(StoreClock())
    store.look(*((slow_ms, 0) if late else (0, slow_ms)))
    assert store.clock.expected_ms(store.own) == 0
    store.look()
    assert abs(store.error_ms) <= 1 + ROUNDING_MS
    assert store.clock.disagreement_ms == 0


@given(step_ms=st.one_of(st.just(0.0), steps_ms), slow_ms=st.floats(TOLERANCE_MS + 1, 1e6))
def test_a_slow_answer_neither_raises_an_alarm_nor_ends_one(step_ms: float, slow_ms: float) -> None:
    store = watched()
    store.ahead += step_ms
    store.look()
    said, expected_ahead = store.clock.disagreement_ms, store.clock.expected_ms(0)
    store.ahead -= 2 * step_ms
    store.look(slow_ms, 0)
    assert (store.clock.disagreement_ms, store.clock.expected_ms(0)) == (said, expected_ahead)


@given(delays=st.lists(st.tuples(any_delay_ms, any_delay_ms), max_size=60))
def test_answers_however_slow_are_no_alarm_while_the_clock_runs_well(delays: list[tuple[float, float]]) -> None:
    store = watched()
    for there_ms, back_ms in delays:
        store.own += INTERVAL_MS
        store.look(there_ms, back_ms)
        assert store.clock.disagreement_ms == 0
        assert abs(store.error_ms) <= 1 + ROUNDING_MS


@given(first_ms=st.floats(0, TOLERANCE_MS), delays=st.lists(st.tuples(any_delay_ms, any_delay_ms), max_size=60))
def test_looking_again_never_makes_it_worse(first_ms: float, delays: list[tuple[float, float]]) -> None:
    store = Watched(StoreClock())
    store.look(first_ms, 0)
    error_ms = abs(store.error_ms)
    for there_ms, back_ms in delays:
        store.look(there_ms, back_ms)
        assert store.clock.disagreement_ms == 0
        assert abs(store.error_ms) <= error_ms + ROUNDING_MS
        error_ms = abs(store.error_ms)


@given(step_ms=steps_ms, delays=st.lists(st.tuples(quick_ms, quick_ms), min_size=1, max_size=60))
def test_a_step_is_said_for_as_long_as_it_lasts_and_never_followed(
    step_ms: float, delays: list[tuple[float, float]]
) -> None:
    store = watched()
    store.ahead += step_ms
    for there_ms, back_ms in delays:
        store.own += INTERVAL_MS
        store.look(there_ms, back_ms)
        assert abs(store.clock.disagreement_ms - step_ms) <= there_ms + back_ms + 1 + ROUNDING_MS
        assert (store.clock.disagreement_ms > 0) == (step_ms > 0)
        assert abs(store.error_ms + step_ms) <= 1 + ROUNDING_MS


@given(step_ms=steps_ms)
def test_a_step_that_is_taken_back_is_over(step_ms: float) -> None:
    store = watched()
    store.ahead += step_ms
    store.look()
    store.ahead -= step_ms
    store.look()
    assert store.clock.disagreement_ms == 0
    assert abs(store.error_ms) <= 1 + ROUNDING_MS


@given(step_ms=st.floats(-TOLERANCE_MS + 2, TOLERANCE_MS - 2))
def test_a_step_within_tolerance_is_followed_a_little_at_a_time(step_ms: float) -> None:
    store = watched()
    store.ahead += step_ms
    expected_ahead = store.clock.expected_ms(0)
    for _ in range(TOLERANCE_MS // SLEW_MS + 1):
        store.own += INTERVAL_MS
        store.look()
        assert store.clock.disagreement_ms == 0
        assert abs(store.clock.expected_ms(0) - expected_ahead) <= SLEW_MS + ROUNDING_MS
        expected_ahead = store.clock.expected_ms(0)
    assert abs(store.error_ms) <= 1 + ROUNDING_MS


@given(rate=st.floats(-0.019, 0.019), delays=st.lists(st.tuples(quick_ms, quick_ms), min_size=1, max_size=10))
def test_a_clock_that_is_a_little_fast_or_slow_is_followed_for_ever(
    rate: float, delays: list[tuple[float, float]]
) -> None:
    store = watched()
    for turn in range(1_000):
        store.own += INTERVAL_MS
        store.ahead += rate * INTERVAL_MS
        store.look(*delays[turn % len(delays)] if turn % 7 == 0 else (0.5, 0.5))
        assert store.clock.disagreement_ms == 0
        assert abs(store.error_ms) <= TOLERANCE_MS / 2


@given(rate=st.one_of(st.floats(0.05, 0.5), st.floats(-0.5, -0.05)))
def test_a_clock_that_is_very_fast_or_slow_is_said(rate: float) -> None:
    store = watched()
    for _ in range(1_000):
        store.own += INTERVAL_MS
        store.ahead += rate * INTERVAL_MS
        store.look()
    assert (store.clock.disagreement_ms > 0) == (rate > 0)
    assert abs(store.clock.disagreement_ms) > TOLERANCE_MS


@given(slow_ms=st.floats(0, TOLERANCE_MS), further_ms=st.floats(2 * TOLERANCE_MS, 1e9))
def test_an_answer_not_so_slow_tells_a_step_that_its_slowness_does_not_account_for(
    slow_ms: float, further_ms: float
) -> None:
    store = watched()
    store.ahead += slow_ms + further_ms
    store.look(slow_ms / 2, slow_ms / 2)
    assert store.clock.disagreement_ms > 0


def test_the_store_tolerates_as_much_as_its_observers_do() -> None:
    assert f"work.CLOCK_TOLERANCE_MS = {TOLERANCE_MS}\n" in bodies()["work"]


def test_our_own_clock_is_not_the_wall_clock_and_never_runs_backwards() -> None:
    readings = [own_ms() for _ in range(100)]
    assert readings == sorted(readings)
    assert own_ms() < time.time() * 1000 / 2

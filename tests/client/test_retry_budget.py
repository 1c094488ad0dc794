"""Repetitions are a bounded share of calls: an outage is not multiplied by those who suffer from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from creditgate import errors, operations
from creditgate.operations import Operation
from creditgate.retries import Attempts, RetryBudget, RetryPolicy

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer


class Clock:
    """Time that passes when told."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def spent(budget: RetryBudget, most: int = 10_000) -> int:
    """Spend all that there is."""
    return next((count for count in range(most) if not budget.spend()), most)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_client_begins_with_a_full_budget(clock: Clock) -> None:
    assert spent(RetryBudget(RetryPolicy(), clock)) == 500


def test_calls_pay_in_a_share(clock: Clock) -> None:
    budget = RetryBudget(RetryPolicy(budget_per_call=0.25), clock)
    spent(budget)

    for _ in range(40):
        budget.pay_in()

    assert spent(budget) == 10


def test_time_pays_in_for_those_who_seldom_call(clock: Clock) -> None:
    budget = RetryBudget(RetryPolicy(budget_per_s=10), clock)
    spent(budget)

    clock.now_s += 1.5

    assert spent(budget) == 15


def test_no_more_is_saved_up_than_the_bound(clock: Clock) -> None:
    budget = RetryBudget(RetryPolicy(budget_max=20), clock)

    clock.now_s += 3_600
    for _ in range(1_000):
        budget.pay_in()

    assert spent(budget) == 20


def test_a_budget_can_be_without_bound(clock: Clock) -> None:
    assert spent(RetryBudget(RetryPolicy(budget_max=math.inf), clock), most=2_000) == 2_000


def frugal(budget_max: float, budget_per_call: float = 0.0) -> RetryPolicy:
    """A policy whose budget does not grow with time, and whose waits are short."""
    return RetryPolicy(
        backoff_s=0.001, backoff_s_max=0.002, budget_per_call=budget_per_call, budget_per_s=0.0, budget_max=budget_max
    )


def test_an_outage_is_asked_no_more_than_the_budget_allows(server: FakeServer, make_client: ClientMaker) -> None:
    client = make_client(retries=frugal(budget_max=10, budget_per_call=0.2))
    server.script("Reserve", server.failure("RESOURCE_EXHAUSTED", "OVERLOADED"))

    for _ in range(50):
        with pytest.raises(errors.Overloaded):
            client.reserve("acme", segments=1)

    # 50 calls, what the client had saved up, and a fifth of the calls; the first of them paid into a full budget.
    assert len(server.calls("Reserve")) == pytest.approx(50 + 10 + 50 * 0.2, abs=1)


def test_what_was_sent_is_paid_whatever_the_budget_says(server: FakeServer, make_client: ClientMaker) -> None:
    busy = server.failure("RESOURCE_EXHAUSTED", "OVERLOADED")
    server.script("Commit", busy, busy, server.succeed)

    make_client(retries=frugal(budget_max=0)).commit("acme", "message-1")

    assert len(server.calls("Commit")) == 3


@pytest.mark.parametrize(
    ("settle", "calls"), [(operations.commit, 3), (operations.release, 1)], ids=["with-a-commit", "without"]
)
def test_a_batch_is_repeated_whatever_the_budget_says_if_it_pays_for_what_was_sent(
    server: FakeServer, make_client: ClientMaker, settle: Callable[[str, str], Operation[object]], calls: int
) -> None:
    busy, end = server.failure("RESOURCE_EXHAUSTED", "OVERLOADED"), server.failure("INVALID_ARGUMENT", "INVALID_FIELD")
    server.script("Batch", busy, busy, end)

    with pytest.raises((errors.Overloaded, errors.InvalidRequest)):
        make_client(retries=frugal(budget_max=0)).batch([settle("acme", "message-1")])

    assert len(server.calls("Batch")) == calls


def test_a_release_is_not_repeated_at_any_cost_for_its_hold_expires(
    server: FakeServer, make_client: ClientMaker
) -> None:
    server.script("Release", server.failure("RESOURCE_EXHAUSTED", "OVERLOADED"))

    with pytest.raises(errors.Overloaded):
        make_client(retries=frugal(budget_max=0)).release("acme", "message-1")

    assert len(server.calls("Release")) == 1


def test_only_what_may_have_reached_a_server_costs_a_repetition(clock: Clock) -> None:
    unreachable, busy = errors.Unavailable("no server"), errors.Overloaded("busy", reason="OVERLOADED")
    lost = errors.OutcomeUnknown("the connection was lost")
    budget = RetryBudget(frugal(budget_max=2), clock)
    attempts = Attempts(RetryPolicy(attempts_max=100), 3_600, budget, clock=clock)

    for failure in (*[unreachable] * 20, busy, lost, unreachable):
        attempts.wait_s_after(failure)

    with pytest.raises(errors.OutcomeUnknown):
        attempts.wait_s_after(busy)


def test_a_lost_answer_costs_a_repetition(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Reserve", server.failure("CANCELLED"))

    with pytest.raises(errors.OutcomeUnknown):
        make_client(retries=frugal(budget_max=1)).reserve("acme", segments=1)

    assert len(server.calls("Reserve")) == 2


def test_each_client_has_a_budget_of_its_own(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Reserve", server.failure("RESOURCE_EXHAUSTED", "OVERLOADED"))
    policy = frugal(budget_max=3)

    for client in (make_client(retries=policy), make_client(retries=policy)):
        for _ in range(2):
            with pytest.raises(errors.Overloaded):
                client.reserve("acme", segments=1)

    assert len(server.calls("Reserve")) == 2 * (2 + 3)

"""The model by itself: whatever happens to it, its invariants hold, and what is repeated changes nothing."""

from __future__ import annotations

from copy import deepcopy
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.model.calls import Batch, Call, on_model
from tests.model.clock import Clock
from tests.model.steps import Steps
from tests.model.stories import STORIES

from creditgate_server.credit import operations as ask
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.reference.invariants import audit, check
from creditgate_server.credit.reference.ledger import ReferenceLedger
from creditgate_server.credit.reference.views import account_view, grant_view, hold_view, plan_view
from creditgate_server.credit.terms import Decision, ReservationState

REPEATABLE = (
    ask.Reserve
    | ask.Charge
    | ask.Refund
    | ask.GrantCredits
    | ask.RevokeGrant
    | ask.Transfer
    | ask.SetPlan
    | ask.CloseAccount
)
"""Operations that answer a repetition as a replay, if they did anything at all."""

BURSTS = 15


class Told:
    """A history told to the model alone."""

    def __init__(self, seed: int) -> None:
        self.clock = Clock(0)
        self.model = ReferenceLedger(self.clock.now_ms)
        self.steps = Steps(Random(seed), "o", self.clock, self.model)

    def go_on(self) -> None:
        """Tell one burst after the other."""
        self.take(self.steps.opening())
        self.steps.planned.extend(self.steps.pick(STORIES)(self.steps))
        for _ in range(BURSTS):
            self.take(self.steps.burst())
            self.clock.go_on(self.steps.awaited_ticks() or self.steps.ticks())
            self.model.pass_time(self.clock.now_ms)
            check(self.model.organisation)

    def take(self, calls: list[Call]) -> None:
        for call in calls:
            on_model(self.model, call)
        check(self.model.organisation)

    def everything(self) -> object:
        """Return all that callers can see."""
        organisation = self.model.organisation
        accounts = organisation.accounts.values()
        return (
            [account_view(organisation, one) for one in accounts],
            [plan_view(one) for one in accounts],
            [audit(one) for one in accounts],
            [grant_view(grant) for one in accounts for grant in one.grants],
            [hold_view(one) for one in organisation.holds.values()],
        )


histories = st.integers(0, 2**32).map(Told)
few = settings(max_examples=40, deadline=None)


@few
@given(histories)
def test_the_invariants_hold_after_every_operation(history: Told) -> None:
    history.go_on()


@few
@given(histories)
def test_a_repetition_moves_nothing_and_answers_a_replay(history: Told) -> None:
    history.go_on()
    for call in history.steps.burst():
        if not isinstance(call, REPEATABLE):
            continue
        (first,) = on_model(history.model, call)
        before = history.everything()
        (again,) = on_model(history.model, call)
        assert history.everything() == before
        if isinstance(first, str) or (isinstance(first, told.Authorization) and first.decision is Decision.DENIED):
            continue
        assert again.replayed  # type: ignore[union-attr]


@few
@given(histories)
def test_a_commit_repeated_moves_nothing(history: Told) -> None:
    history.go_on()
    open_ = [one for one in history.model.organisation.holds.values() if one.state is ReservationState.PENDING]
    for hold in open_:
        commit = history.steps.pick(
            (
                ask.Commit(hold.account_id, hold.reservation_id, credits=3),
                ask.Commit(hold.account_id, hold.reservation_id),
                ask.Commit(hold.account_id, hold.reservation_id, credits=2, keep_open=True, commit_id="again"),
            )
        )
        (first,) = on_model(history.model, commit)
        before = history.everything()
        (again,) = on_model(history.model, commit)
        assert history.everything() == before
        if isinstance(first, told.Settlement):
            assert isinstance(again, told.Settlement)
            assert (again.captured, again.restored, again.replayed) == (first.captured, first.restored, True)


@few
@given(histories)
def test_a_quote_and_what_is_refused_leave_no_trace(history: Told) -> None:
    history.go_on()
    for call in history.steps.burst():
        before = history.everything()
        answers = on_model(history.model, call)
        if isinstance(call, ask.Quote) or all(isinstance(answer, str) for answer in answers):
            assert history.everything() == before


@few
@given(histories)
def test_an_atomic_batch_happens_as_a_whole_or_not_at_all(history: Told) -> None:
    history.go_on()
    batch = history.steps.batch()
    before = history.everything()
    alone = ReferenceLedger(history.clock.now_ms)
    alone.organisation = deepcopy(history.model.organisation)
    answers = on_model(history.model, batch)
    one_by_one = on_model(alone, Batch(batch.operations, atomic=False))
    if "BATCH_NOT_APPLIED" in answers or answers != one_by_one:
        assert history.everything() == before
    else:
        is_denied = [isinstance(one, told.Authorization) and one.decision is Decision.DENIED for one in answers]
        assert not any(is_denied) or history.everything() == before

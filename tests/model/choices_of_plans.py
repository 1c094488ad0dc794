"""Plans chosen by chance: with periods that end soon, short lives, and changes of what was said before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from tests.model.calls import Call
from tests.model.choices import ACCOUNTS_MAX, DAY_MS, SCOPES, Choices
from tests.model.clock import Clock, on_grid

from creditgate_server.credit import operations as ask
from creditgate_server.credit.calendar import Cycle
from creditgate_server.credit.reference.ledger import ReferenceLedger
from creditgate_server.credit.reference.levels import is_closed
from creditgate_server.credit.reference.records import HOUR_MS, Account
from creditgate_server.credit.terms import Interval, RollOver

INTERVALS = (*[Interval.DAY] * 6, Interval.WEEK, *Interval)

ZONES = ("UTC", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
"""Their distances from each other, in summer and winter, are whole half hours."""

LIVES_MS = (0, 0, HOUR_MS, 2 * HOUR_MS, DAY_MS, 36 * HOUR_MS)

ANCHORED_DAYS = (0, 0, 0, 0, 7, -70)
"""Days from a place soon to come to an anchor: a period ends there too, whether it is daily or weekly."""


class PlanChoices(Choices):
    """Chooses changes of plan, and keeps time away from where it would be in doubt whether a period has ended."""

    def __init__(self, random: Random, root: str, clock: Clock, model: ReferenceLedger) -> None:
        super().__init__(random, root, clock, model)
        clock.avoid(self._is_in_doubt)

    # A change of plan

    def set_plan(self) -> ask.SetPlan:
        account_id, change_id = self._planned(), self.new_id("plan")
        terms = None if self.chance(8) else self.terms()
        return ask.SetPlan(account_id, change_id, terms, at_period_end=self.chance(2))

    def _planned(self) -> str:
        """Return an account, most often one whose own wallet pays."""
        wallets = self.wallets()[:ACCOUNTS_MAX]
        return self.pick(wallets).account_id if wallets and not self.chance(6) else self.account_id()

    def terms(self) -> ask.PlanTerms:
        mode = self.pick((RollOver.NONE, RollOver.ALL, RollOver.CAPPED))
        has_none = mode is RollOver.NONE
        return ask.PlanTerms(
            self.pick(("basic", "pro", "max")),
            self.between(1, 40),
            self.pick(INTERVALS),
            self.anchor_ms(),
            self.pick(ZONES),
            self.pick((-1, 0, 0, 1)),
            self.pick(SCOPES),
            mode,
            self.between(1, 15) if mode is RollOver.CAPPED else 0,
            0 if has_none else self.pick(LIVES_MS),
            0 if has_none else self.pick((-1, 0, 0, 1)),
        )

    def anchor_ms(self) -> int | None:
        if self.chance(6):
            return self.no_anchor()
        place_ms = self.clock.place(self.between(1, 5))
        anchor_ms = place_ms + self.pick(ANCHORED_DAYS) * DAY_MS
        return anchor_ms if anchor_ms > 0 else place_ms

    def no_anchor(self) -> int | None:
        """Return none where periods may begin just now, a moment nobody can place: no others shall end with them."""
        return None if self.claims(self.clock.start_ms) else self.clock.place(1)

    def again_soon(self, change: ask.SetPlan) -> ask.SetPlan:
        """Return a change that was made before; if it was refused, and named no anchor, it names one now."""
        terms = change.terms
        is_new = terms and terms.anchor_ms is None and change.change_id not in self.model.organisation.plan_changes
        return replace(change, terms=replace(terms, anchor_ms=self.no_anchor())) if terms and is_new else change

    def other_plan(self, change: ask.SetPlan) -> Call:
        """Return a change with the id of another."""
        if change.terms is None or self.chance(2):
            return replace(change, at_period_end=not change.at_period_end)
        return replace(change, terms=replace(change.terms, credits=change.terms.credits + 1))

    # Doubt

    def _is_in_doubt(self, time_ms: int) -> bool:
        """Whether some period, or what rolled over, may end about then."""
        return any(time_ms in self._ends(one, time_ms) for one in self.accounts if not is_closed(one))

    def _ends(self, account: Account, time_ms: int) -> Iterator[int]:
        """Yield, on the grid, when credits of an account end, and about some time its periods."""
        for grant in account.grants:
            yield on_grid(grant.expire_ms)
            if grant.rolls_over:
                yield on_grid(grant.rolls_over.until_ms)
        if account.plan is None:
            return
        for terms in filter(None, (account.plan.terms, account.plan.following)):
            anchor_ms = account.plan.end_ms if terms.anchor_ms is None else terms.anchor_ms
            cycle = Cycle(terms.interval, anchor_ms, terms.time_zone)
            for life_ms in {0, account.plan.terms.rollover_life_ms, terms.rollover_life_ms}:
                yield on_grid(cycle.boundary_after(max(0, time_ms - life_ms - 1))) + life_ms

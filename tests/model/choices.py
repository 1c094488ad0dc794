"""Operations chosen by chance, most of them with a chance to do something."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from tests.model.calls import Call
from tests.model.clock import TICK_MS, Clock

from creditgate.pricing.usage import Channel, Credits, Direction, Priority, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit.reference.ledger import ReferenceLedger
from creditgate_server.credit.reference.levels import is_closed, left, lineage, payer_of
from creditgate_server.credit.reference.records import Account, Captured, Grant, Hold
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    LateCommit,
    Overage,
    Pot,
    ReservationState,
)

Choice = TypeVar("Choice")


ACCOUNTS_MAX = 7
"""Accounts that an organisation grows to."""

SCOPES = (
    ask.Scope(),
    ask.Scope(),
    ask.Scope(),
    ask.Scope(channels=(Channel.SMS,)),
    ask.Scope(regions=("US",)),
    ask.Scope(channels=(Channel.SMS, Channel.MMS), regions=("DE", "US")),
)

KINDS = (
    GrantKind.PURCHASED,
    GrantKind.PURCHASED,
    GrantKind.PURCHASED,
    GrantKind.PLAN,
    GrantKind.PROMOTIONAL,
    GrantKind.ADJUSTMENT,
    GrantKind.ALLOTMENT,
)

SETTINGS: dict[str, tuple[object, ...]] = {
    "enforcement": (*[Enforcement.ENFORCE] * 6, *Enforcement),
    "funding": tuple(Funding),
    "status": (*[AccountStatus.ACTIVE] * 24, AccountStatus.SUSPENDED),
    "overdraft_limit": (0, 0, 5, 20),
    "inbound_overdraft_limit": (None, None, 0, 15),
    "floor": (None, None, -3, 0, 4),
    "late_commit": (None, None, *LateCommit, LateCommit.ACCEPT),
    "overage": (None, None, Overage.ALLOW, Overage.CAP, Overage.CAP, Overage.REJECT),
    "limit_counts_inbound": (False, True),
}


DAY_MS = 24 * 3_600_000

LIFE_MS = 7 * DAY_MS
"""How far from its creation a hold can be extended."""


class Choices:
    """Chooses one operation on an organisation, by what the model says of it."""

    def __init__(self, random: Random, root: str, clock: Clock, model: ReferenceLedger) -> None:
        self.random = random
        self.root = root
        self.clock = clock
        self.model = model
        self.asked: deque[tuple[str, str]] = deque(maxlen=1)
        self._serial = 0
        self._claimed: set[int] = set()

    # Chance

    def chance(self, one_in: int) -> bool:
        return self.random.randrange(one_in) == 0

    def pick(self, choices: Sequence[Choice]) -> Choice:
        return choices[self.random.randrange(len(choices))]

    def between(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def new_id(self, kind: str) -> str:
        """Return an id that was not used before."""
        self._serial += 1
        return f"{kind}-{self._serial}"

    def claims(self, tick_ms: int) -> bool:
        """Whether nothing else yet ends some whole days after the beginning of a tick; from now on something does."""
        is_free = tick_ms % DAY_MS not in self._claimed
        self._claimed.add(tick_ms % DAY_MS)
        return is_free

    # What there is

    @property
    def accounts(self) -> list[Account]:
        return [*self.model.organisation.accounts.values()]

    @property
    def holds(self) -> list[Hold]:
        return [*self.model.organisation.holds.values()]

    def account_id(self) -> str:
        if self.chance(50):
            return f"{self.root}/nobody"
        accounts = self.accounts if self.chance(6) else self.accounts[:ACCOUNTS_MAX]
        open_ = [one for one in accounts if not is_closed(one)] or accounts
        return self.pick(accounts if self.chance(25) else open_).account_id

    def spender(self) -> str:
        """Return an account, most often one whose payer has credits left."""
        levels = [lineage(self.model.organisation, one.account_id) for one in self.accounts]
        able = [one[0].account_id for one in levels if left(payer_of(one), Pot.WALLET, None) > 0]
        return self.pick(able) if able and not self.chance(3) else self.account_id()

    def wallets(self) -> list[Account]:
        return [one for one in self.accounts if not is_closed(one) and one.settings.funding is Funding.OWN]

    def grants(self) -> list[Grant]:
        return [grant for account in self.accounts for grant in account.grants]

    def settings(self, keep: int) -> dict[str, Any]:
        """Return some settings, one in `keep` of all."""
        return {name: self.pick(values) for name, values in SETTINGS.items() if self.chance(keep)}

    # One call

    def traffic(self, *, direction: Direction = Direction.OUTBOUND) -> ask.Traffic:
        usage = Usage(
            self.pick((Channel.SMS, Channel.SMS, Channel.VOICE)),
            direction,
            Credits(self.between(0, 7)),
            self.pick((1, 1, 2, 3)),
            self.pick(("US", "DE", "")),
            self.pick((Priority.TRANSACTIONAL, Priority.TRANSACTIONAL, Priority.BULK)),
        )
        return ask.Traffic(usage)

    def ttl_ms(self) -> int:
        return self.ttl_to(self.between(90, 500) if self.chance(12) else self.between(1, 5))

    def ttl_to(self, ticks: int) -> int:
        """Return how long a hold lasts that ends so many ticks ahead."""
        return self.clock.place(ticks) - self.clock.start_ms

    def quote(self) -> ask.Quote:
        return ask.Quote(self.account_id(), self.traffic())

    def reserve(self) -> ask.Reserve:
        account_id, reservation_id = self.spender(), self.new_id("hold")
        self.asked.append((account_id, reservation_id))
        return ask.Reserve(
            account_id,
            reservation_id,
            self.traffic(),
            self.ttl_ms(),
            allow_partial=self.chance(3),
            expiry_action=self.pick((ExpiryAction.RELEASE, ExpiryAction.RELEASE, ExpiryAction.COMMIT)),
        )

    def charge(self) -> Call:
        traffic = self.traffic(direction=self.pick(tuple(Direction)))
        event_ms = 0
        if self.chance(5):
            event_ms = self.clock.between(-self.pick((1, 20, 100, 171, 172, 173, 174, 400)))
        return ask.Charge(self.spender(), self.new_id("charge"), traffic, event_ms)

    def hold(self) -> tuple[str, str]:
        """Return account and id of a hold, most often one that something can be done with."""
        of_state: dict[ReservationState, list[Hold]] = {}
        for one in self.holds:
            of_state.setdefault(one.state, []).append(one)
        wanted = self.pick((*[ReservationState.PENDING] * 6, *[ReservationState.EXPIRED] * 3, *ReservationState))
        holds = of_state.get(wanted) or of_state.get(ReservationState.PENDING) or self.holds
        if self.asked and (not holds or self.chance(6)):
            return self.asked[-1]
        if not holds or self.chance(80):
            return self.account_id(), "hold-never"
        found = self.pick(holds[-12:])
        return (self.account_id() if self.chance(60) else found.account_id), found.reservation_id

    def amount(self, reservation_id: str) -> int | None:
        hold = self.model.organisation.holds.get(reservation_id)
        held = hold.held if hold else 3
        more = held + self.between(1, 9)
        amounts = (None, None, 0, held, self.between(0, held), self.between(0, held), more, more)
        return self.pick(amounts)

    def commit(self) -> ask.Commit:
        account_id, reservation_id = self.hold()
        return ask.Commit(account_id, reservation_id, credits=self.amount(reservation_id))

    def capture(self) -> Call:
        account_id, reservation_id = self.hold()
        commit_id = self.pick(("c1", "c2", "c3", "c4"))
        amount = self.amount(reservation_id)
        return ask.Commit(account_id, reservation_id, credits=amount, keep_open=True, commit_id=commit_id)

    def commit_of_usage(self) -> ask.Commit:
        """Return a commit that is priced by its hold, which the engine reads first."""
        account_id, reservation_id = self.hold()
        size = None if self.chance(4) else Credits(self.between(0, 6))
        actual = ask.ActualUsage(size, self.pick((None, 1, 2)), channel=self.pick((None, None, None, Channel.SMS)))
        return ask.Commit(account_id, reservation_id, actual)

    def release(self) -> Call:
        return ask.Release(*self.hold())

    def extend(self) -> Call:
        account_id, reservation_id = self.hold()
        hold = self.model.organisation.holds.get(reservation_id)
        if hold and self.chance(3) and self.claims(hold.create_ms - hold.create_ms % TICK_MS):
            return ask.Extend(account_id, reservation_id, LIFE_MS)
        return ask.Extend(account_id, reservation_id, self.ttl_ms())

    def refund(self) -> Call:
        charges = self.model.organisation.charges
        refund_id = self.new_id("refund")
        if self.chance(2):
            captured = [one for one in self.holds if one.captured and one.state is not ReservationState.PENDING]
            left_over = [one for one in captured if one.captured > one.refunded or self.chance(10)]
            found: Captured | None = self.pick(left_over[-20:]) if left_over else None
            account_id, reservation_id = self.hold()
            if isinstance(found, Hold) and not self.chance(12):
                account_id, reservation_id = found.account_id, found.reservation_id
            return ask.Refund(account_id, refund_id, reservation_id=reservation_id, credits=self.refunded(found))
        ids = [key for key, one in charges.items() if one.captured > one.refunded or self.chance(10)]
        if not ids or self.chance(30):
            return ask.Refund(self.account_id(), refund_id, charge_id="charge-never")
        charge_id = self.pick(ids[-20:])
        account_id = charges[charge_id].account_id
        if self.chance(40):
            account_id = self.account_id()
        return ask.Refund(account_id, refund_id, charge_id=charge_id, credits=self.refunded(charges[charge_id]))

    def refunded(self, found: Captured | None) -> int | None:
        left_ = found.captured - found.refunded if found else 1
        return None if self.chance(3) else left_ + 1 if self.chance(12) else self.between(1, max(left_, 1))

    def grant(self) -> Call:
        now_ms = self.clock.start_ms
        effective_ms = self.pick((0, 0, 0, 0, now_ms - 1, self.clock.place(self.between(1, 4))))
        ends = (0, 0, 0, self.clock.place(self.between(1, 6)), self.clock.place(self.between(1, 6)), now_ms - 1)
        kind, account_id = self.pick(KINDS), self.account_id()
        if kind is not GrantKind.ALLOTMENT and self.wallets() and not self.chance(6):
            account_id = self.pick(self.wallets()[:ACCOUNTS_MAX]).account_id
        return ask.GrantCredits(
            account_id,
            self.new_id("grant"),
            self.between(1, 80) if kind is not GrantKind.ALLOTMENT else self.between(10, 200),
            kind,
            effective_ms,
            self.pick(ends) if not self.chance(3) else 0,
            self.pick((-1, 0, 0, 1)),
            self.pick(SCOPES),
            actor="ann",
        )

    def revoke(self) -> Call:
        grants = self.grants()
        if not grants or self.chance(20):
            return ask.RevokeGrant(self.account_id(), "grant-never")
        held = [one for one in grants if one.held or one.shown_state in {GrantState.PENDING, GrantState.EXPIRED}]
        grant = self.pick((held or grants) if self.chance(2) else grants)
        account_id = self.account_id() if self.chance(30) else grant.account_id
        return ask.RevokeGrant(account_id, grant.grant_id, claw_back=self.chance(2))

    def transfer(self) -> Call:
        wallets = self.accounts if self.chance(12) else self.wallets()
        funded = [one for one in wallets if left(one, Pot.WALLET, None) > 0] or self.accounts
        source = self.pick(funded)
        targets = [one.account_id for one in wallets if one is not source] or [f"{self.root}/nobody"]
        available = max(left(source, Pot.WALLET, None), 1)
        amount = self.pick((available, available, self.between(1, available), available + self.between(0, 1)))
        target_id = f"{self.root}/nobody" if self.chance(40) else self.pick(targets)
        return ask.Transfer(source.account_id, self.new_id("move"), target_id, amount)

    def update(self) -> Call:
        account_id = self.account_id()
        own = self.settings(keep=4)
        if account_id == self.root:
            own.pop("funding", None)
        return ask.UpdateAccount(account_id, ask.SettingsChange(**own))

    def create(self) -> Call:
        if self.chance(4) or len(self.accounts) >= ACCOUNTS_MAX:
            known = self.pick(self.accounts)
            settings = known.created_with
            if self.chance(2):
                settings = replace(settings, overdraft_limit=settings.overdraft_limit + 1)
            return ask.CreateAccount(known.account_id, settings)
        parent = self.pick([one.account_id for one in self.accounts if one.account_id.count("/") < 3])
        if self.chance(8):
            parent = f"{self.root}/nobody"
        self._serial += 1
        settings = ask.AccountSettings(funding=self.pick(tuple(Funding)))
        return ask.CreateAccount(f"{parent}/n{self._serial}", settings)

    def close(self) -> Call:
        ids = [one.account_id for one in self.accounts if one.account_id != self.root or self.chance(60)]
        leaves = [one for one in ids if not any(other.startswith(f"{one}/") for other in ids)]
        if self.chance(20):
            return ask.CloseAccount(f"{self.root}/nobody")
        return ask.CloseAccount(self.pick(ids if self.chance(3) or not leaves else leaves))

"""A small, obvious model of the ledger: what semantics says, with plain lists and no care for speed.

Nothing is lazy here. Time passes, and what is due happens at once and in order; the store may notice it whenever
somebody touches the organisation, and must come to the same result. The model knows one organisation and one rate card,
by which every recipient costs what the request says.
"""

from __future__ import annotations

from dataclasses import replace

from tests.ledger.model_records import (
    MANY,
    NEVER,
    Account,
    Charged,
    Demand,
    Draw,
    Grant,
    Hold,
    Moment,
    Refused,
    Traffic,
    Verdict,
)

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.outcomes import Authorization, Balance, Denial, Settlement
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    LateCommit,
    Pot,
    ReservationState,
)


class Model:
    """One organisation."""

    def __init__(self) -> None:
        self.now = Moment(0, MANY)
        self.accounts: dict[str, Account] = {}
        self.holds: dict[str, Hold] = {}
        self.charges: dict[str, Charged] = {}
        self.granted: dict[str, tuple[object, Grant, int]] = {}

    # Time

    def pass_time(self, ticks: int) -> int:
        """Let time pass and do what is due, in order. Returns how many things were."""
        self.now = Moment(self.now.tick + ticks, MANY)
        happened = 0
        while due := self._next_due():
            moment, thing = due
            if moment > self.now:
                break
            happened += 1
            if isinstance(thing, Hold):
                all_of_it = thing.expiry_action is ExpiryAction.COMMIT
                self._settle(thing, thing.verdict.credits if all_of_it else 0, ReservationState.EXPIRED)
            elif thing[1].state is GrantState.PENDING:
                self._start(*thing)
            else:
                self._expire(thing[1])
        return happened

    def _next_due(self) -> tuple[Moment, Hold | tuple[Account, Grant]] | None:
        due: list[tuple[Moment, Hold | tuple[Account, Grant]]] = [
            (hold.expire, hold) for hold in self.holds.values() if hold.state is ReservationState.PENDING
        ]
        for account in self.accounts.values():
            for grant in account.grants:
                if grant.state is GrantState.PENDING:
                    due.append((grant.effective, (account, grant)))
                elif grant.shown_state() is GrantState.LIVE and grant.expire != NEVER:
                    due.append((grant.expire, (account, grant)))
        return min(due, key=lambda one: one[0], default=None)

    # Credits of one account

    def _start(self, account: Account, grant: Grant) -> int:
        grant.state = GrantState.LIVE
        credits_, grant.remaining = grant.remaining, 0
        return self._enter(account, grant, credits_)

    def _expire(self, grant: Grant) -> None:
        grant.state = GrantState.EXPIRED
        grant.expired += grant.remaining
        grant.remaining = 0

    def _enter(self, account: Account, grant: Grant, credits_: int) -> int:
        """Credits enter a grant; in a wallet they repay debt first. Returns how much."""
        repaid = min(account.debt, credits_) if grant.pot is Pot.WALLET else 0
        account.debt -= repaid
        grant.debt_paid += repaid
        grant.remaining += credits_ - repaid
        return repaid

    def _draw(self, demand: Demand, traffic: Traffic, credits_: int) -> list[tuple[Grant, int]]:
        parts: list[tuple[Grant, int]] = []
        if demand.mode is not Enforcement.OFF:
            for grant in demand.account.live(demand.pot, traffic):
                part = min(grant.remaining, credits_ - sum(taken for _, taken in parts))
                if part:
                    grant.remaining -= part
                    parts.append((grant, part))
        return parts

    def _spend(self, demand: Demand, traffic: Traffic, credits_: int) -> None:
        """Take credits for good: of grants, and what these do not cover as debt where a wallet enforces."""
        account = demand.account
        for grant, part in self._draw(demand, traffic, credits_):
            grant.captured += part
            credits_ -= part
            account.counts["used"] += part if demand.pot is Pot.WALLET else 0
        if demand.pot is Pot.WALLET and demand.mode is Enforcement.ENFORCE:
            account.debt += credits_
            account.counts["debt_incurred"] += credits_
            account.counts["used"] += credits_
        else:
            self._let_through(demand, credits_)

    def _let_through(self, demand: Demand, credits_: int) -> None:
        if demand.pot is Pot.WALLET:
            demand.account.counts["overrun"] += credits_
            demand.account.counts["used"] += credits_
        else:
            demand.account.counts["limit_overrun"] += credits_

    # Who pays, and whether it may

    def lineage(self, account_id: str) -> list[Account]:
        """The account and all above it."""
        parts = account_id.split("/")
        ids = ["/".join(parts[:depth]) for depth in range(len(parts), 0, -1)]
        for one in ids:
            if one not in self.accounts:
                raise Refused("ACCOUNT_NOT_FOUND")
        return [self.accounts[one] for one in ids]

    def _demand(self, lineage: list[Account], traffic: Traffic | None, *, is_inbound: bool) -> list[Demand]:
        payer = next(account for account in lineage if account.settings.funding is Funding.OWN)
        settings = payer.settings
        below: int | None = settings.overdraft_limit
        if is_inbound:
            below = settings.inbound_overdraft_limit
        elif traffic and traffic.priority is Priority.BULK and settings.floor is not None:
            below = -settings.floor
        demands = [Demand(payer, Pot.WALLET, settings.enforcement, below)]
        for account in lineage:
            counts = not is_inbound or account.settings.limit_counts_inbound
            if account.has_limit and counts and account.settings.enforcement is not Enforcement.OFF:
                demands.append(Demand(account, Pot.LIMIT, account.settings.enforcement, None if is_inbound else 0))
        return demands

    def _room(self, demand: Demand, traffic: Traffic | None) -> int | None:
        return None if demand.below is None else demand.account.left(demand.pot, traffic) + demand.below

    def _shortest(
        self, demands: list[Demand], traffic: Traffic, credits_: int, mode: Enforcement, *, is_inbound: bool
    ) -> Denial | None:
        worst: Denial | None = None
        for demand in demands:
            room = self._room(demand, traffic)
            if demand.mode is mode and room is not None and 0 < credits_ - room > (worst.shortfall if worst else 0):
                if demand.pot is Pot.LIMIT:
                    reason = DenialReason.LIMIT_REACHED
                elif is_inbound:
                    reason = DenialReason.INBOUND_LIMIT
                elif traffic.priority is Priority.BULK and demand.account.settings.floor is not None:
                    reason = DenialReason.FLOOR
                else:
                    reason = DenialReason.INSUFFICIENT_CREDITS
                worst = Denial(reason, demand.account.account_id, credits_ - room)
        return worst if credits_ else None

    def _decide(
        self, lineage: list[Account], traffic: Traffic, *, is_inbound: bool = False, allow_partial: bool = False
    ) -> tuple[Verdict, list[Demand]]:
        demands = self._demand(lineage, traffic, is_inbound=is_inbound)
        suspended = [account for account in lineage if account.settings.status is AccountStatus.SUSPENDED]
        if suspended and not is_inbound:
            denial = Denial(DenialReason.ACCOUNT_SUSPENDED, suspended[0].account_id, 0)
            return Verdict(Decision.DENIED, denial=denial), demands
        credits_ = traffic.unit * traffic.recipients
        if denied := self._shortest(demands, traffic, credits_, Enforcement.ENFORCE, is_inbound=is_inbound):
            fit = self._units_left(demands, traffic, traffic.unit) if allow_partial else 0
            if not fit:
                return Verdict(Decision.DENIED, denial=denied), demands
            return Verdict(Decision.ALLOWED_PARTIAL, fit * traffic.unit, fit), demands
        overrun = self._shortest(demands, traffic, credits_, Enforcement.MONITOR, is_inbound=is_inbound)
        decision = Decision.ALLOWED_MONITORED if overrun else Decision.ALLOWED
        return Verdict(decision, credits_, traffic.recipients, overrun), demands

    def _units_left(self, demands: list[Demand], traffic: Traffic | None, unit: int) -> int | None:
        rooms = [self._room(demand, traffic) for demand in demands if demand.mode is Enforcement.ENFORCE]
        bounds = [room for room in rooms if room is not None]
        return max(0, min(bounds) // unit) if unit and bounds else None

    def balance(
        self, account_id: str, traffic: Traffic | None = None, unit: int = 0, *, is_inbound: bool = False
    ) -> Balance:
        """How an account stands."""
        lineage = self.lineage(account_id)
        demands = self._demand(lineage, traffic, is_inbound=is_inbound)
        payer = demands[0].account
        limited = [one for one in lineage if one.has_limit and one.settings.enforcement is not Enforcement.OFF]
        return Balance(
            account_id=account_id,
            payer_id=payer.account_id,
            available=payer.left(Pot.WALLET, None),
            usable=payer.left(Pot.WALLET, traffic),
            reserved=payer.reserved,
            debt=payer.debt,
            limit_left=min((account.left(Pot.LIMIT, traffic) for account in limited), default=None),
            units_left=self._units_left(demands, traffic, unit),
        )

    # Operations

    def quote(self, account_id: str, traffic: Traffic) -> Authorization:
        """Quote."""
        verdict, _ = self._decide(self.lineage(account_id), traffic)
        return self._authorization(account_id, traffic, verdict)

    def reserve(  # noqa: PLR0913 — as many as the request has fields
        self,
        account_id: str,
        hold_id: str,
        traffic: Traffic,
        expire: Moment,
        *,
        allow_partial: bool,
        expiry_action: ExpiryAction,
    ) -> Authorization:
        """Reserve."""
        lineage = self.lineage(account_id)
        content = (account_id, replace(traffic, priority=Priority.BULK), allow_partial, expiry_action)
        if hold := self.holds.get(hold_id):
            if hold.content != content:
                raise Refused("ID_REUSED")
            return self._authorization(account_id, traffic, hold.verdict, state=hold.state, replayed=True)
        verdict, demands = self._decide(lineage, traffic, allow_partial=allow_partial)
        if verdict.decision is Decision.DENIED:
            return self._authorization(account_id, traffic, verdict)
        draws = [self._hold(demand, traffic, verdict.credits) for demand in demands]
        lineage[0].counts["open_holds"] += 1
        self.holds[hold_id] = Hold(account_id, content, traffic, verdict, expire, expiry_action, draws)
        return self._authorization(account_id, traffic, verdict, state=ReservationState.PENDING)

    def charge(self, account_id: str, charge_id: str, traffic: Traffic) -> Authorization:
        """Charge."""
        lineage, is_inbound = self.lineage(account_id), traffic.direction is Direction.INBOUND
        content = (account_id, replace(traffic, priority=Priority.BULK))
        if charge := self.charges.get(charge_id):
            if charge.content != content:
                raise Refused("ID_REUSED")
            return self._authorization(account_id, traffic, charge.verdict, is_inbound=is_inbound, replayed=True)
        verdict, demands = self._decide(lineage, traffic, is_inbound=is_inbound)
        if verdict.decision is not Decision.DENIED:
            for demand in demands:
                self._spend(demand, traffic, verdict.credits)
            demands[0].account.counts["inbound"] += verdict.credits if is_inbound else 0
            lineage[0].counts["usage"] += verdict.credits
            self.charges[charge_id] = Charged(content, verdict)
        return self._authorization(account_id, traffic, verdict, is_inbound=is_inbound)

    def commit(self, account_id: str, hold_id: str, credits_: int | None) -> Settlement:
        """Commit."""
        lineage, hold = self._find(account_id, hold_id)
        wanted = hold.verdict.credits if credits_ is None else credits_
        if hold.state is ReservationState.RELEASED:
            raise Refused("HOLD_ALREADY_RELEASED")
        if hold.state is ReservationState.COMMITTED:
            if hold.captured != wanted:
                raise Refused("HOLD_ALREADY_COMMITTED")
            return self._settlement(hold, replayed=True)
        if hold.state is ReservationState.PENDING:
            self._settle(hold, wanted, ReservationState.COMMITTED)
            return self._settlement(hold)
        if hold.expiry_action is ExpiryAction.COMMIT:
            if hold.captured != wanted:
                raise Refused("HOLD_EXPIRED")
            return self._settlement(hold, replayed=True)
        policies = [account.settings.late_commit for account in lineage if account.settings.late_commit]
        if policies and policies[0] is LateCommit.REJECT:
            raise Refused("HOLD_EXPIRED")
        self._charge_late(hold, wanted)
        return self._settlement(hold)

    def release(self, account_id: str, hold_id: str) -> Settlement:
        """Release."""
        _, hold = self._find(account_id, hold_id)
        if hold.state is ReservationState.COMMITTED:
            raise Refused("HOLD_ALREADY_COMMITTED")
        if hold.state is ReservationState.EXPIRED and hold.expiry_action is ExpiryAction.COMMIT:
            raise Refused("HOLD_EXPIRED")
        if hold.state is not ReservationState.PENDING:
            return self._settlement(hold, replayed=True)
        self._settle(hold, 0, ReservationState.RELEASED)
        return self._settlement(hold)

    def grant(  # noqa: PLR0913, PLR0917 — as many as the request has fields
        self,
        account_id: str,
        grant_id: str,
        credits_: int,
        kind: GrantKind,
        priority: int,
        scope: Scope,
        effective: Moment,
        expire: Moment,
    ) -> tuple[Grant, int, bool]:
        """Grant. Returns the grant, the debt it repaid at once, and whether it was given before."""
        account = self.lineage(account_id)[0]
        content = (account_id, credits_, kind, priority, scope, effective, expire)
        if known := self.granted.get(grant_id):
            first_content, grant, repaid = known
            if first_content != content:
                raise Refused("ID_REUSED")
            return grant, repaid, True
        if expire <= max(self.now, effective):
            raise Refused("INVALID_FIELD")
        pot = Pot.LIMIT if kind is GrantKind.ALLOTMENT else Pot.WALLET
        account.has_limit = account.has_limit or pot is Pot.LIMIT
        created = len(self.granted)
        grant = Grant(grant_id, pot, credits_, priority, scope, effective, expire, created, remaining=credits_)
        account.grants.append(grant)
        repaid = self._start(account, grant) if effective <= self.now else 0
        self.granted[grant_id] = content, grant, repaid
        return grant, repaid, False

    # Holds

    def _hold(self, demand: Demand, traffic: Traffic, credits_: int) -> Draw:
        draw = Draw(demand, self._draw(demand, traffic, credits_))
        for grant, part in draw.parts:
            grant.held += part
        covered = sum(part for _, part in draw.parts)
        if demand.pot is Pot.WALLET:
            draw.unfunded = credits_ - covered if demand.mode is Enforcement.ENFORCE else 0
            demand.account.unfunded += draw.unfunded
            demand.account.reserved += covered + draw.unfunded
        return draw

    def _settle(self, hold: Hold, credits_: int, state: ReservationState) -> None:
        """End an open hold: capture credits, give the rest back, draw what is beyond it."""
        hold.state, hold.captured = state, credits_
        within = min(credits_, hold.verdict.credits)
        for draw in hold.draws:
            self._settle_draw(hold, draw, within)
        hold.overage = credits_ - within
        if hold.overage:
            for draw in hold.draws:
                self._spend(draw.demand, hold.traffic, hold.overage)
            hold.draws[0].demand.account.counts["overage"] += hold.overage
        leaf = self.accounts[hold.account_id]
        leaf.counts["open_holds"] -= 1
        leaf.counts["usage"] += credits_

    def _settle_draw(self, hold: Hold, draw: Draw, within: int) -> None:
        account, is_wallet = draw.demand.account, draw.demand.pot is Pot.WALLET
        left = within
        for grant, part in draw.parts:
            used = min(left, part)
            left -= used
            grant.held -= part
            grant.captured += used
            back = part - used
            repaid = expired = 0
            if grant.state is GrantState.EXPIRED:
                expired = back
                grant.expired += back
            else:
                repaid = self._enter(account, grant, back)
            if is_wallet:
                account.reserved -= part
                account.counts["used"] += used
                hold.restored += back - expired
                hold.expired += expired
                hold.debt_repaid += repaid
        if is_wallet:
            account.unfunded -= draw.unfunded
            account.reserved -= draw.unfunded
        if draw.unfunded:
            self._spend(draw.demand, hold.traffic, left)
        else:
            self._let_through(draw.demand, left)

    def _charge_late(self, hold: Hold, credits_: int) -> None:
        for draw in hold.draws:
            self._spend(draw.demand, hold.traffic, credits_)
        hold.draws[0].demand.account.counts["late"] += credits_
        self.accounts[hold.account_id].counts["usage"] += credits_
        hold.state, hold.captured, hold.late = ReservationState.COMMITTED, credits_, True
        hold.restored = hold.expired = hold.debt_repaid = 0

    def _find(self, account_id: str, hold_id: str) -> tuple[list[Account], Hold]:
        lineage, hold = self.lineage(account_id), self.holds.get(hold_id)
        if hold is None or hold.account_id != account_id:
            raise Refused("RESERVATION_NOT_FOUND")
        return lineage, hold

    # Answers

    def _authorization(  # noqa: PLR0913 — as many as the answer has
        self,
        account_id: str,
        traffic: Traffic,
        verdict: Verdict,
        *,
        is_inbound: bool = False,
        state: ReservationState | None = None,
        replayed: bool = False,
    ) -> Authorization:
        return Authorization(
            decision=verdict.decision,
            denial=verdict.denial,
            credits=verdict.credits,
            recipients_granted=verdict.recipients,
            balance=self.balance(account_id, traffic, traffic.unit, is_inbound=is_inbound),
            state=state,
            replayed=replayed,
        )

    def _settlement(self, hold: Hold, *, replayed: bool = False) -> Settlement:
        return Settlement(
            state=hold.state,
            captured=hold.captured,
            restored=hold.restored,
            expired=hold.expired,
            overage=hold.overage,
            debt_repaid=hold.debt_repaid,
            balance=self.balance(hold.account_id, hold.traffic, hold.traffic.unit),
            replayed=replayed,
            late=hold.late,
        )

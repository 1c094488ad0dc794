"""Plans: an account's own credits of each period, what of them rolls over, and what follows a period's end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from creditgate_server.credit.calendar import Cycle
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.outcomes import PlanSet
from creditgate_server.credit.reference import pots
from creditgate_server.credit.reference.branches import Branch
from creditgate_server.credit.reference.levels import balance, is_closed, lineage
from creditgate_server.credit.reference.records import NEVER_MS, Grant, Maker, Plan, PlanChange, Refused, RollsOver
from creditgate_server.credit.reference.views import plan_view
from creditgate_server.credit.terms import (
    GRANTS_PER_ACCOUNT_MAX,
    SCOPES_PER_ACCOUNT_MAX,
    AccountStatus,
    GrantKind,
    GrantState,
    RollOver,
)

if TYPE_CHECKING:
    from creditgate_server.credit import operations as ask
    from creditgate_server.credit.reference.records import Account, Organisation


def set_plan(organisation: Organisation, operation: ask.SetPlan) -> PlanSet:
    """Give an account a plan, another one, or none: now, or when the present period ends."""
    account = lineage(organisation, operation.account_id)[0]
    content = replace(operation, change_id="")
    if known := organisation.plan_changes.get(operation.change_id):
        if known.content != content:
            raise Refused("ID_REUSED")
        organisation.reach(Branch.PLAN_REPLAYED if account.plan else Branch.PLAN_REPLAYED_AFTER_ITS_END)
        return _plan_set(organisation, account, known, replayed=True)
    if is_closed(account):
        raise Refused("ACCOUNT_CLOSED")
    repaid = 0
    if operation.at_period_end and account.plan:
        _let_follow(organisation, account.plan, operation.terms)
    elif operation.terms is None:
        _cancel(organisation, account)
    else:
        if operation.at_period_end:
            organisation.reach(Branch.PLAN_BEGUN_FOR_WANT_OF_A_PERIOD)
        repaid = _replace(organisation, account, operation.terms)
    made = PlanChange(content, repaid)
    organisation.plan_changes[operation.change_id] = made
    return _plan_set(organisation, account, made)


def end_period(organisation: Organisation, account: Account) -> None:
    """End the period of an account's plan, whose time has come, and begin the next one if there is one."""
    plan = _plan_of(account)
    organisation.now_ms = plan.end_ms
    _end_grant(organisation, plan)
    if plan.ends:
        organisation.reach(Branch.NOT_RENEWED)
        account.plan = None
        return
    _note_renewal(organisation, account, plan)
    if _begin_period(organisation, account, plan.following or plan.terms):
        organisation.reach(Branch.RENEWAL_REPAYS_DEBT)


def _let_follow(organisation: Organisation, plan: Plan, terms: ask.PlanTerms | None) -> None:
    """Note what follows the present period: other terms, or nothing."""
    if terms is None:
        organisation.reach(Branch.PLAN_CANCELLED_AT_ITS_END)
    elif plan.ends:
        organisation.reach(Branch.PLAN_TO_FOLLOW_AFTER_ALL)
    else:
        organisation.reach(Branch.PLAN_TO_FOLLOW_ANOTHER if plan.following else Branch.PLAN_TO_FOLLOW)
    plan.following, plan.ends = terms, terms is None


def _cancel(organisation: Organisation, account: Account) -> None:
    if account.plan is None:
        organisation.reach(Branch.PLAN_CANCELLED_WITHOUT_ONE)
        return
    organisation.reach(Branch.PLAN_CANCELLED_NOW)
    _end_grant(organisation, account.plan)
    account.plan = None


def _replace(organisation: Organisation, account: Account, terms: ask.PlanTerms) -> int:
    """End the present period now, if there is one, and begin one on other terms. Returns the debt that was repaid."""
    _check_bounds(organisation, account, terms)
    plan = account.plan
    organisation.reach(Branch.PLAN_BEGUN_IN_PLACE_OF_ANOTHER if plan else Branch.PLAN_BEGUN)
    if plan:
        if plan.following or plan.ends:
            organisation.reach(Branch.PLAN_DROPS_WHAT_WAS_TO_FOLLOW)
        _end_grant(organisation, plan)
    repaid = _begin_period(organisation, account, terms)
    if repaid:
        organisation.reach(Branch.PLAN_REPAYS_DEBT)
    return repaid


def _check_bounds(organisation: Organisation, account: Account, terms: ask.PlanTerms) -> None:
    """Check that there is a place for the new plan's first grant. Raises Refused."""
    active = [one for one in account.grants if one.is_active]
    plan = account.plan
    frees_a_place = bool(plan and plan.grant.is_active and plan.terms.rollover is RollOver.NONE)
    if len(active) + 1 - frees_a_place > GRANTS_PER_ACCOUNT_MAX:
        if plan:
            organisation.reach(Branch.PLAN_REFUSED_THOUGH_ONE_ENDS)
        raise Refused("TOO_MANY_GRANTS")
    present = {one.scope for one in active} - {Scope()}
    new = {terms.scope} - present - {Scope()}
    if new and len(present) + len(new) > SCOPES_PER_ACCOUNT_MAX:
        organisation.reach(Branch.PLAN_REFUSED_FOR_ITS_SCOPE)
        raise Refused("TOO_MANY_GRANTS")
    if len(active) == GRANTS_PER_ACCOUNT_MAX:
        organisation.reach(Branch.PLAN_IN_THE_LAST_PLACE)


def _begin_period(organisation: Organisation, account: Account, terms: ask.PlanTerms) -> int:
    """Begin a period now, with its own grant. Returns the debt that this repaid."""
    begin_ms = organisation.now_ms
    anchor_ms = begin_ms if terms.anchor_ms is None else terms.anchor_ms
    end_ms = Cycle(terms.interval, anchor_ms, terms.time_zone).boundary_after(begin_ms)
    blank = Grant(0, "", "", GrantKind.PLAN, Maker.PLAN, 0, terms.priority, terms.scope, 0, 0, end_ms)
    grant = pots.add_grant(organisation, account, blank, Maker.PLAN, reference=terms.plan_id)
    grant.amount = terms.credits
    account.plan = Plan(replace(terms, anchor_ms=anchor_ms), begin_ms, end_ms, grant)
    return pots.enter(organisation, grant, terms.credits)


def _end_grant(organisation: Organisation, plan: Plan) -> None:
    """End the grant of a period that ends now: what is left of it rolls over as the plan says, or is gone."""
    grant, terms = plan.grant, plan.terms
    if grant.state is not GrantState.LIVE:
        organisation.reach(Branch.ENDED_REVOKED if grant.state is GrantState.REVOKED else Branch.ENDED_MOVED)
        return
    if grant.held:
        organisation.reach(Branch.LEFT_WHILE_HELD)
    left, grant.remaining, grant.state = grant.remaining, 0, GrantState.EXPIRED
    if terms.rollover is RollOver.NONE:
        organisation.reach(Branch.LEFT_TO_EXPIRE if left else Branch.LEFT_NOTHING)
        grant.expired += left
        return
    until_ms = organisation.now_ms + terms.rollover_life_ms if terms.rollover_life_ms else NEVER_MS
    grant.rolls_over = RollsOver(terms.rollover_priority, until_ms)
    rolled = min(left, terms.rollover_cap) if terms.rollover is RollOver.CAPPED else left
    grant.expired += left - rolled
    if not rolled:
        organisation.reach(Branch.ROLLED_NOTHING)
        return
    _note_roll_over(organisation, terms, left, rolled)
    grant.heir = pots.rollover_of(organisation, grant, grant.rolls_over)
    pots.inherit(organisation, grant, grant.heir, rolled)
    if pots.enter(organisation, grant.heir, rolled):
        organisation.reach(Branch.ROLLED_INTO_DEBT)


def _note_roll_over(organisation: Organisation, terms: ask.PlanTerms, left: int, rolled: int) -> None:
    if terms.rollover is RollOver.ALL:
        organisation.reach(Branch.ROLLED_ALL)
    else:
        organisation.reach(Branch.ROLLED_TO_CAP if rolled < left else Branch.ROLLED_WITHIN_CAP)


def _note_renewal(organisation: Organisation, account: Account, plan: Plan) -> None:
    organisation.reach(Branch.RENEWED_ON_OTHER_TERMS if plan.following else Branch.RENEWED)
    if account.settings.status is AccountStatus.SUSPENDED:
        organisation.reach(Branch.RENEWED_WHILE_SUSPENDED)
    if sum(one.is_active for one in account.grants) >= GRANTS_PER_ACCOUNT_MAX:
        organisation.reach(Branch.RENEWED_BEYOND_THE_BOUND)


def _plan_of(account: Account) -> Plan:
    if account.plan is None:
        raise TypeError(account.account_id)
    return account.plan


def _plan_set(organisation: Organisation, account: Account, made: PlanChange, *, replayed: bool = False) -> PlanSet:
    return PlanSet(plan_view(account), made.debt_repaid, balance(organisation, account.account_id), replayed)

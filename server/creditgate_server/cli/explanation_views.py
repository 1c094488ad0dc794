"""How the explanation of a usage reads: the decision, the price, who pays with which grants, the limits, what comes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from creditgate import errors
from creditgate.answers import Explanation, GrantExplanation, LimitExplanation
from creditgate.terms import AccountStatus, Decision, DenialReason, Enforcement, GrantVerdict
from creditgate_server.cli.failures import remedy_of
from creditgate_server.cli.grant_views import scope_of
from creditgate_server.cli.views import Text, Tone, counted, text_of


def explained(explanation: Explanation) -> Iterator[Text]:
    """Tell how a usage would be decided now, a line for each thing to know."""
    yield _decision(explanation)
    yield from _price(explanation)
    yield from _wallets(explanation)
    yield from map(_limit, explanation.limits)
    yield from _statuses(explanation)
    yield from _outlook(explanation)


def _decision(explanation: Explanation) -> Text:
    account_id = explanation.balance.account_id
    if explanation.denial is None:
        return Text(f"{account_id} may send this.", Tone.GOOD)
    denied = errors.denied(explanation)
    if explanation.decision is Decision.ALLOWED_MONITORED:
        level = explanation.denial.account_id
        return Text(f"{account_id} may send this, though {denied.why}: {level} only monitors.", Tone.WARNING)
    return Text(f"{denied}.", Tone.BAD)


def _price(explanation: Explanation) -> Iterator[Text]:
    if explanation.cost is not None and explanation.rate is not None:
        rate = explanation.rate
        rule = f"rule {rate.rule} of rate card {rate.rate_card_id}, version {rate.rate_card_version}"
        yield Text(f"It costs {counted(explanation.cost.credits, 'credit')}, by {rule}.")


def _wallets(explanation: Explanation) -> Iterator[Text]:
    """Tell who pays, and what each grant does; then whose grants do not pay."""
    grants = {level: list(each) for level, each in groupby(explanation.grants, lambda each: each.grant.account_id)}
    of_payer = grants.pop(explanation.payer_id, [])
    yield Text(_payer(explanation) + (":" if of_payer else "; there are no grants in it."))
    yield from map(_grant, of_payer)
    for level, others in grants.items():
        yield Text(f"{level} has credits of its own, which do not pay here:", Tone.QUIET)
        yield from map(_grant, others)


def _payer(explanation: Explanation) -> str:
    balance, payer_id = explanation.balance, explanation.payer_id
    whom = "itself" if payer_id == balance.account_id else balance.account_id
    wallet = f"{payer_id} pays for {whom}, out of a wallet with {counted(balance.available, 'credit')} available"
    if balance.usable != balance.available:
        wallet += f", {balance.usable:,} of which may be spent on this"
    if balance.reserved:
        wallet += f", {balance.reserved:,} reserved"
    if balance.debt:
        wallet += f", a debt of {balance.debt:,}"
    if any(level.pays and level.enforcement is Enforcement.MONITOR for level in explanation.levels):
        wallet += ", which is only monitored"
    return wallet


def _grant(explained: GrantExplanation) -> Text:
    grant = explained.grant
    name = f"  {grant.grant_id} ({text_of(grant.kind).words})"
    left = counted(grant.remaining, "credit")
    if explained.verdict is GrantVerdict.PAYS:
        return Text(f"{name} would pay {explained.credits:,} of its {left}.", Tone.GOOD)
    only_for = f"cannot pay: its {left} are for {scope_of(grant.scope)} only"
    words = {
        GrantVerdict.NOT_NEEDED: f"is not needed: its {left} stay",
        GrantVerdict.OTHER_CHANNEL: only_for,
        GrantVerdict.OTHER_REGION: only_for,
        GrantVerdict.NOT_BEGUN: f"cannot pay yet: its {left} begin on {text_of(grant.effective_time).words}",
        GrantVerdict.NOTHING_LEFT: f"has nothing left{f', {grant.held:,} are held' if grant.held else ''}",
        GrantVerdict.OTHER_PAYER: f"has {left}",
        GrantVerdict.NOT_ENFORCED: f"is not touched: {grant.account_id} enforces nothing; its {left} stay",
    }
    # A newer server may have verdicts that have no words here.
    return Text(f"{name} {words.get(explained.verdict, text_of(explained.verdict).words)}.", Tone.QUIET)


def _limit(limit: LimitExplanation) -> Text:
    leaves = f"The limit of {limit.account_id} leaves {counted(limit.limit_left, 'credit')}"
    if not limit.counts:
        return Text(f"{leaves}, and does not count this.", Tone.QUIET)
    if not limit.shortfall:
        return Text(f"{leaves}, which is enough.")
    monitored = ", but is only monitored" if limit.enforcement is Enforcement.MONITOR else ""
    return Text(f"{leaves}, {limit.shortfall:,} too few{monitored}.", Tone.WARNING)


def _statuses(explanation: Explanation) -> Iterator[Text]:
    """Tell which levels are out of use, but for the one whose denial says so."""
    told = explanation.denial.account_id if explanation.denial is not None else ""
    for level in explanation.levels:
        if level.status is not AccountStatus.ACTIVE and level.account_id != told:
            yield Text(f"{level.account_id} is {text_of(level.status).words}.", Tone.WARNING)


def _outlook(explanation: Explanation) -> Iterator[Text]:
    """Tell when more credits come, and what helps now."""
    denial = explanation.denial
    if explanation.next_credit_time is not None:
        credits_ = counted(explanation.next_credits, "credit")
        yield Text(f"The next credits begin on {text_of(explanation.next_credit_time).words}: {credits_}.")
    if denial is None or explanation.decision is not Decision.DENIED:
        return
    if denial.reason is DenialReason.LIMIT_REACHED and denial.next_credit_time is not None:
        yield Text(f"The limit of {denial.account_id} grows on {text_of(denial.next_credit_time).words}.")
    if remedy := remedy_of(denial):
        yield Text(f"What helps: {remedy}.")

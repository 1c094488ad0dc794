"""How the explanation of a usage reads: what is decided and why, what it costs, who pays; then grants and limits."""

from __future__ import annotations

from collections.abc import Iterator

from creditgate import errors
from creditgate.answers import Denial, Explanation, GrantExplanation, LimitExplanation
from creditgate.terms import AccountStatus, Decision, DenialReason, Enforcement, GrantVerdict
from creditgate_server.cli.failures import remedy_of
from creditgate_server.cli.grant_views import scope_of
from creditgate_server.cli.views import CommandLine, Sentence, Table, Text, Tone, Value, View, counted, text_of


def explained(explanation: Explanation) -> Iterator[View]:
    """Tell in sentences how a usage would be decided now, and show in tables what that rests on."""
    yield from map(Sentence, _sentences(explanation))
    yield from _help(explanation)
    if explanation.grants:
        yield _grants(explanation)
    if explanation.limits:
        yield _limits(explanation)


def _sentences(explanation: Explanation) -> Iterator[Text]:
    yield _decision(explanation)
    yield from _price(explanation)
    yield Text(_payer(explanation))
    yield from _statuses(explanation)
    yield from _outlook(explanation)


def _decision(explanation: Explanation) -> Text:
    account_id, denial = explanation.balance.account_id, explanation.denial
    usage = "for this" if explanation.cost is None else counted(explanation.cost.credits, "credit")
    if denial is None:
        return Text(f"{account_id} can pay {usage}.", Tone.GOOD)
    why = _why(explanation, denial)
    if explanation.decision is Decision.ALLOWED_MONITORED:
        return Text(f"{account_id} may send this, though {why}: {denial.account_id} only monitors.", Tone.WARNING)
    cannot = f"cannot pay {usage}" if denial.shortfall else "may not send this"
    return Text(f"{account_id} {cannot}: {why}.", Tone.BAD)


def _why(explanation: Explanation, denial: Denial) -> str:
    """Say what stands against a usage, with what there is and what is missing."""
    short = f"{denial.shortfall:,} too few"
    match denial.reason:
        case DenialReason.LIMIT_REACHED:
            left = next(each.limit_left for each in explanation.limits if each.account_id == denial.account_id)
            return f"{_whose(explanation, 'limit')} has {left:,} left, {short}"
        case DenialReason.INSUFFICIENT_CREDITS if explanation.cost is not None:
            usable = explanation.balance.usable
            overdraft = explanation.cost.credits - denial.shortfall - usable
            below = f" and may go {overdraft:,} below zero" if overdraft > 0 else ""
            return f"{_whose(explanation, 'wallet')} has {usable:,} to spend on this{below}, {short}"
    return errors.denied(explanation).why


def _whose(explanation: Explanation, pot: str) -> str:
    """Name the pot that binds: the account's own, or that of one above it."""
    level = explanation.denial.account_id if explanation.denial is not None else ""
    return f"its {pot}" if level == explanation.balance.account_id else f"the {pot} of {level}"


def _price(explanation: Explanation) -> Iterator[Text]:
    if explanation.cost is not None and explanation.rate is not None:
        rate = explanation.rate
        rule = f"rule {rate.rule} of rate card {rate.rate_card_id}, version {rate.rate_card_version}"
        yield Text(f"It costs {counted(explanation.cost.credits, 'credit')}, by {rule}.")


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
    return f"{wallet}." if explanation.grants else f"{wallet}; there are no grants in it."


def _statuses(explanation: Explanation) -> Iterator[Text]:
    """Tell which levels are out of use, but for the one whose denial says so."""
    told = explanation.denial.account_id if explanation.denial is not None else ""
    for level in explanation.levels:
        if level.status is not AccountStatus.ACTIVE and level.account_id != told:
            yield Text(f"{level.account_id} is {text_of(level.status).words}.", Tone.WARNING)


def _outlook(explanation: Explanation) -> Iterator[Text]:
    """Tell when more credits come."""
    denial = explanation.denial
    if explanation.next_credit_time is not None:
        credits_ = counted(explanation.next_credits, "credit")
        yield Text(f"The next credits begin on {text_of(explanation.next_credit_time).words}: {credits_}.")
    if denial is None or explanation.decision is not Decision.DENIED:
        return
    if denial.reason is DenialReason.LIMIT_REACHED and denial.next_credit_time is not None:
        yield Text(f"The limit of {denial.account_id} grows on {text_of(denial.next_credit_time).words}.")


def _help(explanation: Explanation) -> Iterator[View]:
    """Tell what helps now against a denial."""
    if explanation.denial is None or explanation.decision is not Decision.DENIED:
        return
    remedy = remedy_of(explanation.denial)
    if remedy is not None and remedy.command:
        yield Sentence(Text(f"This {remedy.words}:"))
        yield CommandLine(remedy.command)
    elif remedy is not None:
        yield Sentence(Text(f"What helps: {remedy.words}."))


def _grants(explanation: Explanation) -> Table:
    """Show what each grant does for the usage: those of the payer, then those of wallets that do not pay here."""
    rows = [
        _grant_row(each)
        for each in sorted(explanation.grants, key=lambda each: each.grant.account_id != explanation.payer_id)
    ]
    headings = ("Grant", "Account", "Kind", "Remaining", "Pays", "Why not more")
    return Table(headings, rows, title="Grants, in the order in which they burn")


def _grant_row(explained: GrantExplanation) -> tuple[Value, ...]:
    grant = explained.grant
    only_for = f"only for {scope_of(grant.scope)}"
    words = {
        GrantVerdict.PAYS: "",
        GrantVerdict.NOT_NEEDED: "not needed",
        GrantVerdict.OTHER_CHANNEL: only_for,
        GrantVerdict.OTHER_REGION: only_for,
        GrantVerdict.NOT_BEGUN: f"begins on {text_of(grant.effective_time).words}",
        GrantVerdict.NOTHING_LEFT: f"nothing left{f', {grant.held:,} held' if grant.held else ''}",
        GrantVerdict.OTHER_PAYER: f"{grant.account_id} does not pay here",
        GrantVerdict.NOT_ENFORCED: f"{grant.account_id} enforces nothing",
    }
    pays = explained.verdict is GrantVerdict.PAYS
    return (
        grant.grant_id,
        grant.account_id,
        grant.kind,
        grant.remaining,
        Text(f"{explained.credits:,}", Tone.GOOD) if pays else None,
        # A newer server may have verdicts that have no words here.
        Text(words.get(explained.verdict, text_of(explained.verdict).words), Tone.QUIET),
    )


def _limits(explanation: Explanation) -> Table:
    rows = [_limit_row(each) for each in explanation.limits]
    return Table(("Account", "Left", "Short", "Remark"), rows, title="Limits")


def _limit_row(limit: LimitExplanation) -> tuple[Value, ...]:
    remark = "enough"
    if not limit.counts:
        remark = "does not count this"
    elif limit.shortfall:
        remark = "only monitored" if limit.enforcement is Enforcement.MONITOR else "too little"
    short = Text(f"{limit.shortfall:,}", Tone.WARNING) if limit.counts and limit.shortfall else None
    return limit.account_id, limit.limit_left, short, remark

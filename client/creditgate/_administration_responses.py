"""Reads the answers about accounts, credits and rate cards; pure, and shared by both clients."""

from __future__ import annotations

from creditgate import _balances, answers
from creditgate.pricing import Channel, Direction, Priority, Rule, Unit
from creditgate.terms import AccountStatus, Enforcement, Funding, GrantKind, GrantState, LateCommit, Overage
from creditgate.v1 import accounts_pb2, credits_pb2, rate_cards_pb2


def created_account(response: accounts_pb2.CreateAccountResponse) -> answers.CreatedAccount:
    """Read the answer to CreateAccount."""
    return answers.CreatedAccount(account=account(response.account), replayed=response.replayed)


def account(message: accounts_pb2.Account) -> answers.Account:
    """Read an account."""
    has_inbound_limit = message.HasField("inbound_overdraft_limit")
    return answers.Account(
        account_id=message.account_id,
        display_name=message.display_name,
        status=AccountStatus(message.status),
        funding=Funding(message.funding),
        enforcement=Enforcement(message.enforcement),
        overdraft_limit=message.overdraft_limit,
        inbound_overdraft_limit=message.inbound_overdraft_limit if has_inbound_limit else None,
        floor=message.floor if message.HasField("floor") else None,
        late_commit=LateCommit(message.late_commit) if message.late_commit else None,
        overage=Overage(message.overage) if message.overage else None,
        rate_card_id=message.rate_card_id,
        limit_counts_inbound=message.limit_counts_inbound,
        create_time=_balances.time(message.create_time),
        update_time=_balances.time(message.update_time),
    )


def account_summary(message: accounts_pb2.AccountSummary) -> answers.AccountSummary:
    """Read an account of a list."""
    return answers.AccountSummary(account=account(message.account), balance=_balances.balance(message.balance))


def closed_account(response: accounts_pb2.CloseAccountResponse) -> answers.ClosedAccount:
    """Read the answer to CloseAccount."""
    return answers.ClosedAccount(
        account=account(response.account),
        revoked=response.revoked,
        written_off=response.written_off,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def granted(response: credits_pb2.GrantResponse) -> answers.Granted:
    """Read the answer to Grant."""
    return answers.Granted(
        grant=credit_grant(response.grant),
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def revoked(response: credits_pb2.RevokeGrantResponse) -> answers.Revoked:
    """Read the answer to RevokeGrant."""
    return answers.Revoked(
        grant=credit_grant(response.grant),
        revoked=response.revoked,
        clawed_back=response.clawed_back,
        balance=_balances.balance(response.balance),
        replayed=response.replayed,
    )


def transferred(response: credits_pb2.TransferResponse) -> answers.Transferred:
    """Read the answer to Transfer."""
    return answers.Transferred(
        credits=response.credits,
        debt_repaid=response.debt_repaid,
        balance=_balances.balance(response.balance),
        target_balance=_balances.balance(response.target_balance),
        replayed=response.replayed,
    )


def credit_grant(message: credits_pb2.CreditGrant) -> answers.CreditGrant:
    """Read a grant."""
    return answers.CreditGrant(
        account_id=message.account_id,
        grant_id=message.grant_id,
        kind=GrantKind(message.kind),
        state=GrantState(message.state),
        amount=message.amount,
        remaining=message.remaining,
        held=message.held,
        captured=message.captured,
        refunded=message.refunded,
        debt_repaid=message.debt_repaid,
        expired=message.expired,
        revoked=message.revoked,
        moved=message.moved,
        create_time=_balances.time(message.create_time),
        effective_time=_balances.time(message.effective_time),
        expire_time=_balances.time(message.expire_time),
        priority=message.priority,
        scope=_balances.scope(message.scope),
        actor=message.actor,
        reference=message.reference,
        note=message.note,
    )


def stored_rate_card(response: rate_cards_pb2.PutRateCardResponse) -> answers.StoredRateCard:
    """Read the answer to PutRateCard."""
    return answers.StoredRateCard(rate_card=rate_card_version(response.rate_card), replayed=response.replayed)


def rate_card_version(message: rate_cards_pb2.RateCard) -> answers.RateCardVersion:
    """Read one version of a rate card."""
    return answers.RateCardVersion(
        rate_card_id=message.rate_card_id,
        version=message.version,
        rules=tuple(_rule(rule) for rule in message.rules),
        create_time=_balances.time(message.create_time),
    )


def rate_card_summary(message: rate_cards_pb2.RateCardSummary) -> answers.RateCardSummary:
    """Read a rate card of a list."""
    return answers.RateCardSummary(
        rate_card_id=message.rate_card_id,
        version=message.version,
        rule_count=message.rule_count,
        create_time=_balances.time(message.create_time),
    )


def _rule(message: rate_cards_pb2.RateRule) -> Rule:
    return Rule(
        name=message.name,
        unit=Unit(message.unit),
        credits_per_unit=message.credits_per_unit,
        channel=Channel(message.channel) if message.channel else None,
        direction=Direction(message.direction) if message.direction else None,
        regions=tuple(message.regions),
        priority=Priority(message.priority) if message.priority else None,
        block_size=message.block_size,
        minimum_credits=message.minimum_credits,
        maximum_segments=message.maximum_segments or None,
    )

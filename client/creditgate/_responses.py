"""Reads the answers from the responses; pure, and shared by both clients."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from creditgate import answers
from creditgate.pricing import Channel, Direction, Encoding, Priority, Rule, Unit
from creditgate.terms import (
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
    SettledBy,
)
from creditgate.v1 import (
    accounts_pb2,
    authorization_pb2,
    balance_pb2,
    credits_pb2,
    decision_pb2,
    rate_cards_pb2,
    reservation_pb2,
    usage_pb2,
)


def quoted(response: authorization_pb2.QuoteResponse) -> answers.Quoted:
    """Read the answer to Quote."""
    return answers.Quoted(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=balance(response.balance),
        cost=_cost(response.cost),
    )


def reserved(response: authorization_pb2.ReserveResponse) -> answers.Reserved:
    """Read the answer to Reserve."""
    return answers.Reserved(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=balance(response.balance),
        reservation_id=response.reservation_id,
        state=ReservationState(response.state) if response.state else None,
        credits=response.credits,
        recipients_granted=response.recipients_granted,
        cost=_cost(response.cost) if response.HasField("cost") else None,
        expire_time=_time(response.expire_time),
        replayed=response.replayed,
    )


def charged(response: authorization_pb2.ChargeResponse) -> answers.Charged:
    """Read the answer to Charge."""
    return answers.Charged(
        decision=Decision(response.decision),
        denial=_denial(response),
        balance=balance(response.balance),
        charge_id=response.charge_id,
        credits=response.credits,
        cost=_cost(response.cost) if response.HasField("cost") else None,
        replayed=response.replayed,
    )


def committed(response: authorization_pb2.CommitResponse) -> answers.Committed:
    """Read the answer to Commit."""
    return answers.Committed(
        state=ReservationState(response.state),
        credits=response.credits,
        restored=response.restored,
        expired=response.expired,
        overage=response.overage,
        debt_repaid=response.debt_repaid,
        balance=balance(response.balance),
        replayed=response.replayed,
        late=response.late,
    )


def released(response: authorization_pb2.ReleaseResponse) -> answers.Released:
    """Read the answer to Release."""
    return answers.Released(
        state=ReservationState(response.state),
        restored=response.restored,
        expired=response.expired,
        debt_repaid=response.debt_repaid,
        balance=balance(response.balance),
        replayed=response.replayed,
    )


def reservation(message: reservation_pb2.Reservation) -> answers.Reservation:
    """Read a reservation."""
    return answers.Reservation(
        account_id=message.account_id,
        payer_id=message.payer_id,
        reservation_id=message.reservation_id,
        state=ReservationState(message.state),
        credits=message.credits,
        captured=message.captured,
        restored=message.restored,
        recipients_granted=message.recipients_granted,
        price=answers.FrozenPrice(
            rate_card_id=message.price.rate_card_id,
            rate_card_version=message.price.rate_card_version,
            rule=message.price.rule,
            credits_per_recipient=message.price.credits_per_recipient,
        ),
        create_time=_time(message.create_time),
        expire_time=_time(message.expire_time),
        settle_time=_time(message.settle_time),
        settled_by=SettledBy(message.settled_by) if message.settled_by else None,
        expiry_action=ExpiryAction(message.expiry_action),
        draws=tuple(_draw(draw) for draw in message.draws),
        labels=dict(message.labels),
    )


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
        rate_card_id=message.rate_card_id,
        limit_counts_inbound=message.limit_counts_inbound,
        create_time=_time(message.create_time),
        update_time=_time(message.update_time),
    )


def account_summary(message: accounts_pb2.AccountSummary) -> answers.AccountSummary:
    """Read an account of a list."""
    return answers.AccountSummary(account=account(message.account), balance=balance(message.balance))


def standing(response: accounts_pb2.GetBalanceResponse) -> answers.Standing:
    """Read the answer to GetBalance."""
    return answers.Standing(
        balance=balance(response.balance),
        grants=tuple(_grant_balance(grant) for grant in response.grants),
        levels=tuple(_level_balance(level) for level in response.levels),
    )


def granted(response: credits_pb2.GrantResponse) -> answers.Granted:
    """Read the answer to Grant."""
    return answers.Granted(
        grant=credit_grant(response.grant),
        debt_repaid=response.debt_repaid,
        balance=balance(response.balance),
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
        debt_repaid=message.debt_repaid,
        expired=message.expired,
        create_time=_time(message.create_time),
        effective_time=_time(message.effective_time),
        expire_time=_time(message.expire_time),
        priority=message.priority,
        scope=_scope(message.scope),
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
        create_time=_time(message.create_time),
    )


def rate_card_summary(message: rate_cards_pb2.RateCardSummary) -> answers.RateCardSummary:
    """Read a rate card of a list."""
    return answers.RateCardSummary(
        rate_card_id=message.rate_card_id,
        version=message.version,
        rule_count=message.rule_count,
        create_time=_time(message.create_time),
    )


def balance(message: balance_pb2.Balance) -> answers.Balance:
    """Read a balance."""
    return answers.Balance(
        account_id=message.account_id,
        payer_id=message.payer_id,
        available=message.available,
        usable=message.usable,
        reserved=message.reserved,
        debt=message.debt,
        limit_left=message.limit_left if message.HasField("limit_left") else None,
        units_left=message.units_left if message.HasField("units_left") else None,
    )


def _denial(
    response: authorization_pb2.QuoteResponse | authorization_pb2.ReserveResponse | authorization_pb2.ChargeResponse,
) -> answers.Denial | None:
    if response.decision != decision_pb2.DECISION_DENIED and not response.HasField("denial"):
        return None
    return answers.Denial(
        reason=DenialReason(response.denial.reason),
        account_id=response.denial.account_id,
        shortfall=response.denial.shortfall,
    )


def _cost(message: usage_pb2.Cost) -> answers.Cost:
    spelling = message.notes.cheaper_spelling
    return answers.Cost(
        credits=message.credits,
        encoding=Encoding(message.encoding) if message.encoding else None,
        segments=message.segments,
        characters=message.characters,
        characters_left_in_segment=message.characters_left_in_segment,
        rate_card_id=message.rate_card_id,
        rate_card_version=message.rate_card_version,
        rule=message.rule,
        forced_ucs2=tuple(message.notes.forced_ucs2),
        cheaper_spelling=answers.CheaperSpelling(
            text=spelling.text, segments=spelling.segments, credits=spelling.credits
        )
        if message.notes.HasField("cheaper_spelling")
        else None,
    )


def _draw(message: reservation_pb2.Draw) -> answers.Draw:
    return answers.Draw(
        account_id=message.account_id,
        pot=Pot(message.pot),
        grants=tuple((grant.grant_id, grant.credits) for grant in message.grants),
        unfunded=message.unfunded,
        unenforced=message.unenforced,
    )


def _grant_balance(message: accounts_pb2.GrantBalance) -> answers.GrantBalance:
    return answers.GrantBalance(
        grant_id=message.grant_id,
        account_id=message.account_id,
        kind=GrantKind(message.kind),
        remaining=message.remaining,
        held=message.held,
        priority=message.priority,
        scope=_scope(message.scope),
        effective_time=_time(message.effective_time),
        expire_time=_time(message.expire_time),
    )


def _level_balance(message: accounts_pb2.LevelBalance) -> answers.LevelBalance:
    return answers.LevelBalance(
        account_id=message.account_id,
        pays=message.pays,
        enforcement=Enforcement(message.enforcement),
        status=AccountStatus(message.status),
        available=message.available,
        reserved=message.reserved,
        debt=message.debt,
        limit_left=message.limit_left if message.HasField("limit_left") else None,
        limit_reserved=message.limit_reserved,
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


def _scope(message: credits_pb2.Scope) -> answers.Scope:
    return answers.Scope(
        channels=tuple(Channel(channel) for channel in message.channels), regions=tuple(message.regions)
    )


def _time(timestamp: Timestamp) -> datetime | None:
    """Read a time. An unset one reads as 1970, when nothing of ours happened."""
    return timestamp.ToDatetime(UTC) if timestamp.seconds else None

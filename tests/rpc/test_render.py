"""Outcomes as callers see them: nothing lost, and unset what there is not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import CheaperSpelling, Notes, Price, RateCard
from creditgate.pricing.rules import Rule, Unit
from creditgate.pricing.usage import Channel, Direction, Encoding, Priority, Segments, Usage
from creditgate.v1 import (
    accounts_pb2,
    credits_pb2,
    decision_pb2,
    explain_pb2,
    rate_cards_pb2,
    reservation_pb2,
    usage_pb2,
)
from creditgate_server.credit import outcomes as told
from creditgate_server.credit.explanation import Explanation, GrantExplanation, LimitExplanation
from creditgate_server.credit.operations import (
    AccountSettings,
    CloseAccount,
    Commit,
    Explain,
    Extend,
    GrantCredits,
    Quote,
    Refund,
    Release,
    Reserve,
    RevokeGrant,
    Scope,
    Traffic,
    Transfer,
)
from creditgate_server.credit.terms import (
    AccountStatus,
    Decision,
    DenialReason,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    GrantState,
    GrantVerdict,
    LateCommit,
    Overage,
    Pot,
    ReservationState,
    SettledBy,
)
from creditgate_server.rpc.parse.rate_cards import parse_put_rate_card
from creditgate_server.rpc.queries import GetAccount, GetRateCard, GetReservation
from creditgate_server.rpc.render import accounts, authorization, rate_cards
from creditgate_server.rpc.render.credits import render_grant, render_revoke_grant, render_transfer
from creditgate_server.rpc.render.explain import render_explain
from creditgate_server.store.rate_cards import StoredRateCard

if TYPE_CHECKING:
    from google.protobuf.message import Message

TRAFFIC = Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Segments(1)))
BALANCE = told.Balance("acme/field", "acme", -1, 2, 3, 4, 0, 6)
BARE = told.Balance("acme", "acme", 0, 0, 0, 0, None, None)
PRICE = Price(
    credits=8,
    credits_per_recipient=4,
    rule="sms",
    rate_card_id="default",
    rate_card_version=2,
    encoding=Encoding.UCS_2,
    segments=4,
    characters=200,
    characters_left_in_segment=1,
    notes=Notes(("\u201c",), CheaperSpelling("plain", 2, 4)),
)
RESERVE = Reserve("acme/field", "r-1", TRAFFIC, 1000)


def unset(message: Message) -> set[str]:
    """Name the fields that a message leaves at their default."""
    return {field.name for field in message.DESCRIPTOR.fields} - {field.name for field, _ in message.ListFields()}


def test_a_reserve_s_answer_loses_nothing() -> None:
    outcome = told.Authorization(
        decision=Decision.ALLOWED_MONITORED,
        denial=told.Denial(DenialReason.LIMIT_REACHED, "acme", 7, 9),
        credits=8,
        recipients_granted=2,
        balance=BALANCE,
        price=PRICE,
        state=ReservationState.PENDING,
        expire_ms=1_700_000_000_123,
        replayed=True,
    )

    answer = authorization.render_reserve(RESERVE, outcome)

    assert unset(answer) == set()
    assert (answer.reservation_id, answer.credits, answer.recipients_granted) == ("r-1", 8, 2)
    assert answer.decision == decision_pb2.DECISION_ALLOWED_MONITORED
    assert answer.denial.reason == decision_pb2.DENIAL_REASON_LIMIT_REACHED
    assert (answer.denial.account_id, answer.denial.shortfall) == ("acme", 7)
    assert answer.denial.next_credit_time.ToMilliseconds() == 9
    assert answer.state == reservation_pb2.RESERVATION_STATE_PENDING
    assert answer.expire_time.ToMilliseconds() == 1_700_000_000_123
    assert unset(answer.cost) == set()
    assert answer.cost.encoding == usage_pb2.ENCODING_UCS_2
    assert list(answer.cost.notes.forced_ucs2) == ["\u201c"]
    assert answer.cost.notes.cheaper_spelling.credits == 4
    balance = answer.balance
    assert (balance.available, balance.usable, balance.reserved, balance.debt) == (-1, 2, 3, 4)
    assert (balance.limit_left, balance.units_left) == (0, 6)
    assert balance.HasField("limit_left")


def test_a_denial_leaves_unset_what_there_is_not() -> None:
    outcome = told.Authorization(Decision.DENIED, told.Denial(DenialReason.NO_RATE, "acme", 0), 0, 0, BARE)

    answer = authorization.render_reserve(RESERVE, outcome)

    assert {"cost", "state", "expire_time"} <= unset(answer)
    assert not answer.denial.HasField("next_credit_time")
    assert not answer.balance.HasField("limit_left")
    assert not answer.balance.HasField("units_left")


def test_a_quote_of_an_account_without_a_rate_has_no_cost() -> None:
    answer = authorization.render_quote(Quote("acme", TRAFFIC), told.Authorization(Decision.DENIED, None, 0, 0, None))

    assert answer.cost.credits == 0
    assert not answer.HasField("balance")


def test_a_settlement_loses_nothing() -> None:
    outcome = told.Settlement(ReservationState.COMMITTED, 1, 2, 3, 4, 5, 6, BALANCE, replayed=True, late=True)

    commit = authorization.render_commit(Commit("acme", "r"), outcome)
    release = authorization.render_release(Release("acme", "r"), outcome)

    assert unset(commit) == unset(release) == set()
    assert (commit.credits, commit.restored, commit.expired) == (1, 2, 3)
    assert (commit.overage, commit.shortfall, commit.debt_repaid) == (4, 5, 6)
    assert (release.restored, release.expired, release.debt_repaid) == (2, 3, 6)


def test_an_extension_says_when_the_hold_expires() -> None:
    answer = authorization.render_extend(Extend("acme", "r", 1000), told.Extension(1_700_000_000_123))

    assert answer.expire_time.ToMilliseconds() == 1_700_000_000_123


def test_a_refund_loses_nothing() -> None:
    outcome = told.Refunded(1, 2, 3, 4, BALANCE, replayed=True)

    answer = authorization.render_refund(Refund("acme", "f", reservation_id="r"), outcome)

    assert unset(answer) == set()
    assert (answer.credits, answer.restored, answer.expired, answer.debt_repaid) == (1, 2, 3, 4)


RESERVATION = told.Reservation(
    account_id="acme/field",
    payer_id="acme",
    reservation_id="r-1",
    state=ReservationState.EXPIRED,
    credits=1,
    held=10,
    captured=2,
    restored=3,
    refunded=11,
    recipients_granted=4,
    credits_per_recipient=5,
    rate_card_id="default",
    rate_card_version=6,
    rule="sms",
    channel=Channel.SMS,
    direction=Direction.OUTBOUND,
    region="US",
    priority=Priority.BULK,
    create_ms=7,
    expire_ms=8,
    settle_ms=9,
    settled_by=SettledBy.EXPIRY,
    expiry_action=ExpiryAction.COMMIT,
    draws=(told.Draw("acme", Pot.LIMIT, (("g", 3),), 4, 5),),
    labels=(("key", "value"),),
)


def test_a_reservation_loses_nothing() -> None:
    answer = authorization.render_get_reservation(GetReservation("acme/field", "r-1"), RESERVATION).reservation

    assert unset(answer) == set()
    assert (answer.credits, answer.captured, answer.held, answer.refunded) == (1, 2, 10, 11)
    assert answer.settled_by == reservation_pb2.SETTLED_BY_EXPIRY
    (draw,) = answer.draws
    assert (draw.pot, draw.grants[0].grant_id, draw.grants[0].credits) == (reservation_pb2.POT_LIMIT, "g", 3)
    assert (draw.unfunded, draw.unenforced) == (4, 5)
    assert dict(answer.labels) == {"key": "value"}


GRANT = told.Grant(
    grant_id="g",
    account_id="acme",
    kind=GrantKind.ALLOTMENT,
    state=GrantState.PENDING,
    amount=1,
    remaining=2,
    held=3,
    captured=4,
    debt_repaid=5,
    expired=6,
    refunded=11,
    revoked=12,
    moved=13,
    priority=7,
    scope=Scope((Channel.MMS,), ("US",)),
    create_ms=8,
    effective_ms=9,
    expire_ms=10,
    actor="ann",
    reference="invoice",
    note="thanks",
)


def test_a_grant_loses_nothing() -> None:
    answer = render_grant(GrantCredits("acme", "g", 1), told.Granted(GRANT, 5, BALANCE, replayed=True))

    assert unset(answer) == set()
    assert unset(answer.grant) == set()
    assert answer.grant.kind == credits_pb2.GRANT_KIND_ALLOTMENT
    assert list(answer.grant.scope.channels) == [usage_pb2.CHANNEL_MMS]
    assert (answer.grant.refunded, answer.grant.revoked, answer.grant.moved) == (11, 12, 13)


def test_a_revocation_loses_nothing() -> None:
    answer = render_revoke_grant(RevokeGrant("acme", "g"), told.Revoked(GRANT, 1, 2, BALANCE, replayed=True))

    assert unset(answer) == set()
    assert (answer.revoked, answer.clawed_back) == (1, 2)


def test_a_transfer_loses_nothing() -> None:
    outcome = told.Transferred(1, 2, BALANCE, BARE, replayed=True)

    answer = render_transfer(Transfer("acme", "t", "acme/field", 1), outcome)

    assert unset(answer) == set()
    assert (answer.credits, answer.debt_repaid) == (1, 2)
    assert answer.balance.HasField("limit_left")
    assert not answer.target_balance.HasField("limit_left")


SETTINGS = AccountSettings(
    status=AccountStatus.SUSPENDED,
    funding=Funding.PARENT,
    enforcement=Enforcement.OFF,
    overdraft_limit=1,
    inbound_overdraft_limit=0,
    floor=0,
    late_commit=LateCommit.REJECT,
    overage=Overage.CAP,
    rate_card_id="legacy",
    limit_counts_inbound=True,
    display_name="Field",
)


LEVEL = told.Level("acme/field", SETTINGS, pays=True, available=1, reserved=2, debt=3, limit_left=0, limit_reserved=5)


def test_an_account_loses_nothing() -> None:
    account = told.Account("acme/field", SETTINGS, 1, 2, BALANCE)

    answer = accounts.render_get_account(GetAccount("acme/field"), account).account

    assert unset(answer) == set()
    assert answer.HasField("floor")
    assert answer.HasField("inbound_overdraft_limit")
    assert answer.late_commit == accounts_pb2.LATE_COMMIT_REJECT
    assert answer.overage == accounts_pb2.OVERAGE_CAP


def test_a_closed_account_loses_nothing() -> None:
    account = told.Account("acme/field", SETTINGS, 1, 2, BALANCE)

    answer = accounts.render_close_account(CloseAccount("acme/field"), told.Closed(account, 3, 4, replayed=True))

    assert unset(answer) == set()
    assert (answer.revoked, answer.written_off) == (3, 4)


def test_a_balance_loses_nothing() -> None:
    answer = accounts.render_get_balance(GetAccount("acme/field"), told.Standing(BALANCE, (LEVEL,), (GRANT,)))

    assert unset(answer) == set()
    assert unset(answer.levels[0]) == set()
    assert unset(answer.grants[0]) == set()


EXPLANATION = Explanation(
    balance=BALANCE,
    levels=(LEVEL,),
    grants=(GrantExplanation(GRANT, GrantVerdict.PAYS, 3),),
    limits=(LimitExplanation("acme", Enforcement.MONITOR, counts=True, limit_left=4, shortfall=5),),
    next_credit_ms=6,
    next_credits=7,
)


def test_an_explained_usage_loses_nothing() -> None:
    decided = told.Authorization(Decision.DENIED, told.Denial(DenialReason.FLOOR, "acme", 8, 9), 0, 0, BALANCE, PRICE)

    answer = render_explain(Explain("acme/field", TRAFFIC), replace(EXPLANATION, authorization=decided))

    assert unset(answer) == {"reservation"}
    assert (answer.payer_id, answer.credits_short) == (BALANCE.payer_id, 8)
    (grant,), (limit,) = answer.grants, answer.limits
    assert unset(grant) == unset(limit) == unset(answer.rate) == set()
    assert (grant.grant.grant_id, grant.verdict, grant.credits) == ("g", explain_pb2.GRANT_VERDICT_PAYS, 3)
    assert limit.enforcement == accounts_pb2.ENFORCEMENT_MONITOR
    assert (answer.rate.rate_card_id, answer.rate.rate_card_version, answer.rate.rule) == (
        PRICE.rate_card_id,
        PRICE.rate_card_version,
        PRICE.rule,
    )


def test_an_explained_reservation_shows_its_own_payer_and_rate() -> None:
    answer = render_explain(Explain("acme/field", reservation_id="r-1"), replace(EXPLANATION, reservation=RESERVATION))

    assert unset(answer) == {"cost", "decision", "denial", "credits_short"}
    assert unset(answer.reservation) == set()
    assert answer.payer_id == "acme"
    assert (answer.rate.rate_card_id, answer.rate.rate_card_version, answer.rate.rule) == ("default", 6, "sms")


def test_a_usage_without_a_rate_is_explained_without_one() -> None:
    decided = told.Authorization(Decision.DENIED, told.Denial(DenialReason.NO_RATE, "acme", 0), 0, 0, BARE)

    answer = render_explain(Explain("acme/field", TRAFFIC), replace(EXPLANATION, authorization=decided))

    assert {"cost", "rate", "credits_short"} <= unset(answer)


@pytest.mark.parametrize(
    "card",
    [
        DEFAULT_RATE_CARD,
        RateCard(
            "full",
            1,
            (
                Rule(
                    name="all of it",
                    unit=Unit.BLOCK,
                    credits_per_unit=3,
                    channel=Channel.SMS,
                    direction=Direction.INBOUND,
                    regions=("US", "AU"),
                    priority=Priority.BULK,
                    block_size=160,
                    minimum_credits=4,
                    maximum_segments=5,
                ),
            ),
        ),
    ],
    ids=["default", "full"],
)
def test_a_rate_card_that_is_put_as_it_was_shown_is_the_same(card: RateCard) -> None:
    shown = rate_cards.render_get_rate_card(GetRateCard(card.id, 0), StoredRateCard(card, 1)).rate_card

    put = rate_cards_pb2.PutRateCardRequest(rate_card_id=shown.rate_card_id, rules=shown.rules)
    assert parse_put_rate_card(put).rules == card.rules

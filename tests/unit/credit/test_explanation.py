"""Explanations: every grant of the wallets tried in burn order, every limit measured, and what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditgate.pricing.default_card import DEFAULT_RATE_CARD
from creditgate.pricing.rate_cards import Price, price
from creditgate.pricing.usage import Channel, Direction, Priority, Segments, Usage
from creditgate_server.credit.explanation import explain_reservation, explain_usage
from creditgate_server.credit.operations import AccountSettings, Scope
from creditgate_server.credit.outcomes import Authorization, Balance, Grant, Level, Reservation, Standing
from creditgate_server.credit.terms import (
    Decision,
    Enforcement,
    ExpiryAction,
    GrantKind,
    GrantState,
    GrantVerdict,
    ReservationState,
)

ROOT, LEAF = "acme", "acme/field"
USAGE = Usage(Channel.SMS, Direction.OUTBOUND, Segments(5), 1, "US", Priority.TRANSACTIONAL)
INBOUND = replace(USAGE, direction=Direction.INBOUND)
BALANCE = Balance(LEAF, ROOT, 100, 100, 0, 0, None, None)

GRANT = Grant(
    grant_id="g", account_id=ROOT, kind=GrantKind.PURCHASED, state=GrantState.LIVE, amount=10, remaining=10, held=0,
    captured=0, refunded=0, debt_repaid=0, expired=0, revoked=0, moved=0, priority=0, scope=Scope(), create_ms=1,
    effective_ms=1, expire_ms=0, actor="", reference="", note="",
)  # fmt: skip


def level(account_id: str, *, limit_left: int | None = None, settings: AccountSettings | None = None) -> Level:
    return Level(account_id, settings or AccountSettings(), account_id == ROOT, 0, 0, 0, limit_left, 0)


def standing(grants: Sequence[Grant], levels: Sequence[Level] = (level(LEAF), level(ROOT))) -> Standing:
    return Standing(BALANCE, tuple(levels), tuple(grants))


def allowed(usage: Usage = USAGE) -> Authorization:
    priced = price(DEFAULT_RATE_CARD, usage)
    assert isinstance(priced, Price)
    return Authorization(Decision.ALLOWED, None, priced.credits, usage.recipient_count, BALANCE, priced)


def verdicts(*grants: Grant, usage: Usage = USAGE, levels: Sequence[Level] = ()) -> list[tuple[GrantVerdict, int]]:
    stood = standing(grants, levels) if levels else standing(grants)
    return [(each.verdict, each.credits) for each in explain_usage(usage, allowed(usage), stood).grants]


@pytest.mark.parametrize(
    ("grant", "verdict"),
    [
        (GRANT, GrantVerdict.PAYS),
        (replace(GRANT, scope=Scope((Channel.SMS, Channel.MMS), ("CA", "US"))), GrantVerdict.PAYS),
        (replace(GRANT, scope=Scope((Channel.VOICE,))), GrantVerdict.OTHER_CHANNEL),
        (replace(GRANT, scope=Scope((), ("DE",))), GrantVerdict.OTHER_REGION),
        (replace(GRANT, scope=Scope((Channel.VOICE,), ("DE",))), GrantVerdict.OTHER_CHANNEL),
        (replace(GRANT, state=GrantState.PENDING), GrantVerdict.NOT_BEGUN),
        (replace(GRANT, remaining=0, held=10), GrantVerdict.NOTHING_LEFT),
        (replace(GRANT, account_id=LEAF), GrantVerdict.OTHER_PAYER),
    ],
)
def test_a_grant_pays_or_says_why_not(grant: Grant, verdict: GrantVerdict) -> None:
    assert verdicts(grant) == [(verdict, 5 if verdict is GrantVerdict.PAYS else 0)]


def test_what_is_said_first_is_what_no_waiting_would_mend() -> None:
    elsewhere = replace(GRANT, account_id=LEAF, scope=Scope((Channel.VOICE,)), state=GrantState.PENDING)
    assert verdicts(elsewhere) == [(GrantVerdict.OTHER_PAYER, 0)]
    unfit = replace(GRANT, scope=Scope((), ("DE",)), state=GrantState.PENDING)
    assert verdicts(unfit) == [(GrantVerdict.OTHER_REGION, 0)]


def test_grants_behind_those_that_pay_are_not_needed() -> None:
    first, second, third = (replace(GRANT, remaining=remaining) for remaining in (3, 4, 9))
    assert verdicts(first, second, third) == [
        (GrantVerdict.PAYS, 3), (GrantVerdict.PAYS, 2), (GrantVerdict.NOT_NEEDED, 0),
    ]  # fmt: skip


def test_what_grants_lack_nobody_gives() -> None:
    assert verdicts(replace(GRANT, remaining=2)) == [(GrantVerdict.PAYS, 2)]


def test_allotments_pay_for_nothing() -> None:
    assert verdicts(replace(GRANT, kind=GrantKind.ALLOTMENT)) == []


def test_a_wallet_that_is_off_is_not_asked_and_one_that_monitors_is() -> None:
    for mode, verdict in ((Enforcement.OFF, GrantVerdict.NOT_ENFORCED), (Enforcement.MONITOR, GrantVerdict.PAYS)):
        levels = (level(LEAF), level(ROOT, settings=AccountSettings(enforcement=mode)))
        assert [said for said, _ in verdicts(GRANT, levels=levels)] == [verdict]


def test_an_unpriced_usage_needs_no_grant() -> None:
    denied = Authorization(Decision.DENIED, None, 0, 0, BALANCE)
    (explained,) = explain_usage(USAGE, denied, standing([GRANT])).grants
    assert (explained.verdict, explained.credits) == (GrantVerdict.NOT_NEEDED, 0)


@given(
    remaining=st.lists(st.integers(0, 9), max_size=8),
    pending=st.lists(st.booleans(), min_size=8, max_size=8),
    regions=st.lists(st.sampled_from(("", "US", "DE")), min_size=8, max_size=8),
    segments=st.integers(1, 40),
)
def test_grants_that_pay_come_to_what_is_there_and_no_more_than_the_price(
    remaining: list[int], pending: list[bool], regions: list[str], segments: int
) -> None:
    usage = replace(USAGE, size=Segments(segments))
    grants = [
        replace(
            GRANT,
            remaining=left,
            state=GrantState.PENDING if waits else GrantState.LIVE,
            scope=Scope((), (region,) if region else ()),
        )
        for left, waits, region in zip(remaining, pending, regions, strict=False)
    ]
    explained = explain_usage(usage, allowed(usage), standing(grants)).grants
    fit = [
        grant.remaining for grant in grants if grant.state is GrantState.LIVE and grant.scope.regions in {(), ("US",)}
    ]
    assert [each.grant for each in explained] == grants
    assert sum(each.credits for each in explained) == min(segments, sum(fit))
    assert all((each.credits > 0) == (each.verdict is GrantVerdict.PAYS) for each in explained)


# Limits


def allotment(account_id: str, remaining: int, **terms: object) -> Grant:
    return replace(GRANT, kind=GrantKind.ALLOTMENT, account_id=account_id, remaining=remaining, **terms)  # type: ignore[arg-type]


def test_a_limit_leaves_what_its_allotments_leave_for_this_usage() -> None:
    grants = [
        allotment(LEAF, 2),
        allotment(LEAF, 1, scope=Scope((Channel.SMS,))),
        allotment(LEAF, 40, scope=Scope((), ("DE",))),
        allotment(LEAF, 40, state=GrantState.PENDING),
        allotment(ROOT, 9),
    ]
    levels = (level(LEAF, limit_left=43), level(ROOT, limit_left=9))
    leaf, root = explain_usage(USAGE, allowed(), standing(grants, levels)).limits
    assert (leaf.account_id, leaf.counts, leaf.limit_left, leaf.shortfall) == (LEAF, True, 3, 2)
    assert (root.account_id, root.counts, root.limit_left, root.shortfall) == (ROOT, True, 9, 0)


def test_a_level_without_a_limit_is_not_among_the_limits_and_one_at_zero_is() -> None:
    (limit,) = explain_usage(USAGE, allowed(), standing([], (level(LEAF), level(ROOT, limit_left=0)))).limits
    assert (limit.account_id, limit.limit_left, limit.shortfall) == (ROOT, 0, 5)


@pytest.mark.parametrize(
    ("settings", "usage", "counts"),
    [
        (AccountSettings(), USAGE, True),
        (AccountSettings(enforcement=Enforcement.MONITOR), USAGE, True),
        (AccountSettings(enforcement=Enforcement.OFF), USAGE, False),
        (AccountSettings(), INBOUND, False),
        (AccountSettings(limit_counts_inbound=True), INBOUND, True),
        (AccountSettings(limit_counts_inbound=True, enforcement=Enforcement.OFF), INBOUND, False),
    ],
)
def test_only_a_limit_that_counts_the_usage_is_short(settings: AccountSettings, usage: Usage, counts: bool) -> None:  # noqa: FBT001
    levels = (level(LEAF, limit_left=2, settings=settings), level(ROOT))
    (limit,) = explain_usage(usage, allowed(usage), standing([allotment(LEAF, 2)], levels)).limits
    assert (limit.enforcement, limit.counts) == (settings.enforcement, counts)
    assert (limit.limit_left, limit.shortfall) == (2, 3 if counts else 0)


# What comes next


def test_the_next_credits_are_all_that_begin_at_the_earliest_time() -> None:
    waiting = replace(GRANT, state=GrantState.PENDING, remaining=4, amount=4)
    grants = [
        replace(waiting, effective_ms=300),
        replace(waiting, effective_ms=200),
        replace(waiting, effective_ms=200, scope=Scope((Channel.SMS,))),
        replace(waiting, effective_ms=100, scope=Scope((Channel.VOICE,))),
        replace(waiting, effective_ms=100, account_id=LEAF),
        allotment(ROOT, 4, state=GrantState.PENDING, effective_ms=100),
        replace(GRANT, effective_ms=50),
    ]
    explanation = explain_usage(USAGE, allowed(), standing(grants))
    assert (explanation.next_credit_ms, explanation.next_credits) == (200, 8)


def test_where_nothing_is_to_begin_there_are_no_next_credits() -> None:
    explanation = explain_usage(USAGE, allowed(), standing([GRANT]))
    assert (explanation.next_credit_ms, explanation.next_credits) == (0, 0)


def test_the_authorization_and_the_standing_are_told_as_they_are() -> None:
    authorization, stood = allowed(), standing([GRANT])
    explanation = explain_usage(USAGE, authorization, stood)
    assert explanation.authorization is authorization
    assert (explanation.balance, explanation.levels) == (stood.balance, stood.levels)
    assert explanation.reservation is None


def test_a_reservation_is_told_as_it_is() -> None:
    reservation = Reservation(
        account_id=LEAF, payer_id=ROOT, reservation_id="m1", state=ReservationState.PENDING, credits=5, held=5,
        captured=0, restored=0, refunded=0, recipients_granted=1, credits_per_recipient=5, rate_card_id="default",
        rate_card_version=1, rule="sms", channel=Channel.SMS, direction=Direction.OUTBOUND, region="US",
        priority=Priority.TRANSACTIONAL, create_ms=1, expire_ms=2, settle_ms=0, settled_by=None,
        expiry_action=ExpiryAction.RELEASE, draws=(), labels=(),
    )  # fmt: skip
    stood = standing([GRANT])
    explanation = explain_reservation(reservation, stood)
    assert explanation.reservation is reservation
    assert (explanation.authorization, explanation.grants, explanation.limits) == (None, (), ())
    assert (explanation.levels, explanation.next_credit_ms, explanation.next_credits) == (stood.levels, 0, 0)

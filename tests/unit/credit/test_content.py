"""The content of an operation: changed by every field that decides money, and by no other."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditgate.pricing.segments import count
from creditgate.pricing.usage import (
    Body,
    Channel,
    Characters,
    Credits,
    Direction,
    Priority,
    Seconds,
    Segments,
    Size,
    Units,
    Usage,
)
from creditgate_server.credit.content import (
    DIGEST_BYTES,
    content_of_account,
    content_of_charge,
    content_of_grant,
    content_of_refund,
    content_of_reserve,
    content_of_transfer,
)
from creditgate_server.credit.operations import (
    AccountSettings,
    Charge,
    GrantCredits,
    Refund,
    Reserve,
    Scope,
    Traffic,
    Transfer,
)
from creditgate_server.credit.terms import (
    AccountStatus,
    Enforcement,
    ExpiryAction,
    Funding,
    GrantKind,
    LateCommit,
    Overage,
)

USAGE = Usage(Channel.SMS, Direction.OUTBOUND, Segments(2), 3, "US", Priority.TRANSACTIONAL)
TRAFFIC = Traffic(USAGE, "+15550001111", "+15550002222", (("k", "v"),))
RESERVE = Reserve("acme/field", "m1", TRAFFIC, 60_000)
CHARGE = Charge("acme/field", "c1", TRAFFIC)
SCOPE = Scope((Channel.SMS,), ("US",))
GRANT = GrantCredits("acme", "g1", 100, GrantKind.PURCHASED, 5, 9, 1, SCOPE, "ann", "i-1", "hi")

OTHER_USAGES = {
    "channel": replace(USAGE, channel=Channel.TEXTBOT),
    "direction": replace(USAGE, direction=Direction.INBOUND),
    "region": replace(USAGE, region="CA"),
    "no region": replace(USAGE, region=""),
    "size": replace(USAGE, size=Segments(3)),
    "measure": replace(USAGE, size=Units(2)),
    "recipients": replace(USAGE, recipient_count=4),
}
OTHER_TRAFFIC = {name: replace(TRAFFIC, usage=usage) for name, usage in OTHER_USAGES.items()} | {
    "sender": replace(TRAFFIC, sender="+15550001112"),
    "no sender": replace(TRAFFIC, sender=""),
    "recipient": replace(TRAFFIC, recipient="+15550002223"),
    "parties": replace(TRAFFIC, sender=TRAFFIC.recipient, recipient=TRAFFIC.sender),
}
SAME_TRAFFIC = {
    "priority": replace(TRAFFIC, usage=replace(USAGE, priority=Priority.BULK)),
    "labels": replace(TRAFFIC, labels=()),
}


def of_reserve(**changes: Any) -> bytes:  # noqa: ANN401 — fields by name
    return content_of_reserve(replace(RESERVE, **changes), None)


def of_charge(**changes: Any) -> bytes:  # noqa: ANN401
    return content_of_charge(replace(CHARGE, **changes), None)


def of_grant(**changes: Any) -> bytes:  # noqa: ANN401
    return content_of_grant(replace(GRANT, **changes))


def of_account(**changes: Any) -> bytes:  # noqa: ANN401
    return content_of_account(replace(AccountSettings(), **changes))


def test_every_change_of_a_reserves_money_is_other_content() -> None:
    contents = [
        of_reserve(),
        of_reserve(account_id="acme"),
        of_reserve(allow_partial=True),
        of_reserve(expiry_action=ExpiryAction.COMMIT),
        *(of_reserve(traffic=traffic) for traffic in OTHER_TRAFFIC.values()),
    ]
    assert len(set(contents)) == len(contents)
    assert {len(content) for content in contents} == {DIGEST_BYTES}


def test_what_does_not_decide_a_reserves_money_is_no_content() -> None:
    assert {of_reserve(traffic=traffic) for traffic in SAME_TRAFFIC.values()} == {of_reserve()}
    assert of_reserve(ttl_ms=1_000) == of_reserve(reservation_id="other") == of_reserve()


def test_every_change_of_a_charges_money_is_other_content() -> None:
    contents = [
        of_charge(),
        of_charge(account_id="acme"),
        *(of_charge(traffic=traffic) for traffic in OTHER_TRAFFIC.values()),
    ]
    assert len(set(contents)) == len(contents)
    assert {of_charge(traffic=traffic) for traffic in SAME_TRAFFIC.values()} == {of_charge()}
    assert of_charge(charge_id="other") == of_charge()


def test_kinds_of_operations_never_share_a_content() -> None:
    assert of_reserve() != of_charge()


@pytest.mark.parametrize("channel", [Channel.SMS, Channel.MMS], ids=lambda channel: channel.name)
def test_a_body_counts_as_its_size_and_never_as_its_text(channel: Channel) -> None:
    def content(text: str) -> bytes:
        usage = Usage(channel, Direction.OUTBOUND, Body(text))
        return of_reserve(traffic=Traffic(usage))

    assert content("hello") == content("world")
    assert content("hello") != content("hello!")
    is_sms = channel is Channel.SMS
    assert (content("a" * 160) == content("é" * 159 + "ж")) is not is_sms


def test_segments_that_were_counted_before_are_those_that_would_be_counted() -> None:
    for text in ("", "hello", "a" * 161, "ж" * 71, "€" * 81):
        operation = replace(RESERVE, traffic=Traffic(replace(USAGE, size=Body(text))))
        assert content_of_reserve(operation, count(text).segments) == content_of_reserve(operation, None)


def test_measures_of_one_amount_are_apart() -> None:
    sizes: list[Size] = [Segments(2), Characters(2), Seconds(2), Units(2), Credits(2), Body("ab")]
    contents = {of_reserve(traffic=Traffic(replace(USAGE, size=size))) for size in sizes}
    assert len(contents) == len(sizes)


def test_every_change_of_a_grants_money_is_other_content() -> None:
    contents = [
        of_grant(),
        of_grant(account_id="acme/field"),
        of_grant(credits=101),
        of_grant(kind=GrantKind.ALLOTMENT),
        of_grant(effective_ms=0),
        of_grant(expire_ms=0),
        of_grant(priority=-1),
        of_grant(scope=Scope()),
        of_grant(scope=Scope(channels=(Channel.SMS,))),
        of_grant(scope=Scope(regions=("US",))),
        of_grant(scope=Scope((Channel.SMS, Channel.MMS), ("US",))),
        of_grant(scope=Scope((Channel.SMS,), ("CA", "US"))),
    ]
    assert len(set(contents)) == len(contents)


def test_who_gave_a_grant_and_why_is_no_content() -> None:
    assert of_grant(grant_id="other", actor="", reference="", note="") == of_grant()


def test_times_and_priority_of_a_grant_are_not_taken_for_each_other() -> None:
    times = [(1, 2, 3), (1, 3, 2), (2, 1, 3), (12, 0, 3), (1, 20, 3)]
    contents = {of_grant(effective_ms=begin, expire_ms=end, priority=priority) for begin, end, priority in times}
    assert len(contents) == len(times)


def test_a_refunds_content_is_of_what_and_how_much() -> None:
    refunds = [
        Refund("acme", "r1", reservation_id="m1"),
        Refund("acme", "r1", charge_id="m1"),
        Refund("acme", "r1", reservation_id="m2"),
        Refund("acme", "r1", reservation_id="m1", credits=1),
        Refund("acme", "r1", reservation_id="m1", credits=2),
        Refund("acme/field", "r1", reservation_id="m1"),
    ]
    assert len(set(map(content_of_refund, refunds))) == len(refunds)
    assert content_of_refund(replace(refunds[0], refund_id="r2")) == content_of_refund(refunds[0])


def test_a_transfers_content_is_from_whom_to_whom_and_how_much() -> None:
    transfer = Transfer("acme", "t1", "acme/field", 5, "ann", "i-1", "hi")
    others = [
        replace(transfer, account_id="acme/field", target_account_id="acme"),
        replace(transfer, target_account_id="acme/sales"),
        replace(transfer, credits=6),
    ]
    assert len(set(map(content_of_transfer, [transfer, *others]))) == 1 + len(others)
    same = replace(transfer, transfer_id="t2", actor="", reference="", note="")
    assert content_of_transfer(same) == content_of_transfer(transfer)


OTHER_SETTINGS = {
    "status": AccountStatus.SUSPENDED,
    "funding": Funding.PARENT,
    "enforcement": Enforcement.OFF,
    "overdraft_limit": 1,
    "inbound_overdraft_limit": 0,
    "floor": 0,
    "late_commit": LateCommit.REJECT,
    "overage": Overage.CAP,
    "rate_card_id": "other",
    "limit_counts_inbound": True,
    "display_name": "Acme",
}


def test_every_setting_is_content_of_an_account() -> None:
    assert set(OTHER_SETTINGS) == {field.name for field in fields(AccountSettings)}
    contents = [of_account(**{name: value}) for name, value in OTHER_SETTINGS.items()]
    assert len({*contents, of_account()}) == len(contents) + 1


@given(
    st.lists(
        st.builds(
            GrantCredits,
            account_id=st.sampled_from(["a", "a/1", "a/11"]),
            grant_id=st.just("g"),
            credits=st.integers(1, 12),
            effective_ms=st.integers(0, 12),
            expire_ms=st.integers(0, 12),
            priority=st.integers(-11, 11),
        ),
        unique=True,
        min_size=2,
        max_size=12,
    )
)
def test_different_grants_have_different_contents(grants: list[GrantCredits]) -> None:
    for one, other in combinations(grants, 2):
        assert content_of_grant(one) != content_of_grant(other)

"""Batches: what they may hold, and what they become."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from tests.rpc.fake_ledger import reserve

from creditgate.v1 import authorization_pb2 as pb
from creditgate.v1.refund_pb2 import RefundRequest
from creditgate.v1.usage_pb2 import CHANNEL_SMS, DIRECTION_OUTBOUND, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.rpc.parse.batch import check_operations, parse_atomic, parse_operations
from creditgate_server.rpc.parse.checks import VIOLATIONS_MAX, InvalidRequest

USAGE = Usage(channel=CHANNEL_SMS, direction=DIRECTION_OUTBOUND, segments=1)
QUOTE = pb.Operation(quote=pb.QuoteRequest(account_id="acme", usage=USAGE))
ALL_BUT_QUOTE = [
    reserve("r"),
    pb.Operation(commit=pb.CommitRequest(account_id="acme", reservation_id="r")),
    pb.Operation(release=pb.ReleaseRequest(account_id="acme", reservation_id="r")),
    pb.Operation(extend=pb.ExtendRequest(account_id="acme", reservation_id="r", ttl=Duration(seconds=1))),
    pb.Operation(charge=pb.ChargeRequest(account_id="acme", charge_id="c", usage=USAGE)),
    pb.Operation(refund=RefundRequest(account_id="acme", refund_id="f", charge_id="c")),
]
KINDS = [ask.Quote, ask.Reserve, ask.Commit, ask.Release, ask.Extend, ask.Charge, ask.Refund]


def atomic_violations(*operations: pb.Operation) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as raised:
        parse_atomic(operations)
    return dict(raised.value.violations)


def test_every_kind_of_operation_is_read() -> None:
    items = parse_operations([QUOTE, *ALL_BUT_QUOTE])

    assert [type(item.operation) for item in items] == KINDS
    assert [item.method for item in items] == [kind.__name__ for kind in KINDS]
    assert [item.path for item in items][:2] == ["operations[0].quote", "operations[1].reserve"]


def test_every_kind_of_operation_of_the_interface_is_known() -> None:
    fields = pb.Operation.DESCRIPTOR.oneofs_by_name["operation"].fields

    assert [field.name.capitalize() for field in fields] == [kind.__name__ for kind in KINDS]


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        pytest.param(pb.Operation(), ["operations[7]"], id="none of the kinds"),
        pytest.param(reserve("r", tag="x" * 129), ["operations[7].tag"], id="a tag too long"),
        pytest.param(reserve("r", segments=0), ["operations[7].reserve.usage.segments"], id="a field"),
        pytest.param(
            pb.Operation(commit=pb.CommitRequest()),
            ["operations[7].commit.account_id", "operations[7].commit.reservation_id"],
            id="two fields",
        ),
        pytest.param(
            reserve("r", tag="x" * 129, segments=0),
            ["operations[7].tag", "operations[7].reserve.usage.segments"],
            id="a tag too long and a field",
        ),
    ],
)
def test_what_is_wrong_with_an_operation_is_its_own(operation: pb.Operation, fields: list[str]) -> None:
    right, wrong = parse_operations([reserve("r", tag="t"), operation], first=6)

    assert (right.tag, type(right.operation)) == ("t", ask.Reserve)
    assert wrong.tag == operation.tag
    assert isinstance(wrong.operation, InvalidRequest)
    assert [field for field, _ in wrong.operation.violations] == fields


@pytest.mark.parametrize("count", [0, 1001])
def test_a_batch_has_a_bounded_number_of_operations(count: int) -> None:
    with pytest.raises(InvalidRequest, match="operations must be 1 to 1,000"):
        check_operations([QUOTE] * count)


def test_a_reserve_without_an_id_gets_one_where_it_stands_alone() -> None:
    (item,) = parse_operations([reserve("")])

    assert isinstance(item.operation, ask.Reserve)
    assert item.operation.reservation_id


def test_an_atomic_batch_holds_all_that_has_an_id() -> None:
    assert len(parse_atomic(ALL_BUT_QUOTE)) == len(ALL_BUT_QUOTE)


def test_an_atomic_batch_is_wrong_as_a_whole_and_names_every_field() -> None:
    wrong = atomic_violations(
        reserve("r"),
        reserve("", account_id="acme/field"),
        QUOTE,
        reserve("r", account_id="other"),
        reserve("r", channel=0, segments=1),
        pb.Operation(),
    )

    assert list(wrong) == [
        "operations[1].reserve.reservation_id",
        "operations[2].quote",
        "operations[3].reserve.account_id",
        "operations[4].reserve.usage.channel",
        "operations[5]",
    ]


def test_an_atomic_batch_is_smaller() -> None:
    assert len(parse_atomic([reserve(f"r-{number}") for number in range(32)])) == 32
    assert list(atomic_violations(*[reserve(f"r-{number}") for number in range(33)])) == ["operations"]


def test_an_atomic_batch_names_a_bounded_number_of_fields() -> None:
    assert len(atomic_violations(*[reserve("r", segments=0)] * 32)) == VIOLATIONS_MAX

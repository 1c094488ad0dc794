"""What callers say becomes the request that says the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

import creditgate
from creditgate import AccountStatus, Channel, Direction, Enforcement, GrantKind, Priority, errors
from creditgate.answers import Scope
from creditgate.pricing import Rule, Unit
from creditgate.v1 import rate_cards_pb2, usage_pb2

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer


def sent(server: FakeServer) -> Any:  # noqa: ANN401 -- of whatever type the method has
    (received,) = server.received
    return received.request


@pytest.mark.parametrize("size", [{"body": ""}, {"body": "hi"}, {"segments": 2}], ids=str)
def test_a_text_is_an_sms_unless_told_otherwise(
    server: FakeServer, client: creditgate.Client, size: dict[str, Any]
) -> None:
    client.quote("acme", **size)

    assert sent(server).usage == usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS, **size)


@pytest.mark.parametrize(
    "size", [{"characters": 1}, {"seconds": 60}, {"units": 1}, {"credits": 7}, {"body": "hi"}], ids=str
)
def test_any_channel_can_be_told(server: FakeServer, client: creditgate.Client, size: dict[str, Any]) -> None:
    client.quote("acme", channel=Channel.TEXTBOT, **size)

    assert sent(server).usage == usage_pb2.Usage(channel=usage_pb2.CHANNEL_TEXTBOT, **size)


def test_the_server_says_what_is_missing(server: FakeServer, client: creditgate.Client) -> None:
    client.quote("acme", seconds=60)
    client.quote("acme")

    assert [call.request.usage for call in server.received] == [usage_pb2.Usage(seconds=60), usage_pb2.Usage()]


def test_a_usage_is_sent_as_it_was_told(server: FakeServer, client: creditgate.Client) -> None:
    client.charge(
        "acme",
        charge_id="in-1",
        body="hi",
        direction=Direction.INBOUND,
        sender="+14155550100",
        recipient="72345",
        region="US",
        priority=Priority.BULK,
        labels={"campaign": "spring"},
    )

    assert sent(server).charge_id == "in-1"
    assert sent(server).usage == usage_pb2.Usage(
        channel=usage_pb2.CHANNEL_SMS,
        direction=usage_pb2.DIRECTION_INBOUND,
        body="hi",
        sender="+14155550100",
        recipient="72345",
        region="US",
        priority=usage_pb2.PRIORITY_BULK,
        labels={"campaign": "spring"},
    )


def test_two_sizes_are_refused_for_only_one_would_arrive(client: creditgate.Client) -> None:
    with pytest.raises(TypeError, match="a usage has one size, not body and credits"):
        client.quote("acme", body="hi", credits=1)


def test_a_commit_states_usage_or_credits(client: creditgate.Client) -> None:
    with pytest.raises(TypeError, match="either the usage or the credits"):
        client.commit("acme", "msg-1", credits=1, segments=1)


def test_unknown_keywords_are_refused(client: creditgate.Client) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'boddy'"):
        client.quote("acme", boddy="hi")  # type: ignore[call-arg]  # is what is tested
    with pytest.raises(TypeError, match="unexpected keyword argument 'limit'"):
        client.create_account("acme", limit=5)  # type: ignore[call-arg]  # is what is tested


@pytest.mark.parametrize(
    ("usage", "field"),
    [
        pytest.param({"body": "caf\ud83d"}, "usage.body", id="lone-surrogate"),
        pytest.param({"segments": 2**70}, "usage.segments", id="beyond-64-bits"),
        pytest.param({"segments": 1, "recipient_count": -(2**40)}, "usage.recipient_count", id="beyond-32-bits"),
    ],
)
def test_what_no_message_can_carry_is_an_invalid_request(
    server: FakeServer, client: creditgate.Client, usage: dict[str, Any], field: str
) -> None:
    with pytest.raises(errors.InvalidRequest, match=field) as raised:
        client.quote("acme", **usage)

    assert [violation.field for violation in raised.value.violations] == [field]
    assert raised.value.reason == "INVALID_FIELD"
    assert server.received == []


@pytest.mark.parametrize("recipient_count", [0, -1, 1_000_001])
def test_a_number_of_recipients_out_of_bounds_is_not_sent(
    server: FakeServer, client: creditgate.Client, recipient_count: int
) -> None:
    with pytest.raises(errors.InvalidRequest, match=r"usage\.recipient_count must be 1 to 1,000,000$"):
        client.reserve("acme", body="hi", recipient_count=recipient_count)
    with pytest.raises(errors.InvalidRequest, match="to give all of a hold back, release it"):
        client.commit("acme", "msg-1", recipient_count=recipient_count)

    assert server.received == []


@pytest.mark.parametrize("target", ["http://127.0.0.1:50051", "HTTPS://creditgate.example"])
def test_a_target_is_no_web_address(make_client: ClientMaker, target: str) -> None:
    with pytest.raises(ValueError, match="must be host:port or unix:path"):
        make_client(target)


def test_the_error_about_a_body_does_not_keep_it(client: creditgate.Client) -> None:
    with pytest.raises(errors.InvalidRequest) as raised:
        client.quote("acme", body="my secret \ud83d")

    assert raised.value.__cause__ is None
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("ttl", [90.5, timedelta(seconds=90.5)], ids=["seconds", "timedelta"])
def test_a_ttl_is_seconds_or_a_timedelta(server: FakeServer, client: creditgate.Client, ttl: float | timedelta) -> None:
    client.reserve("acme", body="hi", ttl=ttl)

    assert sent(server).ttl.ToTimedelta() == timedelta(seconds=90.5)


def test_ids_are_made_where_there_are_none(server: FakeServer, client: creditgate.Client) -> None:
    client.reserve("acme", body="hi")
    client.reserve("acme", body="hi")

    first, second = (call.request.reservation_id for call in server.received)
    assert len(first) == len(second) == 36
    assert first != second


def test_a_grant_is_sent_as_it_was_told(server: FakeServer, client: creditgate.Client) -> None:
    new_year_in_paris = datetime(2030, 1, 1, tzinfo=timezone(timedelta(hours=1)))

    client.grant(
        "acme",
        500,
        grant_id="invoice-7",
        kind=GrantKind.PROMOTIONAL,
        expire_time=new_year_in_paris,
        priority=-5,
        scope=Scope(channels=(Channel.SMS,), regions=("AU", "NZ")),
        actor="ann",
        reference="invoice 7",
        note="thanks",
    )

    request = sent(server)
    assert (request.account_id, request.credits, request.grant_id) == ("acme", 500, "invoice-7")
    assert (request.kind, request.priority, request.actor, request.reference, request.note) == (
        GrantKind.PROMOTIONAL,
        -5,
        "ann",
        "invoice 7",
        "thanks",
    )
    assert request.expire_time.ToDatetime(UTC) == new_year_in_paris
    assert not request.HasField("effective_time")
    assert (list(request.scope.channels), list(request.scope.regions)) == ([Channel.SMS], ["AU", "NZ"])


def test_a_commit_that_keeps_the_hold_open_has_an_id(server: FakeServer, client: creditgate.Client) -> None:
    client.commit("acme", "msg-1", credits=1, keep_open=True, commit_id="part-1")
    client.commit("acme", "msg-1", credits=1, keep_open=True)
    client.commit("acme", "msg-1", credits=1)

    told, made, final = (call.request for call in server.received)
    assert (told.keep_open, told.commit_id) == (True, "part-1")
    assert (made.keep_open, len(made.commit_id)) == (True, 36)
    assert (final.keep_open, final.commit_id) == (False, "")


def test_an_extension_is_sent_as_it_was_told(server: FakeServer, client: creditgate.Client) -> None:
    client.extend("acme", "msg-1", timedelta(minutes=5))

    assert (sent(server).reservation_id, sent(server).ttl.seconds) == ("msg-1", 300)


def test_a_charge_may_tell_when_it_happened(server: FakeServer, client: creditgate.Client) -> None:
    new_year = datetime(2030, 1, 1, tzinfo=UTC)

    client.charge("acme", segments=1, direction=Direction.INBOUND, event_time=new_year)

    assert sent(server).event_time.ToDatetime(UTC) == new_year


def test_a_refund_is_of_a_reservation_or_of_a_charge(server: FakeServer, client: creditgate.Client) -> None:
    client.refund("acme", reservation_id="msg-1", credits=2, refund_id="rf-1")
    client.refund("acme", charge_id="in-1")

    part, whole = (call.request for call in server.received)
    assert (part.reservation_id, part.WhichOneof("target"), part.credits, part.refund_id) == (
        "msg-1",
        "reservation_id",
        2,
        "rf-1",
    )
    assert (whole.charge_id, whole.HasField("credits"), len(whole.refund_id)) == ("in-1", False, 36)


@pytest.mark.parametrize("targets", [{}, {"reservation_id": "msg-1", "charge_id": "in-1"}], ids=["none", "both"])
def test_a_refund_has_one_target(client: creditgate.Client, targets: dict[str, str]) -> None:
    with pytest.raises(TypeError, match="either a reservation or a charge"):
        client.refund("acme", **targets)  # type: ignore[arg-type]  # mypy cannot tell which keywords they are


def test_an_explanation_is_of_a_usage_or_of_a_reservation(server: FakeServer, client: creditgate.Client) -> None:
    client.explain("acme", body="hi")
    client.explain("acme", reservation_id="msg-1")
    with pytest.raises(TypeError, match="either a usage or a reservation"):
        client.explain("acme", body="hi", reservation_id="msg-1")

    of_usage, of_reservation = (call.request for call in server.received)
    assert of_usage.usage == usage_pb2.Usage(channel=usage_pb2.CHANNEL_SMS, body="hi")
    assert (of_reservation.WhichOneof("subject"), of_reservation.reservation_id) == ("reservation_id", "msg-1")


def test_a_revocation_is_sent_as_it_was_told(server: FakeServer, client: creditgate.Client) -> None:
    client.revoke_grant("acme", "g1", claw_back=True, actor="ann", note="charged back")

    request = sent(server)
    assert (request.account_id, request.grant_id, request.claw_back) == ("acme", "g1", True)
    assert (request.actor, request.note) == ("ann", "charged back")


def test_a_transfer_is_sent_as_it_was_told(server: FakeServer, client: creditgate.Client) -> None:
    client.transfer("acme", "acme/field", 50, transfer_id="tr-1", actor="ann", reference="Q3", note="budget")

    request = sent(server)
    assert (request.account_id, request.target_account_id, request.credits) == ("acme", "acme/field", 50)
    assert (request.transfer_id, request.actor, request.reference, request.note) == ("tr-1", "ann", "Q3", "budget")


def test_a_time_needs_a_zone(client: creditgate.Client) -> None:
    naive = datetime(2030, 1, 1)  # noqa: DTZ001 -- is what is tested

    with pytest.raises(errors.InvalidRequest, match="expire_time must have a time zone"):
        client.grant("acme", 1, expire_time=naive)


def test_an_update_names_what_is_given_and_nothing_else(server: FakeServer, client: creditgate.Client) -> None:
    client.update_account("acme", status=AccountStatus.SUSPENDED, floor=None, overdraft_limit=0)

    request = sent(server)
    assert list(request.update_mask.paths) == ["status", "floor", "overdraft_limit"]
    assert (request.account.account_id, request.account.status) == ("acme", AccountStatus.SUSPENDED)
    assert not request.account.HasField("floor")


def test_an_account_is_created_with_its_settings(server: FakeServer, client: creditgate.Client) -> None:
    client.create_account("acme/field", enforcement=Enforcement.MONITOR, inbound_overdraft_limit=0)

    account = sent(server).account
    assert (account.account_id, account.enforcement) == ("acme/field", Enforcement.MONITOR)
    assert account.HasField("inbound_overdraft_limit")


def test_rules_are_sent_as_they_are(server: FakeServer, client: creditgate.Client) -> None:
    client.put_rate_card(
        "legacy",
        [
            Rule(name="us", channel=Channel.SMS, unit=Unit.SEGMENT, credits_per_unit=2, regions=("US", "CA")),
            Rule(name="mms", channel=Channel.MMS, unit=Unit.BLOCK, block_size=1600, credits_per_unit=2),
        ],
    )

    assert list(sent(server).rules) == [
        rate_cards_pb2.RateRule(
            name="us",
            channel=usage_pb2.CHANNEL_SMS,
            unit=rate_cards_pb2.RATE_UNIT_SEGMENT,
            credits_per_unit=2,
            regions=["US", "CA"],
        ),
        rate_cards_pb2.RateRule(
            name="mms",
            channel=usage_pb2.CHANNEL_MMS,
            unit=rate_cards_pb2.RATE_UNIT_BLOCK,
            block_size=1600,
            credits_per_unit=2,
        ),
    ]


def test_the_target_is_told_or_the_environments_or_the_default(
    make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDITGATE_TARGET", raising=False)
    assert creditgate.Client().target == "127.0.0.1:50051"

    monkeypatch.setenv("CREDITGATE_TARGET", "unix:/run/creditgate")
    assert creditgate.Client().target == "unix:/run/creditgate"
    assert make_client("sidecar:50051").target == "sidecar:50051"

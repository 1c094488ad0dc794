"""`authorize`: the hold is settled exactly as its block ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

import creditgate
from creditgate import Channel, Decision, DenialReason, ReservationState, errors
from creditgate.client import Hold
from creditgate.retries import RetryPolicy
from creditgate.v1 import authorization_pb2, decision_pb2, reservation_pb2

if TYPE_CHECKING:
    from tests.client.conftest import ClientMaker, FakeServer


class SendFailed(Exception):
    """What a provider's library raises."""


def replay(state: ReservationState) -> authorization_pb2.ReserveResponse:
    return authorization_pb2.ReserveResponse(
        reservation_id="msg-1",
        decision=decision_pb2.DECISION_ALLOWED,
        state=reservation_pb2.ReservationState.Value(f"RESERVATION_STATE_{state.name}"),
        credits=2,
        replayed=True,
    )


def settled(server: FakeServer) -> list[Any]:
    return [call.request for call in server.received if call.method != "Reserve"]


def test_leaving_the_block_commits_what_is_held(server: FakeServer, client: creditgate.Client) -> None:
    with client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
        assert hold.allowed
        assert (hold.decision, hold.state, hold.credits) == (Decision.ALLOWED, ReservationState.PENDING, 1)
        assert settled(server) == []

    assert settled(server) == [authorization_pb2.CommitRequest(account_id="acme", reservation_id="msg-1")]


def test_what_is_reserved_is_what_was_asked_for(server: FakeServer, client: creditgate.Client) -> None:
    with client.authorize("acme", body="hi", recipient="+14155550100", ttl=timedelta(minutes=5), allow_partial=True):
        pass

    (request,) = (call.request for call in server.calls("Reserve"))
    assert (request.usage.body, request.usage.recipient) == ("hi", "+14155550100")
    assert (request.ttl.seconds, request.allow_partial) == (300, True)
    assert len(request.reservation_id) == 36


def test_an_exception_releases_and_is_raised_on(server: FakeServer, client: creditgate.Client) -> None:
    with pytest.raises(SendFailed), client.authorize("acme", reservation_id="msg-1", body="hi"):
        raise SendFailed

    assert settled(server) == [
        authorization_pb2.ReleaseRequest(account_id="acme", reservation_id="msg-1", reason="SendFailed")
    ]


def test_interruptions_release_too(server: FakeServer, client: creditgate.Client) -> None:
    with pytest.raises(SystemExit), client.authorize("acme", body="hi"):
        raise SystemExit

    assert [type(request) for request in settled(server)] == [authorization_pb2.ReleaseRequest]


def test_a_release_that_fails_does_not_hide_the_exception(server: FakeServer, make_client: ClientMaker) -> None:
    server.script("Release", server.failure("UNAVAILABLE", "STORE_UNREACHABLE", "no store"))
    client = make_client(retries=RetryPolicy(attempts_max=2, backoff_s=0.001))

    with pytest.raises(SendFailed) as raised, client.authorize("acme", reservation_id="msg-1", body="hi"):
        raise SendFailed

    assert raised.value.__notes__ == [
        "hold msg-1 of acme could not be released (no store); it expires at 2030-03-17 17:46:40+00:00"
    ]


@pytest.mark.parametrize(
    ("failure", "cause", "advice"),
    [
        (
            ("UNAVAILABLE", "STORE_UNREACHABLE"),
            errors.Unavailable,
            "commit this reservation again, do not send it again",
        ),
        (("FAILED_PRECONDITION", "HOLD_EXPIRED"), errors.HoldExpired, "could not be committed: do not send it again"),
    ],
)
def test_a_commit_that_fails_on_leaving_is_no_failed_reserve(
    server: FakeServer,
    make_client: ClientMaker,
    failure: tuple[str, str],
    cause: type[errors.CallFailed],
    advice: str,
) -> None:
    server.script("Commit", server.failure(*failure, "no commit"))
    client = make_client(retries=RetryPolicy(attempts_max=2, backoff_s=0.001))

    with (
        pytest.raises(errors.NotCommitted, match=advice) as raised,
        client.authorize("acme", reservation_id="msg-1", body="hi"),
    ):
        pass

    assert not isinstance(raised.value, errors.Unavailable)
    assert (raised.value.account_id, raised.value.reservation_id) == ("acme", "msg-1")
    assert (raised.value.code, raised.value.reason) == failure
    assert type(raised.value.__cause__) is cause
    assert server.calls("Release") == []


def test_a_message_that_was_sent_while_its_client_was_closed_is_not_committed(
    server: FakeServer, client: creditgate.Client
) -> None:
    with (
        pytest.raises(errors.NotCommitted, match="commit this reservation again, do not send it again") as raised,
        client.authorize("acme", reservation_id="msg-1", body="hi"),
    ):
        client.close()

    assert (raised.value.account_id, raised.value.reservation_id, raised.value.code) == ("acme", "msg-1", "")
    assert type(raised.value.__cause__) is RuntimeError
    assert settled(server) == []


def test_a_client_that_was_closed_does_not_hide_the_exception(server: FakeServer, client: creditgate.Client) -> None:
    def close_then_fail() -> None:
        client.close()
        raise SendFailed

    with pytest.raises(SendFailed) as raised, client.authorize("acme", reservation_id="msg-1", body="hi"):
        close_then_fail()

    (note,) = raised.value.__notes__
    assert note.startswith("hold msg-1 of acme could not be released (this client is closed)")
    assert settled(server) == []


def test_an_exception_of_a_long_name_releases_too(server: FakeServer, client: creditgate.Client) -> None:
    failed = type("SendFailed" * 20, (Exception,), {})

    with pytest.raises(failed), client.authorize("acme", body="hi"):
        raise failed

    (release,) = settled(server)
    assert release.reason == ("SendFailed" * 20)[:128]


def test_a_commit_that_fails_inside_the_block_is_not_followed_by_a_release(
    server: FakeServer, client: creditgate.Client
) -> None:
    server.script("Commit", server.failure("FAILED_PRECONDITION", "HOLD_EXPIRED", "too late"))

    with pytest.raises(errors.HoldExpired), client.authorize("acme", body="hi") as hold:
        hold.commit()

    assert server.calls("Release") == []


def test_what_was_committed_early_is_not_settled_again(server: FakeServer, client: creditgate.Client) -> None:
    def commit_then_fail(hold: Hold) -> None:
        hold.commit(credits=5, labels={"campaign": "spring"})
        raise SendFailed

    with pytest.raises(SendFailed), client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
        commit_then_fail(hold)

    assert settled(server) == [
        authorization_pb2.CommitRequest(
            account_id="acme", reservation_id="msg-1", credits=5, labels={"campaign": "spring"}
        )
    ]


def test_parts_are_captured_one_by_one_and_leaving_gives_back_the_rest(
    server: FakeServer, client: creditgate.Client
) -> None:
    with client.authorize("acme", reservation_id="msg-1", body="hi", recipient_count=3) as hold:
        for number in range(2):
            hold.commit(recipient_count=1, keep_open=True, commit_id=f"to-{number}")
            assert not hold.settled

    first, second, last = settled(server)
    assert [(each.commit_id, each.keep_open, each.usage.recipient_count) for each in (first, second)] == [
        ("to-0", True, 1),
        ("to-1", True, 1),
    ]
    assert (last.WhichOneof("actual"), last.credits, last.keep_open) == ("credits", 0, False)


def test_an_exception_after_a_part_gives_back_the_rest_and_keeps_the_id_used(
    server: FakeServer, client: creditgate.Client
) -> None:
    def send_to_one(hold: Hold) -> None:
        hold.commit(recipient_count=1, keep_open=True)
        raise SendFailed

    with pytest.raises(SendFailed), client.authorize("acme", body="hi", recipient_count=3) as hold:
        send_to_one(hold)

    assert [(type(each), each.credits) for each in settled(server)[1:]] == [(authorization_pb2.CommitRequest, 0)]


def test_a_part_that_may_not_be_captured_leaves_the_hold_alone(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Commit", server.failure("FAILED_PRECONDITION", "OVERAGE_REJECTED", "more than is held"))

    with (
        pytest.raises(errors.OverageRejected),
        client.authorize("acme", body="hi", recipient_count=3) as hold,
    ):
        hold.commit(credits=10, keep_open=True)

    assert len(settled(server)) == 1


def test_a_rest_that_could_not_be_given_back_is_told_with_what_to_commit(
    server: FakeServer, make_client: ClientMaker
) -> None:
    unreachable = server.failure("UNAVAILABLE", "STORE_UNREACHABLE", "no store")
    server.script("Commit", server.succeed, unreachable)
    client = make_client(retries=RetryPolicy(attempts_max=2, backoff_s=0.001))

    with (
        pytest.raises(errors.NotCommitted, match="commit this reservation again with 0 credits") as raised,
        client.authorize("acme", reservation_id="msg-1", body="hi") as hold,
    ):
        hold.commit(credits=1, keep_open=True)

    assert (raised.value.reservation_id, raised.value.credits) == ("msg-1", 0)


def test_a_block_that_takes_longer_extends_its_hold(server: FakeServer, client: creditgate.Client) -> None:
    later = authorization_pb2.ExtendResponse()
    later.expire_time.FromSeconds(2_000_000_000)
    server.script("Extend", later)

    with client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
        hold.extend(timedelta(minutes=5))
        assert hold.expire_time is not None
        assert hold.expire_time.timestamp() == 2_000_000_000

    (extend,) = (call.request for call in server.calls("Extend"))
    assert (extend.reservation_id, extend.ttl.seconds) == ("msg-1", 300)
    assert len(server.calls("Commit")) == 1


def test_what_was_released_early_is_not_committed(server: FakeServer, client: creditgate.Client) -> None:
    with client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
        hold.release("no such number")

    assert settled(server) == [
        authorization_pb2.ReleaseRequest(account_id="acme", reservation_id="msg-1", reason="no such number")
    ]


def test_a_commit_of_another_size_keeps_the_rest_of_the_usage(server: FakeServer, client: creditgate.Client) -> None:
    with client.authorize(
        "acme", seconds=300, channel=Channel.VOICE, recipient="+14155550100", labels={"kind": "reminder"}
    ) as hold:
        hold.commit(seconds=61)

    (commit,) = settled(server)
    assert (commit.usage.channel, commit.usage.seconds, commit.usage.recipient) == (Channel.VOICE, 61, "+14155550100")
    assert not commit.usage.labels


def test_a_commit_for_fewer_recipients_keeps_the_size(server: FakeServer, client: creditgate.Client) -> None:
    with client.authorize("acme", body="hi", recipient_count=100) as hold:
        hold.commit(recipient_count=93)

    (commit,) = settled(server)
    assert (commit.usage.body, commit.usage.recipient_count) == ("hi", 93)


def test_a_commit_of_a_partial_hold_is_for_those_who_were_granted(
    server: FakeServer, client: creditgate.Client
) -> None:
    partial = authorization_pb2.ReserveResponse(
        reservation_id="msg-1",
        decision=decision_pb2.DECISION_ALLOWED_PARTIAL,
        state=reservation_pb2.RESERVATION_STATE_PENDING,
        recipients_granted=60,
    )
    server.script("Reserve", partial)

    with client.authorize("acme", body="hi", recipient_count=100, allow_partial=True) as hold:
        assert (hold.allowed, hold.recipients_granted) == (True, 60)
        hold.commit(segments=2)

    (commit,) = settled(server)
    assert (commit.usage.segments, commit.usage.recipient_count) == (2, 60)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (DenialReason.INSUFFICIENT_CREDITS, errors.InsufficientCredits),
        (DenialReason.LIMIT_REACHED, errors.LimitReached),
        (DenialReason.FLOOR, errors.FloorReached),
        (DenialReason.INBOUND_LIMIT, errors.InboundLimitReached),
        (DenialReason.ACCOUNT_SUSPENDED, errors.AccountSuspended),
        (DenialReason.ACCOUNT_CLOSED, errors.AccountClosed),
        (DenialReason.TOO_MANY_SEGMENTS, errors.TooManySegments),
        (DenialReason.NO_RATE, errors.NoRate),
        (DenialReason(99), errors.Denied),
    ],
)
def test_a_denial_is_raised_as_what_it_is(
    server: FakeServer, client: creditgate.Client, reason: DenialReason, kind: type[errors.Denied]
) -> None:
    server.deny(reason, shortfall=3)

    with pytest.raises(kind) as raised, client.authorize("acme/field", body="hi"):
        pytest.fail("a denied message was sent")

    assert type(raised.value) is kind
    assert (raised.value.denial.reason, raised.value.shortfall, raised.value.next_credit_time) == (reason, 3, None)
    assert raised.value.balance.account_id == "acme/field"
    assert str(raised.value).startswith("acme/field may not send: ")
    assert settled(server) == []


def test_a_denial_says_who_is_short_of_how_much(server: FakeServer, client: creditgate.Client) -> None:
    server.deny(DenialReason.INSUFFICIENT_CREDITS, shortfall=1)

    with (
        pytest.raises(errors.Denied, match=r"^acme/field may not send: the wallet of acme is 1 credit short$"),
        client.authorize("acme/field", body="hi"),
    ):
        pass


def test_a_denial_is_data_where_that_was_asked_for(server: FakeServer, client: creditgate.Client) -> None:
    server.deny(DenialReason.INSUFFICIENT_CREDITS, shortfall=3)

    with client.authorize("acme/field", body="hi", raise_on_denial=False) as hold:
        assert not hold.allowed
        assert hold.denial is not None
        assert (hold.denial.shortfall, hold.state, hold.expire_time) == (3, None, None)
        with pytest.raises(errors.InsufficientCredits):
            hold.commit()
        with pytest.raises(errors.InsufficientCredits):
            hold.extend(60)

    assert settled(server) == []


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (ReservationState.COMMITTED, errors.AlreadyCommitted),
        (ReservationState.RELEASED, errors.AlreadyReleased),
        (ReservationState.EXPIRED, errors.AlreadyExpired),
    ],
)
def test_a_replay_of_a_settled_hold_is_not_sent_again(
    server: FakeServer, client: creditgate.Client, state: ReservationState, kind: type[errors.AlreadySettled]
) -> None:
    server.script("Reserve", replay(state))

    with (
        pytest.raises(kind, match=f"reservation msg-1 is already {state.name}") as raised,
        client.authorize("acme", reservation_id="msg-1", body="hi"),
    ):
        pytest.fail("a message was sent twice")

    assert raised.value.state is state
    assert settled(server) == []


def test_a_replay_of_an_open_hold_is_not_released(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Reserve", replay(ReservationState.PENDING))

    with pytest.raises(SendFailed), client.authorize("acme", reservation_id="msg-1", body="hi"):
        raise SendFailed

    assert settled(server) == [], "the worker that made it may be sending by it"


def test_a_replay_of_an_open_hold_goes_on(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Reserve", replay(ReservationState.PENDING))

    with client.authorize("acme", reservation_id="msg-1", body="hi") as hold:
        assert (hold.replayed, hold.cost) == (True, None)

    assert [type(request) for request in settled(server)] == [authorization_pb2.CommitRequest]


def test_a_reserve_that_fails_sends_nothing(server: FakeServer, client: creditgate.Client) -> None:
    server.script("Reserve", server.failure("NOT_FOUND", "ACCOUNT_NOT_FOUND"))

    with pytest.raises(errors.AccountNotFound), client.authorize("acme", body="hi"):
        pytest.fail("a message was sent without a hold")

    assert settled(server) == []

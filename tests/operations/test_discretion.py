"""Discretion: nothing that a caller or operator entrusts to a server is ever in its log, metrics or greeting."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import grpc
import pytest
import redis
from google.protobuf.message import Message
from tests.operations.observing import events, frozen_store, lines_of, page, said, until

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2, explain_pb2, rate_cards_pb2, usage_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.observing import Connect, Start
    from tests.rpc.conftest import Api, ServerProcess

BODY = "Dear Ann – your code is 480113"  # noqa: RUF001 (one that is no ASCII)
NUMBERS = ("+14155550123", "+61491570006")
TOKEN = "Bearer eyJhbGciOi-token"
PASSWORD = "correct-horse-battery"
LABEL = "customer ann@example.com"
NOTE = "for the invoice of Ann"

SECRETS = (BODY, "480113", *NUMBERS, *(number[1:] for number in NUMBERS), "eyJhbGciOi", PASSWORD, "ann@", NOTE)

METADATA = (("authorization", TOKEN), ("cookie", f"session={PASSWORD}"))


@pytest.fixture
def keeper(start: Start, short_directory: Path, organisation: str) -> Iterator[ServerProcess]:
    """A server for the sake of its store, which asks for a password from here on."""
    server = start(short_directory / organisation, LOG_LEVEL="debug")
    with redis.Redis(unix_socket_path=str(server.data_dir / "store.sock"), single_connection_client=True) as store:
        store.config_set("requirepass", PASSWORD)
        yield server
        with suppress(redis.RedisError):  # it may have died
            store.config_set("requirepass", "")


@pytest.fixture
def guest(start: Start, keeper: ServerProcess) -> ServerProcess:
    """A server that is told the password of its store, and logs all that it can."""
    return start(
        REDIS_URL=f"unix://:{PASSWORD}@{keeper.data_dir}/store.sock",
        LOG_LEVEL="debug",
        METRICS_LISTEN="127.0.0.1:0",
        STORE_TIMEOUT_MS="100",
    )


def usage(**changed: object) -> usage_pb2.Usage:
    fields: dict[str, object] = {
        "channel": usage_pb2.CHANNEL_SMS,
        "direction": usage_pb2.DIRECTION_OUTBOUND,
        "body": BODY,
        "sender": NUMBERS[0],
        "recipient": NUMBERS[1],
        "labels": {"who": LABEL},
    }
    return usage_pb2.Usage(**(fields | changed))  # type: ignore[arg-type]


def requests(account_id: str) -> Iterator[tuple[str, Message | bytes]]:
    """Give calls of every kind that carry what is secret, most of which are denied or fail."""
    authorization, administration = "AuthorizationService", "AccountService"
    wrong = [
        usage(recipient=f"{NUMBERS[1]}{NUMBERS[0]}"),
        usage(sender=BODY),
        usage(region=BODY),
        usage(labels={LABEL * 4: BODY}),
        usage(body=BODY * 1000),
        usage(channel=usage_pb2.CHANNEL_VOICE),
    ]
    for number, each in enumerate([usage(), *wrong]):
        reserve = authorization_pb2.ReserveRequest(account_id=account_id, reservation_id=f"r{number}", usage=each)
        yield f"{authorization}/Reserve", reserve
        yield f"{authorization}/Quote", authorization_pb2.QuoteRequest(account_id=account_id, usage=each)
        yield f"{authorization}/Explain", explain_pb2.ExplainRequest(account_id=account_id, usage=each)
        charge = authorization_pb2.ChargeRequest(account_id=account_id, charge_id=f"c{number}", usage=each)
        yield f"{authorization}/Charge", charge
        operations = [authorization_pb2.Operation(reserve=reserve), authorization_pb2.Operation(charge=charge)]
        yield f"{authorization}/Batch", authorization_pb2.BatchRequest(operations=operations)
        yield f"{authorization}/Batch", authorization_pb2.BatchRequest(operations=operations, atomic=True)
    yield f"{authorization}/Reserve", b"\x0a\xff" + BODY.encode()
    yield f"{authorization}/Release", authorization_pb2.ReleaseRequest(account_id=account_id, reason=BODY)
    for name in (BODY, NUMBERS[0]):
        yield f"{authorization}/Reserve", authorization_pb2.ReserveRequest(account_id=name, usage=usage())
        yield f"{administration}/GetAccount", accounts_pb2.GetAccountRequest(account_id=name)
        account = accounts_pb2.Account(account_id=f"{account_id}/x", display_name=BODY, rate_card_id=name)
        yield f"{administration}/CreateAccount", accounts_pb2.CreateAccountRequest(account=account)
        yield "RateCardService/GetRateCard", rate_cards_pb2.GetRateCardRequest(rate_card_id=name)
    grant = credits_pb2.GrantRequest(account_id=account_id, grant_id="g", credits=-1, note=NOTE, actor=NUMBERS[0])
    yield "CreditService/Grant", grant


def send_all(api: Api, account_id: str) -> set[grpc.StatusCode]:
    """Make every call, and give the codes that there were."""
    codes = set()
    for method, request in requests(account_id):
        try:
            api.send(method, request if isinstance(request, bytes) else request.SerializeToString(), METADATA)
        except grpc.RpcError as error:
            codes.add(error.code())
        else:
            codes.add(grpc.StatusCode.OK)
    frames = [
        authorization_pb2.StreamRequest(batch_id=number, operations=request.operations)
        for number, (_, request) in enumerate(requests(account_id))
        if isinstance(request, authorization_pb2.BatchRequest)
    ]
    assert len(list(api.authorization.Stream(iter(frames), metadata=METADATA))) == len(frames)
    return codes


def test_no_text_number_token_or_password_is_ever_shown(
    guest: ServerProcess, keeper: ServerProcess, connect: Connect, organisation: str
) -> None:
    api = connect(guest)
    api.open_account(organisation)

    refused = send_all(api, organisation)
    with frozen_store(keeper):
        lost = send_all(api, organisation)
    os.kill(lines_of(keeper, "store_started")[0]["pid"], signal.SIGKILL)
    until(lambda: said(keeper, "store_died"))
    gone = send_all(api, organisation)
    _, metrics = page(guest, "/metrics")
    guest.stop()
    until(lambda: said(guest, "stopped"))

    assert {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT} <= refused
    assert grpc.StatusCode.UNAVAILABLE in lost | gone
    shown = "".join((*guest.output, *keeper.output)) + metrics
    assert [secret for secret in SECRETS if secret in shown or json.dumps(secret)[1:-1] in shown] == []
    logged = {line["event"] for line in events(guest)}
    assert {"serving", "denied", "call_failed", "stopped"} <= logged
    assert {line["reason"] for line in lines_of(guest, "call_failed")} >= {
        "INVALID_FIELD",
        "MALFORMED_REQUEST",
        "OUTCOME_UNKNOWN",
    }


@pytest.fixture
def count_lines(start: Start, connect: Connect, organisation: str) -> Callable[[Callable[[Api], object]], list[str]]:
    """Let a server do something, and give the events that it logged of it."""

    def count(act: Callable[[Api], object]) -> list[str]:
        server = start(LOG_LEVEL="debug")
        api = connect(server)
        api.open_account(organisation, 1)
        before = len(events(server))
        act(api)
        server.stop()
        until(lambda: said(server, "stopped"))
        return [line["event"] for line in events(server)[before:]]

    return count


def test_a_denial_is_one_line_a_failure_is_one_and_what_is_allowed_is_none(
    count_lines: Callable[[Callable[[Api], object]], list[str]], organisation: str
) -> None:
    def act(api: Api) -> None:
        assert api.reserve(organisation, "allowed").credits == 1
        assert api.reserve(organisation, "denied").credits == 0
        assert api.code("AuthorizationService/Reserve", b"") is grpc.StatusCode.INVALID_ARGUMENT

    assert count_lines(act) == ["denied", "call_failed", "draining", "stopped"]

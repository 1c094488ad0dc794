"""Accounts as a test of errors needs them, calls that must be refused, and what these must not have done or told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from tests.fuzz.canaries import BODY, LABEL, NUMBER, TOKEN, seen_in
from tests.fuzz.effects import OF_ITSELF
from tests.ledger import functions
from tests.rpc.conftest import PATIENCE_S, Api, Failed, ServerProcess, failed

from creditgate.v1 import accounts_pb2, authorization_pb2, credits_pb2
from creditgate.v1.usage_pb2 import CHANNEL_SMS, Usage
from creditgate_server.credit.ids import root_of
from creditgate_server.credit.terms import ExpiryAction
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.keys import partition_of
from creditgate_server.store.ledger import Lane, Ledger, Request

if TYPE_CHECKING:
    from google.protobuf.message import Message

CREDITS_MAX: Final = 2**53 - 1

REQUEST_ID: Final = "the-caller-s-own"

_Answer = TypeVar("_Answer")


@dataclass(frozen=True)
class Scene:
    """An organisation on a server, whose root account has 1,000 credits of the grant `first` unless a test says less.

    What leads up to a refusal is done through the interface; only what its bounds forbid, or would take hours, is done
    in the ledger itself.
    """

    server: ServerProcess
    api: Api
    root: str

    # What leads up to it

    def open(self, below: str = "", credits_: int = 0, **settings: Any) -> str:  # noqa: ANN401 (a field of Account)
        """Create an account, with so many credits of the grant `first` (or `first-` and its own name)."""
        account = accounts_pb2.Account(account_id=self.path(below), **settings)
        self.api.accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account))
        if credits_:
            self.grant(f"first-{below}" if below else "first", below, credits_)
        return account.account_id

    def path(self, below: str) -> str:
        """Name an account."""
        return f"{self.root}/{below}" if below else self.root

    def update(self, below: str = "", **settings: Any) -> None:  # noqa: ANN401 (as above)
        """Change settings."""
        account = accounts_pb2.Account(account_id=self.path(below), **settings)
        mask = FieldMask(paths=list(settings))
        self.api.accounts.UpdateAccount(accounts_pb2.UpdateAccountRequest(account=account, update_mask=mask))

    def close(self, below: str = "") -> None:
        """Close an account."""
        self.api.accounts.CloseAccount(accounts_pb2.CloseAccountRequest(account_id=self.path(below)))

    def grant(self, grant_id: str, below: str = "", credits_: int = 1, **terms: Any) -> None:  # noqa: ANN401 (as above)
        """Grant credits."""
        request = credits_pb2.GrantRequest(account_id=self.path(below), grant_id=grant_id, credits=credits_, **terms)
        self.api.credits.Grant(request)

    def reserve(self, reservation_id: str, below: str = "", segments: int = 1) -> None:
        """Hold credits."""
        answer = self.api.reserve(self.path(below), reservation_id, segments=segments)
        assert answer.credits == segments

    def commit(self, reservation_id: str, below: str = "", **fields: Any) -> None:  # noqa: ANN401 (as above)
        """Capture of a hold."""
        account_id = self.path(below)
        request = authorization_pb2.CommitRequest(account_id=account_id, reservation_id=reservation_id, **fields)
        self.api.authorization.Commit(request)

    def release(self, reservation_id: str, below: str = "") -> None:
        """Give back what a hold holds."""
        request = authorization_pb2.ReleaseRequest(account_id=self.path(below), reservation_id=reservation_id)
        self.api.authorization.Release(request)

    def revoke(self, grant_id: str, below: str = "") -> None:
        """Take a grant back."""
        request = credits_pb2.RevokeGrantRequest(account_id=self.path(below), grant_id=grant_id)
        self.api.credits.RevokeGrant(request)

    def use_almost_all(self, below: str = "") -> None:
        """Let an account have used as many credits as can be counted, but for five."""
        self._do(functions.charge(below, "most", CREDITS_MAX - 5))

    def grant_almost_all(self, below: str, but: int) -> None:
        """Let an account have been granted as many credits as can be counted but for some, and have none of them."""
        self._do(functions.grant(below, f"most-{below}", CREDITS_MAX - but))
        self._do(functions.revoke(below, f"most-{below}"))

    def reserve_and_expire(self, reservation_id: str, below: str = "", *, captures: bool = False) -> None:
        """Let a hold expire, whose expiry captures it or gives it back."""
        name, arguments = functions.reserve(below, reservation_id, 1)
        *_, ttl_ms, expiry_action, _ = range(len(arguments))
        arguments[ttl_ms] = 0
        arguments[expiry_action] = int(ExpiryAction.COMMIT if captures else ExpiryAction.RELEASE)
        self._do((name, arguments))
        hold = authorization_pb2.GetReservationRequest(account_id=self.path(below), reservation_id=reservation_id)
        assert self.api.authorization.GetReservation(hold).reservation.held == 0

    def _do(self, step: functions.Step) -> None:
        name, (below, *rest) = step

        async def do(ledger: Ledger) -> None:
            args = records.pack(self.path(below), *rest)
            (reply,) = await ledger.send([Request(ledger.key_of(self.root), Lane.DECIDE, name, args)])
            assert isinstance(reply, list), reply
            assert reply[0] == "OK"

        self._in_ledger(do)

    # The refusal

    def refusal(self, method: str, request: Message | bytes) -> Failed:
        """Call a method, such as `AuthorizationService/Reserve`, that must fail and do nothing; give the failure."""
        before = self.effects()
        refused = self.refusal_at_once(method, request)
        assert self.effects() == before
        return refused

    def refusal_at_once(self, method: str, request: Message | bytes, timeout_s: float = PATIENCE_S) -> Failed:
        """Call a method that must fail, whatever it may have done."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        metadata = (("x-request-id", REQUEST_ID), ("authorization", f"Bearer {TOKEN}"))
        with pytest.raises(grpc.RpcError) as raised:
            self.api.send(method, data, metadata, timeout_s)
        told = failed(raised.value)
        assert told.metadata["request_id"] == REQUEST_ID
        assert not seen_in(repr((raised.value.details(), raised.value.trailing_metadata())).encode())
        return told

    def refused_operation(self, request: authorization_pb2.BatchRequest, at: int) -> Failed:
        """Do a batch that must have no effect, and give the failure of one of its operations."""
        before = self.effects()
        error = self.api.authorization.Batch(request).results[at].error
        assert self.effects() == before
        assert not seen_in(error.SerializeToString())
        (code,) = (code for code in grpc.StatusCode if code.value[0] == error.code)
        delay_ms = error.retry_delay.ToMilliseconds() if error.HasField("retry_delay") else None
        return Failed(code, error.message, error.reason, dict(error.metadata), {}, delay_ms)

    def effects(self) -> list[tuple[str, str, str]]:
        """List what was done to the organisation, with account and id; not what time has done."""

        async def read(ledger: Ledger) -> list[tuple[str, str, str]]:
            entries = ledger.journal(partition_of(self.root, ledger.partitions))
            told = [(entry.kind, entry.account_id, entry.operation_id) async for entry in entries]
            return [each for each in told if root_of(each[1]) == self.root and each[0] not in OF_ITSELF]

        return self._in_ledger(read)

    def _in_ledger(self, do: Callable[[Ledger], Awaitable[_Answer]]) -> _Answer:
        async def connected() -> _Answer:
            connections = StoreConnections(f"unix://{self.server.data_dir}/store.sock", reply_timeout_s=PATIENCE_S)
            try:
                return await do(Ledger(connections))
            finally:
                await connections.close()

        return asyncio.run(connected())


def text(**fields: Any) -> Usage:  # noqa: ANN401 (a field of Usage)
    """Describe a message by all that nobody may see again."""
    told = {"channel": CHANNEL_SMS, "body": BODY, "recipient": NUMBER, "labels": {"campaign": LABEL}}
    return Usage(**told | fields)  # type: ignore[arg-type]

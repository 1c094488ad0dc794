"""How calls are made: on a channel of the process's own, again and again until there is an answer."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from creditgate._channel import HEALTH_CHECK, REQUEST_ID_KEY, options_of
from creditgate._failures import failure_of
from creditgate._paging import PageRequestT, PageT
from creditgate._repeating import Repeating
from creditgate.errors import CallFailed
from creditgate.retries import DEFAULT_POLICY, DEFAULT_TIMEOUT_S, Attempts, RetryPolicy
from creditgate.v1.accounts_pb2_grpc import AccountServiceStub
from creditgate.v1.authorization_pb2_grpc import AuthorizationServiceStub
from creditgate.v1.credits_pb2_grpc import CreditServiceStub
from creditgate.v1.rate_cards_pb2_grpc import RateCardServiceStub

Request = TypeVar("Request")
Response = TypeVar("Response")


class Connection:
    """The channel of one process, and the stubs on it."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target, options=options_of(target))
        self.authorization = AuthorizationServiceStub(self.channel)
        self.accounts = AccountServiceStub(self.channel)
        self.credits = CreditServiceStub(self.channel)
        self.rate_cards = RateCardServiceStub(self.channel)
        self.check_health = self.channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=StringValue.SerializeToString,
            response_deserializer=Int32Value.FromString,
        )


class Caller(Repeating):
    """What makes the calls of a client, and closes its channel."""

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(target, timeout_s=timeout_s, retries=retries)
        # By process. A child keeps its parent's: to destroy that would end the connection of the parent.
        self._connections: dict[int, Connection] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the channel. Calls that are under way fail, and so do later ones."""
        self._closed = True
        connection = self._connections.pop(os.getpid(), None)
        if connection is not None:
            connection.channel.close()

    @property
    def _connection(self) -> Connection:
        if self._closed:
            raise RuntimeError("this client is closed")
        process = os.getpid()
        connection = self._connections.get(process)
        if connection is None:
            # Without a lock, which a fork could copy while it is held: threads that race make one too many, and
            # whoever comes second takes the first one's.
            connection = self._connections.setdefault(process, Connection(self.target))
        return connection

    def _attempt(
        self, method: grpc.UnaryUnaryMultiCallable[Request, Response], request: Request, attempts: Attempts
    ) -> Response:
        """Call once. Raises CallFailed."""
        metadata = ((REQUEST_ID_KEY, attempts.request_id),)
        try:
            return method(request, timeout=attempts.timeout_s(), metadata=metadata)
        except grpc.RpcError as error:
            raise failure_of(error, self.target, attempts.request_id) from error

    def _call(
        self,
        method: grpc.UnaryUnaryMultiCallable[Request, Response],
        request: Request,
        timeout_s: float | None,
        retries: RetryPolicy | None = None,
        *,
        is_owed: bool = False,
    ) -> Response:
        """Call until there is an answer. Raises CallFailed."""
        attempts = self._attempts(timeout_s, retries, is_owed=is_owed)
        while True:
            try:
                return self._attempt(method, request, attempts)
            except CallFailed as failure:
                wait_s = attempts.wait_s_after(failure)
            time.sleep(wait_s)

    def _pages(
        self,
        method: grpc.UnaryUnaryMultiCallable[PageRequestT, PageT],
        request: PageRequestT,
        timeout_s: float | None,
    ) -> Iterator[PageT]:
        while True:
            page = self._call(method, request, timeout_s)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

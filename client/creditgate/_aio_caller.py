"""How calls are made from an event loop: on a channel of its own, again and again until there is an answer."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, TypeVar

import grpc.aio
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
    """The channel of one process and one event loop, and the stubs on it."""

    def __init__(self, target: str, process: int, loop: asyncio.AbstractEventLoop) -> None:
        self.process = process
        self.loop = loop
        self.channel = grpc.aio.insecure_channel(target, options=options_of(target))
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
    """What makes the calls of a client, and closes its channel. See `creditgate._caller.Caller`."""

    def __init__(
        self,
        target: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retries: RetryPolicy = DEFAULT_POLICY,
    ) -> None:
        super().__init__(target, timeout_s=timeout_s, retries=retries)
        self._connected: Connection | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the channel. Calls that are under way fail, and so do later ones."""
        self._closed = True
        if self._connected is not None and self._connected.process == os.getpid():
            await self._connected.channel.close()

    @property
    def _connection(self) -> Connection:
        if self._closed:
            raise RuntimeError("this client is closed")
        process, loop, connection = os.getpid(), asyncio.get_running_loop(), self._connected
        if connection is not None and connection.process != process:
            # The thread that would wake the event loop has not come along: every call would hang.
            raise RuntimeError("this client has made calls before the fork: close it there, and make one in each child")
        if connection is None or connection.loop is not loop:
            connection = self._connected = Connection(self.target, process, loop)
        return connection

    async def _attempt(
        self, method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, attempts: Attempts
    ) -> Response:
        """Call once. Raises CallFailed."""
        metadata = ((REQUEST_ID_KEY, attempts.request_id),)
        try:
            return await method(request, timeout=attempts.timeout_s(), metadata=metadata)
        except grpc.RpcError as error:
            raise failure_of(error, self.target, attempts.request_id) from error

    async def _call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Response],
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
                return await self._attempt(method, request, attempts)
            except CallFailed as failure:
                wait_s = attempts.wait_s_after(failure)
            await asyncio.sleep(wait_s)

    async def _pages(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[PageRequestT, PageT],
        request: PageRequestT,
        timeout_s: float | None,
    ) -> AsyncIterator[PageT]:
        while True:
            page = await self._call(method, request, timeout_s)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

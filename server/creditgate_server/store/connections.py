"""The way to one store node: a few pipelined connections, no retries, and never a crossed reply."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import cast

import hiredis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from creditgate_server.store.address import connection_factory, safe_url
from creditgate_server.store.errors import OutcomeUnknown, ReplyError, StoreAccessRefused, StoreUnreachable

CONNECTIONS = 4
"""A store runs one command at a time: more connections than a handful only cost wake-ups."""

CONNECT_TIMEOUT_S = 2.0
"""How long opening a connection may take, TLS and password included; no caller waits that long for it."""

REPLY_TIMEOUT_S = 0.25
"""How long a batch may take, waiting for a connection included: a frozen store must not freeze callers."""

IDLE_MAX_S = 10.0
"""A connection unused for longer is opened anew: balancers and firewalls drop idle ones without a word."""

Command = tuple[bytes | str | int, ...]
"""The words of one command: `("FUNCTION", "LOAD", code)`, not `("FUNCTION LOAD", code)`."""

_pack = cast("Callable[[Command], bytes]", hiredis.pack_command)


class StoreConnections:
    """A bounded number of connections to one store, opened when needed; each carries one pipeline at a time.

    The one used last is used first, so that a light load keeps one busy. For one event loop.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = CONNECTIONS,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        reply_timeout_s: float = REPLY_TIMEOUT_S,
    ) -> None:
        """Prepare connections to a `redis://`, `rediss://` or `unix://` address. Raises StoreUrlInvalid."""
        self.name = safe_url(url)
        """The address without its secrets."""
        self.heard = 0
        """How many pipelines the store has carried out and answered."""
        self._connect_timeout_s = connect_timeout_s
        self._reply_timeout_s = reply_timeout_s
        make_connection = connection_factory(url, connect_timeout_s=connect_timeout_s)
        self._connections = [make_connection() for _ in range(connections)]
        self._free: asyncio.LifoQueue[tuple[AbstractConnection, float]] = asyncio.LifoQueue()
        for connection in self._connections:
            self._free.put_nowait((connection, 0.0))
        self._pipelines: set[asyncio.Task[None]] = set()
        self._openings: set[asyncio.Task[None]] = set()
        self._closed = False

    async def execute(self, commands: Sequence[Command]) -> list[object]:
        """Send commands as one pipeline and give their replies in order.

        Replies are those of RESP2: bytes, int, None, or lists of them. An error reply stands in its place as
        a ReplyError and is not raised. Nothing is ever sent twice.

        Raises StoreUnreachable when nothing was sent, or a loading store ran nothing, and OutcomeUnknown when
        something was or may have been sent; both within the reply timeout.

        The pipeline runs in its own task: a caller that is cancelled just leaves, while the pipeline reads
        its replies to the end or closes its connection. The commands may still happen.
        """
        if not commands:
            return []
        if self._closed:
            raise StoreUnreachable(self.name, "its connections were closed on this side")
        packed = b"".join(map(_pack, commands))
        outcome: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()
        _spawn(self._settle(outcome, packed, len(commands)), self._pipelines)
        return await outcome

    async def open(self) -> None:
        """Open a connection, in the time that opening may take: the first batch has less. Raises StoreUnreachable."""
        try:
            connection = await self._acquire()
        except (RedisError, OSError) as error:
            raise self._unreachable(error) from error
        self._release(connection)

    async def close(self) -> None:
        """Refuse further calls, let those under way end within their time, and close all connections."""
        self._closed = True
        if self._pipelines:
            await asyncio.wait(self._pipelines)
        for opening in self._openings:
            opening.cancel()
        if self._openings:
            await asyncio.wait(self._openings)
        for connection in self._connections:
            with suppress(RedisError):
                await connection.disconnect()

    async def _settle(self, outcome: asyncio.Future[list[object]], packed: bytes, replies_count: int) -> None:
        """Run a pipeline and hand over what came of it, unless the caller has left.

        A future of its own does what `asyncio.shield` does with two turns of the loop less.
        """
        try:
            replies = await self._run(packed, replies_count)
            if not outcome.done():
                outcome.set_result(replies)
        except Exception as error:  # noqa: BLE001 (handed over, not swallowed)
            if not outcome.done():
                outcome.set_exception(error)
        finally:
            # Without effect, unless the end of the loop cancels this very task.
            outcome.cancel()

    async def _run(self, packed: bytes, replies_count: int) -> list[object]:
        """Send one pipeline and read it; a connection that did not give all its replies is closed."""
        connection = None
        intact = False
        try:
            async with asyncio.timeout(self._reply_timeout_s):
                connection = await self._acquire()
                await connection.send_packed_command(packed, check_health=False)
                replies = await _read_replies(connection, replies_count)
            intact = True
        except (RedisError, OSError) as error:
            if connection is None:
                raise self._unreachable(error) from error
            raise OutcomeUnknown(self.name, self._reason(error)) from error
        finally:
            if connection is not None:
                if not intact:
                    await connection.disconnect(nowait=True)
                self._release(connection)
        if all(isinstance(reply, ReplyError) and reply.code == "LOADING" for reply in replies):
            raise StoreUnreachable(self.name, "it is loading its data")
        self.heard += 1
        return replies

    async def _acquire(self) -> AbstractConnection:
        """Wait for a connection; open it if it is closed, was closed by the store, or was idle for long.

        When the caller's time is over first, opening goes on for the callers to come, within its own time:
        else a connection that takes longer to open than a reply may take could never be opened.
        """
        connection, released_s = await self._free.get()
        idle_s = asyncio.get_running_loop().time() - released_s
        if idle_s < IDLE_MAX_S and await _is_usable(connection):
            return connection
        opening = _spawn(self._open(connection), self._openings)
        try:
            await asyncio.wait((opening,))
        except asyncio.CancelledError:
            opening.add_done_callback(lambda _: self._release(connection))
            raise
        if opening.exception() is not None:
            self._release(connection)
        opening.result()
        return connection

    async def _open(self, connection: AbstractConnection) -> None:
        """Open a connection and ask PING: a store that loads or refuses us is met before a batch is sent."""
        try:
            await connection.disconnect(nowait=True)
            async with asyncio.timeout(self._connect_timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
                await connection.send_command("PING", check_health=False)
                await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise

    def _release(self, connection: AbstractConnection) -> None:
        self._free.put_nowait((connection, asyncio.get_running_loop().time()))

    def _unreachable(self, error: Exception) -> StoreUnreachable:
        reply = _reply_error(error)
        if reply is None or reply.code == "LOADING":
            return StoreUnreachable(self.name, self._reason(error))
        return StoreAccessRefused(self.name, reply)

    def _reason(self, error: Exception) -> str:
        return str(error) or f"no answer within {self._reply_timeout_s:g} s"


def _spawn(work: Coroutine[object, object, None], running: set[asyncio.Task[None]]) -> asyncio.Task[None]:
    """Run work that must end in good order though its caller be cancelled, and hold it meanwhile."""

    def forget(task: asyncio.Task[None]) -> None:
        running.discard(task)
        # Its exception counts as seen: a caller that has left will not look at it.
        if not task.cancelled():
            task.exception()

    task = asyncio.create_task(work)
    running.add(task)
    task.add_done_callback(forget)
    return task


async def _is_usable(connection: AbstractConnection) -> bool:
    """Tell whether a connection is open and silent: what can be read now is its end, or a stray reply."""
    try:
        return connection.is_connected and not await connection.can_read()
    except (RedisError, OSError):
        return False


async def _read_replies(connection: AbstractConnection, count: int) -> list[object]:
    """Read `count` replies; an error reply becomes a value, so that the replies behind it are read too."""
    replies: list[object] = []
    for _ in range(count):
        try:
            replies.append(await connection.read_response(disable_decoding=True, disconnect_on_error=False))
        except RedisError as error:
            reply = _reply_error(error)
            if reply is None:
                raise
            replies.append(reply)
    return replies


def _reply_error(error: BaseException | None) -> ReplyError | None:
    """Find the store's own words in an exception of redis-py; None when it is about the connection.

    redis-py takes the first word off the replies it knows and keeps it as `status_code`; it raises some of
    them, such as LOADING and WRONGPASS, as connection errors, and wraps those that a unix socket's handshake
    meets.
    """
    while error is not None:
        if isinstance(error, RedisError) and error.status_code is not None:
            return ReplyError(error.status_code, str(error))
        if isinstance(error, ResponseError):
            code, _, message = str(error).partition(" ")
            return ReplyError(code, message)
        error = error.__cause__
    return None

"""The gRPC server: what it serves, how it listens, and how it ends."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc

from creditgate_server.listen import ListenFailed, TcpAddress, UnixAddress
from creditgate_server.rpc import (
    account_service,
    authorization_service,
    credit_service,
    health,
    rate_card_service,
)
from creditgate_server.rpc.clock import test_clock_handlers
from creditgate_server.rpc.reflection import reflection_handlers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from creditgate_server.engine.engine import Engine
    from creditgate_server.listen import ListenAddress, SocketMode
    from creditgate_server.readiness import Readiness
    from creditgate_server.rpc.calls import Calls

SERVICES: Final = (
    authorization_service.SERVICE,
    account_service.SERVICE,
    credit_service.SERVICE,
    rate_card_service.SERVICE,
)

REQUEST_BYTES_MAX: Final = 1024 * 1024
"""Largest request: a rate card of 500 rules that each name every region needs half of it.

No answer to a batch of this size passes the 4 MiB that clients accept, whatever is wrong with its operations.
"""

PING_INTERVAL_MS_MIN: Final = 20_000
"""How often a client may ping, be it idle or not; ours does every 30 s."""

LEFTOVER_S: Final = 1.0
"""How long calls that were cancelled at the end of a drain may take to notice."""

OPTIONS: Final = (
    # A second server on our port would start without a word, and take half of the calls.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", REQUEST_BYTES_MAX),
    ("grpc.http2.min_ping_interval_without_data_ms", PING_INTERVAL_MS_MIN),
    ("grpc.keepalive_permit_without_calls", 1),
)


@dataclass(frozen=True, slots=True)
class Listening:
    """Where to listen, who may connect to a socket there, and how long a drain may take."""

    address: ListenAddress
    socket_mode: SocketMode
    drain_s: float


@asynccontextmanager
async def serving_calls(
    engine: Engine, calls: Calls, readiness: Readiness, listening: Listening
) -> AsyncIterator[ListenAddress]:
    """Serve an engine while the context lasts; gives the address with its true port. Raises ListenFailed.

    At the end the server says that it is not ready; then no new call is taken, and those under way have a time to end.
    """
    server = grpc.aio.server(options=OPTIONS)
    # Generic handlers alone: a method that is registered too costs the loop a future for each, at every call.
    server.add_generic_rpc_handlers(
        (
            authorization_service.authorization_handler(engine, calls),
            account_service.account_handler(engine, calls),
            credit_service.credit_handler(engine, calls),
            rate_card_service.rate_card_handler(engine, calls),
            health.Health(SERVICES, readiness).handler(),
            *reflection_handlers((*SERVICES, health.SERVICE)),
            *test_clock_handlers(engine.ledger),
        )
    )
    bound = _bind(server, listening)
    await server.start()
    readiness.follow(lambda: engine.available)
    try:
        yield bound
    finally:
        readiness.drain()
        await calls.close()
        # It closes the port, and removes the name of a socket, at once: the next server may take them.
        await server.stop(listening.drain_s)
        # Calls that were cancelled are not waited for by `stop`, and the engine must outlive them.
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFTOVER_S):
                await calls.wait_until_idle()


def _bind(server: grpc.aio.Server, listening: Listening) -> ListenAddress:
    address = listening.address
    if isinstance(address, UnixAddress) and _is_listened_on(address):
        # gRPC would take the name away from whoever listens, without a word.
        raise ListenFailed("listen", address, "another process does")
    # Changed afterwards, the mode of a socket would come too late for whoever connects at once.
    previous_mask = os.umask(listening.socket_mode.mask)
    try:
        port = server.add_insecure_port(str(address))
    except RuntimeError as error:
        raise ListenFailed("listen", address, _why_not(address)) from error
    finally:
        os.umask(previous_mask)
    return TcpAddress(address.host, port) if isinstance(address, TcpAddress) else address


def _is_listened_on(address: UnixAddress) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0)
        try:
            probe.connect(address.path)
        except BlockingIOError:
            # Somebody does, and has more callers waiting than it takes: one that hangs, which we would wait for too.
            return True
        except OSError:
            return False
    return True


def _why_not(address: ListenAddress) -> str:
    """Ask the system why an address cannot be listened on; gRPC does not pass its words on."""
    place: str | tuple[str, int]
    if isinstance(address, UnixAddress):
        family, place = socket.AF_UNIX, address.path
    else:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        place = (address.host, address.port)
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            return error.strerror or str(error)
    return "the system does not say why"

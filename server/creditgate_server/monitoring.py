"""HTTP for those who look after a server: its metrics, whether it lives, and whether it is ready for calls."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, Any, Final

import structlog
from prometheus_client.exposition import choose_encoder

from creditgate import __version__
from creditgate_server.listen import ListenFailed, TcpAddress
from creditgate_server.readiness import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import FilteringBoundLogger

    from creditgate_server.metrics import Metrics
    from creditgate_server.readiness import Readiness

CONNECTIONS_MAX: Final = 16
"""Connections served at once, each by a thread: a scraper or two and a few probes are all that should come."""

SILENCE_S_MAX: Final = 5.0
"""How long a connection may say nothing before it is closed."""

CONNECTION_S_MAX: Final = 15.0
"""How long a connection may last, however busy: the slowest honest one waits TURN_S_MAX for a turn of the loop."""

TURN_S_MAX: Final = 5.0
"""How long the event loop may take for a turn before the process counts as dead; a long one is a tenth of a second."""

_OPENMETRICS: Final = "application/openmetrics-text"

_log: FilteringBoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to GET."""

    status: HTTPStatus
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


class Pages:
    """What is shown, by path."""

    def __init__(self, metrics: Metrics, readiness: Readiness, loop: asyncio.AbstractEventLoop) -> None:
        """Show the metrics and the readiness of the server that runs in `loop`."""
        self._metrics = metrics
        self._readiness = readiness
        self._loop = loop

    def page(self, path: str, accept: str) -> Page:
        """Answer what was asked for; `accept` is the header of that name."""
        match path.partition("?")[0]:
            case "/metrics":
                # Without the version, of which the encoder takes any for a number: there is only one that it writes.
                encode, content_type = choose_encoder(_OPENMETRICS if _OPENMETRICS in accept else "")
                return Page(HTTPStatus.OK, encode(self._metrics.registry), content_type)
            case "/livez" | "/readyz" if not self._turns():
                # It learns nothing of its store then, and answers nobody.
                return _verdict(f"no turn of the event loop in {TURN_S_MAX:g} s", is_well=False)
            case "/livez":
                return _verdict("live", is_well=True)
            case "/readyz":
                state = self._readiness.state
                return _verdict(state.value, is_well=state is State.SERVING)
            case _:
                return Page(HTTPStatus.NOT_FOUND, b"here are /metrics, /livez and /readyz\n")

    def _turns(self) -> bool:
        """Whether the event loop still takes turns."""
        turned = threading.Event()
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(turned.set)
        return turned.wait(TURN_S_MAX)


@contextlib.contextmanager
def serving_monitoring(pages: Pages, address: TcpAddress) -> Iterator[TcpAddress]:
    """Serve pages over HTTP, from threads, while the context lasts; gives the address with its true port.

    Raises ListenFailed.
    """
    kind = _ServerOfIpv6 if ":" in address.host else _Server
    try:
        server = kind((address.host, address.port), pages.page)
    except OSError as error:
        raise ListenFailed("metrics_listen", address, error.strerror or str(error)) from error
    thread = threading.Thread(target=server.serve_forever, name="monitoring")
    thread.start()
    try:
        yield TcpAddress(address.host, server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _verdict(words: str, *, is_well: bool) -> Page:
    return Page(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, f"{words}\n".encode())


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENCE_S_MAX
    server_version = f"creditgate/{__version__}"
    sys_version = ""
    server: _Server

    def do_GET(self) -> None:
        """Answer GET."""
        page = self.server.page(self.path, self.headers.get("Accept", ""))
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    do_HEAD = do_GET  # noqa: N815 (as above)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 (as its base calls it)
        """Say nothing: probes come every few seconds."""


class _Server(ThreadingHTTPServer):
    """A server that does not ask DNS for its own name, as its base does, and bounds its threads."""

    # Whoever is being answered is not waited for at the end.
    block_on_close = False

    def __init__(self, address: tuple[str, int], page: Callable[[str, str], Page]) -> None:
        self.page = page
        self._room = threading.BoundedSemaphore(CONNECTIONS_MAX)
        self._ends_s: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind, and take the address for the name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as its base calls it)
        """Serve a connection from a thread, or close it where too many are."""
        if self._room.acquire(blocking=False):
            self._ends_s[request] = time.monotonic() + CONNECTION_S_MAX
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 (as above)
        """Serve a connection, and make room for the next."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            del self._ends_s[request]
            self._room.release()

    def service_actions(self) -> None:
        """Break off the connections that have lasted too long: one that trickles is never silent, and takes room."""
        now_s = time.monotonic()
        for connection, end_s in tuple(self._ends_s.items()):
            if end_s <= now_s:
                with contextlib.suppress(OSError):  # it has ended meanwhile
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 (as above)
        """Log a defect; that a caller has left is none."""
        error = sys.exception()
        if not isinstance(error, OSError):
            _log.error("monitoring_failed", exc_info=error)


class _ServerOfIpv6(_Server):
    address_family = socket.AF_INET6

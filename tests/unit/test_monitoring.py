"""The pages over HTTP: what they say, and that nobody can wear them out."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_metrics
from structlog.testing import capture_logs

from creditgate_server import monitoring
from creditgate_server.listen import TcpAddress
from creditgate_server.metrics import Metrics
from creditgate_server.monitoring import CONNECTIONS_MAX, Pages, serving_monitoring
from creditgate_server.readiness import Readiness, State

LOOPBACK = TcpAddress("127.0.0.1", 0)


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def pages(readiness: Readiness, loop: asyncio.AbstractEventLoop) -> Pages:
    return Pages(Metrics(), readiness, loop)


def ask(address: TcpAddress, path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
    """Ask for a page; give its status, its type and its text."""
    request = urllib.request.Request(f"http://{address}{path}", method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def test_readiness_says_how_things_stand(pages: Pages, readiness: Readiness) -> None:
    is_store_up = [True]
    seen = [readiness.state]
    readiness.follow(lambda: is_store_up[0])
    seen.append(readiness.state)
    is_store_up[0] = False
    seen.append(readiness.state)
    page = pages.page("/readyz", "")
    readiness.drain()
    seen.append(readiness.state)

    assert seen == [State.STARTING, State.SERVING, State.STORE_LOST, State.DRAINING]
    assert (page.status, page.body) == (HTTPStatus.SERVICE_UNAVAILABLE, b"its store is of no use\n")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_a_loop_that_takes_no_turns_is_neither_live_nor_ready(
    path: str,
    pages: Pages,
    readiness: Readiness,
    loop: asyncio.AbstractEventLoop,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(monitoring, "TURN_S_MAX", 0.05)
    readiness.follow(lambda: True)
    stuck, go_on = threading.Event(), threading.Event()

    def stick() -> None:
        stuck.set()
        go_on.wait()

    loop.call_soon_threadsafe(stick)
    assert stuck.wait(20)
    page = pages.page(path, "")
    go_on.set()

    assert (page.status, page.body) == (HTTPStatus.SERVICE_UNAVAILABLE, b"no turn of the event loop in 0.05 s\n")
    assert pages.page(path, "").status is HTTPStatus.OK


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_pages_are_served_on_either_protocol(host: str, pages: Pages, readiness: Readiness) -> None:
    try:
        socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        pytest.skip(f"this machine has no {host}: {error}")
    with serving_monitoring(pages, TcpAddress(host, 0)) as address:
        assert ask(address, "/readyz") == (503, "text/plain; charset=utf-8", "starting\n")
        readiness.follow(lambda: True)
        assert ask(address, "/readyz?verbose") == (200, "text/plain; charset=utf-8", "serving\n")
        assert ask(address, "/livez")[::2] == (200, "live\n")
        assert ask(address, "/readyz", "HEAD")[::2] == (200, "")
        assert ask(address, "/")[::2] == (404, "here are /metrics, /livez and /readyz\n")
        assert ask(address, "/metrics", "POST")[0] == HTTPStatus.NOT_IMPLEMENTED


def test_metrics_come_in_the_form_that_is_asked_for(pages: Pages) -> None:
    with serving_monitoring(pages, LOOPBACK) as address:
        _, plain_type, plain = ask(address, "/metrics")
        _, open_type, openmetrics = ask(address, "/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert plain_type.startswith("text/plain; version=")
    assert open_type.startswith("application/openmetrics-text")
    names = {family.name.removesuffix("_info") for family in read_metrics(plain)}
    assert names == {family.name for family in read_openmetrics(openmetrics)}  # type: ignore[no-untyped-call]
    assert "creditgate_open_holds" in names


@pytest.mark.parametrize("media_type", ["application/openmetrics-text", "text/plain"])
@pytest.mark.parametrize("version", ["x", "1.x", "2.x", ""])
def test_a_form_in_no_known_version_is_answered_all_the_same(media_type: str, version: str, pages: Pages) -> None:
    with serving_monitoring(pages, LOOPBACK) as address:
        status, content_type, text = ask(address, "/metrics", Accept=f"{media_type};version={version}")

    assert (status, content_type.partition(";")[0]) == (HTTPStatus.OK, media_type)
    assert "creditgate_open_holds" in text


def test_a_connection_that_is_never_silent_for_long_is_broken_off_too(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitoring, "CONNECTION_S_MAX", 0.1)
    monkeypatch.setattr("creditgate_server.monitoring._Handler.timeout", None)
    with (
        serving_monitoring(pages, LOOPBACK) as address,
        socket.create_connection((address.host, address.port)) as trickling,
    ):
        trickling.settimeout(20)
        trickling.sendall(b"GET /livez HTTP/1.0\r\nX")
        assert trickling.recv(1) == b""
        assert ask(address, "/livez")[0] == HTTPStatus.OK


def test_silent_connections_are_bounded_and_make_room_when_they_leave(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("creditgate_server.monitoring._Handler.timeout", None)
    with serving_monitoring(pages, LOOPBACK) as address:
        silent = [socket.create_connection((address.host, address.port)) for _ in range(CONNECTIONS_MAX)]
        with socket.create_connection((address.host, address.port)) as refused:
            refused.settimeout(20)
            assert refused.recv(1) == b""
        for connection in silent:
            connection.close()

        def is_answered() -> bool:
            try:
                return ask(address, "/livez")[0] == HTTPStatus.OK
            except OSError:
                return False

        while not is_answered():
            pass


async def test_a_caller_that_leaves_is_no_defect_and_a_defect_is_logged(
    pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Pages, path: str, __: str) -> None:
        raise (ConnectionResetError if path == "/left" else KeyError)(path)

    monkeypatch.setattr(Pages, "page", fail)
    with capture_logs() as lines, serving_monitoring(pages, LOOPBACK) as address:
        for path in ("/left", "/defect"):
            with socket.create_connection((address.host, address.port)) as connection:
                connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                assert connection.recv(1) == b""

    assert [line["event"] for line in lines] == ["monitoring_failed"]

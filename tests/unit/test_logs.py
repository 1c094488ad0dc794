"""Logs: what a line looks like, and what no line may hold."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from creditgate_server.logs import LineBudget, configure_logs
from creditgate_server.options import LogFormat, LogLevel


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Read the lines that were logged as JSON; nothing else may be there."""
    out, err = captured.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_a_line_is_json_with_its_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    structlog.get_logger().warning("store_died", pid=7)

    (line,) = lines(capsys)
    assert (line["event"], line["level"], line["pid"]) == ("store_died", "warning", 7)
    assert line["timestamp"].endswith("Z")


def test_lines_below_the_level_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.WARNING, LogFormat.JSON)

    structlog.get_logger().info("denied")

    assert lines(capsys) == []


def test_without_a_terminal_auto_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.AUTO)

    structlog.get_logger().info("serving")

    assert len(lines(capsys)) == 1


def test_on_a_terminal_auto_is_for_people(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    configure_logs(LogLevel.INFO, LogFormat.AUTO)

    structlog.get_logger().info("serving", queue_max=7)

    line = capsys.readouterr().err
    assert "serving" in line
    assert not line.startswith("{")


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.CONSOLE)

    structlog.get_logger().info("serving", address="127.0.0.1:1")

    assert "address=127.0.0.1:1" in capsys.readouterr().err


def test_an_exception_is_logged_by_type_and_place_not_by_its_words(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    def stumble() -> None:
        raise ValueError("redis://ann:hunter2@host")

    try:
        stumble()
    except ValueError as error:
        structlog.get_logger().error("call_failed", exc_info=error)

    (line,) = lines(capsys)
    assert line["exception_type"] == "ValueError"
    assert line["exception_places"][-1].endswith(" stumble")
    assert "hunter2" not in str(line)


@pytest.mark.parametrize("field", ["body", "sender", "recipient", "password", "redis_url"])
def test_what_must_not_be_logged_is_hidden(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    structlog.get_logger().info("event", **{field: "the secret"})

    assert lines(capsys)[0][field] == "(hidden)"


def test_an_address_loses_its_password_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    structlog.get_logger().info("event", problem="store redis://ann:hunter2@host:1 is away")

    assert lines(capsys)[0]["problem"] == "store redis://***@host:1 is away"


def test_a_value_is_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    structlog.get_logger().info("event", long="x" * 100_000)

    assert len(lines(capsys)[0]["long"]) == 1000


def test_libraries_log_in_the_same_form_and_say_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(LogLevel.INFO, LogFormat.JSON)

    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: <ValueError('the body')>")
    logging.getLogger("grpc").error("Unexpected error", exc_info=KeyError("the body"))
    logging.getLogger("grpc").info("left out")

    first, second = lines(capsys)
    assert (first["event"], first["logger"], first["level"]) == ("library_log", "asyncio", "error")
    assert first["message"] == "Task exception was never retrieved"
    assert second["exception_type"] == "KeyError"
    assert "the body" not in str((first, second))


def test_a_budget_lets_so_many_lines_a_second_through_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [5.0]
    monkeypatch.setattr("creditgate_server.logs.time.monotonic", lambda: now_s[0])
    budget = LineBudget(lines_max=2)

    first_second = [budget.spend() for _ in range(5)]
    now_s[0] = 6.0
    next_second = [budget.spend() for _ in range(3)]

    assert first_second == [0, 0, None, None, None]
    assert next_second == [3, 0, None]

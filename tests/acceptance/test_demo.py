"""`creditgate demo`, the product's first impression: the story, its sums, what it reads, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unicodedata
from argparse import Namespace
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, cast

import pytest

from creditgate.aio import Client
from creditgate_server.cli import demo
from creditgate_server.cli.demo_messages import Message, read_sample
from creditgate_server.cli.demo_plan import make_plan
from creditgate_server.cli.demo_reconciliation import Comparison, Reconciliation
from creditgate_server.cli.demo_story import Story, Tally
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.output import Output
from creditgate_server.credit.invariants import Breach
from creditgate_server.verification import Report

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Serve = Callable[..., "AbstractContextManager[str]"]
Document = dict[str, Any]

STORY = [
    ("granted", "acme", None),
    ("allotted", "acme/field", None),
    ("sent", "acme", None),
    ("released", "acme", None),
    ("denied", "acme/field", "LIMIT_REACHED"),
    ("sent", "acme/sales", None),
    ("denied", "acme/sales", "INSUFFICIENT_CREDITS"),
    ("charged", "acme", None),
    ("denied", "acme/sales", "INSUFFICIENT_CREDITS"),
    ("granted", "acme", None),
    ("sent", "acme/sales", None),
    ("replayed", "acme/sales", None),
]


def tell(creditgate: Run, *arguments: str | Path) -> Document:
    """Run the demo and give its summary; it must have succeeded."""
    done = creditgate("demo", "--json", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return cast("Document", json.loads(done.stdout))


@pytest.fixture(scope="module")
def sample(creditgate: Run) -> Document:
    return tell(creditgate)


@pytest.fixture(scope="module")
def printed(creditgate: Run) -> str:
    """What it prints on 80 columns."""
    done = creditgate("demo", COLUMNS="80")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_it_tells_the_whole_story_and_conserves_every_credit(sample: Document) -> None:
    scenes = [
        (scene["event"], scene["account_id"], scene["denial"]["reason"] if scene["denial"] else None)
        for scene in sample["scenes"]
    ]

    assert scenes == STORY
    assert sample["reconciled"] is True
    assert sample["conserved"] is True
    assert sample["verification"]["breaches"] == []
    assert sample["verification"]["open_holds"] == 0


def test_inbound_takes_the_balance_below_zero_and_the_next_credits_repay_it_first(sample: Document) -> None:
    inbound, in_debt, top_up = sample["scenes"][7:10]

    assert inbound["available"] == -inbound["credits"] < 0
    assert in_debt["denial"]["shortfall"] == in_debt["credits"] - inbound["available"]
    assert top_up["debt_repaid"] == inbound["credits"]
    assert top_up["available"] == top_up["credits"] - top_up["debt_repaid"]


def test_every_message_is_sent_denied_or_received(sample: Document) -> None:
    organisation, *teams = sample["accounts"]
    for count in ("sent", "denied", "received", "credits_used"):
        assert organisation[count] == sum(team[count] for team in teams)

    assert organisation["sent"] + organisation["denied"] + organisation["received"] == sample["messages"]
    assert teams[0]["balance"]["limit_left"] == 0


def test_it_is_the_same_every_time(creditgate: Run, sample: Document) -> None:
    again = tell(creditgate)

    assert {**again, "elapsed_ms": 0} == {**sample, "elapsed_ms": 0}


def test_the_summary_has_no_text_of_a_message(creditgate: Run, tmp_path: Path) -> None:
    file = tmp_path / "messages.txt"
    file.write_text("".join(f"Meet me at the “secret” place {number}\n" for number in range(20)))

    assert "secret" not in json.dumps(tell(creditgate, file))


def test_it_fits_80_columns(printed: str) -> None:
    wide = [line for line in printed.splitlines() if columns(line.rstrip()) > 80]

    assert wide == []
    assert len(printed.splitlines()) < 50


def columns(line: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line)


def test_in_a_pipe_it_prints_plain_lines(printed: str) -> None:
    controls = {character for character in printed if unicodedata.category(character) == "Cc"}

    assert controls == {"\n"}


def test_it_says_that_sending_is_simulated_and_whether_the_sums_agree(printed: str) -> None:
    assert "Sending is simulated" in printed
    assert "agree" in printed
    assert "conserved" in printed
    for word in ("LIMIT_REACHED", "INSUFFICIENT_CREDITS", "credits short", "given back", "repay the debt"):
        assert word in printed


@pytest.mark.parametrize("texts", [["hello"], ["hello", "", "¿qué tal?"], ["“a” 😀 " * 40] * 13])
def test_a_file_of_few_messages_tells_the_story_too(creditgate: Run, tmp_path: Path, texts: list[str]) -> None:
    file = tmp_path / "few.txt"
    file.write_text("\n".join(texts), encoding="utf-8")

    summary = tell(creditgate, file)

    assert [scene["event"] for scene in summary["scenes"]] == [event for event, _, _ in STORY]
    assert summary["reconciled"] is True


def test_thousands_of_real_messages_reconcile_to_the_credit(creditgate: Run) -> None:
    file = os.environ.get("CREDITGATE_TEST_SMS_FILE")
    if not file:
        pytest.skip("CREDITGATE_TEST_SMS_FILE is not set: no real messages to send")

    summary = tell(creditgate, file)

    assert summary["messages"] == len(Path(file).read_text(encoding="utf-8").rstrip("\n").split("\n"))
    assert [scene["event"] for scene in summary["scenes"]] == [event for event, _, _ in STORY]
    assert summary["reconciled"] is True
    assert summary["conserved"] is True


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        pytest.param("missing.txt", None, "No such file", id="missing"),
        pytest.param("", None, "Is a directory", id="directory"),
        pytest.param("empty.csv", b"", "it is empty", id="empty"),
        pytest.param("blank.txt", b"\n \n\t\n", "there are no messages in it", id="blank"),
        pytest.param("header.csv", b"id,message\n", "there are no messages in it", id="only-a-header"),
        pytest.param("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "it is not a text file", id="binary"),
        pytest.param("open.csv", b'message\n"never closed' + b"x" * 200_000, "is not CSV", id="broken-csv"),
    ],
)
def test_a_file_without_messages_is_refused_in_one_line(
    creditgate: Run, tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)

    done = creditgate("demo", file)

    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert str(file) in line
    assert problem in line


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_nothing_behind(tmp_path: Path, end: signal.Signals) -> None:
    file = tmp_path / "many.txt"
    file.write_text("A message that is one of very many\n" * 50_000)
    # The test's own directory may have too long a name for the store's socket.
    with tempfile.TemporaryDirectory() as temporary:
        process = subprocess.Popen(
            [sys.executable, "-m", "creditgate_server", "demo", str(file)],
            env={**os.environ, "TMPDIR": temporary},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while stored_bytes(Path(temporary)) < 100_000:
            assert process.poll() is None
            time.sleep(0.01)  # nothing announces that messages are under way

        process.send_signal(end)
        output, _ = process.communicate(timeout=30)

        assert process.returncode == 130
        assert output == ""
        assert list(Path(temporary).iterdir()) == []
        assert [command for command in running_commands() if temporary in command] == []


def stored_bytes(directory: Path) -> int:
    """How much the store below a directory has written."""
    return sum(file.stat().st_size for file in directory.glob("*/data/**/*.aof"))


def running_commands() -> list[str]:
    """The command lines of all processes that can be seen; those that end meanwhile have none."""
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            commands.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return commands


async def test_the_server_logs_no_message_however_much_it_logs(serve: Serve, tmp_path: Path) -> None:
    marked = [Message(f"{number} unmistakable {message.text}") for number, message in enumerate(read_sample().messages)]
    plan, _ = make_plan(marked)

    with serve(tmp_path, "--log-level", "debug") as target:
        async with Client(target) as client:
            scenes = [scene async for scene in Story(client, plan).play()]
    log = (tmp_path / "log").read_text()

    assert len(scenes) == len(STORY)
    assert "LIMIT_REACHED" in log
    assert "unmistakable" not in log


@pytest.mark.parametrize(
    ("in_ledger", "breaches", "words"),
    [
        pytest.param(
            125, [], ["NO: 126 by the texts, 126 by the answers, 125 by the ledger"], id="a-credit-is-missing"
        ),
        pytest.param(
            126,
            [Breach("acme", "pack-1", "amount = Σ parts", 82, 81)],
            ["NOT CONSERVED", "account acme, grant pack-1: amount = Σ parts: found 82, expected 81"],
            id="a-grant-does-not-add-up",
        ),
    ],
)
def test_it_fails_loudly_when_the_sums_do_not_agree(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    in_ledger: int,
    breaches: list[Breach],
    words: list[str],
) -> None:
    outcome = demo.Outcome(
        target="127.0.0.1:50051",
        elapsed_ms=1,
        prices=(),
        scenes=(),
        tally=Tally(),
        reconciliation=Reconciliation((), (Comparison("texts", 126, in_ledger), Comparison("answers", 126, in_ledger))),
        report=Report(breaches=breaches),
    )

    async def perform(*_: object) -> demo.Outcome:
        return outcome

    monkeypatch.setattr(demo, "_perform", perform)
    monkeypatch.setattr(demo, "configure_logs", lambda *_: None)
    exit_code = demo.demo(Namespace(file=None), Output(as_json=False))

    assert exit_code is ExitCode.NEGATIVE
    printed = capsys.readouterr().out
    for each in words:
        assert each in printed

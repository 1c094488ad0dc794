"""`demo`: sends messages through a real server on a store of its own, and shows what becomes of the credits."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from creditgate.aio import Client
from creditgate.answers import Cost
from creditgate_server.app import serving
from creditgate_server.cli import demo_views
from creditgate_server.cli.demo_examples import choose_examples
from creditgate_server.cli.demo_messages import MessageFile, MessagesUnreadable, read_messages, read_sample
from creditgate_server.cli.demo_plan import Plan, make_plan
from creditgate_server.cli.demo_reconciliation import Reconciliation, reconcile
from creditgate_server.cli.demo_story import Scene, Story, Tally
from creditgate_server.cli.documents import Document, document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import OnProgress, View
from creditgate_server.listen import ListenFailed, TcpAddress
from creditgate_server.logs import configure_logs
from creditgate_server.options import LogFormat, LogLevel
from creditgate_server.settings import Settings
from creditgate_server.store.errors import StoreError
from creditgate_server.verification import Report, verify

ANY_PORT: Final = TcpAddress("127.0.0.1", 0)
"""A server that others run on the usual port is not disturbed."""

STORE_TIMEOUT_MS: Final = 5_000
"""Server, workers and store share a machine that may be busy, and nobody waits for a single answer."""

CALL_TIMEOUT_S: Final = 10.0
"""Longest that one call may take, its repetitions included."""

DRAIN_S: Final = 1
"""Somebody who presses Ctrl-C is not kept waiting."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that there is to show when the story is over."""

    target: str
    elapsed_ms: int
    prices: tuple[tuple[str, Cost], ...]
    scenes: tuple[Scene, ...]
    tally: Tally
    reconciliation: Reconciliation
    report: Report

    @property
    def adds_up(self) -> bool:
        """Whether the ledger agrees with what was counted, and with itself."""
        return self.reconciliation.agrees and self.report.conserved and not self.report.unsettled


def demo(arguments: Namespace, output: Output) -> ExitCode:
    """Tell the story with the messages of a file, or of the sample."""
    try:
        file = read_messages(Path(arguments.file)) if arguments.file else read_sample()
    except MessagesUnreadable as error:
        raise CommandFailed(ExitCode.USAGE, str(error)) from error
    plan, notes = make_plan(file.messages)
    # That the machine is busy, which warnings are about, is no part of the story.
    configure_logs(LogLevel.ERROR, LogFormat.CONSOLE)
    try:
        with output.progress("sending") as on_progress:
            outcome = asyncio.run(_perform(plan, choose_examples(file.messages), on_progress))
    except (ListenFailed, StoreError) as error:
        raise CommandFailed(ExitCode.FAILED, str(error)) from error
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED
    notes = [*file.notes, *notes]
    output.answer(_document(file, plan, notes, outcome), _views(file, plan, notes, outcome))
    return ExitCode.DONE if outcome.adds_up else ExitCode.NEGATIVE


async def _perform(plan: Plan, examples: Sequence[str], on_progress: OnProgress) -> Outcome:
    """Tell the story. SIGTERM and the end of the terminal unwind it, as asyncio does with Ctrl-C."""
    performance = asyncio.ensure_future(_on_own_server(plan, examples, on_progress))
    for each in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, performance.cancel)
    return await performance


async def _on_own_server(plan: Plan, examples: Sequence[str], on_progress: OnProgress) -> Outcome:
    """Run a server in a temporary directory for as long as the story takes. Whatever ends it, nothing is left."""
    with tempfile.TemporaryDirectory(prefix="creditgate-demo-") as directory:
        settings = Settings(
            data_dir=Path(directory) / "data",
            listen=ANY_PORT,
            metrics_listen=None,
            store_timeout_ms=STORE_TIMEOUT_MS,
            drain_s=DRAIN_S,
        )
        async with serving(settings) as server, Client(str(server.address), timeout_s=CALL_TIMEOUT_S) as client:
            story = Story(client, plan, on_progress)
            started_s = time.monotonic()
            scenes = [scene async for scene in story.play()]
            elapsed_s = time.monotonic() - started_s
            return Outcome(
                target=str(server.address),
                elapsed_ms=round(elapsed_s * 1000),
                prices=tuple([(text, await story.price(text)) for text in examples]),
                scenes=tuple(scenes),
                tally=story.tally,
                reconciliation=await reconcile(client, plan, story.tally),
                report=await verify(server.engine.ledger),
            )


def _document(file: MessageFile, plan: Plan, notes: list[str], outcome: Outcome) -> Document:
    """Return the outcome for programs; texts of messages are not in it."""
    return {
        "file": file.name,
        "messages": plan.messages,
        "notes": json_of(notes),
        "elapsed_ms": outcome.elapsed_ms,
        "scenes": json_of(outcome.scenes),
        "accounts": json_of(outcome.reconciliation.accounts),
        "reconciled": outcome.reconciliation.agrees,
        "comparisons": json_of(outcome.reconciliation.comparisons),
        "conserved": outcome.report.conserved,
        "verification": document_of(outcome.report),
    }


def _views(file: MessageFile, plan: Plan, notes: list[str], outcome: Outcome) -> list[View]:
    return [
        *demo_views.introduction(file.name, plan.messages, notes, outcome.target),
        demo_views.prices(outcome.prices),
        *demo_views.story(outcome.scenes, outcome.tally),
        demo_views.accounts(outcome.reconciliation.accounts),
        *demo_views.conclusion(outcome.reconciliation, outcome.report, plan.messages, outcome.elapsed_ms),
        *(demo_views.next_steps() if file.is_sample else ()),
    ]

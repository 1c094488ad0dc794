"""`verify`: reads the whole store, and checks that no credit was lost or made."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Iterator
from typing import Final

from creditgate_server.cli.documents import Document, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.output import Output
from creditgate_server.cli.store_access import quiet_logs, reached_store, settings_of
from creditgate_server.cli.views import Sentence, Table, Text, Tone, View, counted
from creditgate_server.settings import Settings
from creditgate_server.store.errors import StoreError, StoreUnreachable
from creditgate_server.store.ledger import Ledger
from creditgate_server.verification import Report
from creditgate_server.verification import verify as verify_ledger

REPLY_TIMEOUT_S: Final = 30.0
"""How long the store may take for a part of the audit: nobody waits for a decision here."""


def verify(arguments: Namespace, output: Output) -> ExitCode:
    """Check every account, every hold and the journal. A server may go on meanwhile."""
    settings = settings_of(arguments)
    quiet_logs()
    try:
        report = asyncio.run(_verify(settings, output))
    except StoreUnreachable as error:
        raise CommandFailed(ExitCode.UNREACHABLE, f"{error}; `creditgate doctor` says more") from error
    except StoreError as error:
        raise CommandFailed(ExitCode.FAILED, str(error)) from error
    output.answer(report_document(report), report_views(report))
    if report.conserved:
        return ExitCode.DONE
    breaches = counted(len(report.breaches), "breach", "breaches")
    output.problem(
        f"not conserved: {breaches}{' and more' if report.unnamed else ''}, the first one: {report.breaches[0]}"
    )
    return ExitCode.NEGATIVE


async def _verify(settings: Settings, output: Output) -> Report:
    async with reached_store(settings, reply_timeout_s=REPLY_TIMEOUT_S) as connections:
        ledger = Ledger(connections)
        await ledger.prepare(create=False)
        with output.progress("verifying") as on_progress:
            return await verify_ledger(ledger, on_progress=on_progress)


def report_document(report: Report) -> Document:
    """Return what was read and found, for programs."""
    return {
        "conserved": report.conserved,
        "accounts": report.accounts,
        "grants": report.grants,
        "open_holds": report.open_holds,
        "journal_entries": report.journal_entries,
        "breaches": json_of(report.breaches),
        "unsettled": json_of(report.unsettled),
        "unnamed": report.unnamed,
    }


def report_views(report: Report) -> Iterator[View]:
    """Show what was read and found, to people."""
    read = ", ".join(
        (
            counted(report.accounts, "account"),
            counted(report.grants, "grant"),
            counted(report.open_holds, "open hold"),
            counted(report.journal_entries, "journal entry", "journal entries"),
        )
    )
    if report.conserved:
        yield Sentence(Text(f"conserved: {read}", Tone.GOOD))
    else:
        yield Sentence(Text(f"NOT CONSERVED: {read}", Tone.BAD))
        rows = [(each.account_id, each.grant_id, each.invariant, each.found, each.expected) for each in report.breaches]
        yield Table(("Account", "Grant", "What should hold", "Found", "Expected"), rows, title="Breaches")
    if report.unsettled:
        words = "changed too fast for all of theirs to be read at one moment: verify again when they are less busy"
        yield Sentence(Text(f"{', '.join(report.unsettled)} {words}", Tone.WARNING))
    if report.unnamed:
        yield Sentence(Text(f"{counted(report.unnamed, 'finding')} more", Tone.WARNING))

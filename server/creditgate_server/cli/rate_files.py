"""`rates check` and `rates put`: rate cards from YAML."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import Final

from creditgate.pricing.rate_cards import RateCard
from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import Document, document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.output import Output
from creditgate_server.cli.rates import rules_table
from creditgate_server.cli.views import Sentence, Text, Tone, counted
from creditgate_server.rate_card_file import RateCardFileError, load_rate_card

STANDARD_INPUT: Final = "-"


def check(arguments: Namespace, output: Output) -> ExitCode:
    """Check a rate card, without a server."""
    card = _read(arguments.file)
    words = Text(f"{card.id}: {counted(len(card.rules), 'rule')}, nothing wrong", Tone.GOOD)
    table = rules_table(card.rules, "The first rule that matches prices a usage")
    document: Document = {"rate_card": {"rate_card_id": card.id, "rules": json_of(card.rules)}}
    output.answer(document, [Sentence(words), table])
    return ExitCode.DONE


def put(arguments: Namespace, output: Output) -> ExitCode:
    """Store a rate card as a new version."""
    card = _read(arguments.file)
    with connect(arguments) as client:
        answer = client.put_rate_card(card.id, card.rules)
    stored = f"{answer.rate_card.rate_card_id} version {answer.rate_card.version}"
    words = f"{stored} has these rules already" if answer.replayed else f"{stored} stored"
    output.answer(document_of(answer), [Sentence(Text(words, Tone.GOOD))])
    return ExitCode.DONE


def _read(name: str) -> RateCard:
    shown = "standard input" if name == STANDARD_INPUT else name
    try:
        content = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except OSError as error:
        raise CommandFailed(ExitCode.USAGE, f"{shown}: {error.strerror}") from error
    try:
        return load_rate_card(content.decode("utf-8-sig"), shown)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CommandFailed(ExitCode.USAGE, f"{shown}:{line}: is not UTF-8") from error
    except RateCardFileError as error:
        raise CommandFailed(ExitCode.USAGE, str(error)) from error

"""`rates list` and `rates show`: what usage costs."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from creditgate.pricing.rules import Rule
from creditgate_server.cli.connection import connect
from creditgate_server.cli.documents import document_of, json_of
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.listings import first, page_size
from creditgate_server.cli.output import Output
from creditgate_server.cli.views import Table, text_of


def list_all(arguments: Namespace, output: Output) -> ExitCode:
    """List the rate cards."""
    with connect(arguments) as client:
        found, more = first(client.list_rate_cards(page_size=page_size(arguments.limit)), arguments.limit)
    rows = [(each.rate_card_id, each.version, each.rule_count, each.create_time) for each in found]
    table = Table(("Rate card", "Version", "Rules", "Stored"), rows, empty="no rate cards")
    output.answer({"rate_cards": json_of(found)}, [table, *more])
    return ExitCode.DONE


def show(arguments: Namespace, output: Output) -> ExitCode:
    """Show the rules of a rate card."""
    with connect(arguments) as client:
        card = client.get_rate_card(arguments.rate_card_id, arguments.card_version)
    title = f"{card.rate_card_id} version {card.version}"
    output.answer({"rate_card": document_of(card)}, [rules_table(card.rules, title)])
    return ExitCode.DONE


def rules_table(rules: Sequence[Rule], title: str) -> Table:
    """Show the rules of a rate card, in their order."""
    headings = (
        "Rule",
        "Channel",
        "Direction",
        "Regions",
        "Priority",
        "Credits",
        "For each",
        "At least",
        "Segments, at most",
    )
    rows = [
        (
            rule.name,
            rule.channel,
            rule.direction,
            " ".join(rule.regions),
            rule.priority,
            rule.credits_per_unit,
            f"{rule.block_size:,} characters" if rule.block_size else text_of(rule.unit),
            rule.minimum_credits or None,
            rule.maximum_segments,
        )
        for rule in rules
    ]
    return Table(headings, rows, title=title)

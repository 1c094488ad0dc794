"""`completion`: lets a shell complete commands, options and, where a server answers, the ids that it knows."""

from __future__ import annotations

import importlib
from argparse import Action, ArgumentParser, Namespace, _SubParsersAction
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final
from zoneinfo import available_timezones

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter, SuppressCompleter
from argcomplete.shell_integration import shellcode

from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.output import Output
from creditgate_server.cli.plan_grammar import ACTION_OR_ACCOUNT

Completer = Callable[..., Iterable[str]]
"""Lists words that begin with `prefix`, given the arguments so far as `parsed_args`."""

IDS: Final[Mapping[str, str]] = {
    "account_id": "accounts",
    "accounts": "accounts",
    "parent_id": "accounts",
    "target_account_id": "accounts",
    "reservation_id": "holds",
    "grant_id": "grants",
    "rate_card_id": "rate_cards",
}
"""Arguments whose ids the server knows, and the function of `known_ids` that asks for them."""


def completion(arguments: Namespace, output: Output) -> ExitCode:
    """Print the script that teaches a shell to ask this command how it may go on."""
    script = shellcode(["creditgate"], use_defaults=False, shell=arguments.shell)
    output.source({"shell": arguments.shell, "script": script}, script)
    return ExitCode.DONE


def complete(parser: ArgumentParser) -> None:
    """Answer a shell that asks, and end the process."""
    for action in _actions(parser):
        if (completer := _completer(action)) is not None:
            action.completer = completer  # type: ignore[attr-defined] # argcomplete looks for it there
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=SuppressCompleter())


def _actions(parser: ArgumentParser) -> Iterator[Action]:
    for action in parser._actions:  # noqa: SLF001 -- argparse tells nobody else
        if isinstance(action, _SubParsersAction):
            yield action
            for inner in action.choices.values():
                yield from _actions(inner)
        else:
            yield action


def _completer(action: Action) -> Completer | None:
    """Choose what completes the value of an argument, by its name and by how help writes it, if anything does."""
    if action.dest in IDS:
        return _asking(IDS[action.dest])
    if action.dest == "data_dir":
        return DirectoriesCompleter()
    metavar = str(action.metavar)
    if metavar in KINDS:
        return KINDS[metavar]
    if metavar.startswith("{"):
        # Capitals stand for what is not to be typed as it is: {N,none}.
        return _one_of(each for each in metavar.strip("{}").split(",") if not each.isupper())
    if action.choices is not None and not isinstance(action, _SubParsersAction):
        return _one_of(map(str, action.choices))
    return None


def _one_of(words: Iterable[str]) -> Completer:
    known = list(words)
    return lambda **_: known


def _asking(name: str) -> Completer:
    """Ask the server only when its ids are wanted: commands and options are completed without loading gRPC."""

    def ask(*, parsed_args: Namespace, prefix: str, **_: object) -> Iterable[str]:
        known: Iterable[str] = getattr(importlib.import_module("creditgate_server.cli.known_ids"), name)(
            parsed_args, prefix
        )
        return known

    return ask


KINDS: Final[Mapping[str, Completer]] = {
    "FILE": FilesCompleter(),
    "ZONE": lambda **_: available_timezones(),
    ACTION_OR_ACCOUNT: _asking(IDS["account_id"]),  # argcomplete adds the actions
}
"""What completes a value, by how help writes it."""

"""The client library as commands use it."""

from __future__ import annotations

import secrets
from argparse import Namespace
from typing import Final

from creditgate import Client, RetryPolicy
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed

RETRIES: Final = RetryPolicy(attempts_max=3)
"""A person who waits wants to hear soon that there is no server; a connection that was cut is worth another try."""


def connect(arguments: Namespace) -> Client:
    """Make the client that the options ask for."""
    try:
        return Client(arguments.target, timeout_s=arguments.timeout_s, retries=RETRIES)
    except ValueError as error:
        raise CommandFailed(ExitCode.USAGE, str(error)) from error


def new_id() -> str:
    """Make an id for an operation. It is shown, also when the outcome is unknown: with it, repeating is safe.

    It is short enough to be typed; 64 random bits do for what people do by hand in one organisation.
    """
    return secrets.token_hex(8)

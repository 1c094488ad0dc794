"""Start-up checks: a store that would break a promise is refused, with what mends it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from creditgate_server.store.checks import FSYNC_SETTINGS, check_store
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreUnfit, StoreUnreachable
from creditgate_server.store.locate import locate_store_binary

Connect = Callable[..., StoreConnections]
FakeStore = Callable[[Callable[[list[bytes]], bytes | None]], Awaitable[str]]
Serve = Callable[..., Awaitable[str]]

FSYNC = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture
def unfitness(connect: Connect) -> Callable[..., Awaitable[StoreUnfit]]:
    """Check a store that must be refused, and give the refusal."""

    async def check(url: str, durability: Durability = Durability.MEMORY) -> StoreUnfit:
        with pytest.raises(StoreUnfit) as unfit:
            await check_store(connect(url, reply_timeout_s=5), durability)
        return unfit.value

    return check


Unfitness = Callable[..., Awaitable[StoreUnfit]]


async def test_the_embedded_store_is_fit_for_the_durability_it_was_started_with(
    data_dir: Path, connect: Connect
) -> None:
    async with EmbeddedStore(data_dir, durability=Durability.FSYNC) as store:
        report = await check_store(connect(store.url), Durability.FSYNC)
    binary = locate_store_binary()
    assert (report.product, report.version) == (binary.product, ".".join(map(str, binary.version)))
    assert report.warnings == ("maxmemory is 0: the store grows until its machine has no memory left; set a bound",)


async def test_a_store_of_the_user_is_fit_when_it_is_set_up_as_asked(serve: Serve, connect: Connect) -> None:
    url = await serve(*FSYNC, "--maxmemory", "1gb")
    assert (await check_store(connect(url), Durability.FSYNC)).warnings == ()


async def test_checking_leaves_no_trace(serve: Serve, connect: Connect) -> None:
    connections = connect(await serve())
    await check_store(connections, Durability.MEMORY)
    assert await connections.execute([("FUNCTION", "LIST"), ("DBSIZE",)]) == [[], 0]


@pytest.mark.parametrize(
    ("options", "found", "mended"),
    [
        (("--appendfsync", "always"), "appendonly is no", "appendonly yes"),
        (("--appendonly", "yes"), "appendfsync is everysec", "appendfsync always"),
        (
            (*FSYNC, "--no-appendfsync-on-rewrite", "yes"),
            "no-appendfsync-on-rewrite is yes",
            "no-appendfsync-on-rewrite no",
        ),
    ],
    ids=["no log", "every second", "not while rewriting"],
)
async def test_fsync_is_refused_by_a_setting_that_breaks_it(
    options: tuple[str, ...], found: str, mended: str, serve: Serve, unfitness: Unfitness
) -> None:
    (problem,) = (await unfitness(await serve(*options), Durability.FSYNC)).problems
    assert problem.problem == f"durability fsync was asked for, and its {found}"
    assert f"CONFIG SET {mended}," in problem.remedy


async def test_the_remedies_make_a_store_fit_for_fsync(serve: Serve, connect: Connect) -> None:
    connections = connect(await serve(), reply_timeout_s=5)
    await connections.execute([("CONFIG", "SET", name, value) for name, value in FSYNC_SETTINGS.items()])
    await check_store(connections, Durability.FSYNC)


async def test_memory_is_said_loudly_with_what_the_store_does(serve: Serve, connect: Connect) -> None:
    warnings = (await check_store(connect(await serve("--maxmemory", "1gb")), Durability.MEMORY)).warnings
    settings = "appendonly no, appendfsync everysec, no-appendfsync-on-rewrite no"
    assert warnings == (f"durability memory: a crash may lose answered decisions ({settings})",)


async def test_a_store_that_bars_config_is_refused_for_fsync_and_warned_of_for_memory(
    serve: Serve, connect: Connect, unfitness: Unfitness
) -> None:
    url = await serve(*FSYNC, "--maxmemory", "1gb", "--rename-command", "CONFIG", "")
    assert "CONFIG GET appendfsync is barred" in str(await unfitness(url, Durability.FSYNC))
    (warning,) = (await check_store(connect(url), Durability.MEMORY)).warnings
    assert "CONFIG GET is barred" in warning


async def test_a_store_without_a_log_is_refused_for_fsync_though_it_bars_config(
    serve: Serve, unfitness: Unfitness
) -> None:
    url = await serve("--rename-command", "CONFIG", "")
    assert "its appendonly is no" in str(await unfitness(url, Durability.FSYNC))


async def test_a_store_that_evicts_is_refused_and_mended_by_the_remedy(
    serve: Serve, connect: Connect, unfitness: Unfitness
) -> None:
    url = await serve("--maxmemory-policy", "allkeys-lru")
    (problem,) = (await unfitness(url)).problems
    assert "maxmemory-policy allkeys-lru" in problem.problem
    assert "CONFIG SET maxmemory-policy noeviction" in problem.remedy
    connections = connect(url)
    await connections.execute([("CONFIG", "SET", "maxmemory-policy", "noeviction")])
    await check_store(connections, Durability.MEMORY)


async def test_a_replica_is_refused_naming_its_primary(serve: Serve, unfitness: Unfitness) -> None:
    (problem,) = (await unfitness(await serve("--replicaof", "127.0.0.1", "1"))).problems
    assert "replica" in problem.problem
    assert "127.0.0.1:1" in problem.remedy


async def test_a_node_of_a_cluster_is_refused(
    serve: Serve, unfitness: Unfitness, unused_tcp_port_factory: Callable[[], int]
) -> None:
    ports = ("--port", f"{unused_tcp_port_factory()}", "--cluster-port", f"{unused_tcp_port_factory()}")
    url = await serve(*ports, "--cluster-enabled", "yes")
    (problem,) = (await unfitness(url)).problems
    assert "cluster" in problem.problem
    assert problem.remedy == "set cluster-enabled no"


@pytest.fixture
async def serve_version(fake_store: FakeStore) -> Callable[[str], Awaitable[str]]:
    """Run something that gives itself out for a Redis of a version."""

    async def start(version: str) -> str:
        text = f"# Server\r\nredis_version:{version}\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n"
        replies = {b"PING": b"+PONG\r\n", b"INFO": f"${len(text)}\r\n{text}\r\n".encode()}
        return await fake_store(lambda words: replies.get(words[0], b"-ERR unknown command\r\n"))

    return start


@pytest.mark.parametrize("version", ["6.2.14", "5.0", "unheard-of"])
async def test_an_old_version_is_refused(
    version: str, serve_version: Callable[[str], Awaitable[str]], unfitness: Unfitness
) -> None:
    (problem,) = (await unfitness(await serve_version(version))).problems
    assert f"its version is {version}" in problem.problem
    assert problem.remedy == "upgrade it to 7.0.0 or later"


async def test_the_oldest_version_that_will_do_is_taken(
    serve_version: Callable[[str], Awaitable[str]], connect: Connect
) -> None:
    report = await check_store(connect(await serve_version("7.0.15")), Durability.MEMORY)
    assert (report.product, report.version) == ("redis", "7.0.15")


@pytest.mark.parametrize(
    ("user", "said"),
    [
        (":wrong@", "WRONGPASS"),
        ("", "NOAUTH"),
        ("unheard:pass@", "NOPERM"),
        ("reader:pass@", "its user may not use FCALL: ACL SETUSER with +fcall"),
        ("caller:pass@", "its user may not use FUNCTION: ACL SETUSER with +function|load"),
    ],
)
async def test_a_user_without_password_or_rights_is_refused(
    user: str, said: str, serve: Serve, unfitness: Unfitness
) -> None:
    rights = {"unheard": (), "reader": ("+ping", "+info"), "caller": ("+ping", "+info", "+fcall")}
    users = [("--user", name, "on", ">pass", "~*", *granted) for name, granted in rights.items()]
    url = await serve("--requirepass", "secret", *(word for words in users for word in words))
    assert said in str(await unfitness(url.replace("unix://", f"unix://{user}")))


async def test_all_that_is_wrong_is_said_at_once(serve: Serve, unfitness: Unfitness) -> None:
    url = await serve("--maxmemory-policy", "allkeys-lru", "--replicaof", "127.0.0.1", "1")
    assert len((await unfitness(url, Durability.FSYNC)).problems) == 4


async def test_an_absent_store_is_unreachable_not_unfit(connect: Connect, tmp_path: Path) -> None:
    with pytest.raises(StoreUnreachable):
        await check_store(connect(f"unix://{tmp_path}/absent"), Durability.MEMORY)

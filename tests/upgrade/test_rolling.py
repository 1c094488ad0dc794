"""A rolling deploy: two versions of the sidecar work on one store, on the same accounts, until the elder is stopped."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import running_store
from tests.faults.clocks import LeapingStore
from tests.faults.processes import eventually
from tests.faults.shims import store_binary_with
from tests.upgrade.conftest import Connect, Serve, short_directory
from tests.upgrade.story import money
from tests.upgrade.versions import OURS, PATIENCE_S, Server, Version

from creditgate import Direction, ExpiryAction, GrantKind, aio, answers, errors
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.ledger import Ledger, LedgerSettings
from creditgate_server.store.library import library_name

Call = Callable[[aio.Client], Awaitable[Any]]

SENDERS = 8

MESSAGES = 24
"""Of each sender; the elder is stopped when half of them have been sent."""

REPEATED = 0.3
"""How many of the calls are repeated, of the other version."""

CREDITS = 100_000

TTL_S = 3600.0

HOLDS = 24

SETTLED_WINDOW_S = 60
"""The elder's, where ours remembers for an hour."""

NUMBER = "+4915112345678"

BODY = "Ihre Bestellung ist da \N{EN DASH} bis bald"

SCOPE = answers.Scope(regions=("DE",))


@dataclass(frozen=True, slots=True)
class Pair:
    """A server of an elder version, and one of ours that was started beside it on the same store."""

    elder: Server
    ours: Server
    store_url: str


@contextmanager
def running_pair(elder: Version) -> Iterator[Pair]:
    """Run both on a store of their own."""
    with short_directory() as place, running_store(place / "store") as store:
        flags = ("--redis-url", store.url, "--test-clock", "--sweep-interval-ms", "50")
        own = ("--settled-window-s", str(SETTLED_WINDOW_S), "--journal-length", "5000")
        with (
            elder.serving(place / "elder", *flags, *own) as elder_server,
            OURS.serving(place / "ours", *flags) as our_server,
        ):
            yield Pair(elder_server, our_server, store.url)


@pytest.fixture(scope="module")
def pair(elder: Version) -> Iterator[Pair]:
    """Two servers that tests share; keep apart by organisation."""
    with running_pair(elder) as running:
        yield running


class Team:
    """A team that has credits and a limit, made through both versions, and clients of both."""

    def __init__(self, organisation: str, elder: aio.Client, ours: aio.Client) -> None:
        self.organisation = organisation
        self.id = f"{organisation}/team"
        self.elder = elder
        self.ours = ours

    @property
    def clients(self) -> tuple[aio.Client, aio.Client]:
        """The elder's, and ours."""
        return self.elder, self.ours

    async def open(self) -> None:
        """Make the accounts."""
        await self.elder.create_account(self.organisation)
        await self.ours.create_account(self.id)
        await self.elder.grant(self.organisation, CREDITS, grant_id="first")
        await self.ours.grant(self.id, CREDITS, grant_id="limit", kind=GrantKind.ALLOTMENT)

    async def balance(self) -> answers.Balance:
        """Ask our version."""
        return (await self.ours.get_balance(self.id)).balance


@pytest.fixture
async def team(pair: Pair, connect: Connect, organisation: str) -> Team:
    team = Team(organisation, connect(pair.elder), connect(pair.ours))
    await team.open()
    return team


@pytest.fixture
async def connections(pair: Pair) -> AsyncIterator[StoreConnections]:
    """The operator's way to the store of both."""
    connections = StoreConnections(pair.store_url, connections=1, reply_timeout_s=PATIENCE_S)
    yield connections
    await connections.close()


def assert_conserved(version: Version, url: str) -> None:
    """Let a version verify a whole store."""
    ran = version.command("verify", "--redis-url", url, "--json")
    assert ran.returncode == 0, (version.name, ran.stdout, ran.stderr)
    assert json.loads(ran.stdout)["conserved"]


class Sender:
    """Sends messages of a team through both versions in turn, and counts what they must have cost."""

    def __init__(self, name: str, team: Team) -> None:
        self.captured = 0
        self.held = 0
        self._name = name
        self._team = team
        self._choice = random.Random(name)

    async def send(self, number: int) -> None:
        """Send one message, in one way or another."""
        id_, credits_, way = f"{self._name}-{number}", 2 + number % 3, number % 6
        if way == 0:
            incoming = partial(aio.Client.charge, segments=credits_, direction=Direction.INBOUND)
            assert (await self._ask(partial(incoming, account_id=self._team.id, charge_id=id_))).credits == credits_
            self.captured += credits_
            return
        reserve = partial(aio.Client.reserve, account_id=self._team.id, reservation_id=id_)
        assert (await self._ask(partial(reserve, segments=credits_, ttl=TTL_S))).credits == credits_
        if way == 1:
            self.held += credits_
        elif way == 2:
            release = partial(aio.Client.release, account_id=self._team.id, reservation_id=id_)
            assert (await self._ask(release)).restored == credits_
        else:
            await self._settle(way, id_, credits_)

    async def _settle(self, way: int, id_: str, credits_: int) -> None:
        commit = partial(aio.Client.commit, account_id=self._team.id, reservation_id=id_)
        self.captured += credits_
        if way == 3:
            assert (await self._ask(partial(commit, credits=1, keep_open=True, commit_id="first"))).credits == 1
            credits_ -= 1
        assert (await self._ask(commit)).credits == credits_
        if way == 4:
            refund = partial(aio.Client.refund, account_id=self._team.id, reservation_id=id_, refund_id=id_)
            assert (await self._ask(partial(refund, credits=1))).restored == 1
            self.captured -= 1

    async def _ask(self, call: Call) -> Any:  # noqa: ANN401 (any answer)
        """Make a call of one version and, at times, the same of the other, which must know it."""
        first, second = self._choice.sample(self._team.clients, 2)
        answer = await self._insist(call, first, second)
        if self._choice.random() < REPEATED:
            again = await self._insist(call, second, first)
            assert again.replayed
            assert money(again) == money(answer)
        return answer

    async def _insist(self, call: Call, first: aio.Client, other: aio.Client) -> Any:  # noqa: ANN401
        """Make a call; where its server is gone, make it of the other one."""
        try:
            return await call(first)
        except errors.Unavailable:
            return await call(other)


async def send_all(senders: Sequence[Sender], numbers: range) -> None:
    """Let all send messages of these numbers, at the same time."""

    async def send(sender: Sender) -> None:
        for number in numbers:
            await sender.send(number)

    await asyncio.gather(*map(send, senders))


@pytest.mark.parametrize("elder_name", ["previous", "sibling"])
async def test_both_decide_on_the_same_accounts_and_nothing_is_lost_when_the_elder_stops(
    elder_name: str, request: pytest.FixtureRequest, connect: Connect, organisation: str
) -> None:
    with running_pair(request.getfixturevalue(f"{elder_name}_version")) as pair:
        team = Team(organisation, connect(pair.elder), connect(pair.ours))
        await team.open()
        senders = [Sender(f"sender-{number}", team) for number in range(SENDERS)]

        await send_all(senders, range(MESSAGES // 2))
        stopping = asyncio.to_thread(pair.elder.stop)
        _, status = await asyncio.gather(send_all(senders, range(MESSAGES // 2, MESSAGES)), stopping)
        assert status == 0

        balance = await team.balance()
        captured, held = sum(sender.captured for sender in senders), sum(sender.held for sender in senders)
        assert (balance.available, balance.reserved, balance.debt) == (CREDITS - captured - held, held, 0)
        assert_conserved(pair.ours.version, pair.store_url)
        assert_conserved(pair.elder.version, pair.store_url)


async def test_each_calls_functions_of_its_own(pair: Pair, connections: StoreConnections) -> None:
    (found,) = await connections.execute([("FUNCTION", "LIST", "LIBRARYNAME", "creditgate_*")])
    assert isinstance(found, list)
    versions = {pair.elder.version, pair.ours.version}
    assert {name.decode() for _, name, *_ in found} == {library_name(each.library_digest()) for each in versions}
    assert len(found) == len(versions)


@pytest.mark.parametrize("way", [1, -1], ids=["elder first", "ours first"])
async def test_an_id_that_one_has_seen_is_known_to_the_other_with_its_content(team: Team, way: int) -> None:
    first, second = team.clients[::way]
    hold = partial(aio.Client.reserve, account_id=team.id, reservation_id="id", recipient=NUMBER)
    charge = partial(aio.Client.charge, account_id=team.id, charge_id="id", direction=Direction.INBOUND)
    grant = partial(aio.Client.grant, account_id=team.organisation, grant_id="id")
    refund = partial(aio.Client.refund, account_id=team.id, charge_id="id", refund_id="id")
    pairs: list[tuple[Call, Call]] = [
        (partial(hold, body=BODY, labels={"a": "b"}), partial(hold, body="another text")),
        (partial(charge, body=BODY, sender=NUMBER), partial(charge, body=BODY)),
        (partial(grant, credits=5, scope=SCOPE), partial(grant, credits=5)),
        (partial(refund, credits=1), partial(refund)),
    ]
    for call, other_content in pairs:
        answer, again = await call(first), await call(second)
        assert (answer.replayed, again.replayed) == (False, True)
        assert money(again) == money(answer)
        with pytest.raises(errors.IdReused):
            await other_content(second)


async def test_what_either_holds_ends_once_whoever_sweeps_it_and_is_known_as_long_as_who_ended_it_says(
    pair: Pair, team: Team, connections: StoreConnections
) -> None:
    for number in range(HOLDS):
        await team.clients[number % 2].reserve(
            team.id,
            reservation_id=f"hold-{number}",
            segments=3,
            ttl=SETTLED_WINDOW_S,
            expiry_action=ExpiryAction.COMMIT if number % 4 < 2 else ExpiryAction.RELEASE,
        )
    for client, name in ((team.elder, "settled by elder"), (team.ours, "settled by ours")):
        await client.reserve(team.id, reservation_id=name, segments=1, ttl=TTL_S)
        await client.release(team.id, name)

    clock = Ledger(connections, LedgerSettings(test_clock=True))
    await clock.advance_test_clock(SETTLED_WINDOW_S * 1000 + 1000)

    async def all_have_ended() -> bool:
        return (await team.balance()).reserved == 0

    await eventually(all_have_ended)
    assert (await team.balance()).available == CREDITS - HOLDS // 2 * 3
    for number in range(HOLDS):
        # The report comes late, to the other version, and says how much was really sent.
        assert (await team.clients[(number + 1) % 2].commit(team.id, f"hold-{number}", credits=2)).late
    assert (await team.balance()).available == CREDITS - HOLDS * 2
    for client in team.clients:
        assert (await client.release(team.id, "settled by ours")).replayed
        with pytest.raises(errors.ReservationNotFound):
            await client.release(team.id, "settled by elder")
    for server in (pair.elder, pair.ours):
        assert_conserved(server.version, pair.store_url)


async def test_a_client_of_either_version_speaks_to_a_server_of_the_other(pair: Pair, team: Team) -> None:
    for client, server in ((pair.elder.version, pair.ours), (OURS, pair.elder)):
        id_ = client.name
        ran = client.command("reserve", team.id, "--body", BODY, "--id", id_, "--json", target=server.target)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert json.loads(ran.stdout)["credits"] == 1
        ran = client.command("commit", team.id, id_, "--json", target=server.target)
        assert (ran.returncode, json.loads(ran.stdout)["credits"]) == (0, 1)
    assert (await team.balance()).available == CREDITS - 2


async def test_an_embedded_store_is_handed_on_when_the_elder_has_stopped(
    elder: Version, serve: Serve, connect: Connect, place: Path
) -> None:
    data = ("--data-dir", str(place / "data"))
    before = serve(elder, *data)
    client = connect(before)
    await client.create_account("acme")
    await client.grant("acme", 10, grant_id="first")
    await client.reserve("acme", reservation_id="held", segments=4, ttl=TTL_S)
    assert before.stop() == 0

    client = connect(serve(OURS, *data))
    assert (await client.commit("acme", "held", credits=3)).restored == 1
    assert (await client.get_balance("acme")).balance.available == 7


async def test_a_store_clock_that_leaps_ends_nothing_early_whichever_of_them_sweeps(
    elder: Version, serve: Serve, connect: Connect, place: Path, organisation: str
) -> None:
    binary = await store_binary_with("store_clock.c", place)
    async with EmbeddedStore(place / "store", binary=binary, durability=Durability.MEMORY) as embedded:
        store = LeapingStore(embedded.url, place / "store")
        servers = [serve(version, "--sweep-interval-ms", "10", on=store.url) for version in (elder, OURS)]
        team = Team(organisation, *map(connect, servers))
        await team.open()
        for client, name in zip(team.clients, ("of elder", "of ours"), strict=True):
            await client.reserve(team.id, reservation_id=name, segments=3, ttl=TTL_S / 2)

        await store.leap_to(int(TTL_S))
        for _ in servers:
            await store.is_swept()
        for client, name in zip(team.clients, ("of ours", "of elder"), strict=True):
            assert not (await client.commit(team.id, name)).late
        await store.close()
        for server in servers:
            assert server.stop() == 0

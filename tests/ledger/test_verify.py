"""Verify: silent on sound books, and names account, grant and amounts for whatever has been done to them.

The damage is done with raw commands to a store of its own; each test damages an organisation of its own.
"""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import pytest_asyncio
from tests.ledger.conftest import Organisation

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import ExpiryAction, Funding
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.errors import StoreError
from creditgate_server.store.ledger import Ledger, LedgerSettings
from creditgate_server.verification import Report, verify

if TYPE_CHECKING:
    from creditgate_server.credit.invariants import Breach

pytestmark = pytest.mark.asyncio(loop_scope="module")

CODEC = (files("creditgate_server.store") / "lua" / "codec.lua").read_text("utf-8")


def packed_names(function: str) -> tuple[str, ...]:
    """Return the names of a struct's numbers, in their order, from the function that packs it."""
    body = re.search(rf"function codec\.{function}\((\w)\)(.*?)\nend", CODEC, re.DOTALL)
    assert body is not None
    return tuple(re.findall(rf"\b{body[1]}\.(\w+)", body[2]))


COUNTERS = packed_names("pack_counters")
TOTALS = packed_names("pack_totals")
GRANT = packed_names("pack_grant")
GRANT_LAYOUT = "<ddddddBBB"
ENTRY_BYTES = 19


@dataclass
class Books:
    """An organisation with something of everything, and raw access to what the store keeps of it."""

    org: Organisation

    def key(self, kind: str, rest: str = "") -> str:
        return f"cg:{{{self.org.partition}}}:{kind}{rest}"

    def account_key(self, below: str = "") -> str:
        return self.key("a:", self.org.path(below))

    async def do(self, *command: object) -> Any:  # noqa: ANN401 — whatever a command answers
        (reply,) = await self.org.store.execute([tuple(map(_word, command))])
        assert not isinstance(reply, StoreError), reply
        return reply

    async def add_to_number(self, key: str, field: str, position: int, amount: float) -> None:
        packed = bytearray(await self.do("HGET", key, field))
        (value,) = struct.unpack_from("<d", packed, position * 8)
        struct.pack_into("<d", packed, position * 8, value + amount)
        await self.do("HSET", key, field, bytes(packed))

    async def add_to_counter(self, below: str, name: str, amount: float) -> None:
        await self.add_to_number(self.account_key(below), "c", COUNTERS.index(name), amount)

    async def set_counter(self, below: str, name: str, value: float) -> None:
        packed = await self.do("HGET", self.account_key(below), "c")
        (now,) = struct.unpack_from("<d", packed, COUNTERS.index(name) * 8)
        await self.add_to_counter(below, name, value - now)

    async def number_of(self, grant_id: str) -> int:
        _, number, _ = _in_a_row(await self.do("HGET", self.key("i:", self.org.root_id), grant_id))
        return int(number)

    async def add_to_grant(self, below: str, grant_id: str, name: str, amount: float) -> None:
        """Change one amount of a grant, wherever it lives."""
        number, position = await self.number_of(grant_id), GRANT.index(name)
        if await self.do("HEXISTS", self.account_key(below), f"g{number}"):
            await self.add_to_number(self.account_key(below), f"g{number}", position, amount)
            return
        key = self.key("e:", self.org.path(below))
        mutable, terms = _in_a_row(await self.do("HGET", key, number))
        changed = bytearray(mutable)
        (value,) = struct.unpack_from("<d", changed, position * 8)
        struct.pack_into("<d", changed, position * 8, value + amount)
        await self.do("HSET", key, number, _packed_in_a_row([bytes(changed), terms]))

    async def rewrite_order(self, below: str, field: str, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
        packed = await self.do("HGET", self.account_key(below), field)
        entries = [packed[at : at + ENTRY_BYTES] for at in range(0, len(packed), ENTRY_BYTES)]
        await self.do("HSET", self.account_key(below), field, b"".join(change(entries)))

    async def rewrite_hold(self, hold_id: str, change: Callable[[list[Any]], None]) -> None:
        key = self.key("h:", f"{self.org.root_id}|{hold_id}")
        fields = _in_a_row(await self.do("GET", key))
        change(fields)
        await self.do("SET", key, _packed_in_a_row(fields))

    async def entries_of(self, kind: str) -> list[bytes]:
        """Return the ids of this organisation's journal entries of a kind."""
        found = []
        for stream_id, (_, packed) in await self.do("XRANGE", self.key("j"), "-", "+"):
            fields = _in_a_row(packed)
            if fields[0] == kind.encode() and fields[2].startswith(self.org.root_id.encode()):
                found.append(stream_id)
        return found

    async def check(self) -> tuple[Report, list[Breach]]:
        """Return the report on the partition, and what it says of this organisation."""
        report = await verify(self.org.ledger, partitions=[self.org.partition])
        own = [breach for breach in report.breaches if breach.account_id.split("/")[0] == self.org.root_id]
        return report, own


def _word(word: object) -> str | bytes | int:
    return word if isinstance(word, str | bytes | int) else str(word)


def _in_a_row(packed: bytes) -> list[Any]:
    """Decode values that stand in a row."""
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(packed)
    return list(unpacker)


def _packed_in_a_row(fields: Sequence[object]) -> bytes:
    packed: list[bytes] = [msgpack.packb(field, use_bin_type=False) for field in fields]
    return b"".join(packed)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Engine, StoreConnections]]:
    directory = tmp_path_factory.mktemp("spoilt") / "data"
    async with EmbeddedStore(directory, durability=Durability.MEMORY) as store:
        connections = StoreConnections(store.url, reply_timeout_s=5)
        ledger = Ledger(connections, LedgerSettings(test_clock=True))
        await ledger.prepare()
        async with Engine(ledger, CollectorSettings(interval_s=0)) as engine:
            yield engine, connections
        await connections.close()


@pytest_asyncio.fixture(loop_scope="module")
async def books(engine_of_its_own: tuple[Engine, StoreConnections], organisation: str) -> Books:
    """Sound books: every kind of grant, a limit, holds with and without cover, debt, an ended hold, a late commit."""
    org = Organisation(*engine_of_its_own, organisation)
    await org.store.execute([("FLUSHALL",)])
    await org.ledger.prepare()
    await org.open(overdraft_limit=20)
    await org.open("field")
    await org.open("shop", funding=Funding.OWN, overdraft_limit=20)
    now_ms = await org.now_ms()
    await org.grant(5, grant_id="spent", priority=-5)
    await org.charge(org.sms(5))
    await org.grant(7, grant_id="gone", expire_ms=now_ms + 10_000)
    await org.reserve(org.sms(2), id="late", ttl_ms=10_000)
    await org.pass_time(20_000)
    await org.grant(100, grant_id="plan", priority=1)
    await org.grant(40, grant_id="gift", priority=2)
    await org.grant(50, grant_id="us", priority=3, scope=Scope(regions=("US",)))
    await org.grant(10, grant_id="later", effective_ms=now_ms + 3_600_000)
    await org.allot(60, "field", grant_id="room")
    await org.commit("late")
    await org.reserve(org.sms(10), "field", id="h1", ttl_ms=600_000)
    await org.reserve(org.sms(5), id="h2", ttl_ms=700_000, expiry_action=ExpiryAction.COMMIT)
    await org.reserve(org.sms(3), "field", id="h3")
    await org.commit("h3", "field", 4)
    await org.grant(3, "shop", grant_id="float")
    await org.reserve(org.sms(8, priority=Priority.BULK), "shop", id="h4", ttl_ms=600_000)
    await org.charge(org.sms(6, direction=Direction.INBOUND), "shop")
    return Books(org)


async def test_sound_books_are_conserved(books: Books) -> None:
    report, own = await books.check()
    assert own == []
    assert report.conserved
    assert (report.accounts, report.open_holds) >= (3, 3)
    assert report.grants >= 8
    assert report.journal_entries >= 17
    assert report.unsettled == []


async def test_books_are_sound_at_every_moment_of_a_busy_day(books: Books) -> None:
    org = books.org
    await org.grant(10_000)
    await org.allot(10_000, "field")

    async def work(worker: int) -> None:
        for turn in range(40):
            id_ = f"{worker}-{turn}"
            await org.reserve(org.sms(2), "field" if turn % 3 else "", id=id_)
            await org.charge(org.sms(1, direction=Direction.INBOUND), id=id_)
            if turn % 4:
                await org.commit(id_, "field" if turn % 3 else "", turn % 5)

    workers = [asyncio.create_task(work(worker)) for worker in range(8)]
    reports = [await books.check()]
    while not all(worker.done() for worker in workers):
        reports.append(await books.check())
    await asyncio.gather(*workers)
    assert [own for _, own in reports] == [[]] * len(reports)
    assert len(reports) > 3


async def test_more_holds_than_one_call_reads_are_summed(books: Books) -> None:
    await books.org.grant(3_000)
    for start in range(0, 2_200, 200):
        await asyncio.gather(*(books.org.reserve(id=f"{start + number}") for number in range(200)))
    report, own = await books.check()
    assert (own, report.unsettled, report.open_holds) == ([], [], 2_203)
    await books.do("DEL", books.key("h:", f"{books.org.root_id}|777"))
    _, own = await books.check()
    found = [(one.account_id, one.found, one.expected) for one in own if "reserved" in one.invariant]
    assert found == [(books.org.root_id, 2_215, 2_214)]


async def test_a_journal_that_was_trimmed_is_no_breach(books: Books) -> None:
    await books.do("XTRIM", books.key("j"), "MAXLEN", 3)
    report, own = await books.check()
    assert (own, report.journal_entries) == ([], 3)


Damage = Callable[[Books], Awaitable[None]]


@dataclass(frozen=True)
class Case:
    """Damage, and the breach that must be told: of which account and grant, what was found and what was expected."""

    name: str
    damage: Damage
    below: str
    grant_id: str = ""
    amounts: tuple[int, int] | None = None


def counter(below: str, name: str, amount: int, amounts: tuple[int, int]) -> Case:
    async def damage(books: Books) -> None:
        await books.add_to_counter(below, name, amount)

    return Case(f"counter {name} {amount:+}", damage, below, amounts=amounts)


def total(below: str, name: str, amount: int, amounts: tuple[int, int]) -> Case:
    async def damage(books: Books) -> None:
        await books.add_to_number(books.account_key(below), "t", TOTALS.index(name), amount)

    return Case(f"total {name} {amount:+}", damage, below, amounts=amounts)


def grant(below: str, grant_id: str, name: str, amount: int, amounts: tuple[int, int]) -> Case:
    async def damage(books: Books) -> None:
        await books.add_to_grant(below, grant_id, name, amount)

    return Case(f"{name} of grant {grant_id} {amount:+}", damage, below, grant_id, amounts)


def raw(below: str, *command: str) -> Damage:
    """Return damage by one command; {a}, {e}, {d} … are keys of the organisation, or of an account of it."""

    async def damage(books: Books) -> None:
        root, path = books.org.root_id, books.org.path(below)
        keys = {kind: books.key(f"{kind}:", path if kind in "ae" else root) for kind in "aed"}
        words = [word.format(root=root, path=path, partition=books.org.partition, **keys) for word in command]
        await books.do(*words)

    return damage


async def swap_two_grants(books: Books) -> None:
    await books.rewrite_order("", "wo", lambda entries: [entries[1], entries[0], *entries[2:]])


async def drop_a_grant_from_the_order(books: Books) -> None:
    await books.rewrite_order("", "wo", lambda entries: entries[1:])


async def name_a_grant_twice(books: Books) -> None:
    await books.rewrite_order("", "wo", lambda entries: [*entries, entries[0]])


async def change_a_scope_in_the_order(books: Books) -> None:
    await books.rewrite_order("", "wo", lambda entries: [*entries[:-1], entries[-1][:-1] + b"\x00"])


async def delete_a_hold(books: Books) -> None:
    await books.do("DEL", books.key("h:", f"{books.org.root_id}|h1"))


async def double_a_hold(books: Books) -> None:
    packed = await books.do("GET", books.key("h:", f"{books.org.root_id}|h1"))
    await books.do("SET", books.key("h:", f"{books.org.root_id}|copy"), packed)
    member = f"h{books.org.path('field')}|copy"
    await books.do("ZADD", books.key("d:", books.org.root_id), await books.org.now_ms() + 600_000, member)


async def double_a_hold_that_nothing_ends(books: Books) -> None:
    packed = await books.do("GET", books.key("h:", f"{books.org.root_id}|h1"))
    await books.do("SET", books.key("h:", f"{books.org.root_id}|copy"), packed)


async def take_a_hold_out_of_the_index(books: Books) -> None:
    await books.do("ZREM", books.key("d:", books.org.root_id), f"h{books.org.path('field')}|h1")


async def postpone_a_hold_in_the_index(books: Books) -> None:
    await books.do("ZINCRBY", books.key("d:", books.org.root_id), 10**9, f"h{books.org.path('field')}|h1")


async def take_the_organisation_out_of_the_due_index(books: Books) -> None:
    assert await books.do("ZREM", books.key("due"), books.org.root_id) == 1


async def hold_one_credit_more(books: Books) -> None:
    draws = -1

    def change(fields: list[Any]) -> None:
        fields[draws][0][6] += 1

    await books.rewrite_hold("h1", change)


async def settle_a_hold_by_hand(books: Books) -> None:
    def change(fields: list[Any]) -> None:
        fields[0] = 2

    await books.rewrite_hold("h1", change)


async def tear_an_entry_out_of_the_journal(books: Books) -> None:
    (entry, *_) = await books.entries_of("granted")
    await books.do("XDEL", books.key("j"), entry)


async def tear_the_last_entry_out_of_the_journal(books: Books) -> None:
    entry = (await books.entries_of("charged"))[-1]
    await books.do("XDEL", books.key("j"), entry)


async def tell_the_journal_another_story(books: Books) -> None:
    effect = [books.org.root_id, (await books.org.audit())["seq"] + 1, 1, 1, 1, 1, False, False]
    fields = ["charged", 1, books.org.root_id, "x", [], [effect]]
    await books.do("XADD", books.key("j"), "*", "e", _packed_in_a_row(fields))


async def end_a_live_grant(books: Books) -> None:
    number = await books.number_of("us")
    key = books.account_key()
    mutable, terms = await books.do("HMGET", key, f"g{number}", f"m{number}")
    await books.do("HSET", books.key("e:", books.org.root_id), number, _packed_in_a_row([mutable, terms]))
    await books.do("HDEL", key, f"g{number}", f"m{number}")


async def lose_a_grant(books: Books) -> None:
    number = await books.number_of("us")
    await books.do("HDEL", books.account_key(), f"g{number}", f"m{number}")


async def lose_the_terms_of_a_grant(books: Books) -> None:
    await books.do("HDEL", books.account_key(), f"m{await books.number_of('us')}")


async def forget_when_a_grant_begins(books: Books) -> None:
    await books.set_counter("", "grant_due", 0)


async def give_a_number_again(books: Books) -> None:
    await books.set_counter("", "grant_next", 1)


async def forget_that_there_is_a_limit(books: Books) -> None:
    await books.set_counter("field", "has_limit", 0)


CASES = [
    grant("", "plan", "remaining", 5, (100, 105)),
    grant("", "plan", "remaining", -200, (100, -100)),
    grant("", "plan", "amount", 1, (101, 100)),
    grant("", "plan", "captured", 1, (100, 101)),
    grant("", "plan", "held", -1, (100, 99)),
    grant("", "gone", "expired", 2, (7, 9)),
    grant("", "spent", "captured", -1, (5, 4)),
    grant("", "later", "remaining", 1, (10, 11)),
    grant("field", "room", "held", 3, (60, 63)),
    grant("shop", "float", "debt_paid", 1, (3, 4)),
    counter("shop", "debt", 1, (7, 6)),
    counter("shop", "debt", -6, (0, 6)),
    counter("shop", "unfunded", -5, (0, 5)),
    counter("", "reserved", 1, (16, 15)),
    counter("field", "limit_reserved", -10, (0, 10)),
    counter("field", "open_holds", 1, (2, 1)),
    counter("", "used", 100, (111, 11)),
    counter("", "grants", -1, (3, 4)),
    counter("", "seq", 1, (16, 17)),
    total("", "granted", 1, (213, 212)),
    total("", "captured", -11, (0, 11)),
    total("", "expired", 1, (8, 7)),
    total("", "overrun", 3, (11, 14)),
    total("shop", "debt_incurred", 6, (6, 12)),
    total("shop", "debt_paid", 2, (2, 0)),
    total("field", "limit_granted", 1, (61, 60)),
    total("field", "limit_captured", 1, (5, 4)),
    total("field", "limit_expired", 1, (1, 0)),
    Case("a sum of a wallet", raw("", "HSET", "{a}", "ws", "x" * 8), ""),
    Case("all sums of a wallet", raw("", "HDEL", "{a}", "ws"), "", amounts=(0, 119)),
    Case("all sums of a limit", raw("field", "HDEL", "{a}", "ls"), "field", amounts=(0, 46)),
    Case("a grant not in the burn order", drop_a_grant_from_the_order, "", "plan", (0, 1)),
    Case("a grant twice in the burn order", name_a_grant_twice, "", "plan", (2, 1)),
    Case("the burn order is empty", raw("field", "HSET", "{a}", "lo", ""), "field", "room", (0, 1)),
    Case("two grants that burn in the wrong order", swap_two_grants, "", "gift"),
    Case("a scope in the burn order", change_a_scope_in_the_order, "", "us"),
    Case("a hold that was deleted", delete_a_hold, "", amounts=(15, 5)),
    Case("a hold that was deleted counts at its leaf", delete_a_hold, "field", amounts=(1, 0)),
    Case("a hold that was doubled", double_a_hold, "", amounts=(15, 25)),
    Case("a hold that was doubled counts in the limit", double_a_hold, "field", amounts=(10, 20)),
    Case("a hold that holds more than it drew", hold_one_credit_more, "", amounts=(15, 16)),
    Case("a hold that says it was settled", settle_a_hold_by_hand, "", amounts=(15, 5)),
    Case("a hold that nothing ends", take_a_hold_out_of_the_index, "", amounts=(15, 5)),
    Case("a hold that ends at another time than it says", postpone_a_hold_in_the_index, "field"),
    Case("an organisation that the sweeper does not find", take_the_organisation_out_of_the_due_index, ""),
    Case("a journal entry that is missing", tear_an_entry_out_of_the_journal, ""),
    Case("a last journal entry that is missing", tear_the_last_entry_out_of_the_journal, "shop", amounts=(3, 4)),
    Case("a journal that says more", tell_the_journal_another_story, ""),
    Case("a live grant among the ended", end_a_live_grant, "", "us", (1, 0)),
    Case("a grant that is gone", lose_a_grant, "", amounts=(212, 162)),
    Case("a grant without terms", lose_the_terms_of_a_grant, ""),
    Case("a grant whose beginning is forgotten", forget_when_a_grant_begins, ""),
    Case("a grant number that will be given again", give_a_number_again, ""),
    Case("a limit that is forgotten", forget_that_there_is_a_limit, "field"),
    Case("an account that is gone", raw("field", "DEL", "{a}"), "field"),
    Case("an account that is not listed", raw("field", "ZREM", "cg:{{{partition}}}:accounts", "{path}"), "field"),
    Case("a counter that is no record", raw("field", "HSET", "{a}", "c", "nonsense"), "field"),
    Case("ended grants that are gone", raw("", "DEL", "{e}"), "", amounts=(212, 200)),
]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_damage_is_found_and_named(books: Books, case: Case) -> None:
    assert (await books.check())[1] == []
    await case.damage(books)
    report, own = await books.check()
    assert not report.conserved
    named = [one for one in own if (one.account_id, one.grant_id) == (books.org.path(case.below), case.grant_id)]
    assert named, own
    if case.amounts is not None:
        assert case.amounts in [(one.found, one.expected) for one in named], named
    assert all(one.account_id in str(one) and str(one.found) in str(one) for one in own)

"""Verify: silent on sound books, and names account, grant and amounts for whatever has been done to them.

The damage is done with raw commands to a store of its own; each test damages an organisation of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from tests.ledger.books import ADJUSTMENT, CHILDREN, DRAWS, TOTALS, Books, fill, in_a_row, packed_in_a_row
from tests.ledger.conftest import Organisation

from creditgate.pricing.usage import Direction
from creditgate_server.credit.terms import Funding
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.ledger import Ledger, LedgerSettings
from creditgate_server.verification import report, trees

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
    """Sound books, alone in their store."""
    org = Organisation(*engine_of_its_own, organisation)
    (before,) = await org.store.execute([("KEYS", "cg:{*")])
    if isinstance(before, list) and before:
        await org.store.execute([("DEL", *before)])
    await fill(org)
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
    await org.grant(1_000, "shop")
    await org.allot(10_000, "field")

    async def work(worker: int) -> None:
        for turn in range(40):
            id_, below = f"{worker}-{turn}", "field" if turn % 3 else ""
            await org.reserve(org.sms(2), below, id=id_)
            await org.charge(org.sms(1, direction=Direction.INBOUND), id=id_)
            await org.transfer(1, "", "shop")
            if turn % 4:
                await org.commit(id_, below, turn % 5)
            if turn % 4 == 2 and turn % 5:
                await org.refund(id_, 1, below)
            if turn % 10 == 0:
                await org.open(f"shop/desk-{id_}")
                await org.reserve(org.sms(1), f"shop/desk-{id_}")
            if turn % 10 == 1:
                await org.open(f"desk-{id_}")
                await org.close(f"desk-{id_}")

    workers = [asyncio.create_task(work(worker)) for worker in range(8)]
    reports = [await books.check()]
    while not all(worker.done() for worker in workers):
        reports.append(await books.check())
    await asyncio.gather(*workers)
    assert [own for _, own in reports] == [[]] * len(reports)
    assert len(reports) > 3
    assert reports[-1][0].unsettled == []


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


async def test_an_organisation_of_many_calls_is_exact_at_every_moment_of_a_busy_day(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its open holds fill three pages, and its accounts' counters are read two at a time."""
    monkeypatch.setattr(trees, "COUNTERS_AT_ONCE", 2)
    org = books.org
    await org.grant(100_000, "shop")
    for start in range(0, 4_500, 500):
        ids = range(start, start + 500)
        await asyncio.gather(
            *(org.reserve(None, "shop", id=f"{id_}", ttl_ms=60_000 + 997 * id_ % 10**6) for id_ in ids)
        )

    async def work(worker: int) -> None:
        for turn in range(100):
            id_ = f"{worker}-{turn}"
            await org.reserve(org.sms(2), "shop", id=id_, ttl_ms=60_000 + (worker * 7_919 + turn * 104_729) % 10**6)
            await org.reserve(None, "shop", ttl_ms=1 + turn % 20)
            settled = f"{worker * 500 + turn}"
            match turn % 4:
                case 0:
                    await org.commit(settled, "shop", turn % 3)
                case 1:
                    await org.release(settled, "shop")
                case 2:
                    await org.capture(id_, "part", 1, "shop")
                case 3:
                    await org.commit(id_, "shop")

    workers = [asyncio.create_task(work(worker)) for worker in range(8)]
    reports = []
    while not all(worker.done() for worker in workers):
        reports.append(await books.check())
    await asyncio.gather(*workers)
    assert [own for _, own in reports] == [[]] * len(reports)
    assert [report.unsettled for report, _ in reports] == [[]] * len(reports)
    assert len(reports) > 2
    await books.do("DEL", books.key("h:", f"{org.root_id}|4321"))
    _, own = await books.check()
    assert {one.invariant for one in own} >= {"reserved = Σ open holds", "open_holds = number of open holds"}


async def test_a_journal_that_was_trimmed_is_no_breach(books: Books) -> None:
    await books.do("XTRIM", books.key("j"), "MAXLEN", 3)
    report, own = await books.check()
    assert (own, report.journal_entries) == ([], 3)


async def test_ended_grants_are_read_by_the_page(books: Books) -> None:
    await books.org.open("old-hand", funding=Funding.OWN)
    for number in range(1_100):
        await books.org.grant(1, "old-hand", grant_id=f"small-{number}")
        await books.org.charge(below="old-hand")
    report, own = await books.check()
    assert (own, report.unsettled) == ([], [])
    await books.add_to_grant("old-hand", "small-777", "captured", 1)
    _, own = await books.check()
    assert [one.grant_id for one in own if one.grant_id] == ["small-777"]
    assert (1_101, 1_100) in [(one.expected, one.found) for one in own if "captured of ended" in one.invariant]


async def test_a_hold_that_a_partition_counts_and_no_account_does_is_found(books: Books) -> None:
    await books.do("INCRBY", books.key("open"), 2)
    report, own = await books.check()
    assert not report.conserved
    (breach,) = own
    assert (breach.account_id, breach.found, breach.expected) == ("", 5, 3)
    assert str(breach).startswith("all accounts: ")


async def test_a_ruined_store_does_not_fill_the_report(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "NAMED_MAX", 2)
    await books.do("DEL", books.account_key(), books.account_key("field"), books.account_key("shop"))
    found, own = await books.check()
    assert len(own) == 2
    assert found.unnamed > 0


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
    def change(fields: list[Any]) -> None:
        fields[DRAWS][0][4] += 1

    await books.rewrite_hold("h1", change)


async def settle_a_hold_by_hand(books: Books) -> None:
    def change(fields: list[Any]) -> None:
        fields[0] = 2

    await books.rewrite_hold("h1", change)


async def tear_an_entry_out_of_the_journal(books: Books) -> None:
    (entry, *_) = await books.entries_of("granted")
    await books.do("XDEL", books.key("j"), entry)


async def tear_the_last_entry_out_of_the_journal(books: Books) -> None:
    entry = (await books.entries_of("account_closed"))[-1]
    await books.do("XDEL", books.key("j"), entry)


async def tell_the_journal_another_story(books: Books) -> None:
    effect = [books.org.root_id, (await books.org.audit())["seq"] + 1, 1, 1, 1, 1, False, False]
    fields = ["charged", 1, books.org.root_id, "x", [], [effect]]
    await books.do("XADD", books.key("j"), "*", "e", packed_in_a_row(fields))


async def end_a_live_grant(books: Books) -> None:
    number = await books.number_of("us")
    key = books.account_key()
    mutable, terms = await books.do("HMGET", key, f"g{number}", f"m{number}")
    await books.do("HSET", books.key("e:", books.org.root_id), number, packed_in_a_row([mutable, terms]))
    await books.do("HDEL", key, f"g{number}", f"m{number}")


async def lose_an_heir(books: Books) -> None:
    number = await books.heir_of("depot", "stock")
    await books.do("HDEL", books.key("e:", books.org.path("annex")), number)


async def forget_an_heir(books: Books) -> None:
    key, number = books.key("e:", books.org.path("depot")), await books.number_of("stock")
    mutable, terms, *_ = in_a_row(await books.do("HGET", key, number))
    await books.do("HSET", key, number, packed_in_a_row([mutable, terms]))


async def spoil_an_ended_grant(books: Books) -> None:
    await books.do("HSET", books.key("e:", books.org.path("depot")), await books.number_of("returned"), "nonsense")


async def give_a_grant_a_state_that_is_none(books: Books) -> None:
    field = f"g{await books.number_of('us')}"
    packed = await books.do("HGET", books.account_key(), field)
    await books.do("HSET", books.account_key(), field, packed[:-3] + b"\x63" + packed[-2:])


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


def folded(below: str, name: str, amount: int, amounts: tuple[int, int], *, limit: bool = False) -> Case:
    async def damage(books: Books) -> None:
        await books.add_to_fold(below, name, amount, limit=limit)

    return Case(f"{name} of ended {'allotments' if limit else 'grants'} {amount:+}", damage, below, amounts=amounts)


def described(below: str, place: int, value: int, amounts: tuple[int, int]) -> Case:
    async def damage(books: Books) -> None:
        await books.describe(below, place, value)

    return Case(f"field {place} of the description", damage, below, amounts=amounts)


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
    grant("depot", "stock", "refunded", 1, (30, 29)),
    grant("depot", "stock", "moved", -28, (30, 2)),
    grant("depot", "returned", "revoked", 1, (8, 9)),
    counter("shop", "debt", 1, (7, 6)),
    counter("shop", "debt", -6, (0, 6)),
    counter("shop", "unfunded", -5, (0, 5)),
    counter("", "reserved", 1, (16, 15)),
    counter("field", "limit_reserved", -10, (0, 10)),
    counter("field", "open_holds", 1, (2, 1)),
    counter("", "used", 100, (111, 11)),
    counter("", "grants", -1, (3, 4)),
    Case("a grant number beyond all", counter("depot", "grant_next", 10**30, (0, 0)).damage, "depot", "stock"),
    counter("", "seq", 1, (22, 23)),
    total("", "granted", 1, (213, 212)),
    total("", "captured", -11, (0, 11)),
    total("", "expired", 1, (8, 7)),
    total("", "overrun", 3, (11, 14)),
    total("shop", "debt_incurred", 6, (6, 12)),
    total("shop", "debt_paid", 2, (2, 0)),
    total("field", "limit_granted", 1, (61, 60)),
    total("field", "limit_captured", 1, (5, 4)),
    total("field", "limit_expired", 1, (1, 0)),
    total("depot", "refunded", 1, (3, 2)),
    total("depot", "revoked", 1, (9, 8)),
    total("depot", "moved", 1, (29, 28)),
    total("annex", "forgiven", 1, (0, -1)),
    total("old", "written_off", -1, (0, 1)),
    total("", "inbound", -100, (-100, 0)),
    folded("depot", "moved", 1, (29, 28)),
    folded("depot", "count", 1, (3, 2)),
    folded("depot", "expired", 1, (1, 0), limit=True),
    described("", CHILDREN, 3, (3, 4)),
    described("annex", ADJUSTMENT, 77, (0, 77)),
    Case("credits that left no account", total("annex", "moved_in", 1, (29, 28)).damage, "", amounts=(29, 28)),
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
    Case("a last journal entry that is missing", tear_the_last_entry_out_of_the_journal, "old", amounts=(3, 4)),
    Case("a journal that says more", tell_the_journal_another_story, ""),
    Case("a live grant among the ended", end_a_live_grant, "", "us", (1, 0)),
    Case("an heir that is gone", lose_an_heir, "depot", "stock", (0, 1)),
    Case("an heir that is forgotten", forget_an_heir, "depot", "stock", (0, 1)),
    Case("an ended grant that is no record", spoil_an_ended_grant, "depot"),
    Case("a grant in a state that is none", give_a_grant_a_state_that_is_none, ""),
    Case("a grant that is gone", lose_a_grant, "", amounts=(212, 162)),
    Case("a grant without terms", lose_the_terms_of_a_grant, ""),
    Case("a grant whose beginning is forgotten", forget_when_a_grant_begins, ""),
    Case("a grant number that will be given again", give_a_number_again, ""),
    Case("a limit that is forgotten", forget_that_there_is_a_limit, "field"),
    Case("an account that is gone", raw("field", "DEL", "{a}"), "field"),
    Case("grants that nothing begins or ends", raw("", "ZREM", "{d}", "g{root}"), ""),
    Case("an organisation that is not listed", raw("", "ZREM", "cg:{{{partition}}}:accounts", "{root}"), ""),
    Case("an account that is not listed", raw("field", "ZREM", "cg:{{{partition}}}:accounts", "{path}"), "field"),
    Case("a counter that is no record", raw("field", "HSET", "{a}", "c", "nonsense"), "field"),
    Case("ended grants that are gone", raw("", "DEL", "{e}"), "", amounts=(12, 0)),
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

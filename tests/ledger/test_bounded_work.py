"""Work is bounded: what a call asks of the store does not grow with what lies there.

Counted are the commands that a function gives, as the store's MONITOR tells of them. The store is this module's own,
for whatever else it did would be told too.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from itertools import pairwise

import pytest
import pytest_asyncio
from tests.ledger.conftest import PATIENT, Organisation

from creditgate.pricing.usage import Direction
from creditgate_server.credit import operations as ask
from creditgate_server.credit.terms import Funding
from creditgate_server.engine.engine import Engine
from creditgate_server.store import records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.durability import Durability
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.ledger import Lane, Ledger, LedgerSettings, Request

pytestmark = pytest.mark.asyncio(loop_scope="module")

TURN_MAX = 16
"""Holds that are due which one call ends on its way."""

GRANTS_MAX = 100
AUDITED_MAX = 2_000
"""Holds that one call of an audit reads."""

MANY = 10_000
DUE_MS, LONG_MS = 60_000, 24 * 3_600_000
"""Lifetimes: of holds that are to be due in a test, and of those that are not."""

Work = Callable[[], Awaitable[object]]


@dataclass
class Monitor:
    """A connection on which the store tells of every command."""

    store: StoreConnections
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def commands(self, word: str, work: Work) -> list[int]:
        """Return how many commands each call gave that names an operation or a function by `word`."""
        await self._read_to_here()
        await work()
        counts: list[int] = []
        is_counted = False
        for line in await self._read_to_here():
            if " lua] " not in line:
                is_counted = re.search(rf'"FCALL(_RO)?" .*"{word}', line) is not None
                counts += [0] if is_counted else []
            elif is_counted:
                counts[-1] += 1
        return counts

    async def _read_to_here(self) -> list[str]:
        """Return what was told up to now."""
        here, lines = secrets.token_hex(8), [""]
        await self.store.execute([("ECHO", here)])
        while here not in lines[-1]:
            lines.append((await self.reader.readline()).decode())
        return lines[1:-1]

    async def count(self, word: str, work: Work) -> int:
        """Return how many commands the one call gave that work takes."""
        (count,) = await self.commands(word, work)
        return count


@dataclass
class Ground:
    """A store of the module's own, and organisations to be opened there."""

    engine: Engine
    store: StoreConnections
    monitor: Monitor
    crowds: dict[str, Organisation] = field(default_factory=dict)

    async def organisation(self, grants: int = 1, credits_: int = 1_000_000) -> Organisation:
        """Open two levels, with so many grants in the wallet above and so many in the limit below."""
        org = Organisation(self.engine, self.store, f"org-{secrets.token_hex(6)}")
        await org.open()
        await org.open("field")
        await asyncio.gather(*(org.grant(credits_) for _ in range(grants)))
        await asyncio.gather(*(org.allot(credits_, "field") for _ in range(grants)))
        return org

    async def crowd(self) -> Organisation:
        """Return the organisation in which many holds are open."""
        if "open" not in self.crowds:
            self.crowds["open"] = await self.organisation()
            await reserve_many(self.crowds["open"], MANY, LONG_MS)
        return self.crowds["open"]

    async def due_crowd(self) -> Organisation:
        """Return the organisation in which many holds are due, though a few less after each operation."""
        if "due" not in self.crowds:
            self.crowds["due"] = await self.organisation()
            await make_due(self.crowds["due"], MANY)
        return self.crowds["due"]


async def reserve_many(org: Organisation, count: int, ttl_ms: int) -> None:
    for start in range(0, count, 500):
        few = min(500, count - start)
        await asyncio.gather(*(org.reserve(None, "field", ttl_ms=ttl_ms) for _ in range(few)))


async def make_due(org: Organisation, count: int) -> None:
    await reserve_many(org, count, DUE_MS)
    await org.pass_time(DUE_MS)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    async with EmbeddedStore(tmp_path_factory.mktemp("counted") / "data", durability=Durability.MEMORY) as store:
        connections = StoreConnections(store.url, reply_timeout_s=5)
        ledger = Ledger(connections, LedgerSettings(test_clock=True))
        await ledger.prepare()
        reader, writer = await asyncio.open_unix_connection(store.url.removeprefix("unix://"), limit=1 << 20)
        writer.write(b"MONITOR\r\n")
        async with Engine(ledger, PATIENT) as engine:
            yield Ground(engine, connections, Monitor(connections, reader, writer))
        writer.close()
        await connections.close()


Prepared = Callable[[Organisation], Awaitable[Work]]
OPERATIONS: dict[str, tuple[str, Prepared]] = {}


def operation(word: str) -> Callable[[Prepared], Prepared]:
    """Note what prepares an operation of the ledger, which calls it by a word."""

    def note(prepare: Prepared) -> Prepared:
        OPERATIONS[prepare.__name__.removeprefix("prepare_")] = (word, prepare)
        return prepare

    return note


async def new_hold(org: Organisation) -> str:
    hold = org.new_id("hold")
    await org.reserve(org.sms(3), "field", id=hold, ttl_ms=LONG_MS)
    return hold


@operation("quote")
async def prepare_quote(org: Organisation) -> Work:
    return lambda: org.quote(below="field")


@operation("reserve")
async def prepare_reserve(org: Organisation) -> Work:
    return lambda: org.reserve(None, "field", ttl_ms=LONG_MS)


@operation("commit")
async def prepare_commit(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.commit(hold, "field", 1)


@operation("commit")
async def prepare_commit_with_overage(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.commit(hold, "field", 5)


@operation("commit")
async def prepare_capture(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.capture(hold, "part-1", 1, "field")


@operation("commit")
async def prepare_replayed_commit(org: Organisation) -> Work:
    hold = await new_hold(org)
    await org.commit(hold, "field")
    return lambda: org.commit(hold, "field")


@operation("release")
async def prepare_release(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.release(hold, "field")


@operation("extend")
async def prepare_extend(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.extend(hold, 2 * LONG_MS, "field")


@operation("charge")
async def prepare_inbound_charge(org: Organisation) -> Work:
    return lambda: org.charge(below="field")


@operation("charge")
async def prepare_outbound_charge(org: Organisation) -> Work:
    return lambda: org.charge(org.sms(direction=Direction.OUTBOUND), "field")


@operation("refund")
async def prepare_refund_of_a_reservation(org: Organisation) -> Work:
    hold = await new_hold(org)
    await org.commit(hold, "field")
    return lambda: org.refund(hold, 1, "field")


@operation("refund")
async def prepare_refund_of_a_charge(org: Organisation) -> Work:
    charge = org.new_id("charge")
    await org.charge(org.sms(3, direction=Direction.OUTBOUND), "field", id=charge)
    return lambda: org.refund(below="field", charge_id=charge)


@operation("update_account")
async def prepare_update_account(org: Organisation) -> Work:
    return lambda: org.change("field", display_name=org.new_id("name"))


@operation("create_account")
async def prepare_create_account(org: Organisation) -> Work:
    return lambda: org.open(f"field/{org.new_id('desk')}")


@operation("grant")
async def prepare_grant(org: Organisation) -> Work:
    return lambda: org.grant(5)


@operation("get_account")
async def prepare_get_account(org: Organisation) -> Work:
    return lambda: org.balance("field")


@operation("get_hold")
async def prepare_get_reservation(org: Organisation) -> Work:
    hold = await new_hold(org)
    return lambda: org.hold(hold, "field")


each_operation = pytest.mark.parametrize("name", OPERATIONS)


async def count(ground: Ground, name: str, org: Organisation) -> int:
    word, prepare = OPERATIONS[name]
    return await ground.monitor.count(word, await prepare(org))


@each_operation
async def test_an_operation_costs_no_more_with_a_hundred_grants(ground: Ground, name: str) -> None:
    few, many = await ground.organisation(1), await ground.organisation(GRANTS_MAX - 1)

    assert await count(ground, name, many) <= await count(ground, name, few)


@each_operation
async def test_an_operation_costs_no_more_with_ten_thousand_open_holds(ground: Ground, name: str) -> None:
    few, many = await ground.organisation(), await ground.crowd()

    assert await count(ground, name, many) <= await count(ground, name, few)


# What a commit takes beyond its hold depends on all that is due: it has that swept first, some at a call.
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "commit_with_overage"])
async def test_ten_thousand_holds_that_are_due_cost_what_a_turn_of_them_does(ground: Ground, name: str) -> None:
    word, prepare = OPERATIONS[name]
    due = await ground.due_crowd()
    in_the_crowd = await ground.monitor.count(word, await prepare(due))
    few = await ground.organisation()
    work = await prepare(few)
    await make_due(few, TURN_MAX)

    assert in_the_crowd <= await ground.monitor.count(word, work)
    assert (await due.audit("field"))["open_holds"] > MANY / 2


def slope(sizes: Sequence[int], counts: Sequence[int]) -> int:
    """Return by how many commands one more of a size costs more, which must be so all the way."""
    (found,) = {
        Fraction(larger - smaller, more - less)
        for (less, smaller), (more, larger) in pairwise(zip(sizes, counts, strict=True))
    }
    return int(found) if found.denominator == 1 else pytest.fail(f"{counts} for {sizes} do not grow evenly")


async def slope_of(ground: Ground, word: str, prepare: Callable[[int], Awaitable[Work]], sizes: Sequence[int]) -> int:
    """Return how many commands more one call gives for each one more of a size."""
    return slope(sizes, [await ground.monitor.count(word, await prepare(size)) for size in sizes])


GRANTS = (2, 10, 50, GRANTS_MAX)


async def test_a_reserve_costs_so_many_commands_for_each_grant_that_it_empties(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size, credits_=1)
        return lambda: org.reserve(org.sms(size), "field")

    # One to read it, and that in both pots.
    assert await slope_of(ground, "reserve", prepare, GRANTS) == 2


async def test_a_charge_costs_so_many_commands_for_each_grant_that_it_ends(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size, credits_=1)
        return lambda: org.charge(org.sms(size, direction=Direction.OUTBOUND), "field")

    # Two to read it, two to put it among the ended ones, and that in both pots.
    assert await slope_of(ground, "charge", prepare, GRANTS) == 8


async def test_a_revocation_costs_so_many_commands_for_each_grant_that_is_left(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size, credits_=7)
        await org.grant(7, grant_id="spent", priority=-1) if size < GRANTS_MAX else None
        return lambda: org.revoke("spent", claw_back=True)

    assert await slope_of(ground, "revoke", prepare, GRANTS[:-1]) == 2


async def test_a_transfer_costs_so_many_commands_for_each_grant_that_it_moves(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size, credits_=7)
        await org.open("shop", funding=Funding.OWN)
        return lambda: org.transfer(7 * size, "", "shop")

    assert await slope_of(ground, "transfer", prepare, GRANTS) == 4


async def test_closing_costs_so_many_commands_for_each_grant_that_it_ends(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size)
        return lambda: org.close("field")

    assert await slope_of(ground, "close_account", prepare, GRANTS) == 4


async def test_a_standing_costs_so_many_commands_for_each_grant_that_it_shows(ground: Ground) -> None:
    async def prepare(size: int) -> Work:
        org = await ground.organisation(size)
        return lambda: org.engine.get_standing(org.path("field"))

    # Two to read it, and that on both levels.
    assert await slope_of(ground, "get_standing", prepare, GRANTS) == 4


async def test_grants_that_have_ended_cost_nothing(ground: Ground) -> None:
    org = await ground.organisation()
    await new_hold(org)
    before = {name: await count(ground, name, org) for name in OPERATIONS}
    for _ in range(200):
        await org.grant(1, priority=-1)
        await org.charge(org.sms(1))

    assert {name: await count(ground, name, org) for name in OPERATIONS} == before


async def test_a_sweep_ends_as_many_as_it_is_told_to(ground: Ground) -> None:
    org, sizes, ended = await ground.due_crowd(), (1, 10, 100), []

    async def sweep(size: int) -> None:
        ended.append((await org.ledger.sweep(org.root_id, size))[0])

    counts = [await ground.monitor.count("cg_sweep", partial(sweep, size)) for size in sizes]

    assert ended == list(sizes)
    # To read the hold, write it, take it out of the index, and journal it.
    assert slope(sizes, counts) == 4


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_batch_costs_so_much_for_each_of_its_operations(ground: Ground, *, atomic: bool) -> None:
    org = await ground.organisation()
    await new_hold(org)

    async def prepare(size: int) -> Work:
        operations = [ask.Reserve(org.path("field"), org.new_id("hold"), org.sms(), LONG_MS) for _ in range(size)]
        return lambda: org.batch(operations, atomic=atomic)

    # To look for the hold, write it, put it into the index, and journal it.
    assert await slope_of(ground, "reserve", prepare, (2, 8, 32)) == 4


async def test_a_page_costs_what_it_shows(ground: Ground) -> None:
    few, many = await ground.organisation(), await ground.crowd()
    await reserve_many(few, 20, LONG_MS)

    async def count_page(org: Organisation) -> int:
        listing = partial(org.engine.list_reservations, org.root_id, 10, "", include_descendants=True)
        return await ground.monitor.count("list_holds", listing)

    assert await count_page(many) == await count_page(few)


async def test_a_page_of_an_audit_reads_so_many_holds(ground: Ground) -> None:
    org = await ground.crowd()
    args = records.pack(org.root_id, [org.root_id], 0, "")
    page = Request(org.ledger.key_of(org.root_id), Lane.READ, "audit_holds", args)

    assert await ground.monitor.count("audit_holds", lambda: org.ledger.send([page])) < AUDITED_MAX + 20

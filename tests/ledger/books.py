"""Books with something of everything, and raw access to what the store keeps of them: what audits are tried on."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import msgpack
from tests.ledger.conftest import Organisation

from creditgate.pricing.usage import Direction, Priority
from creditgate_server.credit.operations import Scope
from creditgate_server.credit.terms import ExpiryAction, Funding
from creditgate_server.store.errors import StoreError
from creditgate_server.verification import Report, verify

if TYPE_CHECKING:
    from creditgate_server.credit.invariants import Breach

CODEC = (files("creditgate_server.store") / "lua" / "codec.lua").read_text("utf-8")


def packed_names(function: str) -> tuple[str, ...]:
    """Return the names of a struct's numbers, in their order, from the function that packs it."""
    body = re.search(rf"function codec\.{function}\(.*?\nend", CODEC, re.DOTALL)
    assert body is not None
    packed = re.findall(r"struct_pack\((.*?)\)", body[0], re.DOTALL)
    return tuple(re.findall(r"\b\w\.(\w+)", " ".join(packed)))


COUNTERS = packed_names("pack_counters")
TOTALS = packed_names("pack_totals")
GRANT = packed_names("pack_grant")
FOLD = packed_names("pack_fold")
ENTRY_BYTES = 19
CHILDREN, ADJUSTMENT = 4, 5
"""Places in an account's description."""
DRAWS = 20
"""Place of what a hold holds; in each draw the first part's credits are the fifth."""


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
        _, _, number, *_ = in_a_row(await self.do("HGET", self.key("i:", self.org.root_id), grant_id))
        return int(number)

    async def heir_of(self, below: str, grant_id: str) -> int:
        """Return the number of the grant that has taken the place of an ended one."""
        packed = await self.do("HGET", self.key("e:", self.org.path(below)), await self.number_of(grant_id))
        return int(in_a_row(packed)[3])

    async def add_to_grant(self, below: str, grant_id: str, name: str, amount: float) -> None:
        """Change one amount of a grant, wherever it lives."""
        number, position = await self.number_of(grant_id), GRANT.index(name)
        if await self.do("HEXISTS", self.account_key(below), f"g{number}"):
            await self.add_to_number(self.account_key(below), f"g{number}", position, amount)
            return
        key = self.key("e:", self.org.path(below))
        mutable, *others = in_a_row(await self.do("HGET", key, number))
        changed = bytearray(mutable)
        (value,) = struct.unpack_from("<d", changed, position * 8)
        struct.pack_into("<d", changed, position * 8, value + amount)
        await self.do("HSET", key, number, packed_in_a_row([bytes(changed), *others]))

    async def add_to_fold(self, below: str, name: str, amount: float, *, limit: bool = False) -> None:
        """Change a sum of the ended grants of wallet or limit."""
        position = FOLD.index(name) + len(FOLD) * limit
        await self.add_to_number(self.account_key(below), "f", position, amount)

    async def describe(self, below: str, place: int, value: object) -> None:
        """Change a field of an account's description."""
        fields = in_a_row(await self.do("HGET", self.account_key(below), "d"))
        fields[place] = value
        await self.do("HSET", self.account_key(below), "d", packed_in_a_row(fields))

    async def rewrite_order(self, below: str, field: str, change: Callable[[list[bytes]], Sequence[bytes]]) -> None:
        packed = await self.do("HGET", self.account_key(below), field)
        entries = [packed[at : at + ENTRY_BYTES] for at in range(0, len(packed), ENTRY_BYTES)]
        await self.do("HSET", self.account_key(below), field, b"".join(change(entries)))

    async def rewrite_hold(self, hold_id: str, change: Callable[[list[Any]], None]) -> None:
        key = self.key("h:", f"{self.org.root_id}|{hold_id}")
        fields = in_a_row(await self.do("GET", key))
        change(fields)
        await self.do("SET", key, packed_in_a_row(fields))

    async def entries_of(self, kind: str) -> list[bytes]:
        """Return the ids of this organisation's journal entries of a kind."""
        found = []
        for stream_id, (_, packed) in await self.do("XRANGE", self.key("j"), "-", "+"):
            fields = in_a_row(packed)
            if fields[0] == kind.encode() and fields[2].startswith(self.org.root_id.encode()):
                found.append(stream_id)
        return found

    async def check(self) -> tuple[Report, list[Breach]]:
        """Return the report on the partition, and what it says of this organisation."""
        report = await verify(self.org.ledger, partitions=[self.org.partition])
        own = [breach for breach in report.breaches if breach.account_id.split("/")[0] in (self.org.root_id, "")]
        return report, own


def _word(word: object) -> str | bytes | int:
    return word if isinstance(word, str | bytes | int) else str(word)


def in_a_row(packed: bytes) -> list[Any]:
    """Decode values that stand in a row."""
    unpacker = msgpack.Unpacker(raw=True, strict_map_key=False)
    unpacker.feed(packed)
    return list(unpacker)


def packed_in_a_row(fields: Sequence[object]) -> bytes:
    packed: list[bytes] = [msgpack.packb(field, use_bin_type=False) for field in fields]
    return b"".join(packed)


async def fill(org: Organisation) -> None:
    """Fill an organisation: grants of all ways to live and to end, a limit, holds with and without cover, debt."""
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
    await fill_others(org)


async def fill_others(org: Organisation) -> None:
    """Fill three accounts more.

    Of the grants of `depot` one moved to `annex`, and then got a refund, and one was revoked; the debt of `annex` was
    in part forgiven and in part paid; `old` was closed in debt.
    """
    for below in ("depot", "annex", "old"):
        await org.open(below, funding=Funding.OWN)
    await org.grant(30, "depot", grant_id="stock")
    await org.charge(org.sms(4, direction=Direction.OUTBOUND), "depot", id="sold")
    await org.transfer(26, "depot", "annex")
    await org.refund("", 2, "depot", charge_id="sold")
    await org.grant(8, "depot", grant_id="returned")
    await org.revoke("returned", "depot")
    await org.charge(org.sms(31, direction=Direction.INBOUND), "annex", id="flood")
    await org.refund("", 1, "annex", charge_id="flood")
    await org.grant(5, "annex", grant_id="relief")
    await org.refund("", 1, "annex", charge_id="flood")
    await org.grant(5, "old", grant_id="rest")
    await org.charge(org.sms(7, direction=Direction.INBOUND), "old")
    await org.close("old")

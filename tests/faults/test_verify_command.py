"""`creditgate verify`, run as an operator does: quiet about a store that works hard, exact about what is wrong."""

from __future__ import annotations

import asyncio
import json
import os
import re
import struct
import sys
from asyncio.subprocess import PIPE
from typing import Any

import pytest
from tests.faults.audit import Audit
from tests.faults.conftest import Connect, Drive
from tests.faults.processes import PATIENCE_S, ServerProcess, environment

from creditgate.pricing.usage import Channel, Direction, Segments, Usage
from creditgate_server.credit.operations import AccountSettings, CreateAccount, GrantCredits, Reserve, Traffic
from creditgate_server.engine.collector import CollectorSettings
from creditgate_server.engine.engine import Engine
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.store.keys import account_key, partition_of
from creditgate_server.store.layout import PARTITIONS
from creditgate_server.store.ledger import Ledger

GRANT = struct.Struct("<9d3B")
"""A grant's hot fields as `codec.lua` packs them: amount, remaining, seven more amounts, three flags."""


ACCOUNTS = int(os.environ.get("CREDITGATE_VERIFY_ACCOUNTS", "20000"))
"""How many accounts to verify: CREDITGATE_VERIFY_ACCOUNTS=100000 for more than there is time for each time."""

PAGES_KB = 8 * 1024
"""Memory for pages of records and the like, beside a kilobyte for each account of the largest partition."""

VERIFY = """
import atexit, re, sys
from creditgate_server.__main__ import main

def tell_peak():
    with open("/proc/self/status") as status:
        sys.stderr.write(re.search(r"VmHWM:.* kB", status.read())[0])

atexit.register(tell_peak)
sys.exit(main())
"""


async def verify(*where: str) -> tuple[int, dict[str, Any]]:
    """Run the command; give its exit status and what it printed, with the most memory that it took as `peak_kb`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VERIFY, "verify", "--json", *where),
        stdout=PIPE,
        stderr=PIPE,
        env=environment(),
    )
    printed, problems = await process.communicate()
    assert process.returncode is not None
    peak = re.search(r"VmHWM:\s*(\d+) kB", problems.decode())
    assert peak is not None
    return process.returncode, json.loads(printed) | {"problems": problems.decode(), "peak_kb": int(peak[1])}


async def fill(store: EmbeddedStore, accounts: int) -> None:
    """Open accounts with a grant each and a hold on each tenth, half in one organisation, the others in many."""
    connections = StoreConnections(store.url, reply_timeout_s=PATIENCE_S)
    ledger = Ledger(connections)
    await ledger.prepare()
    large = [f"large/{number}" for number in range(accounts // 2)]
    roots = ["large", *(f"small-{number}" for number in range(accounts // 200))]
    own = AccountSettings()
    usage = Usage(Channel.SMS, Direction.OUTBOUND, Segments(1))
    async with Engine(ledger, CollectorSettings(wait_max_s=PATIENCE_S)) as engine:

        async def open_account(account_id: str) -> None:
            await engine.create_account(CreateAccount(account_id, own))
            await engine.grant(GrantCredits(account_id, account_id, 1_000))
            if account_id.endswith("7"):
                await engine.decide(Reserve(account_id, account_id, Traffic(usage), ttl_ms=3_600_000))

        below = [*large, *(f"{root}/{number}" for root in roots[1:] for number in range(99))]
        for ids in (roots, below):
            for at in range(0, len(ids), 1_000):
                await asyncio.gather(*map(open_account, ids[at : at + 1_000]))
    await connections.close()


@pytest.mark.timeout(120 + ACCOUNTS / 50)
async def test_many_accounts_are_verified_under_load_in_little_memory(
    external_server: ServerProcess, external_store: EmbeddedStore, drive: Drive
) -> None:
    _, empty = await verify("--redis-url", external_store.url)
    await fill(external_store, ACCOUNTS)
    load = await drive(external_server)
    audit = Audit(load)
    told = audit.read()

    status, report = await verify("--redis-url", external_store.url)

    assert (status, report["breaches"], report["unsettled"]) == (0, [], [])
    assert report["accounts"] >= ACCOUNTS
    assert report["open_holds"] >= ACCOUNTS / 10
    assert audit.read() > told
    assert report["peak_kb"] - empty["peak_kb"] < PAGES_KB + ACCOUNTS / 2
    await load.stop()


async def test_a_store_under_load_is_conserved_at_every_moment(server: ServerProcess, drive: Drive) -> None:
    load = await drive(server)
    audit = Audit(load)
    for _ in range(3):
        told = audit.read()
        status, report = await verify("--data-dir", str(server.data_dir))
        assert (status, report["conserved"], report["breaches"]) == (0, True, [])
        # It was under load while it was read.
        assert audit.read() > told
    await load.stop()


async def test_credits_out_of_nothing_are_named_with_account_grant_and_amounts(
    server: ServerProcess, connect: Connect, organisation: str
) -> None:
    client = connect(server)
    await client.create_account(organisation)
    await client.grant(organisation, 1000, grant_id="invoice-7")
    key = account_key(partition_of(organisation, PARTITIONS), organisation)
    connections = StoreConnections(server.store_url)
    (packed,) = await connections.execute([("HGET", key, "g1")])
    assert isinstance(packed, bytes)
    amount, remaining, *others = GRANT.unpack(packed)
    await connections.execute([("HSET", key, "g1", GRANT.pack(amount, remaining + 234, *others))])
    await connections.close()

    status, report = await verify("--data-dir", str(server.data_dir))

    assert (status, report["conserved"]) == (1, False)
    (breach,) = [breach for breach in report["breaches"] if breach["grant_id"]]
    assert (breach["account_id"], breach["grant_id"]) == (organisation, "invoice-7")
    assert {breach["found"], breach["expected"]} == {1000, 1234}
    assert organisation in report["problems"]

"""`creditgate verify`, run as an operator does: quiet about a store that works hard, exact about what is wrong."""

from __future__ import annotations

import asyncio
import json
import struct
import sys
from asyncio.subprocess import PIPE
from typing import Any

from tests.faults.audit import Audit
from tests.faults.conftest import Connect, Drive
from tests.faults.processes import ServerProcess, environment

from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.keys import account_key, partition_of
from creditgate_server.store.ledger import PARTITIONS

GRANT = struct.Struct("<6d3B")
"""A grant's hot fields as `codec.lua` packs them: amount, remaining, four more amounts, three flags."""


async def verify(server: ServerProcess) -> tuple[int, dict[str, Any]]:
    """Run the command; give its exit status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "creditgate_server", "verify", "--json", "--data-dir", str(server.data_dir)),
        stdout=PIPE,
        stderr=PIPE,
        env=environment(),
    )
    printed, problems = await process.communicate()
    assert process.returncode is not None
    return process.returncode, json.loads(printed) | {"problems": problems.decode()}


async def test_a_store_under_load_is_conserved_at_every_moment(server: ServerProcess, drive: Drive) -> None:
    load = await drive(server)
    audit = Audit(load)
    for _ in range(3):
        told = audit.read()
        status, report = await verify(server)
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

    status, report = await verify(server)

    assert (status, report["conserved"]) == (1, False)
    (breach,) = [breach for breach in report["breaches"] if breach["grant_id"]]
    assert (breach["account_id"], breach["grant_id"]) == (organisation, "invoice-7")
    assert {breach["found"], breach["expected"]} == {1000, 1234}
    assert organisation in report["problems"]

"""The same id with another content: refused whatever differs, whoever is asked and whatever became of the first."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any, Final

import pytest
from tests.faults.audit import assert_conserved
from tests.faults.conftest import Connect
from tests.faults.processes import ServerProcess

from creditgate import Channel, Direction, ExpiryAction, Funding, GrantKind, Priority, aio
from creditgate.answers import Scope
from creditgate.errors import HoldAlreadyCommitted, IdReused

CREDITS: Final = 10**6
SEVERAL: Final = 10
"""Changes of more than one field that are tried, of each request."""

NEXT_YEAR: Final = datetime.now(UTC) + timedelta(days=365)

Fields = dict[str, Any]

USAGE: Final[Fields] = {
    "channel": Channel.SMS,
    "direction": Direction.OUTBOUND,
    "segments": 2,
    "recipient_count": 1,
    "region": "US",
    "sender": "+15550001111",
    "recipient": "+15550002222",
}
OTHER_USAGE: Final[Fields] = {
    "channel": Channel.TEXTBOT,
    "direction": Direction.INBOUND,
    "segments": 3,
    "recipient_count": 4,
    "region": "CA",
    "sender": "+15550001112",
    "recipient": "+15550002223",
}
HOW_IT_IS_SENT: Final[Fields] = {"priority": Priority.BULK, "labels": {"campaign": "spring"}}
"""What a retry may say otherwise: it decides no money."""

RESERVE: Final = USAGE | {"allow_partial": False, "expiry_action": ExpiryAction.RELEASE}
OTHER_RESERVE: Final = OTHER_USAGE | {"allow_partial": True, "expiry_action": ExpiryAction.COMMIT}

GRANT: Final[Fields] = {
    "credits": 50,
    "kind": GrantKind.PURCHASED,
    "effective_time": NEXT_YEAR,
    "expire_time": NEXT_YEAR + timedelta(days=30),
    "priority": 1,
    "scope": Scope(channels=(Channel.SMS,), regions=("US",)),
}
OTHER_GRANT: Final[Fields] = {
    "credits": 51,
    "kind": GrantKind.PROMOTIONAL,
    "effective_time": NEXT_YEAR + timedelta(seconds=1),
    "expire_time": NEXT_YEAR + timedelta(days=31),
    "priority": 2,
    "scope": Scope(channels=(Channel.SMS,), regions=("CA",)),
}
WHOSE_IT_IS: Final[Fields] = {"actor": "ann", "reference": "invoice-7", "note": "hello"}


def changes(fields: Fields) -> list[Fields]:
    """Give each change of one field, and some of two or three: none may undo another."""
    single = [dict([field]) for field in fields.items()]
    several = [dict(some) for n in (2, 3) for some in combinations(fields.items(), n)]
    chosen = [*single, *random.sample(several, SEVERAL)]
    # Several recipients have no one number.
    return [change | ({"recipient": ""} if "recipient_count" in change else {}) for change in chosen]


async def pending(_: aio.Client, __: str) -> None:
    """Leave a reservation as it is."""


async def committed(client: aio.Client, account: str) -> None:
    await client.commit(account, "id", credits=1)


async def released(client: aio.Client, account: str) -> None:
    await client.release(account, "id")


async def assert_refused(calls: list[Awaitable[object]]) -> None:
    for call in calls:
        with pytest.raises(IdReused) as raised:
            await call
        assert (raised.value.code, raised.value.reason) == ("ALREADY_EXISTS", "ID_REUSED")


@pytest.fixture
async def clients(servers: list[ServerProcess], connect: Connect, organisation: str) -> list[aio.Client]:
    """Clients of two servers, for an organisation with a team and credits."""
    clients = [connect(server) for server in servers]
    await clients[0].create_account(organisation)
    await clients[0].create_account(f"{organisation}/team")
    await clients[0].grant(organisation, CREDITS, grant_id="first")
    return clients


@pytest.mark.parametrize("then", [pending, committed, released], ids=lambda then: then.__name__)
async def test_a_reservation_id_stands_for_one_content(
    then: Callable[[aio.Client, str], Awaitable[None]],
    clients: list[aio.Client],
    servers: list[ServerProcess],
    organisation: str,
) -> None:
    team = f"{organisation}/team"
    first = await clients[0].reserve(team, reservation_id="id", **RESERVE)
    await then(clients[0], team)
    balance = (await clients[0].get_balance(team)).balance
    await assert_refused(
        [
            *(
                client.reserve(team, reservation_id="id", **(RESERVE | change))
                for change in changes(OTHER_RESERVE)
                for client in clients
            ),
            *(client.reserve(organisation, reservation_id="id", **RESERVE) for client in clients),
        ]
    )
    for client in clients:
        again = await client.reserve(team, reservation_id="id", ttl=timedelta(minutes=7), **RESERVE, **HOW_IT_IS_SENT)
        assert (again.replayed, again.credits) == (True, first.credits)
    assert (await clients[0].get_balance(team)).balance == balance
    await assert_conserved(servers[0], organisation)


async def test_a_charge_id_stands_for_one_content(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    team = f"{organisation}/team"
    first = await clients[0].charge(team, charge_id="id", **USAGE)
    balance = (await clients[0].get_balance(team)).balance
    await assert_refused(
        [
            *(
                client.charge(team, charge_id="id", **(USAGE | change))
                for change in changes(OTHER_USAGE)
                for client in clients
            ),
            *(client.charge(organisation, charge_id="id", **USAGE) for client in clients),
        ]
    )
    for client in clients:
        again = await client.charge(team, charge_id="id", **USAGE, **HOW_IT_IS_SENT)
        assert (again.replayed, again.credits) == (True, first.credits)
    assert (await clients[0].get_balance(team)).balance == balance
    await assert_conserved(servers[0], organisation)


async def test_a_grant_id_stands_for_one_content(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    await clients[0].grant(organisation, grant_id="id", **GRANT)
    balance = (await clients[0].get_balance(organisation)).balance
    await assert_refused(
        [
            *(
                client.grant(organisation, grant_id="id", **(GRANT | change))
                for change in changes(OTHER_GRANT)
                for client in clients
            ),
            *(client.grant(f"{organisation}/team", grant_id="id", **GRANT) for client in clients),
        ]
    )
    for client in clients:
        assert (await client.grant(organisation, grant_id="id", **GRANT, **WHOSE_IT_IS)).replayed
    assert (await clients[0].get_balance(organisation)).balance == balance
    await assert_conserved(servers[0], organisation)


async def test_a_commit_stands_for_what_it_captured(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    await clients[0].reserve(organisation, reservation_id="id", segments=10)
    await clients[0].commit(organisation, "id", credits=7)
    for client in clients:
        for credits_ in (0, 6, 8, 10, 11):
            with pytest.raises(HoldAlreadyCommitted):
                await client.commit(organisation, "id", credits=credits_)
        assert (await client.commit(organisation, "id", credits=7)).replayed
    balance = (await clients[0].get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 7, 0)
    await assert_conserved(servers[0], organisation)


async def test_a_commit_id_stands_for_one_content(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    await clients[0].reserve(organisation, reservation_id="id", segments=10)
    part: Fields = {"keep_open": True, "commit_id": "part"}
    await clients[0].commit(organisation, "id", credits=4, **part)
    for then_settled in (False, True):
        if then_settled:
            await clients[0].commit(organisation, "id", credits=1)
        await assert_refused(
            [
                client.commit(organisation, "id", credits=credits_, **part)
                for credits_ in (0, 3, 5, 10, None)
                for client in clients
            ]
        )
        for client in clients:
            again = await client.commit(organisation, "id", credits=4, **part)
            assert (again.replayed, again.credits) == (True, 4)
    balance = (await clients[0].get_balance(organisation)).balance
    assert (balance.available, balance.reserved) == (CREDITS - 5, 0)
    await assert_conserved(servers[0], organisation)


async def test_a_refund_id_stands_for_one_content(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    team = f"{organisation}/team"
    for id_ in ("id", "other"):
        await clients[0].reserve(team, reservation_id=id_, segments=10)
        await clients[0].commit(team, id_)
        await clients[0].charge(team, charge_id=id_, segments=10, direction=Direction.INBOUND)
    await clients[0].refund(team, reservation_id="id", credits=4, refund_id="id")
    await assert_refused(
        [
            call
            for client in clients
            for call in (
                client.refund(team, reservation_id="id", credits=5, refund_id="id"),
                client.refund(team, reservation_id="id", refund_id="id"),
                client.refund(team, reservation_id="other", credits=4, refund_id="id"),
                client.refund(team, charge_id="id", credits=4, refund_id="id"),
            )
        ]
    )
    for client in clients:
        again = await client.refund(team, reservation_id="id", credits=4, refund_id="id")
        assert (again.replayed, again.credits) == (True, 4)
    assert (await clients[0].get_balance(organisation)).balance.available == CREDITS - 36
    await assert_conserved(servers[0], organisation)


async def test_a_transfer_id_stands_for_one_content(
    clients: list[aio.Client], servers: list[ServerProcess], organisation: str
) -> None:
    for branch in ("one", "two"):
        await clients[0].create_account(f"{organisation}/{branch}", funding=Funding.OWN)
        await clients[0].grant(f"{organisation}/{branch}", 100, grant_id=branch)
    source, target, other = organisation, f"{organisation}/one", f"{organisation}/two"
    await clients[0].transfer(source, target, 7, transfer_id="id")
    await assert_refused(
        [
            call
            for client in clients
            for call in (
                client.transfer(source, target, 8, transfer_id="id"),
                client.transfer(source, other, 7, transfer_id="id"),
                client.transfer(other, target, 7, transfer_id="id"),
                client.transfer(target, source, 7, transfer_id="id"),
            )
        ]
    )
    for client in clients:
        assert (await client.transfer(source, target, 7, transfer_id="id", **WHOSE_IT_IS)).replayed
    balances = [(await clients[0].get_balance(account)).balance.available for account in (source, target, other)]
    assert balances == [CREDITS - 7, 107, 100]
    await assert_conserved(servers[0], organisation)

"""What a diary promises, held against the ledger: nothing that was told is lost, and nothing happened twice."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import Final

from tests.faults.decisions import CREDITS, Answer, DiaryReader, Event, Kind, Request, ask
from tests.faults.processes import PATIENCE_S, LoadProcess, ServerProcess, eventually

from creditgate import ReservationState, aio
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.keys import partition_of
from creditgate_server.store.ledger import Ledger
from creditgate_server.verification import verify

CONCURRENT: Final = 32
"""Requests repeated at once."""

PENDING: Final = ReservationState.PENDING

_SETTLED: Final = {Kind.COMMIT: ReservationState.COMMITTED, Kind.RELEASE: ReservationState.RELEASED}


class Audit:
    """Follows the diary of a load about its organisation."""

    def __init__(self, load: LoadProcess) -> None:
        self._load = load
        self._diary = DiaryReader(load.diary)
        self._organisation = load.organisation
        self._asked: dict[tuple[Kind, str], Request] = {}
        self._told: dict[Request, int] = {}
        self._settled: set[str] = set()
        self._refused: set[Request] = set()
        self._fresh: list[Request] = []

    def read(self) -> int:
        """Read on; give how many requests were ever told."""
        for line in self._diary.new_lines():
            request = line.request
            match line.event:
                case Event.ASKED:
                    self._asked[request.kind, request.id] = request
                case Event.TOLD:
                    self._note(request, line.answered)
                    self._fresh.append(request)
                case Event.REFUSED:
                    self._refused.add(request)
        return len(self._told)

    async def wait_for(self, more: int) -> None:
        """Wait until so many more requests have been told."""
        enough = self.read() + more

        def are_told() -> bool:
            assert self._load.process.returncode is None
            return self.read() >= enough

        await eventually(are_told)

    async def check_told(self, client: aio.Client) -> int:
        """Repeat what was told since the last time: each must be there, with the same money; give how many it were."""
        self.read()
        fresh, self._fresh = self._fresh, []
        settled = set(self._settled)
        answers = await self._repeat(client, fresh)
        # A settlement that was asked for meanwhile may have changed a state: it stands in the diary by now.
        self.read()
        for request, answer in answers.items():
            assert answer.replayed, request
            assert answer.credits == self._told[request], request
            if request.kind is Kind.RESERVE:
                possible = self._settlements(request.id)
                assert answer.state in (possible if request.id in settled else {*possible, PENDING}), request
        return len(fresh)

    async def check_sums(self, client: aio.Client) -> None:
        """Hold the sums against the balance once nobody asks any more; what was lost may have happened or not."""
        self.read()
        lost = [request for request in self._untold() if request not in self._refused]
        used = await self._used(client)
        least = used_by(self._told) - granted_by(lost) - refunded_by(lost)
        assert least <= used <= used_by(self._told) + taken_by(lost)

    async def check_exactly(self, client: aio.Client) -> None:
        """Repeat what was not told, to learn what became of it; then every sum must be exact."""
        self.read()
        untold = self._untold()
        # In the order of kinds a reservation comes before what settles it.
        for kind in Kind:
            answers = await self._repeat(client, [request for request in untold if request.kind is kind])
            for request, answer in answers.items():
                assert not (answer.replayed and request in self._refused), request
                self._note(request, answer.credits)
        assert await self._used(client) == used_by(self._told)
        open_ = [told for told in self._told if told.id not in self._settled]
        held = sum_of(open_, Kind.RESERVE) - sum_of(open_, Kind.CAPTURE)
        assert (await client.get_balance(self._organisation)).balance.reserved == held

    def _note(self, request: Request, answered: int) -> None:
        assert request.kind is Kind.RELEASE or answered == request.credits, (request, answered)
        self._told[request] = answered
        if request.kind in _SETTLED:
            self._settled.add(request.id)

    def _untold(self) -> list[Request]:
        return [request for request in self._asked.values() if request not in self._told]

    async def _used(self, client: aio.Client) -> int:
        """Read what was ever taken of the credits that were granted, as far as the diary knows."""
        balance = (await client.get_balance(self._organisation)).balance
        return CREDITS + granted_by(self._told) - balance.available - balance.reserved

    async def _repeat(self, client: aio.Client, requests: Iterable[Request]) -> dict[Request, Answer]:
        waiting = iter(requests)
        answers: dict[Request, Answer] = {}

        async def work() -> None:
            for request in waiting:
                answers[request] = await ask(client, self._organisation, request)

        async with asyncio.TaskGroup() as workers:
            for _ in range(CONCURRENT):
                workers.create_task(work())
        return answers

    def _settlements(self, reservation_id: str) -> set[ReservationState]:
        return {state for kind, state in _SETTLED.items() if (kind, reservation_id) in self._asked}


def sum_of(requests: Iterable[Request], *kinds: Kind) -> int:
    """Sum the credits of some kinds of requests."""
    return sum(request.credits for request in requests if request.kind in kinds)


def taken_by(requests: Iterable[Request]) -> int:
    """Sum what requests take."""
    return sum_of(requests, Kind.CAPTURE, Kind.COMMIT, Kind.CHARGE)


def refunded_by(requests: Iterable[Request]) -> int:
    """Sum what requests give back of it."""
    return sum_of(requests, Kind.REFUND)


def used_by(requests: Collection[Request]) -> int:
    """Sum what requests take for good."""
    return taken_by(requests) - refunded_by(requests)


def granted_by(requests: Iterable[Request]) -> int:
    """Sum what requests grant."""
    return sum_of(requests, Kind.GRANT)


async def assert_conserved(server: ServerProcess, organisation: str) -> None:
    """Check all invariants of an organisation in a server's store, as `creditgate verify` does."""
    connections = StoreConnections(server.store_url, reply_timeout_s=PATIENCE_S)
    try:
        ledger = Ledger(connections)
        await ledger.prepare()
        report = await verify(ledger, partitions=[partition_of(organisation, ledger.partitions)])
    finally:
        await connections.close()
    assert report.breaches == []

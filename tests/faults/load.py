"""The load: a process that sends messages through a server, and keeps a diary, until its standard input ends.

Run as `python -m tests.faults.load TARGET ORGANISATION DIARY`. Half of its senders make each call once, and go on to
the next message when it fails; the other half insist, with the same id, until they are answered.
"""

from __future__ import annotations

import asyncio
import math
import sys
from itertools import count
from pathlib import Path
from typing import Final, TextIO

from tests.faults.decisions import DiaryWriter, Kind, Request

from creditgate import aio
from creditgate.retries import ONE_ATTEMPT, RetryPolicy

SENDERS: Final = 16

INSISTENT: Final = RetryPolicy(attempts_max=10_000, backoff_s=0.01, backoff_s_max=0.1, budget_max=math.inf)
"""For calls whose timeout is longer than anybody keeps a server down."""

INSISTENCE_S: Final = 60.0


class Sender:
    """Sends one message after the other: most are reserved, then settled in one way or another; replies are charged."""

    def __init__(
        self, name: str, client: aio.Client, patient: aio.Client, organisation: str, diary: DiaryWriter
    ) -> None:
        self._name = name
        self._client = client
        self._patient = patient
        self._organisation = organisation
        self._diary = diary
        self._open: Request | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop, the message under way included."""
        for number in count():
            if stop.is_set():
                return
            await self._send(number, 1 + number % 5)

    async def _send(self, number: int, credits_: int) -> None:
        id_ = f"{self._name}-{number}"
        if number % 32 == 0:
            await self._ask(Kind.GRANT, id_, credits_)
        match number % 8:
            case 0 | 1:
                await self._ask(Kind.CHARGE, id_, credits_)
            case 2:
                # Settled when its turn comes again: there are always some holds open.
                before, self._open = self._open, await self._ask(Kind.RESERVE, id_, credits_)
                if before is not None:
                    await self._ask(Kind.RELEASE, before.id, before.credits)
            case way:
                if await self._ask(Kind.RESERVE, id_, credits_):
                    await self._settle(way, id_, credits_)

    async def _settle(self, way: int, id_: str, credits_: int) -> None:
        match way:
            case 3:
                await self._ask(Kind.RELEASE, id_, credits_)
            case 4:
                if await self._ask(Kind.CAPTURE, id_, 1):
                    await self._ask(Kind.COMMIT, id_, credits_ - 1)
            case 5:
                if await self._ask(Kind.COMMIT, id_, credits_):
                    await self._ask(Kind.REFUND, id_, 1)
            case _:
                await self._ask(Kind.COMMIT, id_, max(1, credits_ - way % 2))

    async def _ask(self, kind: Kind, id_: str, credits_: int) -> Request | None:
        """Ask, and give the request if it was answered."""
        request = Request(kind, id_, credits_)
        if await self._diary.ask(self._client, self._organisation, request) is not None:
            return request
        # There is no server. To wait for the next one, ask something that leaves no trace.
        await self._patient.get_balance(self._organisation)
        return None


async def main(target: str, organisation: str, diary_path: str) -> None:
    """Send until standard input ends."""
    diary = DiaryWriter(Path(diary_path))
    stop = asyncio.Event()
    async with (
        aio.Client(target, timeout_s=INSISTENCE_S, retries=INSISTENT) as patient,
        aio.Client(target, retries=ONE_ATTEMPT) as hasty,
        asyncio.TaskGroup() as senders,
    ):
        for number in range(SENDERS):
            client = patient if number % 2 else hasty
            senders.create_task(Sender(f"{number}", client, patient, organisation, diary).run(stop))
        await _end_of(sys.stdin)
        stop.set()


async def _end_of(file: TextIO) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    await reader.read()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

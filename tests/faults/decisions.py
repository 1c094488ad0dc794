"""Decisions that a process asks for and writes down: what it is about to ask, then what it was told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from creditgate import Direction, GrantKind, ReservationState, aio
from creditgate.errors import OutcomeUnknown, Unavailable

TTL_S: Final = 3600.0
"""Far beyond any test: these holds do not expire."""


CREDITS: Final = 10**9
"""Of an organisation at first: more than anybody spends here."""


class Kind(StrEnum):
    """What may be asked for."""

    RESERVE = "reserve"
    COMMIT = "commit"
    RELEASE = "release"
    CHARGE = "charge"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole: sent again it is the same. A commit and a release bear the id of their reservation."""

    kind: Kind
    id: str
    credits: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was told: credits held, captured, given back, charged or granted."""

    credits: int
    replayed: bool
    state: ReservationState | None = None


async def ask(client: aio.Client, organisation: str, request: Request) -> Answer:
    """Send a request about a team of an organisation; grants are for the organisation itself. It must be allowed."""
    team = f"{organisation}/team"
    match request.kind:
        case Kind.RESERVE:
            held = await client.reserve(team, reservation_id=request.id, segments=request.credits, ttl=TTL_S)
            assert held.allowed, held
            return Answer(held.credits, held.replayed, held.state)
        case Kind.COMMIT:
            committed = await client.commit(team, request.id, credits=request.credits)
            return Answer(committed.credits, committed.replayed, committed.state)
        case Kind.RELEASE:
            released = await client.release(team, request.id)
            return Answer(released.restored, released.replayed, released.state)
        case Kind.CHARGE:
            charged = await client.charge(
                team, charge_id=request.id, segments=request.credits, direction=Direction.INBOUND
            )
            assert charged.allowed, charged
            return Answer(charged.credits, charged.replayed)
        case Kind.GRANT:
            granted = await client.grant(organisation, request.credits, grant_id=request.id)
            return Answer(granted.grant.amount, granted.replayed)


async def open_organisation(client: aio.Client, organisation: str) -> None:
    """Create an organisation with CREDITS, burnt last, and a team that it pays for, with a limit of as many."""
    await client.create_account(organisation)
    await client.create_account(f"{organisation}/team")
    await client.grant(organisation, CREDITS, grant_id="first", priority=100)
    await client.grant(f"{organisation}/team", CREDITS, grant_id="limit", kind=GrantKind.ALLOTMENT)


class Event(StrEnum):
    """What a line of a diary says of a request."""

    ASKED = "asked"
    TOLD = "told"
    REFUSED = "refused"
    """It failed, and the failure says that it had no effect."""
    LOST = "lost"
    """It failed, and nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diary; `answered` are the credits that a request was told."""

    event: Event
    request: Request
    answered: int = 0


class DiaryWriter:
    """Writes a diary: each line is in the file before anything else is done."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def ask(self, client: aio.Client, organisation: str, request: Request) -> Answer | None:
        """Ask for a decision and write down what came of it; None where the call failed for want of a server."""
        self._write(Line(Event.ASKED, request))
        try:
            answer = await ask(client, organisation, request)
        except Unavailable as failure:
            self._write(Line(Event.LOST if isinstance(failure, OutcomeUnknown) else Event.REFUSED, request))
            return None
        self._write(Line(Event.TOLD, request, answer.credits))
        return answer

    def _write(self, line: Line) -> None:
        request = line.request
        fields = (line.event, request.kind, request.id, request.credits, line.answered)
        os.write(self._fd, json.dumps(fields).encode() + b"\n")


class DiaryReader:
    """Reads a diary on while another process writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_bytes = 0

    def new_lines(self) -> Iterator[Line]:
        """Give the lines that have been completed since the last time."""
        with self._path.open("rb") as diary:
            diary.seek(self._read_bytes)
            for text in diary:
                if not text.endswith(b"\n"):
                    return
                self._read_bytes += len(text)
                event, kind, id_, credits_, answered = json.loads(text)
                yield Line(Event(event), Request(Kind(kind), id_, credits_), answered)

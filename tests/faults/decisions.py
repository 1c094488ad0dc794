"""Decisions that a process asks for and writes down: what it is about to ask, then what it was told."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, TypedDict

from creditgate import Direction, GrantKind, ReservationState, aio
from creditgate.errors import OutcomeUnknown, Unavailable

TTL_S: Final = 3600.0
"""Far beyond any test: these holds do not expire."""


CREDITS: Final = 10**9
"""Of an organisation at first: more than anybody spends here."""


class Kind(StrEnum):
    """What may be asked for."""

    RESERVE = "reserve"
    CAPTURE = "capture"
    """A commit that keeps its hold open; each has one at most."""
    COMMIT = "commit"
    RELEASE = "release"
    REFUND = "refund"
    """Of a commit; each has one at most."""
    CHARGE = "charge"
    GRANT = "grant"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole: sent again it is the same. What is done to a reservation bears its id."""

    kind: Kind
    id: str
    credits: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was told: credits held, captured, given back, refunded, charged or granted."""

    credits: int
    replayed: bool
    state: ReservationState | None = None


async def ask(client: aio.Client, organisation: str, request: Request) -> Answer:
    """Send a request about a team of an organisation; grants are for the organisation itself. It must be allowed."""
    if request.kind in _OF_A_HOLD:
        return await _ask_of_hold(client, f"{organisation}/team", request)
    if request.kind is Kind.GRANT:
        granted = await client.grant(organisation, request.credits, grant_id=request.id)
        return Answer(granted.grant.amount, granted.replayed)
    charged = await client.charge(
        f"{organisation}/team", charge_id=request.id, segments=request.credits, direction=Direction.INBOUND
    )
    assert charged.allowed, charged
    return Answer(charged.credits, charged.replayed)


_OF_A_HOLD: Final = {Kind.RESERVE, Kind.CAPTURE, Kind.COMMIT, Kind.RELEASE, Kind.REFUND}


async def _ask_of_hold(client: aio.Client, account: str, request: Request) -> Answer:
    id_, credits_ = request.id, request.credits
    match request.kind:
        case Kind.RESERVE:
            held = await client.reserve(account, reservation_id=id_, segments=credits_, ttl=TTL_S)
            assert held.allowed, held
            return Answer(held.credits, held.replayed, held.state)
        case Kind.RELEASE:
            released = await client.release(account, id_)
            return Answer(released.restored, released.replayed, released.state)
        case Kind.REFUND:
            refunded = await client.refund(account, reservation_id=id_, credits=credits_, refund_id=f"{id_}-back")
            return Answer(refunded.credits, refunded.replayed)
        case _:
            part: Part = {"keep_open": True, "commit_id": f"{id_}-part"} if request.kind is Kind.CAPTURE else {}
            committed = await client.commit(account, id_, credits=credits_, **part)
            return Answer(committed.credits, committed.replayed, committed.state)


class Part(TypedDict, total=False):
    """What makes a commit one of a part."""

    keep_open: bool
    commit_id: str


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

"""The ledger's functions in the store: requests in, decoded replies out, one pipeline per call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from creditgate_server.credit.calendar import InvalidCycle
from creditgate_server.store import keys, layout, records
from creditgate_server.store.clock import StoreClock, own_ms
from creditgate_server.store.errors import ReplyError, StoreError, StoreProblem, StoreUnfit, StoreUnreachable
from creditgate_server.store.layout import PARTITIONS, Layout
from creditgate_server.store.library import library, load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from creditgate_server.store.connections import Command, StoreConnections
    from creditgate_server.store.library import Library

OPERATIONS_PER_CALL_MAX: Final = 64
"""Operations of one organisation in one function call, some 2 ms: the store serves nobody else meanwhile."""

SWEEP_MAX: Final = 100
"""Ends and beginnings that one sweep carries out: some 5 ms, in which the store serves nobody else."""

HEAVY: Final = frozenset({"explain", "get_standing", "list_grants", "list_holds", "transfer"})
"""Operations that page, describe grants or move many: each counts as HEAVY_WEIGHT of a call's."""

HEAVY_WEIGHT: Final = 16

LOADS_MAX: Final = 3
"""How often one call loads a library that is missing: somebody may flush it at any moment, but not for ever."""

NO_RENEWAL: Final = ("", 0, 0)
"""What a sweep brings that has met no end of a period yet."""

JOURNAL_PAGE: Final = 1_000
"""Journal entries read at once."""

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """How long settled records are kept for replays, how much journal is kept, and whether tests may move time.

    `charge_ms` is also for refunds and commits that kept their hold open, `denial_ms` for denied outbound charges.
    """

    settled_ms: int = HOUR_MS
    expired_ms: int = 24 * HOUR_MS
    charge_ms: int = 48 * HOUR_MS
    denial_ms: int = 10 * MINUTE_MS
    journal_length: int = 100_000
    test_clock: bool = False


class Lane(Enum):
    """Which function carries operations: what needs room, what frees it, what only reads, and batches."""

    DECIDE = "decide"
    SETTLE = "settle"
    READ = "read"
    BATCH = "batch"
    ATOMIC = "atomic"


class Request(NamedTuple):
    """One operation for the store: the key that routes it, its name in the library, and its packed arguments."""

    key: str
    lane: Lane
    name: str
    args: bytes

    @property
    def size(self) -> int:
        """How many operations it is."""
        return 1


class Group(NamedTuple):
    """Operations of one organisation that one call carries out in order; its reply is the list of theirs."""

    key: str
    lane: Lane
    operations: tuple[tuple[str, bytes], ...]

    @property
    def size(self) -> int:
        """How many operations it is."""
        return len(self.operations)


@dataclass(frozen=True, slots=True)
class Due:
    """Organisations of a partition with anything due, the most overdue first, how late that is, and all holds open."""

    roots: tuple[str, ...]
    lag_ms: int
    open_holds: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What one operation did. `effects`: per account its id, `seq`, and the values of `work.journal` after it."""

    entry_id: str
    kind: str
    time_ms: int
    account_id: str
    operation_id: str
    detail: records.Fields
    effects: list[records.Fields]


Reply = records.Fields | StoreError
"""What became of a request, or (a list of replies) of a group; an error reply of the store stands in its place."""


class Ledger:
    """The function library on one store. Stateless but for the layout, which the store decides, and the clocks."""

    def __init__(
        self,
        connections: StoreConnections,
        settings: LedgerSettings | None = None,
        *,
        functions: Library | None = None,
    ) -> None:
        """Speak to the store behind `connections`; nothing is sent before `prepare`.

        `functions` takes the place of the library of this version.
        """
        settings = settings or LedgerSettings()
        self._connections = connections
        self.test_clock = settings.test_clock
        """Whether its time may be moved by tests."""
        self._settings = records.pack_row(
            settings.test_clock,
            settings.journal_length,
            settings.settled_ms,
            settings.expired_ms,
            settings.charge_ms,
            settings.denial_ms,
        )
        self.clock = StoreClock()
        self._library = functions or library()
        self._functions = {
            Lane.DECIDE: self._library.decide,
            Lane.SETTLE: self._library.settle,
            Lane.READ: self._library.read,
            Lane.BATCH: self._library.batch,
            Lane.ATOMIC: self._library.atomic,
        }
        self.partitions = PARTITIONS
        self._layout: Layout | None = None
        self._problems: Sequence[StoreProblem] = ()

    async def prepare(self, *, create: bool = True) -> None:
        """Choose the layout of a new store or check that of an old one, and load the library.

        With `create` false a store that holds no ledger is left as it is. Raises StoreUnfit for that and for another
        schema, and what `StoreConnections.execute` raises.
        """
        if create:
            await self._plain(layout.CHOOSE)
        found = await layout.look(self._connections)
        if found is None:
            self._unfit("it holds no ledger", "give the address of the store that a sidecar works on")
        self._layout, self._problems, self.partitions = found, (), found.partitions
        await load(self._connections, self._library)
        missing = await self._missing_rights()
        if missing:
            self._unfit(
                f"its user may not use {', '.join(missing)} on keys cg:*, which would leave operations half done",
                "ACL SETUSER with ~cg:* +@read +@write +time",
            )
        await self._observe_clock()

    def _unfit(self, problem: str, remedy: str) -> NoReturn:
        raise StoreUnfit(self._connections.name, [StoreProblem(problem, remedy)])

    @property
    def heard(self) -> int:
        """How many pipelines the store has carried out and answered."""
        return self._connections.heard

    def key_of(self, root_id: str) -> str:
        """Return the key that routes the operations of an organisation."""
        return keys.account_key(keys.partition_of(root_id, self.partitions), root_id)

    async def send(self, requests: Sequence[Request | Group]) -> list[Reply]:
        """Carry out operations, those of one organisation in order and in one step per run of a lane.

        Raises StoreUnreachable (none had an effect) and OutcomeUnknown (any may have).
        """
        runs = list(_runs(requests))
        commands = [self._command(requests, run) for run in runs]
        raw = await self._call(commands)
        replies: list[Reply] = [[]] * len(requests)
        for run, answers in zip(runs, raw, strict=True):
            if isinstance(answers, list) and isinstance(requests[run[0]], Group):
                replies[run[0]] = list(map(records.unpack, answers))
                continue
            for position, at in enumerate(run):
                replies[at] = records.unpack(answers[position]) if isinstance(answers, list) else _error(answers)
        return replies

    async def due(self, partition: int, count: int) -> Due:
        """Return what is due of a partition, up to `count` organisations."""
        key = keys.partition_key(partition)
        (reply,) = await self.send([Request(key, Lane.READ, "due", records.pack(count))])
        if isinstance(reply, StoreError):
            raise reply
        _, roots, lag_ms, open_holds = reply
        return Due(tuple(roots), lag_ms, open_holds)

    async def sweep(self, root_id: str, count: int) -> tuple[int, bool]:
        """End up to `count` things that are due of an organisation; return how many, and whether more are due.

        Where the period of a plan ends, the next one is bounded here: that is calendar work, which no function does.
        """
        ended, renewal = 0, NO_RENEWAL
        for _ in range(count):
            command: Command = (
                "FCALL", self._library.sweep, 1, self.key_of(root_id), self._settings, self._expected_ms(),
                records.pack(root_id, count - ended, *renewal),
            )  # fmt: skip
            (reply,) = await self._call([command])
            if not isinstance(reply, bytes):
                raise _error(reply)
            _, done, backlog, renewing = records.unpack(reply)
            ended += done
            if not renewing or ended >= count:
                return ended, backlog
            try:
                renewal = records.renewal_of(renewing)
            except InvalidCycle as error:
                # It concerns this organisation alone, as a record does that cannot be read.
                raise ReplyError("CALENDAR", f"the next period of {renewing[0]} has no end here: {error}") from error
        return ended, True

    async def probe(self) -> None:
        """Do what a settlement does, without one, and look at the store's layout and clock.

        Raises StoreError as a settlement would, and StoreUnfit where the layout is not that of `prepare` any more:
        nothing is read or written then until a later look finds it again.
        """
        if self._problems:
            await self._check_layout()
        key = keys.partition_key(0)
        (reply,) = await self._call([("FCALL", self._library.settle, 1, key, self._settings, self._expected_ms())])
        if isinstance(reply, StoreError):
            raise reply
        missing = await self._missing_rights()
        if missing:
            raise ReplyError("NOPERM", f"its user may not use {', '.join(missing)}")
        await self._check_layout()
        await self._observe_clock()

    async def _check_layout(self) -> None:
        """Look at the layout, and refuse every call from now on where it has changed. Raises StoreError."""
        try:
            found = await layout.look(self._connections)
        except StoreUnfit as unfit:
            self._problems = unfit.problems
            raise
        if found == self._layout:
            self._problems = ()
        elif found is None:
            self._problems = (StoreProblem("its ledger is gone", "restore its data, or start this server anew"),)
        else:
            problem = f"its ledger is another one, over {found.partitions} partitions"
            self._problems = (StoreProblem(problem, "start this server anew"),)
        self._require_layout()

    def _require_layout(self) -> None:
        if self._problems:
            raise StoreUnfit(self._connections.name, self._problems)

    async def _missing_rights(self) -> list[str]:
        """Return the commands that the library needs and this user may not use."""
        (reply,) = await self._call([("FCALL_RO", self._library.rights, 1, keys.partition_key(0))])
        if not isinstance(reply, list):
            raise _error(reply)
        return [name.decode() for name in reply]

    async def _observe_clock(self) -> None:
        sent_ms = own_ms()
        (reply,) = await self._plain([("TIME",)])
        if not isinstance(reply, list):
            raise TypeError(reply)
        seconds, microseconds = map(int, reply)
        self.clock.observe(seconds * 1000 + microseconds / 1000, sent_ms, own_ms())

    def _expected_ms(self) -> int:
        return self.clock.expected_ms(own_ms())

    async def rate_cards_count(self) -> int:
        """Return how many card versions there are; it grows whenever one is added, and never falls."""
        (count,) = await self._plain([("HLEN", keys.RATE_CARDS)])
        return int(str(count))

    async def rate_card_names(self) -> list[bytes]:
        """Return the names of all versions of all rate cards."""
        (names,) = await self._plain([("HKEYS", keys.RATE_CARDS)])
        return list(names) if isinstance(names, list) else []

    async def rate_cards(self, names: Sequence[bytes]) -> list[bytes]:
        """Return versions of rate cards by their names, which exist."""
        (packed,) = await self._plain([("HMGET", keys.RATE_CARDS, *names)])
        return list(packed) if isinstance(packed, list) else []

    async def add_rate_card(self, card_id: str, version: int, packed: bytes) -> bool:
        """Add a version; False where that version exists, which is never overwritten."""
        self._require_layout()
        (added,) = await self._plain([("HSETNX", keys.RATE_CARDS, f"{card_id}@{version}", packed)])
        return added == 1

    async def journal(self, partition: int, after: str = "") -> AsyncIterator[JournalEntry]:
        """Yield the entries kept of a partition's journal, oldest first, up to the newest there is on the way.

        With `after`, the id of an entry, only those behind it.
        """
        start = f"({after}" if after else "-"
        while True:
            command = ("XRANGE", keys.journal_key(partition), start, "+", "COUNT", JOURNAL_PAGE)
            (page,) = await self._plain([command])
            entries = page if isinstance(page, list) else []
            for stream_id, (_, packed) in entries:
                yield JournalEntry(stream_id.decode(), *records.unpack_row(packed))
                start = f"({stream_id.decode()}"
            if len(entries) < JOURNAL_PAGE:
                return

    async def advance_test_clock(self, ms: int) -> int:
        """Move the ledger's time forward; only for a ledger made with `test_clock`. Gives by how much it is ahead."""
        if not self.test_clock:
            raise ValueError(ms)
        ahead = await self._plain([("INCRBY", keys.clock_key(partition), ms) for partition in range(self.partitions)])
        return int(str(ahead[0]))

    async def _call(self, commands: Sequence[Command]) -> list[object]:
        """Call functions in one pipeline; where the library is missing they did not run: load it, and call them again.

        What befalls the repetition stands in the place of those calls only; the others have run. Somebody who changes
        the layout deletes the functions of older versions, which are not to come back.
        """
        self._require_layout()
        raw = await self._connections.execute(commands)
        for _ in range(LOADS_MAX):
            missing = [at for at, reply in enumerate(raw) if _is_function_missing(reply)]
            if not missing:
                return raw
            again: Sequence[object]
            try:
                await self._check_layout()
                await load(self._connections, self._library)
                again = await self._connections.execute([commands[at] for at in missing])
            except StoreError as error:
                again = [error] * len(missing)
            for at, reply in zip(missing, again, strict=True):
                raw[at] = reply
        lost = StoreUnreachable(self._connections.name, "its functions vanish as fast as they are loaded")
        return [lost if _is_function_missing(reply) else reply for reply in raw]

    async def _plain(self, commands: Sequence[Command]) -> list[object]:
        replies = await self._connections.execute(commands)
        for reply in replies:
            if isinstance(reply, StoreError):
                raise reply
        return replies

    def _command(self, requests: Sequence[Request | Group], run: list[int]) -> Command:
        first = requests[run[0]]
        fcall = "FCALL_RO" if first.lane is Lane.READ else "FCALL"
        words = [word for at in run for operation in _operations(requests[at]) for word in operation]
        return (fcall, self._functions[first.lane], 1, first.key, self._settings, self._expected_ms(), *words)


def _operations(request: Request | Group) -> tuple[tuple[str, bytes], ...]:
    return request.operations if isinstance(request, Group) else ((request.name, request.args),)


def _runs(requests: Sequence[Request | Group]) -> Iterator[list[int]]:
    """Group requests by key, keeping their order; a run ends at a group, where the lane changes, or at its bound."""
    by_key: dict[str, list[int]] = {}
    for at, request in enumerate(requests):
        by_key.setdefault(request.key, []).append(at)
    for positions in by_key.values():
        run: list[int] = []
        size = 0
        for at in positions:
            request = requests[at]
            joins = run and request.lane is requests[run[0]].lane and not isinstance(request, Group)
            weight = HEAVY_WEIGHT if isinstance(request, Request) and request.name in HEAVY else request.size
            if run and not (joins and size + weight <= OPERATIONS_PER_CALL_MAX):
                yield run
                run, size = [], 0
            run.append(at)
            size += weight
        yield run


def _is_function_missing(reply: object) -> bool:
    return isinstance(reply, ReplyError) and reply.message.startswith("Function not found")


def _error(reply: object) -> StoreError:
    return reply if isinstance(reply, StoreError) else ReplyError("PROTOCOL", f"unexpected {type(reply).__name__}")

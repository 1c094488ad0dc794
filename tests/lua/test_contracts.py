"""The Lua library keeps its own rules: headers tell the truth, numbers and statuses are those of Python and proto."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import msgpack
import pytest
from luaparser import ast, astnodes

from creditgate.pricing import usage
from creditgate.pricing.rate_cards import RateDenial
from creditgate.pricing.rules import Unit
from creditgate.pricing.usage import Channel, Credits, Direction, Usage
from creditgate_server.credit import operations as ask
from creditgate_server.credit import terms
from creditgate_server.credit.operations import AccountSettings
from creditgate_server.credit.terms import Interval
from creditgate_server.engine import errors
from creditgate_server.engine.engine import Engine
from creditgate_server.store import clock, library, records
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.ledger import Group, Lane, Ledger, LedgerSettings, Reply, Request
from creditgate_server.store.statuses import Status
from creditgate_server.verification import verify

if TYPE_CHECKING:
    from creditgate_server.store.embedded import EmbeddedStore

FOLDER: Final = files("creditgate_server.store") / "lua"
SOURCES: Final = {name: (FOLDER / f"{name}.lua").read_text("utf-8") for name in library.MODULES}

LINES_MAX: Final = 500

READING_COMMANDS: Final = frozenset(
    {
        "EXISTS",
        "GET",
        "HEXISTS",
        "HGET",
        "HGETALL",
        "HKEYS",
        "HLEN",
        "HMGET",
        "HSCAN",
        "TIME",
        "XREVRANGE",
        "ZCARD",
        "ZCOUNT",
        "ZRANGE",
        "ZRANK",
        "ZSCORE",
    }
)
WRITERS: Final = frozenset({"work.save", "save_account", "save_due", "save_until", "grants.save"})

# What stands beside `..`: texts, and numbers that never reach 10^14, from where on Lua writes 1e+14.
TEXTS: Final = frozenset(
    {
        "account.id", "account_id", "after", "args[1]", "commit_id", "draw[1]", "entry", "field",
        "hold.account", "id", "kept", "leaf.id", "lineage[#lineage].id", "packed", "parent", "prefix", "rare",
        "words[2]", "root.id", "root_id", "w.prefix",
    }
)  # fmt: skip
TEXT_FUNCTIONS: Final = frozenset({"sub", "encode", "format"})
SMALL_NUMBERS: Final = {"number": "a grant's number, 4 bytes in the burn order", "draw[2]": "a pot, 1 or 2"}


@cache
def tree(module: str) -> astnodes.Chunk:
    return ast.parse(SOURCES[module])


def nodes(module: str, kind: type[Any]) -> Iterator[Any]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, kind))


def functions(module: str) -> dict[str, Any]:
    """Return the functions of a module by name, `grants.save` or, local ones, `save_hold`."""
    found = {ast.to_lua_source(node.name): node for node in nodes(module, astnodes.Function)}
    return found | {ast.to_lua_source(node.name): node for node in nodes(module, astnodes.LocalFunction)}


@dataclass(frozen=True)
class Contract:
    """The header of a function that callers call."""

    name: str
    args: tuple[str, ...]
    statuses: frozenset[str]
    function: str
    body: str


CONTRACT: Final = re.compile(r"((?:^--.*\n)+)(?:local )?function ([\w.]+)\(.*\)\n([\s\S]*?)^end", re.MULTILINE)


def contracts() -> dict[str, Contract]:
    found = {}
    for source in SOURCES.values():
        for header, function, body in CONTRACT.findall(source):
            name = re.search(r"^-- (\w+): ", header)
            args = re.search(r"^-- ARGS:(.*)$", header, re.MULTILINE)
            returns = re.search(r"^-- RETURNS: (.*)$", header, re.MULTILINE)
            if name and args and returns:
                words = (outcome.split()[0] for outcome in returns[1].split(" | "))
                statuses = frozenset(word for word in words if word.isupper())
                found[name[1]] = Contract(name[1], tuple(args[1].split()), statuses, function, body)
    return found


CONTRACTS: Final = contracts()


def registered() -> dict[str, str]:
    """Return the functions by the names that callers use."""
    tables = re.findall(r"^local (?:WRITES|READS) = \{(.*?)^\}", SOURCES["register"], re.MULTILINE | re.DOTALL)
    assert len(tables) == 2
    return dict(re.findall(r"(\w+) = ([\w.]+)", " ".join(tables)))


@pytest.mark.parametrize("module", library.MODULES)
def test_a_module_is_lua_and_fits_a_file(module: str) -> None:
    assert tree(module).body is not None
    assert len(SOURCES[module].splitlines()) < LINES_MAX


def test_every_file_is_assembled_once() -> None:
    assert sorted(library.MODULES) == sorted(item.name.removesuffix(".lua") for item in FOLDER.iterdir())
    source = library.library().source
    assert all(text.replace("@HASH@", library.library().digest) in source for text in SOURCES.values())
    assert "@HASH@" not in source


def test_every_function_that_callers_call_has_a_contract() -> None:
    several = {name: name for name in ("sweep", "batch", "atomic")}
    assert registered() | several == {name: contract.function for name, contract in CONTRACTS.items()}


def as_in_headers(name: str, argument: str) -> str:
    """Return a header's name for what a body calls an id, where `account` or `grant` is the record that it names."""
    return argument if (name, argument) in {("id", "account"), ("root_id", "root"), ("grant_id", "id")} else name


@pytest.mark.parametrize("name", [*registered(), "sweep"])
def test_the_arguments_of_a_header_are_those_of_the_body(name: str) -> None:
    contract = CONTRACTS[name]
    taken = re.search(r"local ([\w\s,]+?) =\s+unpack\((?:args|decode\(argv\[FIRST_OPERATION\]\))\)", contract.body)
    passed_on = re.search(r"= ([\w.]+)\(w, args[,)]", contract.body)
    if passed_on:
        (other,) = (known for known in CONTRACTS.values() if known.function == passed_on[1])
        assert contract.args == other.args
    elif taken:
        assert tuple(map(as_in_headers, re.split(r",\s*", taken[1]), contract.args)) == contract.args
    else:
        used = {int(position) for position in re.findall(r"\bargs\[(\d+)\]", contract.body)}
        assert used == set(range(1, len(contract.args) + 1))


def test_statuses_are_one_vocabulary() -> None:
    known = {str(status) for status in Status}
    in_headers = frozenset[str]().union(*(contract.statuses for contract in CONTRACTS.values()))
    in_bodies = {
        word
        for source in SOURCES.values()
        for word in re.findall(r"(?:return|encode\()(?: nil,)? ?\{ \"([A-Z_]+)\"", source)
    }
    assert in_headers == known
    assert in_bodies == known


@pytest.mark.parametrize("name", registered())
def test_a_header_names_every_status_that_its_body_answers(name: str) -> None:
    contract = CONTRACTS[name]
    answered = set(re.findall(r"return \{ \"([A-Z_]+)\"", contract.body))
    assert answered - {"OK"} <= contract.statuses
    finds_accounts = "work.lineage(" in contract.body or "find(w" in contract.body
    assert not finds_accounts or "ACCOUNT_NOT_FOUND" in contract.statuses or name == "create_account"


# Numbers


def lua_tables() -> dict[str, dict[str, int]]:
    tables = re.findall(r"^local (\w+) = \{(.*?)\}", SOURCES["terms"], re.MULTILINE | re.DOTALL)
    return {name: {key: int(value) for key, value in re.findall(r"(\w+) = (\d+)", body)} for name, body in tables}


def python_enums() -> dict[str, dict[str, int]]:
    classes = {**vars(terms), **vars(usage)}.values()
    return {
        _upper(enum.__name__): {member.name: int(member) for member in enum}
        for enum in classes
        if isinstance(enum, type) and issubclass(enum, IntEnum) and enum is not IntEnum
    }


def proto_enums() -> dict[str, dict[str, int]]:
    found = {}
    folder = files("creditgate.v1")
    for item in folder.iterdir():
        if item.name.endswith("_pb2.py"):
            descriptor = import_module(f"creditgate.v1.{item.name.removesuffix('.py')}").DESCRIPTOR
            for name, enum in descriptor.enum_types_by_name.items():
                prefix = _upper(name)
                values = {value.name.removeprefix(f"{prefix}_"): value.number for value in enum.values}
                assert values.pop("UNSPECIFIED") == 0
                found[prefix] = values
    return found


def _upper(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


def test_enumerations_have_the_same_numbers_in_lua_python_and_proto() -> None:
    lua, python, proto = lua_tables(), python_enums(), proto_enums()
    assert len(lua) >= 10
    for name, numbers in lua.items():
        assert (name, numbers) == (name, python[name])
    for name, numbers in python.items():
        if name in proto:
            assert (name, numbers) == (name, proto[name])
    assert set(python) - set(proto) <= {"LATE_COMMIT"}
    for denial in RateDenial:
        assert int(denial) == terms.DenialReason[denial.name]


def test_every_enumeration_of_the_proto_that_the_ledger_knows_is_in_python() -> None:
    assert set(proto_enums()) - {"ERROR_REASON", "RATE_UNIT"} <= set(python_enums())
    assert proto_enums()["RATE_UNIT"] == {unit.name: int(unit) for unit in Unit}


def test_every_error_has_a_reason_of_its_own_in_the_proto() -> None:
    reasons = [error.reason for error in _subclasses(errors.OperationError)]
    assert len(reasons) == len(set(reasons))
    assert set(reasons) <= set(proto_enums()["ERROR_REASON"])


def _subclasses(base: type[errors.OperationError]) -> Iterator[type[errors.OperationError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def test_bounds_are_the_same_in_lua_and_python() -> None:
    assert f"grants.ACTIVE_MAX = {terms.GRANTS_PER_ACCOUNT_MAX} " in SOURCES["grants"]
    assert f"grants.SCOPES_MAX = {terms.SCOPES_PER_ACCOUNT_MAX}\n" in SOURCES["grants"]
    assert f"codec.CREDITS_MAX = {2**53 - 1}\n" in SOURCES["codec"]
    assert f"work.CLOCK_TOLERANCE_MS = {clock.TOLERANCE_MS}\n" in SOURCES["work"]


def test_settings_stand_in_one_order() -> None:
    table = re.search(r"codec\.SETTABLE = \{(.*?)\}", SOURCES["codec"], re.DOTALL)
    assert table is not None
    names = re.findall(r'"(\w+)"', table[1])
    for function in ("settings", "pack_settings"):
        body = ast.to_lua_source(functions("codec")[f"codec.{function}"])
        positions = [body.index(name) for name in names]
        assert positions == sorted(positions)


# Rules for the code


def test_nothing_logs() -> None:
    """`redis.log` while a library is loaded kills Valkey 9.1.2."""
    assert not any("redis.log" in source for source in SOURCES.values())


@pytest.mark.parametrize("module", library.MODULES)
def test_the_stores_functions_are_bound_in_one_place(module: str) -> None:
    used = set(re.findall(r"\b((?:redis|cmsgpack|struct|string|math|table|bit|cjson)\.\w+)", _code(SOURCES[module])))
    if module == "register":
        assert used == {"redis.register_function"}
    elif module != "modules":
        assert used == set()


def _code(source: str) -> str:
    return re.sub(r"--.*", "", source)


@pytest.mark.parametrize("module", library.MODULES)
def test_no_number_that_may_be_large_is_concatenated(module: str) -> None:
    for concat in nodes(module, astnodes.Concat):
        for side in (concat.left, concat.right):
            if isinstance(side, astnodes.Concat | astnodes.String):
                continue
            shown = ast.to_lua_source(side)
            makes_text = isinstance(side, astnodes.Call) and ast.to_lua_source(side.func) in TEXT_FUNCTIONS
            assert makes_text or shown in TEXTS or shown in SMALL_NUMBERS, f"is {shown} a text, or a small number?"


def written(function: Any) -> Iterator[str]:  # noqa: ANN401 — the parser has no types
    """Yield the commands of a function that are not known to read only."""
    for node in ast.walk(function):
        if isinstance(node, astnodes.Call) and ast.to_lua_source(node.func) == "call":
            command = node.args[0]
            assert isinstance(command, astnodes.String), "a command must stand in the code, to be looked at"
            if command.raw not in READING_COMMANDS:
                yield command.raw


@pytest.mark.parametrize("module", library.MODULES)
def test_only_save_writes(module: str) -> None:
    """So that nothing is half done: all that may fail has been computed by then."""
    allowed = [function for name, function in functions(module).items() if name in WRITERS]
    by_writers = sorted(command for function in allowed for command in written(function))
    assert sorted(written(tree(module))) == by_writers


def test_the_writers_are_there_and_save_is_the_last_thing_a_call_does() -> None:
    assert set(functions("work")) | set(functions("grants")) >= WRITERS
    for name in ("write", "batch", "atomic", "sweep"):
        body = ast.to_lua_source(functions("register")[name])
        assert body.count("work.save(w)") == 1
    assert "work.save" not in ast.to_lua_source(functions("register")["read"])


# What Python packs


class RecordingLedger(Ledger):
    """The real ledger, which remembers what it was asked."""

    def __init__(self, connections: StoreConnections, settings: LedgerSettings) -> None:
        super().__init__(connections, settings)
        self.asked: dict[str, int] = {}

    async def send(self, requests: Sequence[Request | Group]) -> list[Reply]:
        for request in requests:
            if isinstance(request, Request):
                self.asked[request.name] = len(msgpack.unpackb(request.args, raw=True))
        return await super().send(requests)


async def test_every_function_is_packed_the_arguments_of_its_header(store: EmbeddedStore, organisation: str) -> None:
    connections = StoreConnections(store.url, reply_timeout_s=5)
    ledger = RecordingLedger(connections, LedgerSettings())
    await ledger.prepare()
    async with Engine(ledger) as engine:
        traffic = ask.Traffic(Usage(Channel.SMS, Direction.OUTBOUND, Credits(1)))
        await engine.create_account(ask.CreateAccount(organisation, AccountSettings()))
        await engine.update_account(ask.UpdateAccount(organisation, ask.SettingsChange(floor=0)))
        await engine.grant(ask.GrantCredits(organisation, "g", 10))
        await engine.decide(ask.Quote(organisation, traffic))
        await engine.decide(ask.Charge(organisation, "c", traffic))
        for id_ in ("1", "2"):
            await engine.decide(ask.Reserve(organisation, id_, traffic, 60_000))
        await engine.settle(ask.Commit(organisation, "1"))
        await engine.settle(ask.Release(organisation, "2"))
        await engine.decide(ask.Reserve(organisation, "3", traffic, 60_000))
        await engine.extend(ask.Extend(organisation, "3", 70_000))
        await engine.settle(ask.Release(organisation, "3"))
        await engine.refund(ask.Refund(organisation, "r", reservation_id="1"))
        await engine.explain(ask.Explain(organisation, traffic))
        below = f"{organisation}/below"
        await engine.create_account(ask.CreateAccount(below, AccountSettings()))
        await engine.transfer(ask.Transfer(organisation, "t", below, 1))
        await engine.revoke_grant(ask.RevokeGrant(organisation, "g"))
        await engine.set_plan(ask.SetPlan(below, "p", ask.PlanTerms("daily", 1, Interval.DAY)))
        await engine.get_plan(below)
        await engine.close_account(ask.CloseAccount(below))
        await engine.get_account(organisation)
        await engine.get_standing(organisation)
        await engine.list_accounts(organisation, 5, "")
        await engine.list_grants(organisation, 5, "", include_ended=True)
        await engine.get_reservation(organisation, "1")
        await engine.list_reservations(organisation, 5, "", include_descendants=True)
    partition = 0
    await ledger.due(partition, 5)
    await verify(ledger)
    # Asked only of accounts that go on while they are verified.
    key = ledger.key_of(organisation)
    await ledger.send([Request(key, Lane.READ, "audit_seq", records.pack(organisation))])
    await ledger.send([Request(key, Lane.READ, "audit_expiries", records.pack(organisation, ["3"]))])
    await connections.close()
    assert ledger.asked == {name: len(CONTRACTS[name].args) for name in registered()}

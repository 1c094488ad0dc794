"""`verify`: whatever runs or does not, the whole store is read, and what does not add up is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from creditgate_server.cli import tables
from creditgate_server.cli.exit_codes import ExitCode
from creditgate_server.cli.verify import report_document, report_views
from creditgate_server.credit.invariants import Breach
from creditgate_server.store.connections import StoreConnections
from creditgate_server.store.embedded import EmbeddedStore
from creditgate_server.verification import Report

if TYPE_CHECKING:
    from tests.cli.conftest import Command, RunningServer

    Serve = Callable[..., RunningServer]


@pytest.fixture
def busy(serve: Serve, run: Command, organisation: str, monkeypatch: pytest.MonkeyPatch) -> RunningServer:
    """A server of the test's own, with an organisation that holds credits."""
    server = serve()
    monkeypatch.setenv("CREDITGATE_TARGET", server.target)
    run("accounts", "create", organisation)
    run("grant", organisation, "100")
    run("reserve", organisation, "--segments", "3", "--id", "msg-1")
    return server


def test_a_running_server_s_store_is_conserved(busy: RunningServer, command: Command) -> None:
    ran = command("verify", "--data-dir", str(busy.data_dir), "--json")

    assert ran.status == 0
    read = {name: ran.document[name] for name in ("conserved", "accounts", "grants", "open_holds", "breaches")}
    assert read == {"conserved": True, "accounts": 1, "grants": 1, "open_holds": 1, "breaches": []}


def test_a_stopped_server_s_store_is_conserved(busy: RunningServer, command: Command) -> None:
    busy.process.terminate()
    assert busy.process.wait() == 0

    ran = command("verify", DATA_DIR=str(busy.data_dir))

    assert ran.status == 0
    assert ran.out.startswith("conserved: 1 account, 1 grant, 1 open hold, ")


async def test_a_store_without_a_ledger_is_left_as_it_is_and_not_called_conserved(
    tmp_path: Path, command: Command
) -> None:
    async with EmbeddedStore(tmp_path / "data") as store:
        ran = await asyncio.to_thread(command, "verify", REDIS_URL=store.url)
        connections = StoreConnections(store.url)
        (keys,) = await connections.execute([("KEYS", "*")])
        await connections.close()
    assert ran.status == ExitCode.FAILED
    assert "it holds no ledger" in ran.err
    assert keys == []


async def test_a_hold_that_was_lost_is_found(busy: RunningServer, command: Command, organisation: str) -> None:
    url = EmbeddedStore(busy.data_dir).url
    connections = StoreConnections(url)
    (keys,) = await connections.execute([("KEYS", "cg:*:h:*")])
    assert isinstance(keys, list)
    await connections.execute([("DEL", *keys)])
    await connections.close()

    ran = command("verify", "--redis-url", url, "--json")

    assert ran.status == 1
    breaches = ran.document["breaches"]
    assert {breach["account_id"] for breach in breaches} == {organisation}
    assert {"found": 3, "expected": 0}.items() <= next(
        each for each in breaches if "reserved" in each["invariant"]
    ).items()
    assert organisation in ran.err


def test_a_breach_names_account_grant_and_amounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    report = Report(breaches=[Breach("acme/field", "invoice-7", "amount = remaining + held", 1100, 1000)])
    report.unsettled.append("busy")
    report.unnamed = 7

    shown = tables.drawn(report_views(report))

    for word in (
        "NOT CONSERVED",
        "acme/field",
        "invoice-7",
        "1,100",
        "1,000",
        "busy changed too fast",
        "7 findings more",
    ):
        assert word in shown
    document = report_document(report)
    assert (document["conserved"], document["unsettled"], document["unnamed"]) == (False, ["busy"], 7)
    assert document["breaches"] == [
        {
            "account_id": "acme/field",
            "grant_id": "invoice-7",
            "invariant": "amount = remaining + held",
            "found": 1100,
            "expected": 1000,
        }
    ]


def test_a_directory_without_a_store_is_not_made_one(command: Command, tmp_path: Path) -> None:
    ran = command("verify", "--data-dir", str(tmp_path / "none"))

    assert ran.status == 3
    assert "there is no store in" in ran.err
    assert not (tmp_path / "none").exists()


def test_a_store_that_cannot_be_reached_is_said_to_be_away(command: Command) -> None:
    ran = command("verify", "--redis-url", "redis://:secret@127.0.0.1:1")

    assert ran.status == 3
    assert "cannot be reached" in ran.err
    assert "`creditgate doctor`" in ran.err
    assert "secret" not in ran.err


def test_an_address_that_is_none_is_a_usage_error(command: Command) -> None:
    ran = command("verify", "--redis-url", "http://127.0.0.1:1")

    assert ran.status == 2
    assert ran.err.startswith("creditgate: --redis-url: ")


def test_a_directory_of_another_user_is_said_to_be_one(
    run: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(directory))

    monkeypatch.setattr(Path, "iterdir", refuse)

    ran = run("verify", "--data-dir", str(tmp_path))

    assert ran.status == 4
    assert f"{tmp_path} cannot be read, for it belongs to another user" in ran.err


def test_a_misspelt_setting_stops_it(command: Command) -> None:
    ran = command("verify", DATA_DIRECTORY="/nowhere")

    assert ran.status == 2
    assert "CREDITGATE_DATA_DIRECTORY" in ran.err
    assert "CREDITGATE_DATA_DIR may be meant" in ran.err

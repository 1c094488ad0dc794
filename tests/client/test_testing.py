"""`creditgate.testing`: what the tests of others rely on."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import creditgate
from creditgate import errors
from creditgate.testing import ServerNotStarted, running_server

if TYPE_CHECKING:
    from creditgate.testing import AccountMaker, Clock, Server

WITHOUT_REDIS = """
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name == "redis":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, NotInstalled())
"""

TESTS_OF_ANOTHER_PROJECT = """
import os
import pytest
import creditgate


def remind(account, number):  # finds its server as it would in production
    with creditgate.Client() as client, client.authorize(account, body="Your table is ready", recipient=number):
        pass


def test_a_reminder_is_paid(creditgate_client, creditgate_account):
    remind(creditgate_account, "+14155550100")

    assert creditgate_client.get_balance(creditgate_account).balance.available == 999


def test_nobody_is_reminded_without_credits(new_creditgate_account):
    with pytest.raises(creditgate.errors.InsufficientCredits):
        remind(new_creditgate_account(credits=0), "+14155550100")


def test_a_hold_expires(creditgate_client, creditgate_account, creditgate_clock):
    creditgate_client.reserve(creditgate_account, reservation_id="message-1", segments=1, ttl=60)
    creditgate_clock.advance(61)

    assert creditgate_client.get_reservation(creditgate_account, "message-1").state.name == "EXPIRED"


def test_whoever_does_not_ask_for_a_client_keeps_his_environment(creditgate_server):
    assert os.environ.get("CREDITGATE_TARGET") == "127.0.0.1:1"
"""


def test_another_project_uses_it(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # others' plugins, and their warnings
    monkeypatch.setenv("CREDITGATE_TARGET", "127.0.0.1:1")
    monkeypatch.setenv("CREDITGATE_COLLECT_MS", "not a number")
    pytester.makeconftest('from creditgate.testing import Server\n\npytest_plugins = ["creditgate.testing"]\n')
    pytester.makefile(".toml", creditgate='collect_ms = "not a number"')
    pytester.makepyfile(TESTS_OF_ANOTHER_PROJECT)

    result = pytester.runpytest_subprocess("-W", "error", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=4)


def test_without_the_server_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_REDIS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *filter(None, sys.path)]))

    with pytest.raises(ServerNotStarted, match=r"pip install 'creditgate\[server\]'"), running_server():
        pass


def test_a_server_is_gone_with_its_files_when_its_context_ends() -> None:
    with running_server() as server:
        assert server.data_dir.is_dir()
        assert '"event": "store_started"' in server.log.read_text()

    assert not server.data_dir.parent.exists()
    with pytest.raises(errors.Unavailable), creditgate.Client(server.target, timeout_s=0.1) as client:
        client.get_balance("acme")


def test_accounts_are_new_and_have_what_was_asked_for(
    creditgate_client: creditgate.Client, creditgate_account: str, new_creditgate_account: AccountMaker
) -> None:
    accounts = [creditgate_account, new_creditgate_account(), new_creditgate_account(credits=3)]

    available = [creditgate_client.get_balance(each).balance.available for each in accounts]
    assert (available, len(set(accounts))) == ([1000, 1000, 3], 3)


def test_time_moves_grants_and_holds(
    creditgate_client: creditgate.Client, new_creditgate_account: AccountMaker, creditgate_clock: Clock
) -> None:
    account_id = new_creditgate_account(credits=0)
    tomorrow = creditgate_clock.now() + timedelta(days=1)
    creditgate_client.grant(account_id, 5, expire_time=tomorrow)
    creditgate_client.grant(account_id, 7, effective_time=tomorrow)

    before = creditgate_client.get_balance(account_id).balance.available
    creditgate_clock.advance(timedelta(days=1))
    after = creditgate_client.get_balance(account_id).balance.available

    assert (before, after) == (5, 7)


def test_the_clock_runs_on_from_where_it_was_moved(creditgate_clock: Clock) -> None:
    start = creditgate_clock.now()

    moved = creditgate_clock.advance(90.5)

    assert timedelta(seconds=90.5) <= moved - start < timedelta(seconds=120)
    assert moved <= creditgate_clock.now()
    assert start >= datetime.now(UTC) - timedelta(seconds=20)


def test_time_cannot_be_turned_back(creditgate_clock: Clock) -> None:
    with pytest.raises(errors.InvalidRequest):
        creditgate_clock.advance(-1)


def test_the_log_of_the_server_can_be_read(
    creditgate_server: Server, creditgate_client: creditgate.Client, new_creditgate_account: AccountMaker
) -> None:
    account_id = new_creditgate_account(credits=0)

    assert not creditgate_client.reserve(account_id, reservation_id="message-1", segments=1).allowed

    assert account_id in creditgate_server.log.read_text()

"""A server, and workers in other languages, each built once for each process that runs tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance.conftest import serving
from tests.foreign.workers import Worker, build_go_worker, build_node_worker
from tests.toolchains import ROOT

import creditgate


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a server of this process serves."""
    with serving(tmp_path_factory.mktemp("server")) as address:
        yield address


@pytest.fixture
def account(target: str, organisation: str) -> str:
    """The id of an account of the test's own, with 10 credits."""
    with creditgate.Client(target) as client:
        client.create_account(organisation)
        client.grant(organisation, 10)
    return organisation


@pytest.fixture(scope="session")
def team_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where another team has `proto/`, and builds the examples; nothing else of ours is there."""
    directory = tmp_path_factory.mktemp("team")
    shutil.copytree(ROOT / "proto", directory / "proto")
    return directory


@pytest.fixture(scope="session")
def go_worker(team_directory: Path) -> Worker:
    """The worker in Go; skips where it cannot be built."""
    return build_go_worker(team_directory)


@pytest.fixture(scope="session")
def node_worker(team_directory: Path) -> Worker:
    """The worker in TypeScript; skips where it cannot be built."""
    return build_node_worker(team_directory)


@pytest.fixture(params=["go", "node"])
def worker(request: pytest.FixtureRequest) -> Worker:
    """Each of the workers in turn."""
    built: Worker = request.getfixturevalue(f"{request.param}_worker")
    return built

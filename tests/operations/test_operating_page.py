"""docs/operating.md beyond its commands: every line of the log is explained, every setting exists, the unit is one."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.acceptance.pages import ROOT, Page

from creditgate_server.monitoring import CONNECTIONS_MAX
from creditgate_server.options import OPTIONS
from creditgate_server.rpc.server import PING_INTERVAL_MS_MIN, REQUEST_BYTES_MAX
from creditgate_server.rpc.stream import FRAMES_MAX, FRAMES_OPERATIONS_MAX

PAGE = Page("docs/operating.md")

OTHERS = {"CREDITGATE_TARGET"}
"""Variables that are not of the server."""


def events() -> Iterator[str]:
    """Find the events that the server logs: names given to a log, which takes nothing else that looks so."""
    for path in (ROOT / "server" / "creditgate_server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            is_log = isinstance(node, ast.Call) and re.match(r"(_log\.\w+|self\._log)\(", ast.unparse(node))
            for constant in ast.walk(node) if is_log else ():
                if isinstance(constant, ast.Constant) and re.fullmatch(r"[a-z]+(_[a-z]+)*", str(constant.value)):
                    yield str(constant.value)


def block(first_line: str) -> str:
    """Give the page's block that begins so."""
    (found,) = [block.code for block in PAGE.blocks if block.first_line == first_line]
    return found


def test_every_line_of_the_log_is_explained() -> None:
    found = set(events())
    explained = PAGE.text.partition("## Troubleshooting")[2]

    assert {"denied", "call_failed", "store_lost", "store_back", "serving"} <= found
    assert {event for event in found if f"`{event}`" not in explained and f"### {event}\n" not in explained} == set()


def test_every_variable_is_a_setting() -> None:
    named = set(re.findall(r"CREDITGATE_[A-Z_]+\b(?!\*)", PAGE.text))

    assert named - OTHERS == {option.variable for option in OPTIONS}


def test_the_pod_is_one() -> None:
    pod = yaml.safe_load(block("# worker.yaml"))

    (sidecar,) = pod["spec"]["initContainers"]
    assert (sidecar["restartPolicy"], pod["kind"]) == ("Always", "Pod")
    paths = {sidecar[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "readiness", "liveness")}
    assert paths == {"/readyz", "/livez"}


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd is not here: the unit was not verified")
    unit = block("# /etc/systemd/system/creditgate.service")
    assert "KillMode=mixed\n" in unit
    path = tmp_path / "creditgate.service"
    path.write_text(unit.replace("/opt/creditgate/bin/creditgate", sys.executable), "utf-8")

    done = subprocess.run(
        [analyze, "verify", "--man=no", path], capture_output=True, text=True, check=False, timeout=60
    )

    assert [line for line in done.stderr.splitlines() if "creditgate.service" in line] == []


def test_the_line_of_the_log_is_one() -> None:
    (shown,) = [block.code for block in PAGE.blocks if block.first_line.startswith('{"method"')]

    assert json.loads(shown)["event"] == "denied"


def test_limits_are_those_of_the_server() -> None:
    limits = PAGE.text.partition("## Limits")[2]

    assert f"{REQUEST_BYTES_MAX // 2**20} MiB" in limits
    assert f"ping every {PING_INTERVAL_MS_MIN // 1000} s" in limits
    assert f"{FRAMES_MAX} frames, or {FRAMES_OPERATIONS_MAX:,} operations" in limits
    assert f"| {CONNECTIONS_MAX} at once" in limits

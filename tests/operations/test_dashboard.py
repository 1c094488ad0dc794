"""The dashboard and the alerts: Grafana and Prometheus can read them, and they ask for what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from creditgate_server.metrics import Metrics
from creditgate_server.rpc.calls import GRAVITY
from creditgate_server.rpc.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
GRAFANA = ROOT / "docs" / "grafana"

OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels that no definition names."""

Json = dict[str, Any]


@pytest.fixture
def board() -> Json:
    found: Json = json.loads((GRAFANA / "creditgate.json").read_text("utf-8"))
    return found


@pytest.fixture
def panels(board: Json) -> list[Json]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@pytest.fixture
def rules() -> list[Json]:
    (group,) = yaml.safe_load((GRAFANA / "alerts.yaml").read_text("utf-8"))["groups"]
    found: list[Json] = group["rules"]
    return found


@pytest.fixture
def queries(panels: list[Json], rules: list[Json]) -> list[str]:
    """All that is asked of Prometheus, with values in place of Grafana's variables."""
    asked = [target["expr"] for panel in panels for target in panel["targets"]] + [rule["expr"] for rule in rules]
    return [query.replace("$__rate_interval", "1m").replace("$job", "a").replace("$instance", "b") for query in asked]


def defined() -> Iterator[tuple[str, set[str]]]:
    """Give the name of every series that a server may show, with its labels."""
    metrics = Metrics()
    metrics.expect_calls("Reserve")
    for family in metrics.registry.collect():
        labels = {label for sample in family.samples for label in sample.labels}
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "info": ["_info"]}
        for suffix in suffixes.get(family.type, [""]):
            yield family.name + suffix, labels | {"decision", "reason", "method"}


def test_the_dashboard_is_what_the_definitions_make(board: Json) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_dashboard.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert board["title"] == "Creditgate"


def test_grafana_s_own_types_read_the_dashboard_and_lose_nothing(board: Json) -> None:
    plugins.register_default_plugins()

    assert json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder)) == board


def test_whoever_imports_the_dashboard_chooses_the_data_source_once(board: Json, panels: list[Json]) -> None:
    chosen = {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}

    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert [panel["title"] for panel in panels if panel["datasource"] != chosen] == []
    assert [name for name in ("job", "instance") if variables[name]["datasource"] != chosen] == []


def test_panels_stand_beside_each_other(board: Json) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]

    assert max(Counter(panel["id"] for panel in board["panels"]).values()) == 1
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_every_metric_is_shown_and_explained(panels: list[Json]) -> None:
    for family in Metrics().registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        showing = [panel for panel in panels if any(name in target["expr"] for target in panel["targets"])]
        assert showing, name
        assert all(family.documentation in panel["description"] for panel in showing)


def test_every_query_is_one_and_asks_for_what_there_is(queries: list[str]) -> None:
    series = dict(defined())
    for query in queries:
        promql_parser.parse(query)
        names = re.findall(r"\b(?:creditgate|process)_\w+", query)
        assert set(names) <= set(series), query
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", query))
        grouped = {label for inner in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", query) for label in inner.split(", ")}
        known = {label for name in names for label in series[name]} | OF_PROMETHEUS
        assert asked | grouped <= known, query


def test_failures_of_the_server_s_are_those_that_its_log_warns_of(panels: list[Json]) -> None:
    (query,) = [panel["targets"][0]["expr"] for panel in panels if panel["title"] == "Failures of the server's"]
    (asked,) = re.findall(r'reason=~"([^"]*)"', query)

    assert {reason for reason in CODES if re.fullmatch(asked, reason)} == GRAVITY.keys()


def test_a_share_of_none_is_0_and_not_nothing(panels: list[Json]) -> None:
    (query,) = [panel["targets"][0]["expr"] for panel in panels if panel["title"] == "Denied"]

    assert re.match(r"\(sum \(rate\(.*\)\) or vector\(0\)\) / ", query)


def test_whatever_counts_failures_has_an_alert(rules: list[Json]) -> None:
    asked = " ".join(rule["expr"] for rule in rules)
    counted = {f"{family.name}_total" for family in Metrics().registry.collect() if family.type == "counter"}
    failures = {name for name in counted if re.search("_(errors|failures)_", name)}

    assert failures == {"creditgate_errors_total", "creditgate_sweep_failures_total"}
    assert {name for name in failures if name not in asked} == set()


def test_every_alert_says_how_grave_it_is_and_where_to_read_on(rules: list[Json]) -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line in (ROOT / "docs" / "operating.md").read_text("utf-8").splitlines()
        if line.startswith("#")
    }
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert (page, anchor in headings) == ("docs/operating.md", True), anchor

"""Write docs/grafana/creditgate.json, the Grafana dashboard, from the definitions of the server's metrics.

A panel names metrics; what they mean, and in which unit they count, it takes from their definitions. A metric that does
not exist, or that no panel shows, stops the generation.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from string import ascii_uppercase
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
)

from creditgate_server.metrics import Metrics
from creditgate_server.rpc.calls import GRAVITY

TARGET: Final = Path(__file__).resolve().parents[1] / "docs" / "grafana" / "creditgate.json"

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
CHOSEN: Final = '{job=~"$job",instance=~"$instance"}'
WINDOW: Final = "[$__rate_interval]"

ALL: Final = "$__all"
"""Every value of a variable, as Grafana writes it."""

ROW_SPAN: Final = 24
"""How wide a dashboard is, in Grafana's own measure."""


@dataclass(frozen=True, slots=True)
class Query:
    """A question to Prometheus, and what its answers are called: braces name labels."""

    expression: str
    legend: str


@dataclass(frozen=True, slots=True)
class Graph:
    """What one panel shows over time, or (`is_number`) now. Without a unit, that of the first metric is meant."""

    question: str
    queries: tuple[Query, ...]
    unit: str = ""
    is_number: bool = False
    is_stacked: bool = False


def rate(metric: str, *labels: str, only: str = "") -> str:
    """Count a counter's events a second."""
    return f"sum{_by(labels)}(rate({metric}{_chosen(only)}{WINDOW}))"


def quantile(share: float, metric: str, *labels: str) -> str:
    """Ask below what a share of a histogram's observations lie."""
    return f"histogram_quantile({share}, sum{_by(('le', *labels))}(rate({metric}_bucket{CHOSEN}{WINDOW})))"


def mean(metric: str) -> str:
    """Ask for the mean of a histogram's observations."""
    return f"{rate(f'{metric}_sum')} / {rate(f'{metric}_count')}"


def each(metric: str) -> Query:
    """Ask every server for a number of its own."""
    return Query(f"{metric}{CHOSEN}", "{{instance}}")


def most(metric: str) -> str:
    """Ask for a number of the store that every server on it tells alike, one of them perhaps late."""
    return f"max({metric}{CHOSEN})"


def _by(labels: Iterable[str]) -> str:
    named = ", ".join(labels)
    return f" by ({named}) " if named else " "


def _chosen(only: str) -> str:
    return CHOSEN.replace("}", f",{only}}}") if only else CHOSEN


DENIED: Final = 'decision="DENIED"'
FAILED: Final = f'reason=~"{"|".join(sorted(GRAVITY))}"'
"""Failures that are about the server; the others are about what a caller asked."""

ROWS: Final[Mapping[str, tuple[Graph, ...]]] = {
    "At a glance": (
        Graph("Servers with a store", (Query(f"sum(creditgate_store_up{CHOSEN})", ""),), "none", is_number=True),
        Graph("Decisions", (Query(rate("creditgate_decisions_total"), ""),), "reqps", is_number=True),
        Graph(
            "Denied",
            (
                Query(
                    f"({rate('creditgate_decisions_total', only=DENIED)} or vector(0))"
                    f" / {rate('creditgate_decisions_total')}",
                    "",
                ),
            ),
            "percentunit",
            is_number=True,
        ),
        Graph(
            "Failures of the server's",
            (Query(f"{rate('creditgate_errors_total', only=FAILED)} or vector(0)", ""),),
            "reqps",
            is_number=True,
        ),
        Graph(
            "99 of 100 calls take less than", (Query(quantile(0.99, "creditgate_call_seconds"), ""),), is_number=True
        ),
        Graph("Open holds", (Query(most("creditgate_open_holds"), ""),), is_number=True),
    ),
    "Decisions": (
        Graph(
            "What is decided?",
            (Query(rate("creditgate_decisions_total", "method", "decision"), "{{method}} {{decision}}"),),
            "reqps",
            is_stacked=True,
        ),
        Graph(
            "Why are usages denied?",
            (Query(rate("creditgate_decisions_total", "reason", only=DENIED), "{{reason}}"),),
            "reqps",
            is_stacked=True,
        ),
    ),
    "Calls": (
        Graph(
            "What is called?",
            (Query(f"{rate('creditgate_call_seconds_count', 'method')} > 0", "{{method}}"),),
            "reqps",
            is_stacked=True,
        ),
        Graph(
            "What fails?",
            (Query(f"{rate('creditgate_errors_total', 'reason')} > 0", "{{reason}}"),),
            "reqps",
            is_stacked=True,
        ),
        Graph(
            "How long do calls take?",
            (
                Query(quantile(0.5, "creditgate_call_seconds"), "half of them less than"),
                Query(quantile(0.99, "creditgate_call_seconds"), "99 of 100 less than"),
            ),
        ),
        Graph(
            "Which methods are slow?",
            (Query(quantile(0.99, "creditgate_call_seconds", "method"), "99 of 100 {{method}}"),),
        ),
        Graph("How many calls are under way?", (each("creditgate_calls_under_way"),)),
        Graph("How many operations wait for the store?", (each("creditgate_queue_operations"),)),
    ),
    "Store": (
        Graph(
            "How long does the store take?",
            (
                Query(quantile(0.5, "creditgate_store_seconds"), "half of the pipelines less than"),
                Query(quantile(0.99, "creditgate_store_seconds"), "99 of 100 less than"),
            ),
        ),
        Graph(
            "How many operations travel together?",
            (
                Query(mean("creditgate_batch_operations"), "mean"),
                Query(quantile(0.99, "creditgate_batch_operations"), "99 of 100 pipelines less than"),
            ),
        ),
        Graph("How many holds are open?", (Query(most("creditgate_open_holds"), "open holds"),)),
        Graph("How late do holds and grants end?", (each("creditgate_sweeper_lag_seconds"),)),
        Graph(
            "What does the sweeper do?",
            (
                Query(rate("creditgate_swept_total"), "ends carried out"),
                Query(rate("creditgate_sweep_failures_total"), "turns broken off"),
            ),
            "ops",
        ),
        Graph("Is the store of use?", (each("creditgate_store_up"),)),
        Graph("Do the clocks agree?", (each("creditgate_store_clock_disagreement_seconds"),)),
    ),
    "Process": (
        Graph(
            "How many cores are used?",
            (Query(f"rate(process_cpu_seconds_total{CHOSEN}{WINDOW})", "{{instance}}"),),
            "none",
        ),
        Graph(
            "How much memory is used?",
            (
                Query(f"process_resident_memory_bytes{CHOSEN}", "{{instance}} resident"),
                Query(f"process_virtual_memory_bytes{CHOSEN}", "{{instance}} virtual"),
            ),
        ),
        Graph(
            "How many files are open?",
            (
                Query(f"process_open_fds{CHOSEN}", "{{instance}}"),
                Query(f"process_max_fds{CHOSEN}", "{{instance}} at most"),
            ),
        ),
        Graph("Since when do they run?", (Query(f"time() - process_start_time_seconds{CHOSEN}", "{{instance}}"),)),
        Graph(
            "What runs?",
            (Query(f"sum by (version, library, schema) (creditgate_build_info{CHOSEN})", "{{version}} {{library}}"),),
            "none",
        ),
    ),
}


def explanations() -> dict[str, str]:
    """Return what every metric of a server means, by its name in queries, without the suffixes of histograms."""
    found = {}
    for family in Metrics().registry.collect():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        found[family.name.removesuffix("_info") + suffix] = family.documentation
    return found


def names_in(expression: str) -> Iterator[str]:
    """Yield the metrics that a query asks for, in order, without the suffixes of histograms."""
    for name in re.findall(r"\b(?:creditgate|process)_\w+", expression):
        yield re.sub(r"_(bucket|sum|count)$", "", name)


def unit_of(metric: str) -> str:
    """Return Grafana's name of the unit that a metric's own name tells."""
    units = {"seconds": "s", "bytes": "bytes"}
    return next((unit for suffix, unit in units.items() if re.search(rf"_{suffix}(_total)?$", metric)), "short")


def panel_of(graph: Graph, explained: Mapping[str, str]) -> stat.Panel | timeseries.Panel:
    """Return a panel. Raises KeyError for a metric that does not exist."""
    names = list(dict.fromkeys(name for query in graph.queries for name in names_in(query.expression)))
    panel = _number() if graph.is_number else _chart(graph)
    panel.title(graph.question).unit(graph.unit or unit_of(names[0])).datasource(SOURCE)
    panel.description("\n\n".join(f"`{name}`: {explained[name]}" for name in names))
    for letter, query in zip(ascii_uppercase, graph.queries, strict=False):
        panel.with_target(prometheus.Dataquery().ref_id(letter).expr(query.expression).legend_format(query.legend))
    return panel


def _number() -> stat.Panel:
    return stat.Panel().span(4).height(4).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))


def _chart(graph: Graph) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    stacking = common.StackingConfig().mode(StackingMode.NORMAL if graph.is_stacked else StackingMode.NONE)
    return (
        timeseries.Panel()
        .span(ROW_SPAN // 2)
        .height(8)
        .fill_opacity(20 if graph.is_stacked else 0)
        .stacking(stacking)
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )


def render() -> str:
    """Return the dashboard. Exits where a metric is shown nowhere, or one that is shown does not exist."""
    explained = explanations()
    shown = {
        name for graphs in ROWS.values() for graph in graphs for q in graph.queries for name in names_in(q.expression)
    }
    if shown != set(explained):
        sys.exit(
            f"generate_dashboard: these metrics are shown and not defined, or the reverse: {shown ^ set(explained)}"
        )
    board = (
        dashboard.Dashboard("Creditgate")
        .uid("creditgate")
        .description("Is every send decided, quickly and rightly? Written by scripts/generate dashboard.")
        .tags(["creditgate"])
        .editable()
        .refresh("30s")
        .time("now-1h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(_choice("job", "label_values(creditgate_build_info, job)"))
        .with_variable(_choice("instance", 'label_values(creditgate_build_info{job=~"$job"}, instance)'))
    )
    numbers = count(1)
    for title, graphs in ROWS.items():
        board.with_row(dashboard.Row(title).id(next(numbers)))
        for graph in graphs:
            board.with_panel(panel_of(graph, explained).id(next(numbers)))
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _choice(name: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .datasource(SOURCE)
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(VariableOption(selected=True, text="All", value=ALL))
    )


def main() -> int:
    """Write the dashboard, or compare it; return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the Grafana dashboard.")
    parser.add_argument("--check", action="store_true", help="only compare; exit 1 if the committed one differs")
    check = parser.parse_args().check
    rendered = render()
    if not check:
        TARGET.write_text(rendered, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == rendered:
        return 0
    sys.stderr.write(f"{TARGET} is out of date: run scripts/generate dashboard\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""The metrics' definitions: each explained, named by Prometheus' conventions, and bounded in its labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from creditgate_server.metrics import WATCHED, Metrics

UNITS = {"milliseconds", "ms", "us", "minutes", "hours", "kilobytes", "kb", "mb", "percent", "ratio_percent"}
"""No base units (https://prometheus.io/docs/practices/naming/#base-units)."""

LABELS = {"method", "decision", "reason", "le", "version", "library", "schema"}
"""All of a number of values that we know: no account, no id, no number."""

FAMILIES = list(Metrics().registry.collect())


@pytest.fixture(params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Metric:
    assert isinstance(request.param, Metric)
    return request.param


def test_each_is_explained_in_a_sentence(family: Metric) -> None:
    assert re.fullmatch(r"[A-Z].{10,}\.", family.documentation)


def test_each_is_named_by_the_conventions() -> None:
    lines = generate_latest(Metrics().registry).decode().splitlines()
    kinds = dict(line.split()[2:] for line in lines if line.startswith("# TYPE "))

    assert len(kinds) == len(FAMILIES)
    for name, kind in kinds.items():
        assert re.fullmatch(r"(creditgate|process)(_[a-z]+)+", name)
        assert not UNITS & set(name.split("_")), name
        assert name.endswith("_total") == (kind == "counter"), name


def test_no_label_may_have_any_value_there_is() -> None:
    metrics = Metrics()
    metrics.expect_calls("Reserve")
    metrics.decisions.labels("Reserve", "DENIED", "FLOOR")

    labels = {label for family in metrics.registry.collect() for sample in family.samples for label in sample.labels}

    assert labels == LABELS


def test_a_method_is_known_before_its_first_call_and_defect() -> None:
    metrics = Metrics()

    metrics.expect_calls("Reserve")

    shown = generate_latest(metrics.registry).decode()
    assert 'creditgate_call_seconds_count{method="Reserve"} 0.0' in shown
    assert 'creditgate_errors_total{method="Reserve",reason="INTERNAL"} 0.0' in shown


def test_what_is_known_elsewhere_is_asked_for_when_it_is_shown() -> None:
    metrics = Metrics()
    values = dict.fromkeys(WATCHED, 1.0)
    for name in WATCHED:
        metrics.watch(name, lambda name=name: values[name])  # type: ignore[misc]

    values["queue_operations"] = 7

    assert metrics.registry.get_sample_value("creditgate_queue_operations") == 7
    assert metrics.registry.get_sample_value("creditgate_store_up") == 1

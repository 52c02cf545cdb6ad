"""Alarms and dashboard speak of metrics that there are."""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from connector.adapters.parts.part import checkout
from connector.poller import observing

FOLDER = checkout() / "deploy" / "observability"
HOLDERS = ("connector.adapters.kafka.metrics", "connector.adapters.writing", "connector.ingest.app")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


@pytest.fixture(scope="module")
def exported() -> frozenset[str]:
    """Every name of ours that a scrape may show: registered ones, and those the poller makes as it looks."""
    for module in HOLDERS:
        importlib.import_module(module)
    registered = {
        f"{family.name}{suffix}"
        for family in REGISTRY.collect()
        if family.name.startswith("connector_")
        for suffix in SUFFIXES[family.type]
    }
    source = inspect.getsource(observing)
    return frozenset(registered | set(re.findall(r'GaugeMetricFamily\(\s*"(connector_\w+)"', source)))


def expressions() -> Iterator[tuple[str, str]]:
    rules: Any = YAML(typ="safe").load((FOLDER / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("warning", "critical"), rule["alert"]
            assert {"summary", "description"} <= rule["annotations"].keys(), rule["alert"]
            yield rule["alert"], rule["expr"]
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_each_metric_that_is_asked_for_exists(exported: frozenset[str]) -> None:
    asked = [(of, name) for of, text in expressions() for name in re.findall(r"connector_\w+", text)]
    assert len(asked) > 20
    assert [(of, name) for of, name in asked if name not in exported] == []


def test_each_metric_that_exists_is_on_the_dashboard_or_rings_an_alarm(exported: frozenset[str]) -> None:
    text = " ".join(expression for _, expression in expressions())
    whole = {re.sub(r"_(bucket|sum|count)$", "_bucket", name) for name in exported}
    assert sorted(name for name in whole if name not in text) == ["connector_log_produced_total"]

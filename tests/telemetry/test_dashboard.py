"""The dashboard: it asks for what the endpoint serves, label by label, and leaves nothing out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from pulse_plugins.core.base.errors import PulseError, from_status
from pulse_plugins.core.base.events import (
    Connected,
    Final,
    Reconnecting,
    Recovered,
    Word,
)
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.observe.metrics import StreamMetrics
from pulse_plugins.telemetry.measuring import Measuring
from pulse_plugins.telemetry.prometheus import Readings

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[2] / "pulse_plugins/telemetry/grafana.json"
DASHBOARD = json.loads(PAGE.read_text(encoding="utf-8"))
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
BY_PROMETHEUS = {"job", "le"}


@dataclass
class Failed:
    """A stream as an observer sees it, after it failed."""

    name: str
    options: PulseOptions
    error: PulseError | None
    metrics: StreamMetrics


EVENTS = (
    Connected(attempt=1, seconds=0.1, url="wss://host", failed_over=True),
    Final("word", 0.0, 1.0, words=(Word("word", 0.0, 1.0),), finalize_id=1),
    Reconnecting(1, "http_503", 0.0, from_status(503)),
    Recovered(outage=1.0, replayed=1.0),
)


def served() -> dict[str, set[str]]:
    """Every series of the endpoint with its labels, after a call to which everything happened."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader], shutdown_on_exit=False)
    options = PulseOptions(base_url="ws://127.0.0.1:1")
    measuring = Measuring(provider.get_meter("test"))
    followed = measuring.follow(Failed("call", options, from_status(401), StreamMetrics()))
    followed.asked(1)
    for event in EVENTS:
        followed.happened(event)
    followed.ended()
    found: dict[str, set[str]] = {}
    for family in Readings(reader).collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


SERVED = served()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_metric_and_label_that_is_asked_for_exists(expression: str) -> None:
    names = re.findall(r"\bpulse_stream_\w+", expression)
    assert names
    labels = set(re.findall(r"(\w+)=~?\"", expression))
    labels |= {
        name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")
    }
    for name in names:
        assert name in SERVED
        assert labels - BY_PROMETHEUS <= SERVED[name]


def test_every_metric_that_is_served_is_shown() -> None:
    shown = " ".join(EXPRESSIONS)
    stems = {re.sub(r"_(bucket|count|sum)$", "", name) for name in SERVED}
    assert len(stems) == 14
    assert [stem for stem in sorted(stems) if stem not in shown] == []


def test_its_panels_do_not_lie_on_each_other() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    assert all(panel["title"] for panel in DASHBOARD["panels"])


def test_the_page_for_operations_lists_exactly_these_metrics() -> None:
    """By the rule of the page for the names in Prometheus."""
    page = PAGE.parents[2] / "docs/operations.md"
    rows = re.findall(r"^\| `(pulse\.[\w.]+)` \| ([^|]*) \|", page.read_text("utf-8"), re.M)
    named = {
        name.replace(".", "_")
        + ("_seconds" if kind.endswith(", s") else "")
        + ("_total" if kind.startswith("counter") else "")
        for name, kind in rows
    }
    assert named == {re.sub(r"_(bucket|count|sum)$", "", name) for name in SERVED}

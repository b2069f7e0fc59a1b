"""Counters and latencies, read back through OpenTelemetry's own reader."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from pulse_plugins.core.base.errors import ConnectionLostError
from pulse_plugins.core.base.events import AudioLost, Event, Final, Reconnecting, Recovered
from pulse_plugins.livekit.telemetry import Telemetry


def measured(reader: InMemoryMetricReader) -> dict[str, float]:
    """The sums of all instruments by name."""
    data = reader.get_metrics_data()
    assert data is not None
    found: dict[str, float] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    value = getattr(point, "sum", None)
                    if value is None:
                        value = getattr(point, "value", 0.0)
                    found[metric.name] = found.get(metric.name, 0.0) + float(value or 0.0)
                    assert point.attributes is not None
                    assert point.attributes["gen_ai.provider.name"] == "SmallestAI"
    return found


def test_measures_recovery_finalize_latency_and_preflights() -> None:
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader]).get_meter("test")
    telemetry = Telemetry("pulse", "SmallestAI", meter)
    error = ConnectionLostError("gone")
    events: list[tuple[float, Event]] = [
        (1.0, Reconnecting(1, error.code, 0.0, error)),
        (1.5, Recovered(0.5, 1.25)),
        (2.0, AudioLost(0.0, 3.0, "test")),
    ]
    telemetry.asked(1, 2.0)
    telemetry.asked(2, 2.25)
    events.append((2.5, Final("", 0.0, 0.0, finalize_id=2)))
    for now, event in events:
        telemetry.handle(event, now)
    telemetry.preflights(sent=3, kept=2)
    assert measured(reader) == {
        "pulse.stt.failures": 1,
        "pulse.stt.outage": 0.5,
        "pulse.stt.audio_replayed": 1.25,
        "pulse.stt.audio_lost": 3.0,
        "pulse.stt.finalize_latency": pytest.approx(0.75),
        "pulse.stt.preflights": 3,
    }

"""Prometheus: the metrics at an HTTP endpoint, without any set-up of OpenTelemetry.

Names follow OpenTelemetry's rule for Prometheus: dots become underscores, seconds are spelled out,
and what is counted ends in `_total`.
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from wsgiref.simple_server import WSGIServer

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    Gauge,
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
    Sum,
)
from opentelemetry.trace import NoOpTracerProvider
from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from pulse_plugins.telemetry.instrumentation import instrument


class PrometheusEndpoint:
    """Serves the numbers until it is closed.

    Attributes:
        url: Where they are, for this machine.
    """

    def __init__(self, port: int, address: str) -> None:
        self._reader = InMemoryMetricReader()
        self._provider = MeterProvider(metric_readers=[self._reader], shutdown_on_exit=False)
        registry = CollectorRegistry()
        registry.register(Readings(self._reader))
        self._server, self._thread = _served(port, address, registry)
        self._instrumentation = instrument(
            meter_provider=self._provider, tracer_provider=NoOpTracerProvider()
        )
        self.url = f"http://{_reachable(address)}:{self._server.server_port}/metrics"
        self._closed = False

    def close(self) -> None:
        """Serve no longer, and follow no further stream. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self._instrumentation.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._provider.shutdown()


def serve_prometheus(port: int = 9464, address: str = "127.0.0.1") -> PrometheusEndpoint:
    """Measure every stream that starts from now on, and serve the numbers to Prometheus.

    Args:
        port: 0 takes a free one.
        address: By default only this machine can read them; `""` or `0.0.0.0`: every other too.

    Raises:
        OSError: The port is taken.
    """
    return PrometheusEndpoint(port, address)


def _reachable(address: str) -> str:
    """What a URL calls an address; where it stands for all of them, this machine's own."""
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    return f"[{host}]" if ":" in host else host


def _served(port: int, address: str, registry: CollectorRegistry) -> tuple[WSGIServer, Thread]:
    return start_http_server(port, address or "0.0.0.0", registry)


class Readings(Collector):
    """What OpenTelemetry has collected, in Prometheus' words, whenever somebody asks."""

    def __init__(self, reader: InMemoryMetricReader) -> None:
        self._reader = reader

    def describe(self) -> list[Family]:
        """Nothing beforehand: registering must not collect."""
        return []

    def collect(self) -> Iterator[Family]:
        """All metrics as they stand."""
        data = self._reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    yield from _family(metric)


def _family(metric: Metric) -> Iterator[Family]:
    name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
    text = metric.description or ""
    match metric.data:
        case Sum(is_monotonic=True):
            yield _with_values(CounterMetricFamily(name, text), metric.data)
        case Sum() | Gauge():
            yield _with_values(GaugeMetricFamily(name, text), metric.data)
        case Histogram(data_points=points):
            family = HistogramMetricFamily(name, text)
            for point in points:
                _add_histogram(family, point)
            yield family


def _with_values(family: CounterMetricFamily | GaugeMetricFamily, data: Sum | Gauge) -> Family:
    suffix = "_total" if isinstance(family, CounterMetricFamily) else ""
    for point in data.data_points:
        assert isinstance(point, NumberDataPoint)
        family.add_sample(family.name + suffix, _labels(point), point.value)
    return family


def _add_histogram(family: Family, point: HistogramDataPoint) -> None:
    labels, below = _labels(point), 0
    bounds = [f"{bound:g}" for bound in point.explicit_bounds] + ["+Inf"]
    for bound, count in zip(bounds, point.bucket_counts, strict=True):
        below += count
        family.add_sample(f"{family.name}_bucket", {**labels, "le": bound}, below)
    family.add_sample(f"{family.name}_count", labels, point.count)
    family.add_sample(f"{family.name}_sum", labels, point.sum)


def _labels(point: NumberDataPoint | HistogramDataPoint) -> dict[str, str]:
    given = (point.attributes or {}).items()
    return {
        name.replace(".", "_"): str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in given
    }

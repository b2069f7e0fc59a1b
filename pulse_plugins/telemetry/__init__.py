"""Telemetry for every stream of the process: OpenTelemetry metrics and spans, and Prometheus.

    from pulse_plugins.telemetry import instrument, serve_prometheus

    instrument()                    # to the process's own OpenTelemetry providers
    serve_prometheus(port=9464)     # or, without any: numbers to be scraped

Numbers, codes and names of servers only: no word that was said and no key.
"""

from __future__ import annotations

from pulse_plugins.telemetry.instrumentation import Instrumentation, instrument
from pulse_plugins.telemetry.prometheus import PrometheusEndpoint, serve_prometheus

__all__ = ["Instrumentation", "PrometheusEndpoint", "instrument", "serve_prometheus"]

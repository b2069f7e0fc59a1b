"""`instrument`: from now on every stream of the process is measured and traced."""

from __future__ import annotations

from opentelemetry import metrics, trace

from pulse_plugins.core.observe.hooks import follow, unfollow
from pulse_plugins.telemetry.measuring import Measuring
from pulse_plugins.telemetry.tracing import Tracing
from pulse_plugins.version import __version__

_SCOPE = "pulse_plugins"


class Instrumentation:
    """Follows each stream that starts before `close` is called, until the stream ends."""

    def __init__(self, measuring: Measuring, tracing: Tracing) -> None:
        self._follows = (measuring.follow, tracing.follow)
        for each in self._follows:
            follow(each)

    def close(self) -> None:
        """Follow no further stream. Calling again is harmless."""
        for each in self._follows:
            unfollow(each)


def instrument(
    *,
    meter_provider: metrics.MeterProvider | None = None,
    tracer_provider: trace.TracerProvider | None = None,
) -> Instrumentation:
    """Measure and trace every stream that starts from now on, in both frameworks and without one.

    Call it once in each process, before calls are taken and after the providers are set.

    Args:
        meter_provider: Where the metrics go; by default to the process's own provider.
        tracer_provider: Where the spans go; by default to the process's own provider.
    """
    meter = metrics.get_meter(_SCOPE, __version__, meter_provider)
    tracer = trace.get_tracer(_SCOPE, __version__, tracer_provider)
    return Instrumentation(Measuring(meter), Tracing(tracer))

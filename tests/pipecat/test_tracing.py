"""The framework's tracing finds what it looks for in other services."""

from __future__ import annotations

import pytest
from pipecat.processors.frame_processor import FrameProcessorSetup

from pulse_plugins.pipecat import PulseSTTService
from tests.pipecat.rig import calling, words
from tests.support.peer import peer

sdk = pytest.importorskip("opentelemetry.sdk.trace")


class Traced(PulseSTTService):
    """As in a pipeline whose worker traces."""

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        setup.enable_tracing = True
        await super().setup(setup)


async def test_a_turn_is_a_span_with_its_text_language_and_latency() -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    async with peer(window=None) as server, calling(Traced(base_url=server.url)) as call:
        await call.turn(0, 2)
        await call.until_completed(1)
        await call.hang_up()
    (span,) = [span for span in exporter.get_finished_spans() if span.name == "stt"]
    attributes = dict(span.attributes or {})
    assert attributes["transcript"] == words(0, 2)
    assert attributes["language"] == "en"
    assert attributes["is_final"] is True
    assert attributes["metrics.ttfb"]
    assert attributes["stt.confidence"] == 1.0

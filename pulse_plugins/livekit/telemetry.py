"""Recovery counters and latencies as OpenTelemetry metrics, where the framework's own ones go.

Numbers only: no word, no key, no URL. Without a configured meter provider all of it is free.
"""

from __future__ import annotations

from collections import deque

from opentelemetry import metrics

from pulse_plugins.core.base.events import (
    AudioLost,
    Event,
    Final,
    OptionsApplied,
    Reconnecting,
    Recovered,
)


class Telemetry:
    """One stream's measurements.

    Args:
        model: For the attribute `gen_ai.request.model`, which the framework uses too.
        provider: For `gen_ai.provider.name`.
        meter: Makes the instruments.
    """

    def __init__(self, model: str, provider: str, meter: metrics.Meter | None = None) -> None:
        self._attributes = {"gen_ai.request.model": model, "gen_ai.provider.name": provider}
        self._asked: deque[tuple[int, float]] = deque()
        made = _Instruments(meter) if meter is not None else _shared
        self._instruments = made

    def asked(self, request_id: int, now: float) -> None:
        """The framework's flush asked for the pending words."""
        self._asked.append((request_id, now))

    def handle(self, event: Event, now: float) -> None:
        """Measure what the event tells."""
        instruments, attributes = self._instruments, self._attributes
        match event:
            case Final(finalize_id=int() as answered):
                while self._asked and self._asked[0][0] <= answered:
                    _, since = self._asked.popleft()
                    promoted = {"pulse.promoted": event.promoted}
                    instruments.finalize.record(now - since, {**attributes, **promoted})
            case Reconnecting(reason=reason):
                instruments.failures.add(1, {**attributes, "pulse.reason": reason})
            case Recovered(outage=outage, replayed=replayed):
                instruments.outage.record(outage, attributes)
                instruments.replayed.add(replayed, attributes)
            case AudioLost(duration=duration):
                instruments.lost.add(duration, attributes)
            case OptionsApplied():
                instruments.changes.add(1, attributes)

    def preflights(self, sent: int, kept: int) -> None:
        """A stream is over: how many preflight transcripts it sent, and how many came true."""
        for count, true in ((kept, True), (sent - kept, False)):
            if count:
                outcome = {"pulse.equal_to_final": true}
                self._instruments.preflights.add(count, {**self._attributes, **outcome})


class _Instruments:
    def __init__(self, meter: metrics.Meter) -> None:
        self.finalize = meter.create_histogram(
            "pulse.stt.finalize_latency", unit="s", description="From a flush to its answer"
        )
        self.outage = meter.create_histogram(
            "pulse.stt.outage", unit="s", description="Without a connection, until all was resent"
        )
        self.failures = meter.create_counter(
            "pulse.stt.failures", description="Connections that failed or were lost"
        )
        self.replayed = meter.create_counter(
            "pulse.stt.audio_replayed", unit="s", description="Audio sent a second time"
        )
        self.lost = meter.create_counter(
            "pulse.stt.audio_lost", unit="s", description="Audio that no server heard"
        )
        self.changes = meter.create_counter(
            "pulse.stt.option_changes", description="Changed options that came into force"
        )
        self.preflights = meter.create_counter(
            "pulse.stt.preflights", description="Preflight transcripts"
        )


_shared = _Instruments(metrics.get_meter("pulse_plugins.livekit"))

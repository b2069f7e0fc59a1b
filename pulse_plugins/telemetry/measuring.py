"""The metrics: what is counted, measured and read of all streams together.

Seconds of audio and open streams are read when somebody collects, so that sending a packet costs
nothing more; everything else is counted as it happens.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from threading import Lock

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import (
    Connected,
    Event,
    Final,
    Interim,
    Reconnecting,
    Recovered,
)
from pulse_plugins.core.observe.hooks import ObservedStream
from pulse_plugins.core.observe.metrics import StreamMetrics
from pulse_plugins.telemetry.attributes import Attributes, of_metrics

_LATENCIES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)  # seconds
_WAITS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_POLICY = 1008  # the close code that means too many streams


@dataclass(slots=True)
class _Audio:
    """Seconds of audio."""

    pushed: float = 0.0
    sent: float = 0.0
    replayed: float = 0.0
    lost: float = 0.0

    def add(self, metrics: StreamMetrics) -> None:
        self.pushed += metrics.audio_seconds
        self.sent += metrics.sent_seconds
        self.replayed += metrics.replayed_seconds
        self.lost += metrics.lost_seconds


class Measuring:
    """All streams' instruments; `follow` is given to `core.observers`."""

    def __init__(self, meter: Meter) -> None:
        self._lock = Lock()
        self._live: dict[str, list[ObservedStream]] = {}  # by model
        self._ended: dict[str, _Audio] = {}
        self._attributes: dict[str, Attributes] = {}
        self.instruments = Instruments(meter)
        meter.create_observable_up_down_counter(
            "pulse.stream.open", [self._read_open], unit="{stream}", description="Streams open"
        )
        meter.create_observable_gauge(
            "pulse.stream.send_queue",
            [self._read_queue],
            unit="s",
            description="Audio that was not sent yet, of the stream that has most of it",
        )
        for index, (name, description) in enumerate(
            (
                ("pushed", "Audio given to streams"),
                ("sent", "Audio sent, what was sent again included"),
                ("replayed", "Audio sent again after a lost connection"),
                ("lost", "Audio that no server heard"),
            )
        ):
            meter.create_observable_counter(
                f"pulse.stream.audio.{name}",
                [self._reader(index)],
                unit="s",
                description=description,
            )

    def follow(self, stream: ObservedStream) -> _Measured:
        """A stream starts."""
        model = stream.options.model
        with self._lock:
            self._attributes.setdefault(model, of_metrics(stream.options))
            self._live.setdefault(model, []).append(stream)
            self._ended.setdefault(model, _Audio())
        return _Measured(self, stream, self._attributes[model], model)

    def forget(self, stream: ObservedStream, model: str) -> None:
        """A stream is over: what it did stays counted."""
        with self._lock:
            self._live[model].remove(stream)
            self._ended[model].add(stream.metrics)

    def _read_open(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return [
                Observation(len(live), self._attributes[model])
                for model, live in self._live.items()
            ]

    def _read_queue(self, _: CallbackOptions) -> Iterable[Observation]:
        with self._lock:
            return [
                Observation(
                    max((_unsent(each.metrics) for each in live), default=0.0),
                    self._attributes[model],
                )
                for model, live in self._live.items()
            ]

    def _reader(self, index: int) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            with self._lock:
                return [
                    Observation(self._sum(model)[index], self._attributes[model])
                    for model in self._live
                ]

        return read

    def _sum(self, model: str) -> tuple[float, ...]:
        whole = _Audio(*astuple(self._ended[model]))
        for each in self._live[model]:
            whole.add(each.metrics)
        return astuple(whole)


class Instruments:
    """What is counted as it happens."""

    def __init__(self, meter: Meter) -> None:
        def histogram(
            name: str, description: str, bounds: tuple[float, ...] = _LATENCIES
        ) -> Histogram:
            return meter.create_histogram(
                f"pulse.stream.{name}",
                unit="s",
                description=description,
                explicit_bucket_boundaries_advisory=bounds,
            )

        self.ttft = histogram("ttft", "From the start of a segment's first word to its first text")
        self.ttfs = histogram("ttfs", "From a request for the pending words to its final")
        self.handshake = histogram("handshake", "To make a connection")
        self.outage = histogram("outage", "Without a connection, until all was sent again", _WAITS)
        self.reconnects = meter.create_counter(
            "pulse.stream.reconnects", unit="{try}", description="Tries to reconnect, by reason"
        )
        self.refusals = meter.create_counter(
            "pulse.stream.refusals", unit="{refusal}", description="Refusals, by status"
        )
        self.failovers = meter.create_counter(
            "pulse.stream.failovers",
            unit="{failover}",
            description="Connections to another base URL after a failure",
        )
        self.ends = meter.create_counter(
            "pulse.stream.ends", unit="{stream}", description="Streams that are over, by error"
        )


class _Measured:
    """One stream."""

    def __init__(
        self, measuring: Measuring, stream: ObservedStream, attributes: Attributes, model: str
    ) -> None:
        self._measuring = measuring
        self._instruments = measuring.instruments
        self._stream = stream
        self._attributes = attributes
        self._model = model
        self._asked: deque[tuple[int, float]] = deque()
        self._first_text: float | None = None  # stream_time when the open segment got its text

    def asked(self, request_id: int) -> None:
        self._asked.append((request_id, time.monotonic()))

    def happened(self, event: Event) -> None:
        instruments, attributes = self._instruments, self._attributes
        match event:
            case Interim(text=text):
                if not text:  # the interim before is taken back
                    self._first_text = None
                elif self._first_text is None:
                    self._first_text = self._stream.metrics.audio_seconds
            case Final():
                self._final(event)
            case Connected(seconds=seconds, failed_over=failed_over):
                instruments.handshake.record(seconds, attributes)
                if failed_over:
                    instruments.failovers.add(1, attributes)
            case Reconnecting(reason=reason, error=error):
                instruments.reconnects.add(1, {**attributes, "pulse.reason": reason})
                self._refusal(error)
            case Recovered(outage=outage):
                instruments.outage.record(outage, attributes)

    def ended(self) -> None:
        self._measuring.forget(self._stream, self._model)
        error = self._stream.error
        code = {} if error is None else {"error.type": error.code}
        self._instruments.ends.add(1, {**self._attributes, **code})
        if error is not None:
            self._refusal(error)

    def _final(self, event: Final) -> None:
        """Live audio is its own clock: what was given until now is how late it is."""
        if event.words:
            told = self._first_text
            told = self._stream.metrics.audio_seconds if told is None else told
            late = max(0.0, told - event.words[0].start)
            self._instruments.ttft.record(late, self._attributes)
        self._first_text = None
        now = time.monotonic()
        while self._asked and self._asked[0][0] <= (event.finalize_id or 0):
            _, since = self._asked.popleft()
            promoted = {"pulse.promoted": event.promoted}
            self._instruments.ttfs.record(now - since, {**self._attributes, **promoted})

    def _refusal(self, error: PulseError) -> None:
        status = error.status
        if status is not None and (400 <= status < 600 or status == _POLICY):
            refused = {"http.response.status_code": status}
            self._instruments.refusals.add(1, {**self._attributes, **refused})


def _unsent(metrics: StreamMetrics) -> float:
    """Seconds of audio that wait to be sent for the first time."""
    sent_once = metrics.sent_seconds - metrics.replayed_seconds
    return max(0.0, metrics.audio_seconds - metrics.lost_seconds - sent_once)

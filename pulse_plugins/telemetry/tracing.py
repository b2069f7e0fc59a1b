"""The spans: a stream, below it its connections and its finalize requests.

A stream's span is a child of whatever span is current where the stream starts, so that it hangs
below the frameworks' own traces.
"""

from __future__ import annotations

import time
from collections import deque

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Event,
    Final,
    Interim,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
)
from pulse_plugins.core.observe.hooks import ObservedStream
from pulse_plugins.telemetry.attributes import of_server, of_stream


class Tracing:
    """Makes the spans; `follow` is given to `core.observers`."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def follow(self, stream: ObservedStream) -> _Traced:
        """A stream starts."""
        return _Traced(self._tracer, stream)


class _Traced:
    """One stream."""

    def __init__(self, tracer: Tracer, stream: ObservedStream) -> None:
        self._tracer = tracer
        self._stream = stream
        attributes = of_stream(stream.name, stream.options)
        self._span = tracer.start_span("pulse.stream", attributes=attributes)
        self._below: Context = set_span_in_context(self._span)
        self._connection: Span | None = None
        self._has_session_id = False
        self._asked: deque[tuple[int, Span]] = deque()

    def asked(self, request_id: int) -> None:
        self._asked.append((request_id, self._tracer.start_span("pulse.finalize", self._below)))

    def happened(self, event: Event) -> None:
        match event:
            case Interim(session_id=session_id):
                self._session(session_id)
            case Final(session_id=session_id):
                self._session(session_id)
                self._answered(event)
            case Connected():
                self._connected(event)
            case Disconnected(error=error):
                self._disconnected(error)
            case Reconnecting(attempt=attempt, delay=delay, error=error):
                told = {"pulse.attempt": attempt, "pulse.delay": delay, **_reason(error)}
                self._span.add_event("pulse.reconnecting", told)
            case Recovered(outage=outage, replayed=replayed):
                told = {"pulse.outage": outage, "pulse.replayed": replayed}
                self._span.add_event("pulse.recovered", told)
            case AudioLost(start=start, duration=duration):
                told = {"pulse.start": start, "pulse.seconds": duration}
                self._span.add_event("pulse.audio_lost", told)
            case OptionsApplied(time=at):
                self._span.add_event("pulse.options_applied", {"pulse.start": at})
            case OptionsRefused(error=error):
                self._span.add_event("pulse.options_refused", _reason(error))

    def ended(self) -> None:
        for _, span in self._asked:
            span.end()
        self._disconnected(None)
        metrics, error = self._stream.metrics, self._stream.error
        self._span.set_attributes(
            {
                "pulse.audio.pushed": metrics.audio_seconds,
                "pulse.audio.sent": metrics.sent_seconds,
                "pulse.audio.replayed": metrics.replayed_seconds,
                "pulse.audio.lost": metrics.lost_seconds,
                "pulse.connections": metrics.connects,
            }
        )
        if error is not None:
            _mark(self._span, error)
        self._span.end()

    def _connected(self, event: Connected) -> None:
        began = time.time_ns() - int(event.seconds * 1e9)
        attributes = {
            **of_server(event.url),
            "pulse.attempt": event.attempt,
            "pulse.failed_over": event.failed_over,
        }
        self._connection = self._tracer.start_span(
            "pulse.connection", self._below, SpanKind.CLIENT, attributes, start_time=began
        )
        self._has_session_id = False

    def _session(self, session_id: str) -> None:
        """The server's name for the connection comes with its first text."""
        if session_id and not self._has_session_id and self._connection is not None:
            self._has_session_id = True
            self._connection.set_attribute("pulse.session_id", session_id)

    def _disconnected(self, error: PulseError | None) -> None:
        if self._connection is not None:
            if error is not None:
                _mark(self._connection, error)
            self._connection.end()
            self._connection = None

    def _answered(self, event: Final) -> None:
        while self._asked and self._asked[0][0] <= (event.finalize_id or 0):
            _, span = self._asked.popleft()
            span.set_attribute("pulse.promoted", event.promoted)
            span.end()


def _mark(span: Span, error: PulseError) -> None:
    span.set_attributes(_reason(error))
    span.set_status(Status(StatusCode.ERROR, str(error)))


def _reason(error: PulseError) -> dict[str, str | int]:
    status = {} if error.status is None else {"pulse.status": error.status}
    return {"error.type": error.code, **status}

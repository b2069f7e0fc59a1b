"""Writes one log line for each event of a stream's connections.

A line is `event name=value …`. The record has the same values as fields (`pulse_event`,
`pulse_stream`, `pulse_session_id`, `pulse_reason`, …) for formatters that write JSON. No line holds
an API key or words of a transcript. An event that repeats is written five times, then once in 30
seconds with the number of lines that were left out. Nothing here reads a clock.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import (
    AudioLost,
    Connected,
    Disconnected,
    Event,
    Final,
    Interim,
    MessageIgnored,
    OptionsApplied,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
)
from pulse_plugins.core.base.text import printable
from pulse_plugins.core.observe.throttle import Throttle

_log = logging.getLogger("pulse_plugins.stream")
# A server that is away for a minute makes about ten lines of each kind, which show how the delays
# grow; an hour makes 120.
_BURST = 5  # lines
_INTERVAL = 30.0  # seconds
_MOST_TEXT = 200  # characters of one value

Value: TypeAlias = str | int | float | None
_Line: TypeAlias = tuple[int, str, dict[str, Value]]

# The names in use, so that two streams of the same name can be told apart.
_names: WeakValueDictionary[str, EventLog] = WeakValueDictionary()


class EventLog:
    """Writes the lines of one stream.

    Args:
        stream: The name of the stream. If another live stream has the name, a number is appended in
            the log.
    """

    def __init__(self, stream: str) -> None:
        self._stream = self._unique(printable(stream, _MOST_TEXT))
        self._session_id = ""
        self._throttle = Throttle(_BURST, _INTERVAL)

    def _unique(self, name: str) -> str:
        shown, number = name, 1
        while _names.setdefault(shown, self) is not self:
            number += 1
            shown = f"{name}-{number}"
        return shown

    def record(self, event: Event, external_session_id: str | None, now: float) -> None:
        """Write the line of an event; transcripts and speech events have none.

        Args:
            event: The event.
            external_session_id: The caller's id of the call, by the options in force.
            now: Seconds of a steady clock.
        """
        if isinstance(event, (Interim, Final)):
            self._session_id = event.session_id or self._session_id
            return
        line = _LINES.get(type(event))
        if line is None:
            return
        if isinstance(event, Connected):
            self._session_id = ""  # the server sends another id with its first text
        level, name, values = line(event)
        self._write(level, name, values, external_session_id, now)

    def closed(self, error: PulseError | None, external_session_id: str | None, now: float) -> None:
        """Write that the stream has ended, and why if it failed."""
        level, name = (logging.INFO, "closed") if error is None else (logging.ERROR, "failed")
        self._write(level, name, _reason(error), external_session_id, now)
        _names.pop(self._stream, None)

    def _write(
        self, level: int, name: str, values: Mapping[str, Value], external: str | None, now: float
    ) -> None:
        if not _log.isEnabledFor(level):
            return
        left_out = self._throttle.allow((name, values.get("reason")), now)
        if left_out is None:
            return
        fields: dict[str, Value] = {
            "stream": self._stream,
            "session_id": self._session_id or None,
            "external_session_id": external,
            **values,
            "left_out": left_out or None,
        }
        shown = [f"{key}={_shown(value)}" for key, value in fields.items() if value is not None]
        extra = {f"pulse_{key}": value for key, value in fields.items()}
        _log.log(level, "%s %s", name, " ".join(shown), extra={"pulse_event": name, **extra})


def _connected(event: Connected) -> _Line:
    values: dict[str, Value] = {
        "attempt": event.attempt,
        "seconds": event.seconds,
        "url": event.url,
    }
    if event.failed_over:
        return logging.WARNING, "failed_over", values
    return logging.INFO, "connected", values


def _disconnected(event: Disconnected) -> _Line:
    if event.error is None:
        return logging.INFO, "hung_up", {}
    return logging.WARNING, "disconnected", _reason(event.error)


def _reconnecting(event: Reconnecting) -> _Line:
    values = {"attempt": event.attempt, "delay": event.delay, **_reason(event.error)}
    return logging.WARNING, "reconnecting", values


def _recovered(event: Recovered) -> _Line:
    # The level of `disconnected`: a log that shows the trouble shows its end too.
    return logging.WARNING, "recovered", {"outage": event.outage, "replayed": event.replayed}


def _audio_lost(event: AudioLost) -> _Line:
    values: dict[str, Value] = {
        "start": event.start,
        "seconds": event.duration,
        "reason": event.reason,
    }
    return logging.WARNING, "audio_lost", values


_LINES: dict[type[Any], Callable[[Any], _Line]] = {
    Connected: _connected,
    Disconnected: _disconnected,
    Reconnecting: _reconnecting,
    Recovered: _recovered,
    AudioLost: _audio_lost,
    OptionsApplied: lambda event: (logging.INFO, "options_applied", {"time": event.time}),
    OptionsRefused: lambda event: (logging.WARNING, "options_refused", _reason(event.error)),
    ServerReported: lambda event: (logging.WARNING, "server_reported", _reason(event.error)),
    MessageIgnored: lambda event: (logging.INFO, "message_ignored", {"reason": event.reason}),
}


def _reason(error: PulseError | None) -> dict[str, Value]:
    """The parts of an error that are safe in a log; its `detail` is not."""
    return {} if error is None else {"reason": error.code, "status": error.status}


def _shown(value: Value) -> str:
    """Write a value so that a line can be split into its values again."""
    if isinstance(value, float):
        return f"{value:.3f}"
    text = printable(str(value), _MOST_TEXT)
    return json.dumps(text, ensure_ascii=False) if set(text) & _SPECIAL or not text else text


_SPECIAL = set(' "=\\')

"""One line in the log for each thing that happens to a stream's connections.

A line is `what name=value …`, and the same values are fields of the record (`pulse_event`,
`pulse_stream`, `pulse_session_id`, `pulse_reason`, …) for those who write JSON. No line holds a key
or a word that was said. A fault that repeats is told five times, then every 30 seconds with the
number of lines that were left out. Nothing here reads a clock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

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

_log = logging.getLogger("pulse_plugins.stream")
_TOLD = 5  # times that the same thing is told before it is told rarely
_EVERY = 30.0  # seconds

Value = str | int | float | None


@dataclass(slots=True)
class _Told:
    """How often the same thing was told of late, and how often it was not."""

    times: int = 0
    last: float = field(default=float("-inf"))  # when it was told
    withheld: int = 0


class Journal:
    """Writes one stream's lines.

    Args:
        stream: The stream's name.
    """

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._session_id = ""
        self._told: dict[tuple[str, Value], _Told] = {}

    def record(self, event: Event, external_session_id: str | None, now: float) -> None:
        """Tell what has happened, if an operator wants to know it.

        Args:
            event: What.
            external_session_id: The call's own id, by the options in force.
            now: Seconds of a steady clock.
        """
        calm, loud = logging.INFO, logging.WARNING
        values: dict[str, Value]
        match event:
            case Interim(session_id=session_id) | Final(session_id=session_id):
                self._session_id = session_id or self._session_id
                return
            case Connected(attempt=attempt, seconds=seconds, url=url):
                self._session_id = ""  # the server tells it with its first text
                level, what = (loud, "failed_over") if event.failed_over else (calm, "connected")
                values = {"attempt": attempt, "seconds": seconds, "url": url}
            case Disconnected(error=error):
                level, what = (loud, "disconnected") if error is not None else (calm, "hung_up")
                values = _reason(error)
            case Reconnecting(attempt=attempt, delay=delay, error=error):
                level, what = loud, "reconnecting"
                values = {"attempt": attempt, "delay": delay, **_reason(error)}
            case Recovered(outage=outage, replayed=replayed):
                level, what, values = calm, "recovered", {"outage": outage, "replayed": replayed}
            case AudioLost(start=start, duration=duration, reason=reason):
                level, what = loud, "audio_lost"
                values = {"start": start, "seconds": duration, "reason": reason}
            case OptionsApplied(time=time):
                level, what, values = calm, "options_applied", {"time": time}
            case OptionsRefused(error=error):
                level, what, values = loud, "options_refused", _reason(error)
            case ServerReported(error=error):
                level, what, values = loud, "server_reported", _reason(error)
            case MessageIgnored(reason=reason):
                level, what, values = calm, "message_ignored", {"reason": reason}
            case _:
                return
        self._tell(level, what, values, external_session_id, now)

    def closed(self, error: PulseError | None, external_session_id: str | None, now: float) -> None:
        """Tell that the stream is over, and why if it failed for good."""
        level, what = (logging.INFO, "closed") if error is None else (logging.ERROR, "failed")
        self._tell(level, what, _reason(error), external_session_id, now)

    def _tell(
        self, level: int, what: str, values: dict[str, Value], external: str | None, now: float
    ) -> None:
        if not _log.isEnabledFor(level):
            return
        withheld = self._withheld(what, values.get("reason"), now)
        if withheld is None:
            return
        told: dict[str, Value] = {
            "stream": self._stream,
            "session_id": self._session_id or None,
            "external_session_id": external,
            **values,
            "left_out": withheld or None,
        }
        shown = [f"{name}={_shown(value)}" for name, value in told.items() if value is not None]
        fields = {f"pulse_{name}": value for name, value in told.items()}
        _log.log(level, "%s %s", what, " ".join(shown), extra={"pulse_event": what, **fields})

    def _withheld(self, what: str, reason: Value, now: float) -> int | None:
        """How many lines like this one were left out before it, or None: leave it out too."""
        told = self._told.setdefault((what, reason), _Told())
        rested = now - told.last >= _EVERY
        if rested and not told.withheld:
            told.times = 0
        if told.times >= _TOLD and not rested:
            told.withheld += 1
            return None
        told.times += 1
        told.last = now
        withheld, told.withheld = told.withheld, 0
        return withheld


def _reason(error: PulseError | None) -> dict[str, Value]:
    """The words and numbers of an error that are safe in a log; its `detail` is not."""
    return {} if error is None else {"reason": error.code, "status": error.status}


def _shown(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return f'"{text}"' if " " in text else text

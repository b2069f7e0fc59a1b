"""What goes wrong and is mended, told to the log and to the framework's error event."""

from __future__ import annotations

from collections.abc import Callable

from livekit.agents import APIConnectionError

from pulse_plugins.core.base.errors import PulseError
from pulse_plugins.core.base.events import (
    AudioLost,
    Event,
    MessageIgnored,
    OptionsRefused,
    Reconnecting,
    Recovered,
)
from pulse_plugins.livekit.errors import api_error
from pulse_plugins.livekit.log import logger

_TOLD = 4  # failed tries in a row of which each is told
_EVERY = 5.0  # seconds between two reports of the same outage after that


class Trouble:
    """One stream's reports, all of them recoverable.

    Args:
        emit_error: The framework's `_emit_error(error, recoverable)`.
    """

    def __init__(self, emit_error: Callable[[Exception, bool], None]) -> None:
        self._emit_error = emit_error
        self._told_at = 0.0

    def handle(self, event: Event, now: float) -> None:
        """Report the event if it is about trouble."""
        match event:
            case Reconnecting(attempt=attempt, delay=delay, error=error):
                if attempt <= _TOLD + 1 or now - self._told_at >= _EVERY:
                    self._told_at = now
                    self._report("connection failed, trying again", error, delay=round(delay, 2))
            case Recovered(outage=outage, replayed=replayed):
                logger.info(
                    "connection recovered",
                    extra={"outage": round(outage, 2), "replayed": round(replayed, 2)},
                )
            case AudioLost(start=start, duration=duration, reason=reason):
                logger.warning(
                    "audio lost",
                    extra={"start": start, "seconds": round(duration, 2), "reason": reason},
                )
                lost = APIConnectionError(f"{duration:.2f} s of audio were lost: {reason}")
                self._emit_error(lost, True)
            case OptionsRefused(error=error):
                self._report("changed options were refused", error)
            case MessageIgnored(reason=reason):
                logger.debug("message ignored", extra={"reason": reason})

    def _report(self, what: str, error: PulseError, **extra: float) -> None:
        logger.warning(what, extra={"reason": error.code, "status": error.status, **extra})
        self._emit_error(api_error(error), True)

"""Reports errors and usage to the framework: log lines, error events, exceptions and metrics.

The framework treats a 4xx other than 408, 429 and 499 as final, and retries after any other error
unless the error says otherwise. Exceptions are raised `from None`, because a cause may carry
request headers.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError, stt
from livekit.agents.metrics import STTMetrics
from livekit.agents.metrics.base import Metadata

from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    RequestRejectedError,
)
from pulse_plugins.core.base.events import (
    AudioLost,
    Event,
    MessageIgnored,
    OptionsRefused,
    Reconnecting,
    Recovered,
    ServerReported,
)
from pulse_plugins.core.observe.throttle import Throttle
from pulse_plugins.livekit.options import logger

_CLOSE_CODES = range(1000, 5000)
# Reports of lost connections that come at once. They show how the delays grow.
_BURST = 5
# Seconds between two such reports after that. An outage of a minute has about 60 tries.
_INTERVAL = 5.0


class Reports:
    """Reports the events of one stream that goes on. All errors are reported as recoverable.

    Args:
        emit_error: The framework's `_emit_error(error, recoverable)`.

    Attributes:
        stream: The stream's name in the log, which tells concurrent calls apart.
    """

    def __init__(self, emit_error: Callable[[Exception, bool], None]) -> None:
        self.stream = ""
        self._emit_error = emit_error
        self._throttle = Throttle(_BURST, _INTERVAL)

    def handle(self, event: Event, now: float) -> None:
        """Report the event if it is about trouble."""
        match event:
            case Reconnecting(delay=delay, error=error):
                if self._throttle.allow("reconnecting", now) is not None:
                    self._report("connection failed, trying again", error, delay=round(delay, 2))
            case Recovered(outage=outage, replayed=replayed):
                logger.info(
                    "connection recovered",
                    extra=self._extra(outage=round(outage, 2), replayed=round(replayed, 2)),
                )
            case AudioLost(start=start, duration=duration, reason=reason):
                logger.warning(
                    "audio lost",
                    extra=self._extra(start=start, seconds=round(duration, 2), reason=reason),
                )
                lost = APIConnectionError(f"{duration:.2f} s of audio were lost: {reason}")
                self._emit_error(lost, True)
            case OptionsRefused(error=error):
                self._report("changed options were refused", error)
            case ServerReported(error=error):  # the connection goes on: nothing failed
                logger.debug("error of the server", extra=self._extra(reason=error.code))
            case MessageIgnored(reason=reason):
                logger.debug("message ignored", extra=self._extra(reason=reason))

    def _report(self, what: str, error: PulseError, **extra: float) -> None:
        logger.warning(what, extra=self._extra(reason=error.code, status=error.status, **extra))
        self._emit_error(api_error(error), True)

    def _extra(self, **extra: object) -> dict[str, object]:
        return {"stream": self.stream, **extra}


def api_error(error: PulseError) -> APIError:
    """The framework's error for one failed try."""
    text = str(error)
    status = error.status
    match error:
        case ConnectTimeoutError():
            return APITimeoutError(text)
        case ConnectionLostError():
            return APIConnectionError(text)
        case RateLimitError():
            return APIStatusError(text, status_code=status or 429, retryable=True)
        case RequestRejectedError() | ConfigurationError():
            # An error message inside the stream has no status; 400 says that the error is final.
            known = status if status is not None and 400 <= status < 500 else 400
            return APIStatusError(text, status_code=known, retryable=False)
    if status is not None and status in _CLOSE_CODES:
        return APIConnectionError(text, retryable=error.retryable)
    return APIStatusError(
        text, status_code=-1 if status is None else status, retryable=error.retryable
    )


def fatal_error(error: PulseError) -> APIError:
    """The framework's error for a stream that has failed after all allowed attempts.

    A server that still closes with 1008 enforces the limit of the account or another policy. The
    framework is told not to retry.
    """
    if error.status == 1008:
        return APIStatusError(str(error), status_code=1008, retryable=False)
    return api_error(error)


def usage_metrics(owner: stt.STT[Any], event: stt.SpeechEvent) -> STTMetrics:
    """The framework's metrics of a RECOGNITION_USAGE event, as its base class makes them.

    Args:
        owner: Whose stream used it.
        event: The event.
    """
    used = event.recognition_usage
    return STTMetrics(
        request_id=event.request_id,
        timestamp=time.time(),
        duration=0.0,
        label=owner.label,
        audio_duration=used.audio_duration if used is not None else 0.0,
        streamed=True,
        metadata=Metadata(model_name=owner.model, model_provider=owner.provider),
    )

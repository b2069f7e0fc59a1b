"""Our errors as the framework's: by type whether to go on, by text what to do about it.

The framework forces a 4xx other than 408, 429 and 499 to be final, and takes everything else as
worth another try unless told otherwise. Raise these `from None`: a cause may carry request headers.
"""

from __future__ import annotations

from livekit.agents import APIConnectionError, APIError, APIStatusError, APITimeoutError

from pulse_plugins.core.base.errors import (
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PulseError,
    RateLimitError,
    RequestRejectedError,
)

_CLOSE_CODES = range(1000, 5000)


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
            # Also from an in-band message, which has no status: a 4xx says that it is final.
            known = status if status is not None and 400 <= status < 500 else 400
            return APIStatusError(text, status_code=known, retryable=False)
    if status is not None and status in _CLOSE_CODES:
        return APIConnectionError(text, retryable=error.retryable)
    return APIStatusError(
        text, status_code=-1 if status is None else status, retryable=error.retryable
    )


def fatal_error(error: PulseError) -> APIError:
    """The framework's error for what ends a stream, every allowed try being used up.

    A server that still closes with 1008 by then will go on to: it is the account's limit or
    another policy, and the framework is told not to insist.
    """
    if error.status == 1008:
        return APIStatusError(str(error), status_code=1008, retryable=False)
    return api_error(error)

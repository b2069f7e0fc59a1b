"""Maps the engine's errors to Pipecat's error categories, and limits how often one is reported."""

from __future__ import annotations

from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    ConnectionLostError,
    PaymentRequiredError,
    PulseError,
    RateLimitError,
    RequestRejectedError,
    ServerError,
)


def category(error: PulseError) -> ErrorCategory:
    """Return the Pipecat category of an error, which applications and service switchers read."""
    match error:
        case AuthenticationError():
            return ErrorCategory.AUTHENTICATION
        case AccessDeniedError():
            return ErrorCategory.AUTHORIZATION
        case PaymentRequiredError():
            return ErrorCategory.QUOTA
        case RequestRejectedError() | ConfigurationError():
            return ErrorCategory.INVALID_REQUEST
        case RateLimitError():
            return ErrorCategory.RATE_LIMIT
        case ServerError():
            return ErrorCategory.SERVER
        case ConnectionLostError():
            return ErrorCategory.CONNECTIVITY
    return ErrorCategory.UNKNOWN


def passing_category(error: PulseError) -> ErrorCategory:
    """Return the category for an error after which the service goes on.

    Pipecat makes a service unusable after an error of a permanent category, so `UNKNOWN` replaces
    such a category.
    """
    kind = category(error)
    return ErrorCategory.UNKNOWN if kind.is_permanent else kind


_PROVEN = 5.0  # seconds; a connection that was open for this time ends the stretch of trouble


class ErrorThrottle:
    """Reports the first error of each stretch of trouble.

    A stretch of trouble begins with an error. It ends when words come, or when a connection has
    been open for `_PROVEN` seconds. A successful handshake does not end it, because a server can
    accept each connection and close it at once. `now` is seconds of any steady clock.
    """

    def __init__(self) -> None:
        self._is_on = False
        self._connected_at: float | None = None

    def connected(self, now: float) -> None:
        """Note that a connection is open."""
        self._connected_at = now

    def disconnected(self, now: float) -> None:
        """Note that the connection is gone."""
        self._end_if_proven(now)
        self._connected_at = None

    def heard_words(self) -> None:
        """Note that the server has transcribed words."""
        self._is_on = False

    def is_news(self, now: float) -> bool:
        """Note an error. Returns True if the error is the first of its stretch of trouble."""
        self._end_if_proven(now)
        was_on, self._is_on = self._is_on, True
        return not was_on

    def _end_if_proven(self, now: float) -> None:
        if self._connected_at is not None and now - self._connected_at >= _PROVEN:
            self._is_on = False

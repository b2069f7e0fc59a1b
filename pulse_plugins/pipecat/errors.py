"""Our errors in the framework's categories, and when one is reported."""

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
    """Why it failed, as applications and switchers ask for it."""
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
    """The same for an error after which the service goes on.

    A category that the framework calls permanent would cost the service its usability.
    """
    kind = category(error)
    return ErrorCategory.UNKNOWN if kind.is_permanent else kind


_PROVEN = 5.0  # seconds; a connection that lived so long ends the trouble before it


class ErrorThrottle:
    """Decides whether an error is news: one report for each stretch of trouble.

    Trouble lasts from the first error until words came on a connection, or until one has lived
    `_PROVEN` seconds. A handshake that succeeds ends no trouble: a server can accept connections
    and close each at once. `now` is any steady clock, in seconds.
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
        """Note that the server understands what it is sent."""
        self._is_on = False

    def is_news(self, now: float) -> bool:
        """Note an error; return whether it is to be reported."""
        self._end_if_proven(now)
        was_on, self._is_on = self._is_on, True
        return not was_on

    def _end_if_proven(self, now: float) -> None:
        if self._connected_at is not None and now - self._connected_at >= _PROVEN:
            self._is_on = False

"""Maps the engine's errors to Pipecat's error categories."""

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

"""Our errors in the framework's categories."""

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

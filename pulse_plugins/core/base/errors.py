"""What can go wrong, as types that say whose fault it was and whether trying again can help.

    PulseError
    ├── ConfigurationError (also ValueError)   yours: found before a connection is opened
    ├── StreamClosedError                      yours: the stream was used after its end
    ├── RequestRejectedError                   400, 404, 422: the service refuses what was asked
    │   ├── AuthenticationError                401: no key, or a wrong one
    │   ├── PaymentRequiredError               402: no credit
    │   ├── AccessDeniedError                  403: the key may not do this
    │   └── RegionError                        the language is not served in this region
    ├── RateLimitError                         429 or close 1008: later, and slower
    ├── ServerError                            5xx, an error message, an odd close code: try again
    ├── InternalError                          a fault of this package: try again
    └── ConnectionLostError                    the network: try again
        ├── ConnectTimeoutError                no answer to the handshake in time
        └── StalledError                       connected, audio accepted, nothing comes back

Texts never hold a key, a URL with a query, or words of a transcript: what the server wrote is in
`PulseError.detail`, for a debugger, because it can echo user content.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import ClassVar


class PulseError(Exception):
    """The base of every error of this package.

    Attributes:
        code: A short stable word for logs, metrics and tests, such as ``"http_503"``.
        retryable: Whether the same request can succeed later.
        retry_after: Seconds the server asked to wait, or None.
        status: The HTTP status or WebSocket close code behind it, or None.
        detail: What the server wrote, or "". It can echo user content: never log it.
    """

    retryable: ClassVar[bool] = False
    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        status: int | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.status = status
        self.retry_after = retry_after
        self.detail = detail


class ConfigurationError(PulseError, ValueError):
    """An option that cannot work; the text names it and says what to change."""

    default_code = "configuration"


class StreamClosedError(PulseError):
    """Audio or a request came after the stream was closed."""

    default_code = "stream_closed"


class RequestRejectedError(PulseError):
    """The service understood the request and refuses it; asking again gives the same answer."""

    default_code = "rejected"


class AuthenticationError(RequestRejectedError):
    """No key, or one the service does not know."""

    default_code = "unauthorized"


class PaymentRequiredError(RequestRejectedError):
    """The account has no credit for this."""

    default_code = "payment_required"


class AccessDeniedError(RequestRejectedError):
    """The key is known but may not do this: wrong workspace, plan or product."""

    default_code = "access_denied"


class RegionError(RequestRejectedError):
    """The language is not served by this host; another region's host may serve it."""

    default_code = "region"


class RateLimitError(PulseError):
    """Too many streams or requests for this key."""

    retryable = True
    default_code = "rate_limit"


class ServerError(PulseError):
    """The service failed."""

    retryable = True
    default_code = "server"


class InternalError(PulseError):
    """An unexpected exception inside this package; the connection is replaced."""

    retryable = True
    default_code = "internal"


class ConnectionLostError(PulseError):
    """The connection could not be made or was lost."""

    retryable = True
    default_code = "connection_lost"


class ConnectTimeoutError(ConnectionLostError):
    """The handshake was not answered in time."""

    default_code = "connect_timeout"


class StalledError(ConnectionLostError):
    """The server accepts audio and answers nothing."""

    default_code = "stalled"


# Handshake and REST statuses, protocol page section 5: the type says whether to retry.
_BY_STATUS: dict[int, tuple[type[PulseError], str]] = {
    401: (AuthenticationError, "the API key is missing or wrong: set SMALLEST_API_KEY or api_key"),
    402: (PaymentRequiredError, "the account has no credit left: check the plan"),
    403: (AccessDeniedError, "this key may not use this product, model or workspace"),
    404: (RequestRejectedError, "nothing is served at this URL: check base_url and dialect"),
    408: (ServerError, "the service timed out"),
    413: (RequestRejectedError, "the audio is too large: split it below 250 MB"),
    429: (RateLimitError, "this key has too many streams or requests: slow down or raise the plan"),
}


def from_status(
    status: int, *, detail: str = "", error_code: str = "", retry_after: float | None = None
) -> PulseError:
    """The error for an HTTP status that refuses a handshake or a request.

    Args:
        status: The HTTP status.
        detail: The body's own message; kept apart from the text.
        error_code: The body's `error_code`, if it had one.
        retry_after: Seconds from a `Retry-After` header.
    """
    if error_code == "LANGUAGE_NOT_ENABLED_IN_REGION":
        return _region(status, detail)
    kind, advice = _BY_STATUS.get(status, (None, ""))
    if kind is None:
        if status >= 500:
            kind, advice = ServerError, "the service is unavailable"
        else:
            kind, advice = RequestRejectedError, "the service refuses a parameter: check options"
    return kind(
        f"HTTP {status} {_phrase(status)}: {advice}",
        code=f"http_{status}",
        status=status,
        retry_after=retry_after,
        detail=detail,
    )


def from_close(code: int | None, reason: str = "") -> PulseError:
    """The error for a WebSocket that ended with this close code (None or 1006: no close frame)."""
    if code is None or code == 1006:
        return ConnectionLostError("the connection was lost without a close frame", status=1006)
    if code == 1008:
        return RateLimitError(
            "closed with 1008: too many concurrent streams for this key, or another policy",
            code="close_1008",
            status=1008,
            detail=reason,
        )
    kind = ConnectionLostError if code in (1000, 1001, 1012, 1013) else ServerError
    return kind(f"closed with {code}", code=f"close_{code}", status=code, detail=reason)


# In-band errors carry prose; these stems decide. Order matters: the first that is found wins.
_BY_WORDS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("unauthor", "api key", "api_key", "apikey", "credential"), 401),
    (("access token", "auth token", "invalid token", "token expired"), 401),
    (("credit", "payment", "billing", "quota", "balance"), 402),
    (("concurren", "rate limit", "too many", "try again", "later"), 429),
    (("forbidden", "not allowed", "access denied", "permission"), 403),
    (("invalid", "unsupported", "unknown", "required", "not enabled", "must be"), 400),
)


def from_message(detail: str, *, error_code: str = "") -> PulseError:
    """The error for an error message inside the stream (protocol page, section 4.5)."""
    if error_code == "LANGUAGE_NOT_ENABLED_IN_REGION":
        return _region(None, detail)
    text = f"{error_code} {detail}".lower()
    for stems, status in _BY_WORDS:
        if any(stem in text for stem in stems):
            kind, advice = _BY_STATUS.get(
                status, (RequestRejectedError, "the service refuses a parameter: check options")
            )
            return kind(f"the service reports: {advice}", status=status, detail=detail)
    return ServerError(
        "the service reports an error of its own", code="error_message", detail=detail
    )


def _region(status: int | None, detail: str) -> RegionError:
    return RegionError(
        "the language is not served in this region: set base_url to a host that serves it, "
        "such as wss://api.us.smallest.ai",
        status=status,
        detail=detail,
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "?"

"""Exceptions of this package, by who is at fault and whether a retry can help.

    PulseError
    ├── ConfigurationError (also ValueError)   caller: found before a connection is opened
    ├── StreamClosedError                      caller: the stream was used after its end
    ├── CertificateError                       TLS: the server's certificate cannot be verified
    ├── RequestRejectedError                   HTTP 400, 404, 422: the service refuses the request
    │   ├── AuthenticationError                HTTP 401: no API key, or a wrong one
    │   ├── PaymentRequiredError               HTTP 402: the account has no credit
    │   ├── AccessDeniedError                  HTTP 403: the key has no access to the product
    │   └── RegionError                        the language is not enabled in this region
    ├── RateLimitError                         HTTP 429 or close code 1008: retry, but slowly
    ├── ServerError                            HTTP 5xx or an error message: retry
    ├── InternalError                          a fault of this package: retry
    └── ConnectionLostError                    network: retry
        ├── ConnectTimeoutError                the handshake was not answered in time
        └── StalledError                       the server takes audio and answers nothing

No error text holds an API key, a URL with a query, or words of a transcript. What the server wrote
is kept in `PulseError.detail` for debugging. It can repeat user content, so do not log it.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import ClassVar, Self

from pulse_plugins.core.base.languages import LANGUAGES, REGION_HOSTS
from pulse_plugins.core.base.text import printable

REGION_CODE = "LANGUAGE_NOT_ENABLED_IN_REGION"
"""The service's code for a refused language (docs/protocol.md, sections 1.3, 4.5 and 10: N8)."""


class PulseError(Exception):
    """The base class of every error of this package.

    Attributes:
        code: A short stable identifier for logs, metrics and tests, such as `"http_503"`.
        retryable: Whether the same request can succeed later.
        retry_after: Seconds that the server asked to wait, or None.
        status: The HTTP status or WebSocket close code that caused the error, or None.
        detail: What the server wrote, or "". It can repeat user content: do not log it.
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
    """An option cannot work; the text names the option and says what to change."""

    default_code = "configuration"


class StreamClosedError(PulseError):
    """The stream or client was used after it was closed."""

    default_code = "stream_closed"


class CertificateError(PulseError):
    """The certificate of the server cannot be verified; no key and no audio was sent."""

    default_code = "certificate"


class RequestRejectedError(PulseError):
    """The service refuses the request, and will refuse the same request again."""

    default_code = "rejected"


class AuthenticationError(RequestRejectedError):
    """There is no API key, or the service does not know it."""

    default_code = "unauthorized"


class PaymentRequiredError(RequestRejectedError):
    """The account has no credit."""

    default_code = "payment_required"


class AccessDeniedError(RequestRejectedError):
    """The API key is valid but has no access: wrong workspace, plan or product."""

    default_code = "access_denied"


class RegionError(RequestRejectedError):
    """The service does not serve the language in this region or to this account."""

    default_code = "region"

    def about(self, language: str) -> Self:
        """A copy whose text advises on the language that was refused.

        Args:
            language: The `language` option of the connection.
        """
        return type(self)(
            f"the language is not enabled in this region: {_region_advice(language)}",
            status=self.status,
            detail=self.detail,
        )


class RateLimitError(PulseError):
    """The API key has too many streams or requests."""

    retryable = True
    default_code = "rate_limit"


class ServerError(PulseError):
    """The service failed."""

    retryable = True
    default_code = "server"


class InternalError(PulseError):
    """An unexpected exception inside this package ended a connection; another one is opened."""

    retryable = True
    default_code = "internal"


class ConnectionLostError(PulseError):
    """The connection could not be opened, or it was lost."""

    retryable = True
    default_code = "connection_lost"


class ConnectTimeoutError(ConnectionLostError):
    """The handshake was not answered in time."""

    default_code = "connect_timeout"


class StalledError(ConnectionLostError):
    """The server takes audio and answers nothing."""

    default_code = "stalled"


# HTTP statuses of handshakes and requests, docs/protocol.md, section 5. The class of the error
# decides whether it is retried.
_BY_STATUS: dict[int, tuple[type[PulseError], str]] = {
    401: (AuthenticationError, "the API key is missing or wrong: set SMALLEST_API_KEY or api_key"),
    402: (PaymentRequiredError, "the account has no credit left: check the plan"),
    403: (AccessDeniedError, "this key may not use this product, model or workspace"),
    404: (RequestRejectedError, "nothing is served at this URL: check base_url and dialect"),
    408: (ServerError, "the service timed out"),
    413: (RequestRejectedError, "the audio is too large: split it below 250 MB"),
    429: (RateLimitError, "this key has too many streams or requests: slow down or raise the plan"),
}
# Error messages inside a stream carry prose (docs/protocol.md, section 4.5). The first pattern that
# matches decides. Patterns match whole words: "load balancer" does not mean the balance of the
# account, and "unknown error" refuses no parameter. The timeout comes first, because its text may
# go on with "try again later" (section 10, N2).
_TIMED_OUT = 408
_BY_WORDS: tuple[tuple[int, re.Pattern[str]], ...] = tuple(
    (status, re.compile(rf"\b(?:{words})\b"))
    for status, words in (
        (_TIMED_OUT, "timed out"),
        (401, "unauthori[sz]ed|unauthenticated|authentication|api ?key|credentials?"),
        (401, "(?:access|auth|bearer|invalid|expired) token|token (?:is |has )?(invalid|expired)"),
        (402, "credits?|payment|billing|quota|balance|insufficient funds"),
        (429, "concurren(?:t|cy)|rate limit(?:s|ed)?|too many|try again|later"),
        (403, "forbidden|not allowed|(?:access|permission) denied|permissions?"),
        (400, "invalid|unsupported|not supported|required|not enabled|must be"),
        (400, "unknown (?:parameter|option|model|language|encoding|value|sample rate|field)"),
    )
)


def from_status(
    status: int,
    *,
    detail: str = "",
    error_code: str = "",
    parameter: str = "",
    language: str = "",
    retry_after: float | None = None,
) -> PulseError:
    """The error for an HTTP status that refuses a handshake or a request.

    Args:
        status: The HTTP status.
        detail: The message in the body; it is kept apart from the text.
        error_code: The error code in the body.
        parameter: The query parameter that the body names, or "".
        language: The language that was asked for.
        retry_after: Seconds from a `Retry-After` header.
    """
    if error_code == REGION_CODE:
        return RegionError("", status=status, detail=detail).about(language)
    kind, advice = _BY_STATUS.get(status, (None, ""))
    if kind is None:
        if status >= 500:
            kind, advice = ServerError, "the service is unavailable"
        else:
            kind, advice = RequestRejectedError, _refused(parameter)
    return kind(
        f"HTTP {status} {_phrase(status)}: {advice}",
        code=f"http_{status}",
        status=status,
        retry_after=retry_after,
        detail=detail,
    )


def from_redirect(status: int, host: str, target: str) -> PulseError:
    """The error for a server that answers with a redirect, which is never followed.

    A redirect would hand the API key and the audio to a host that nobody has configured.

    Args:
        status: The HTTP status.
        host: The host that was asked.
        target: The host that the `Location` header names, or "".
    """
    where = f"the host {printable(target, 100)}" if target else "another URL"
    return RequestRejectedError(
        f"HTTP {status}: {host} redirects to {where}; redirects are not followed, because the API "
        "key and the audio are meant for one host: set base_url to the final URL",
        code="redirect",
        status=status,
    )


def from_close(code: int | None, reason: str = "") -> PulseError:
    """The error for a WebSocket close code; None and 1006 mean that no close frame came."""
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


def from_message(detail: str, *, error_code: str = "", parameter: str = "") -> PulseError:
    """The error for an error message inside the stream, docs/protocol.md, section 4.5.

    Args:
        detail: The server's text.
        error_code: The server's error code, which may be an HTTP status.
        parameter: The query parameter that the message names, or "".
    """
    if error_code == REGION_CODE:
        return RegionError("", detail=detail).about("")
    status = _status_of(error_code, detail)
    if status == _TIMED_OUT:
        return ServerError("the service reports a timeout", code="error_timeout", detail=detail)
    if status is None or status >= 500:
        return ServerError(
            "the service reports an error of its own", code="error_message", detail=detail
        )
    kind, advice = _BY_STATUS.get(status, (RequestRejectedError, _refused(parameter)))
    return kind(f"the service reports: {advice}", status=status, detail=detail)


def _status_of(error_code: str, detail: str) -> int | None:
    """The HTTP status that an error message inside the stream amounts to."""
    if re.fullmatch("[45][0-9]{2}", error_code):
        return int(error_code)
    text = f"{error_code} {detail}".lower().replace("_", " ")
    return next((status for status, words in _BY_WORDS if words.search(text)), None)


def _refused(parameter: str) -> str:
    if not parameter:
        return "the service refuses a parameter: check options"
    return f"the service refuses the parameter {printable(parameter, 100)}: check this option"


def _region_advice(language: str) -> str:
    """What to change so that the refused language, or the nearest thing to it, is served."""
    known = LANGUAGES.get(language)
    if language == "multi":
        # No host is known to serve it: three accounts were refused, docs/protocol.md, N8.
        return "use language='multi-eu', or the code of a single language such as 'en'"
    if known is not None and known.region != "any":
        host = REGION_HOSTS[known.region]
        return f"set region={known.region!r}, or base_url to wss://{host}, which serves it"
    return "use another language code, or ask the service to enable this one for the account"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "?"

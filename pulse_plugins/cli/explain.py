"""Errors of the engine in the words of the command line: the host, the reason and what to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from pulse_plugins.cli.exits import CommandError, code_of
from pulse_plugins.cli.target import in_options, key_variable
from pulse_plugins.core.base.errors import (
    AccessDeniedError,
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectionLostError,
    ConnectTimeoutError,
    PaymentRequiredError,
    PulseError,
    RateLimitError,
    RegionError,
    RequestRejectedError,
    ServerError,
    StalledError,
)

_LONGEST_REASON = 300  # characters of what a server wrote


def explain(error: BaseException, url: str) -> str:
    """Say in one line what went wrong and what to try next.

    Args:
        error: What happened.
        url: The server, as `--url` names it.
    """
    match error:
        case ConfigurationError():
            return in_options(str(error))
        case PulseError():
            return f"{_place(url)}: {_cause(error, url)}"
        case OSError() if error.strerror and error.filename:
            return f"{error.filename}: {error.strerror}"
        case _:
            return str(error)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn errors of the engine into one line for the person who typed the command.

    Args:
        url: The server, as `--url` names it.

    Raises:
        CommandError: The engine failed inside.
    """
    try:
        yield
    except PulseError as error:
        raise CommandError(explain(error, url), code_of(error)) from error


def reason_of(error: PulseError) -> str:
    """What the server wrote, as one short line without control characters; "" for refused keys.

    A server may repeat a wrong key in its answer, which must not be shown.
    """
    if isinstance(error, AuthenticationError):
        return ""
    shown = "".join(letter if letter.isprintable() else " " for letter in error.detail)
    return " ".join(shown.split())[:_LONGEST_REASON]


def _cause(error: PulseError, url: str) -> str:
    reason = reason_of(error)
    said = f": {reason}" if reason else ""
    status = f" (HTTP {error.status})" if error.status and error.status < 600 else ""
    match error:
        case AuthenticationError():
            return f"the server does not accept the key: set {key_variable(url)} to a valid one"
        case PaymentRequiredError():
            return f"the account has no credit left{said}"
        case AccessDeniedError():
            return f"this key may not use the product, model or workspace{said}"
        case RegionError():
            return (
                "the language is not served in this region: use --url with a host that serves it, "
                f"such as wss://api.us.smallest.ai{said}"
            )
        case CertificateError():
            return (
                "the certificate cannot be verified: look for a proxy in between and a wrong "
                "clock; no key and no audio was sent"
            )
        case RequestRejectedError() if error.status == 404:
            return f"nothing is served at this address: check --url and --dialect{said}"
        case RequestRejectedError():
            return f"the server refuses the recording or an option{status}{said}"
        case _:
            return _trouble(error, said, status)


def _trouble(error: PulseError, said: str, status: str) -> str:
    """Trouble that may be over later."""
    doctor = "`pulse-plugins doctor --url …` looks at each step"
    match error:
        case RateLimitError():
            return f"too many streams or requests for this key: use fewer --jobs, or wait{said}"
        case ConnectTimeoutError():
            return f"the server does not answer: check --url and the network; {doctor}"
        case StalledError():
            return f"the server takes audio and answers nothing: try again later; {doctor}"
        case ConnectionLostError():
            return f"there is no connection: check --url and the network; {doctor}"
        case ServerError():
            return f"the server failed{status}: try again later{said}"
        case _:
            return f"{error}{said}"


def _place(url: str) -> str:
    """Host and port."""
    try:
        parts = urlsplit(url)
        return parts.netloc.rpartition("@")[2] or url
    except ValueError:
        return url

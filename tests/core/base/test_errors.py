"""Each way the service says no, as a type that knows whether to ask again."""

from __future__ import annotations

import pytest

from pulse_plugins.core.base import errors
from pulse_plugins.core.base.errors import PulseError, from_close, from_message, from_status


@pytest.mark.parametrize(
    ("status", "kind", "retryable", "says"),
    [
        (400, errors.RequestRejectedError, False, "parameter"),
        (401, errors.AuthenticationError, False, "SMALLEST_API_KEY"),
        (402, errors.PaymentRequiredError, False, "credit"),
        (403, errors.AccessDeniedError, False, "key"),
        (404, errors.RequestRejectedError, False, "base_url"),
        (408, errors.ServerError, True, "timed out"),
        (413, errors.RequestRejectedError, False, "250 MB"),
        (418, errors.RequestRejectedError, False, "parameter"),
        (429, errors.RateLimitError, True, "slow down"),
        (500, errors.ServerError, True, "unavailable"),
        (503, errors.ServerError, True, "unavailable"),
        (599, errors.ServerError, True, "unavailable"),
    ],
)
def test_statuses(status: int, kind: type[PulseError], retryable: bool, says: str) -> None:
    error = from_status(status, detail="secret words", retry_after=3.0)
    assert type(error) is kind
    assert (error.retryable, error.status, error.retry_after) == (retryable, status, 3.0)
    assert says in str(error)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (None, errors.ConnectionLostError, True),
        (1000, errors.ConnectionLostError, True),
        (1001, errors.ConnectionLostError, True),
        (1006, errors.ConnectionLostError, True),
        (1008, errors.RateLimitError, True),
        (1009, errors.ServerError, True),
        (1011, errors.ServerError, True),
        (1012, errors.ConnectionLostError, True),
        (1013, errors.ConnectionLostError, True),
        (4000, errors.ServerError, True),
    ],
)
def test_close_codes(code: int | None, kind: type[PulseError], retryable: bool) -> None:
    error = from_close(code, "secret reason")
    assert (type(error), error.retryable) == (kind, retryable)
    assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Invalid API key", errors.AuthenticationError),
        ("API_KEY is missing", errors.AuthenticationError),
        ("your session token has expired", errors.AuthenticationError),
        ("the access token was revoked", errors.AuthenticationError),
        ("You have no credits left", errors.PaymentRequiredError),
        ("your balance is 0", errors.PaymentRequiredError),
        ("Too many concurrent connections", errors.RateLimitError),
        ("rate-limited: rate limit exceeded", errors.RateLimitError),
        ("Access denied for this model", errors.AccessDeniedError),
        ("Unsupported encoding", errors.RequestRejectedError),
        ("unknown language", errors.RequestRejectedError),
        ("eou_timeout_ms must be at least 100", errors.RequestRejectedError),
        ("boom", errors.ServerError),
        ("an unknown error occurred", errors.ServerError),
        ("the load balancer is down", errors.ServerError),
        ("collateral damage", errors.ServerError),
        ("", errors.ServerError),
    ],
)
def test_the_words_of_an_error_message_decide_its_type(text: str, kind: type[PulseError]) -> None:
    error = from_message(text)
    assert type(error) is kind
    assert error.detail == text
    assert not text or text not in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("401", errors.AuthenticationError),
        ("402", errors.PaymentRequiredError),
        ("403", errors.AccessDeniedError),
        ("422", errors.RequestRejectedError),
        ("429", errors.RateLimitError),
        ("500", errors.ServerError),
        ("INSUFFICIENT_CREDITS", errors.PaymentRequiredError),
        ("RATE_LIMIT_EXCEEDED", errors.RateLimitError),
        ("UNAUTHORIZED", errors.AuthenticationError),
        ("17", errors.ServerError),
    ],
)
def test_the_code_of_an_error_message_decides_its_type(code: str, kind: type[PulseError]) -> None:
    assert type(from_message("boom", error_code=code)) is kind


@pytest.mark.parametrize(
    "text", ["Request timed out", "timed out waiting for audio, try again later"]
)
def test_a_timeout_in_the_stream_is_a_fault_of_the_server(text: str) -> None:
    error = from_message(text)
    assert (type(error), error.code) == (errors.ServerError, "error_timeout")


def test_an_option_with_timeout_in_its_name_is_no_timeout() -> None:
    assert from_message("invalid eou_timeout_ms").code == "rejected"


def test_the_refused_parameter_is_named() -> None:
    for error in (
        from_status(400, detail="secret", parameter="language"),
        from_message("invalid secret", parameter="language"),
    ):
        assert "the parameter language" in str(error)
        assert "secret" not in str(error)


@pytest.mark.parametrize(
    ("language", "says", "says_not"),
    [
        ("multi", "'multi-eu'", "base_url"),
        ("zh", "wss://api.us.smallest.ai", "multi"),
        ("multi-asian", "wss://api.us.smallest.ai", "multi-eu"),
        ("ta", "wss://api.india.smallest.ai", "multi"),
        ("pa", "another language code", "base_url"),
        ("tlh", "another language code", "base_url"),
        ("", "another language code", "base_url"),
    ],
)
def test_a_refused_language_gets_advice_that_helps(language: str, says: str, says_not: str) -> None:
    code = "LANGUAGE_NOT_ENABLED_IN_REGION"
    in_stream = from_message("no", error_code=code)
    assert isinstance(in_stream, errors.RegionError)
    for error in (
        from_status(400, detail="no", error_code=code, language=language),
        in_stream.about(language),
    ):
        assert type(error) is errors.RegionError
        assert not error.retryable
        assert error.detail == "no"
        assert says in str(error)
        assert says_not not in str(error)


def test_a_redirect_names_both_hosts_safely() -> None:
    error = errors.from_redirect(307, "api.smallest.ai", "evil.example\r\nX")
    assert not error.retryable
    assert (error.code, error.status) == ("redirect", 307)
    assert "api.smallest.ai redirects to the host evil.example??X;" in str(error)
    assert "another URL" in str(errors.from_redirect(302, "api.smallest.ai", ""))

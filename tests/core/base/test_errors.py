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
        ("You have no credits left", errors.PaymentRequiredError),
        ("Too many concurrent connections", errors.RateLimitError),
        ("Access denied for this model", errors.AccessDeniedError),
        ("Unsupported encoding", errors.RequestRejectedError),
        ("boom", errors.ServerError),
        ("", errors.ServerError),
    ],
)
def test_messages_in_the_stream(text: str, kind: type[PulseError]) -> None:
    error = from_message(text)
    assert type(error) is kind
    assert error.detail == text
    assert not text or text not in str(error)


def test_a_language_of_another_region_says_which_option_to_change() -> None:
    for error in (
        from_status(400, error_code="LANGUAGE_NOT_ENABLED_IN_REGION"),
        from_message("no", error_code="LANGUAGE_NOT_ENABLED_IN_REGION"),
    ):
        assert type(error) is errors.RegionError
        assert not error.retryable
        assert "base_url" in str(error)

"""Each failure as the framework's error, with the right `retryable` and nothing private."""

from __future__ import annotations

import logging

import pytest
from livekit.agents import APIConnectionError, APIStatusError, APITimeoutError

from pulse_plugins.core.base import errors
from pulse_plugins.core.base.errors import ConnectionLostError, from_message
from pulse_plugins.core.base.events import Event, Reconnecting, ServerReported
from pulse_plugins.livekit.reports import Reports, api_error, fatal_error

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413])
def test_a_refusal_is_final(status: int) -> None:
    error = api_error(errors.from_status(status, detail="said: my secret"))
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.retryable) == (status, False)
    assert "secret" not in f"{error} {error!r}"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_server_in_trouble_is_worth_another_try(status: int) -> None:
    error = api_error(errors.from_status(status))
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.retryable) == (status, True)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 1012, 1013])
def test_a_lost_connection(code: int | None) -> None:
    error = api_error(errors.from_close(code))
    assert type(error) is APIConnectionError
    assert error.retryable


def test_1008_is_retried_and_then_not() -> None:
    closed = errors.from_close(1008, "the words")
    tried, given_up = api_error(closed), fatal_error(closed)
    assert isinstance(tried, APIStatusError)
    assert isinstance(given_up, APIStatusError)
    assert (tried.status_code, tried.retryable) == (1008, True)
    assert (given_up.status_code, given_up.retryable) == (1008, False)


@pytest.mark.parametrize(
    ("text", "status", "retryable"),
    [
        ("invalid api key", 401, False),
        ("insufficient credits", 402, False),
        ("forbidden", 403, False),
        ("unsupported language", 400, False),
        ("too many requests", 429, True),
        ("boom", -1, True),
    ],
)
def test_errors_inside_the_stream(text: str, status: int, retryable: bool) -> None:
    error = api_error(errors.from_message(text))
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.retryable) == (status, retryable)


def test_a_region_that_does_not_serve_the_language_is_final() -> None:
    error = api_error(errors.from_message("x", error_code="LANGUAGE_NOT_ENABLED_IN_REGION"))
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.retryable) == (400, False)


def test_timeouts_are_timeouts() -> None:
    assert isinstance(api_error(errors.ConnectTimeoutError("no answer")), APITimeoutError)


def told(*events: Event, every: float) -> tuple[int, list[tuple[Exception, bool]]]:
    """Reports these events, one after so many seconds; the number and the errors they caused."""
    errors: list[tuple[Exception, bool]] = []
    reports = Reports(lambda error, recoverable: errors.append((error, recoverable)))
    for number, event in enumerate(events):
        reports.handle(event, 100.0 + number * every)
    return len(errors), errors


def test_lost_connections_are_reported_five_times_at_once_and_then_every_five_seconds() -> None:
    lost = ConnectionLostError("gone")
    tries = [Reconnecting(1, lost.code, 1.0, lost) for _ in range(20)]
    count, errors = told(*tries, every=1.0)
    assert count == 5 + 3
    assert all(recoverable for _, recoverable in errors)


def test_an_error_after_which_the_server_goes_on_is_logged_and_is_no_error_of_the_framework(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, logger="livekit.plugins.pulse"):
        count, _ = told(ServerReported(from_message("decoder timed out")), every=1.0)
    assert count == 0
    [record] = caplog.records
    assert record.__dict__["reason"] == "error_timeout"

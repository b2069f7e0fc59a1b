"""Errors in the words of the command line: the host, the reason and what to try."""

from __future__ import annotations

import pytest

from pulse_plugins.cli.exits import CommandError, code_of
from pulse_plugins.cli.explain import explain, explained, reason_of
from pulse_plugins.cli.target import in_options
from pulse_plugins.core.base import errors

LOCAL = "ws://127.0.0.1:8765"


@pytest.mark.parametrize(
    ("error", "url", "expected"),
    [
        (errors.from_status(401), "wss://api.smallest.ai", "SMALLEST_API_KEY"),
        (errors.from_status(401), LOCAL, "PULSE_API_KEY"),
        (errors.from_status(402), LOCAL, "no credit"),
        (errors.from_status(403), LOCAL, "may not use"),
        (errors.from_status(404), LOCAL, "--url and --dialect"),
        (errors.from_status(413, detail="longer than 11 s"), LOCAL, "(HTTP 413): longer than 11 s"),
        (errors.from_status(422, detail="bad audio"), LOCAL, "(HTTP 422): bad audio"),
        (errors.from_status(429), LOCAL, "--jobs"),
        (errors.from_status(503), LOCAL, "try again later"),
        (errors.ConnectionLostError("x"), LOCAL, "pulse-plugins doctor"),
        (errors.ConnectTimeoutError("x"), LOCAL, "does not answer"),
        (errors.StalledError("x"), LOCAL, "answers nothing"),
        (errors.CertificateError("x"), LOCAL, "certificate"),
    ],
)
def test_an_error_names_the_host_and_what_to_try(
    error: errors.PulseError, url: str, expected: str
) -> None:
    text = explain(error, url)
    assert text.startswith(f"{url.partition('//')[2]}: ")
    assert expected in text
    assert "base_url" not in text
    assert "api_key" not in text
    assert "\n" not in text


def test_an_error_keeps_its_exit_code() -> None:
    error = errors.from_status(503)
    with pytest.raises(CommandError) as caught, explained(LOCAL):
        raise error
    assert caught.value.code is code_of(error)


def test_what_a_server_wrote_cannot_steer_the_terminal_and_is_short() -> None:
    error = errors.from_status(422, detail="a\x1b[2Jb\nc" + "x" * 5000)
    text = reason_of(error)
    assert text.startswith("a [2Jb c")
    assert len(text) <= 300


def test_what_a_server_says_of_a_key_is_not_shown() -> None:
    assert reason_of(errors.from_status(401, detail="no such key: sk_secret")) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base_url is empty: name at least one", "--url is empty: name at least one"),
        ("set base_url to a host that serves it", "use --url with a host that serves it"),
        ("set SMALLEST_API_KEY or api_key, or", "set SMALLEST_API_KEY, or"),
        ("api_key holds characters", "the API key holds characters"),
        ("eou_timeout_ms=5 is out of range", "eou_timeout_ms=5 is out of range"),
    ],
)
def test_options_have_the_names_of_the_command_line(text: str, expected: str) -> None:
    assert in_options(text) == expected

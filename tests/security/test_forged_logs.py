"""What a server says writes no line of its own and no escape code into a log or a terminal."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from pulse_plugins import Final, Interim, PulseError, PulseOptions
from tests.security.hostile_servers import LAST, Server, call, running
from tests.support.privacy import Watch

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m"
FORGED = f"s1\r\n2026-01-01 CRITICAL failed stream=other {ESCAPES}\u2028\u202e"
LONG = FORGED + "x" * 100_000
MOST_SESSION_ID = 128  # characters
MOST_LINE = 2_000  # characters


@pytest.fixture
def wire_log() -> Iterator[None]:
    log = logging.getLogger("pulse_plugins.wire")
    level = log.level
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(level)


def check_logs(watch: Watch, most: int = MOST_LINE) -> list[str]:
    """Every line of the package is printable and short, with its fields; returns the lines."""
    lines = []
    for record in watch.records:
        if not record.name.startswith("pulse_plugins"):
            continue
        fields = [str(value) for key, value in vars(record).items() if key.startswith("pulse_")]
        for shown in (record.getMessage(), *fields):
            assert shown.isprintable(), record
            assert len(shown) <= most, record
        lines.append(record.getMessage())
    return lines


@pytest.mark.parametrize("is_final", [False, True])
async def test_a_session_id_writes_neither_lines_nor_escape_codes(
    is_final: bool, private_logs: Watch
) -> None:
    told = {"transcript": "hello", "is_final": is_final, "session_id": LONG}
    async with running(Server((json.dumps(told),))) as server:
        events = await call(PulseOptions(base_url=server.url))
    named = [event for event in events if isinstance(event, Interim | Final) and event.session_id]
    assert named
    for event in named:
        assert event.session_id.isprintable()
        assert len(event.session_id) <= MOST_SESSION_ID
    assert any("session_id=" in line for line in check_logs(private_logs))


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "message": LONG, "error_code": LONG, "code": LONG},
        {"status": "error", "errors": [{"path": LONG, "message": LONG}], "error": "invalid"},
        {"type": LONG, "language": LONG},
        {"transcript": "hello", "is_final": True, "language": LONG, "languages": [LONG]},
        {"transcript": "hello", "is_final": True, "words": [{"word": "hello", LONG: LONG}]},
        {"type": "speech_started", "timestamp": LONG},
    ],
)
async def test_no_other_field_of_a_message_does(
    message: dict[str, object], private_logs: Watch
) -> None:
    async with running(Server((json.dumps(message),))) as server:
        events = await call(PulseOptions(base_url=server.url, language="multi-eu"))
    assert check_logs(private_logs)
    for event in events:
        error = getattr(event, "error", None)
        if isinstance(error, PulseError):
            assert f"{error}{error.code}".isprintable()


@pytest.mark.parametrize("code", [1000, 1008, 1011, 4000])
async def test_the_reason_of_a_close_does_not(code: int, private_logs: Watch) -> None:
    async with running(Server((LAST,), close=(code, FORGED[:100]))) as server:
        events = await call(
            PulseOptions(base_url=server.url), lambda event: hasattr(event, "error")
        )
    assert all(str(getattr(event, "error", "")).isprintable() for event in events)
    assert check_logs(private_logs)


async def test_a_redirect_does_not(private_logs: Watch) -> None:
    for location in (f"http://a{ESCAPES[:3]}b/", "http://" + "a" * 5_000, "http://[", "\x9b"):
        async with running(Server(location=location)) as server:
            with pytest.raises(PulseError) as failed:
                await call(PulseOptions(base_url=server.url))
        assert str(failed.value).isprintable()
        assert len(str(failed.value)) < 500
    check_logs(private_logs)


async def test_the_log_of_the_wire_shows_each_message_on_one_short_line(
    wire_log: None, private_logs: Watch
) -> None:
    told = json.dumps({"transcript": "hello", "is_final": True}).replace(",", ",\r\n")
    messages = (FORGED, told, LONG, f'{{"transcript": "{"x" * 100_000}"}}')
    async with running(Server(messages)) as server:
        events = await call(PulseOptions(base_url=server.url))
    assert any(isinstance(event, Final) and event.text == "hello" for event in events)
    lines = check_logs(private_logs, most=11_000)
    assert sum(" ← " in line for line in lines) >= len(messages)

"""Proxies, redirects and `Retry-After`, as streams and requests share them."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from pulse_plugins.core.client.http import is_loopback, proxy_for, redirect_error, retry_after

CLOUD = "wss://api.smallest.ai/waves/v1/stt/live?model=pulse"
OWN = "ws://speech.internal:8765/transcribe"
NAMES = ("http", "https", "all", "ws", "wss", "no")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.mark.parametrize(
    ("url", "environment", "found"),
    [
        (CLOUD, {}, None),
        (CLOUD, {"https_proxy": "http://p:1"}, "http://p:1"),
        (CLOUD, {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
        (CLOUD, {"http_proxy": "http://p:1"}, None),
        (CLOUD, {"all_proxy": "socks5://p:1"}, "socks5://p:1"),
        (CLOUD, {"all_proxy": "http://a:1", "https_proxy": "http://p:1"}, "http://p:1"),
        (CLOUD, {"wss_proxy": "http://w:1", "https_proxy": "http://p:1"}, "http://w:1"),
        (CLOUD, {"https_proxy": "p:1"}, "http://p:1"),
        (CLOUD, {"https_proxy": "http://p:1", "no_proxy": "smallest.ai"}, None),
        (CLOUD, {"https_proxy": "http://p:1", "no_proxy": "*"}, None),
        (CLOUD, {"https_proxy": "http://p:1", "no_proxy": "example.com"}, "http://p:1"),
        ("https://api.smallest.ai/waves", {"https_proxy": "http://p:1"}, "http://p:1"),
        (OWN, {"http_proxy": "http://p:1"}, "http://p:1"),
        (OWN, {"https_proxy": "http://p:1"}, None),
        (OWN, {"http_proxy": "http://p:1", "no_proxy": "speech.internal:8765"}, None),
        (OWN, {"http_proxy": "http://p:1", "no_proxy": "speech.internal:1"}, "http://p:1"),
        ("ws://127.0.0.1:8765", {"http_proxy": "http://p:1", "all_proxy": "http://p:1"}, None),
        ("http://localhost", {"http_proxy": "http://p:1"}, None),
        ("ws://[::1]:8765/a", {"http_proxy": "http://p:1"}, None),
    ],
)
def test_the_environment_names_the_proxy(
    url: str, environment: dict[str, str], found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(url, None) == found


@pytest.mark.parametrize("url", [CLOUD, OWN, "ws://127.0.0.1:8765"])
def test_the_option_wins(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("https_proxy", "http://p:1")
    assert proxy_for(url, "http://mine:3128") == "http://mine:3128"
    monkeypatch.setenv("no_proxy", "")
    assert proxy_for(url, "") is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
        ("10.0.0.1", False),
        ("", False),
    ],
)
def test_hosts_of_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("https://evil.example/x?y", "evil.example"),
        ("//evil.example/x", "evil.example"),
        ("/elsewhere", "another URL"),
        ("", "another URL"),
        ("https://[::1", "another URL"),
    ],
)
def test_a_redirect_is_refused_and_names_the_hosts(location: str, says: str) -> None:
    error = redirect_error(307, CLOUD, location)
    assert f"api.smallest.ai redirects to {'the host ' if 'evil' in says else ''}{says}" in str(
        error
    )
    assert "?" not in str(error)
    assert not error.retryable


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("9" * 5000, 3600),
        (" 7 ", 7),
        (format_datetime(NOW + timedelta(minutes=50), usegmt=True), 3000),
        (format_datetime(NOW - timedelta(hours=1), usegmt=True), 0),
    ],
    ids=["zero", "many", "spaces", "date", "past"],
)
def test_both_forms_of_retry_after_are_read(
    header: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", NOW.timestamp)
    assert retry_after(header) == seconds


@pytest.mark.parametrize("header", [None, "", "soon", "-1", "1.5", "²"])
def test_any_other_retry_after_is_none(header: str | None) -> None:
    assert retry_after(header) is None

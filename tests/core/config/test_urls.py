"""Base URLs: what is refused, what is the cloud, and how a path is appended."""

from __future__ import annotations

import pytest

from pulse_plugins import PulseOptions
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.urls import (
    CLOUD_URL,
    advise_on_region,
    base_urls,
    is_cloud,
    join_url,
)
from pulse_plugins.core.config.validation import warn_once


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ((), "name at least one"),
        (None, "takes a str"),
        (b"ws://h", "takes a str"),
        (["ws://h", 5], "takes a str"),
        ("host", "must look like"),
        ("ftp://host", "must look like"),
        ("ws://host:0", "must look like"),
        ("ws://", "must look like"),
        ("ws://ho\nst", "must look like"),
        ("ws://ho st", "must look like"),
        ("ws://h\ud800", "must look like"),
        ("ws://host:99999", "impossible host or port"),
        ("ws://[::1", "impossible host or port"),
        ("ws://a..b", "impossible host or port"),
        ("ws://" + "a" * 64, "impossible host or port"),
        ("ws://h/?a=b", "no query and no credentials"),
        ("ws://h/#a", "no query and no credentials"),
        ("ws://user:pass@h", "no query and no credentials"),
        ("ws://api.smallest.ai", "over TLS only"),
        ("http://API.SMALLEST.AI./waves", "over TLS only"),
        (("ws://h", "ws://api.smallest.ai"), "over TLS only"),
    ],
)
def test_a_url_that_cannot_work_is_refused_in_one_line(url: object, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        base_urls(url, None)
    assert "\n" not in str(refused.value)
    assert "pass" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "cloud"),
    [
        ("wss://api.smallest.ai", True),
        ("wss://API.US.SMALLEST.AI:443/waves", True),
        ("wss://smallest.ai", True),
        ("wss://api.smallest.ai.", True),
        ("wss://api\u3002smallest\uff0eai", True),  # name resolution reads these as dots
        ("wss://notsmallest.ai", False),
        ("wss://smallest.ai.example.com", False),
        ("ws://127.0.0.1:8765", False),
    ],
)
def test_hosts_of_the_cloud(url: str, cloud: bool) -> None:
    assert is_cloud(url) is cloud


def test_one_url_stays_one_and_several_become_a_tuple() -> None:
    assert base_urls("ws://h", None) == "ws://h"
    assert base_urls(["ws://h", "ws://i"], None) == ("ws://h", "ws://i")


@pytest.mark.parametrize(
    ("region", "host"), [("us", "api.us.smallest.ai"), ("india", "api.india.smallest.ai")]
)
def test_a_region_names_the_host(region: str, host: str) -> None:
    options = PulseOptions(region=region, api_key="key")  # type: ignore[arg-type]
    assert options.urls == (f"wss://{host}",)
    assert options.changed(language="hi").urls == (f"wss://{host}",)


def test_a_region_must_exist_and_stand_alone() -> None:
    with pytest.raises(ConfigurationError, match="use one of us, india"):
        PulseOptions(region="moon", api_key="key")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="give one of them"):
        PulseOptions(region="us", base_url="ws://127.0.0.1:1")


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/waves/v1", "ws://h:1/"])
def test_a_base_url_may_hold_the_first_part_of_the_path(base: str) -> None:
    url = PulseOptions(base_url=base).websocket_url()
    assert url.startswith("ws://h:1/waves/v1/pulse/get_text?")


def test_the_scheme_follows_the_base_url() -> None:
    assert join_url("https://h", "/a", secure="wss") == "wss://h/a"
    assert join_url("ws://h/x", "/a", secure="https") == "http://h/x/a"


def test_the_pre_recorded_endpoint_is_reached_by_http() -> None:
    assert PulseOptions(base_url="ws://h:1").batch_url() == "http://h:1/waves/v1/pulse/get_text"


@pytest.mark.parametrize(
    ("language", "url", "says"),
    [
        ("en", CLOUD_URL, ""),
        ("tlh", CLOUD_URL, ""),
        ("zh", CLOUD_URL, "region='us'"),
        ("multi-asian", "wss://api.india.smallest.ai", "region='us'"),
        ("zh", "wss://api.us.smallest.ai/waves", ""),
        ("zh", "ws://127.0.0.1:1", ""),
        ("ta", CLOUD_URL, ""),  # one document says that the default host is in India
        ("ta", "wss://api.us.smallest.ai", "region='india'"),
    ],
)
def test_a_host_that_does_not_stream_the_language_is_warned_about(
    language: str, url: str, says: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_once.cache_clear()
    advise_on_region(language, url)
    told = "".join(record.getMessage() for record in caplog.records)
    assert bool(told) == bool(says)
    assert says in told

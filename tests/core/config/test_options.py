"""Options that cannot work are refused before a connection is opened, each with one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.keys import ENV_API_KEY
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts

LOCAL = "ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"encoding": "mp3"}, "use one of linear16"),
        ({"sample_rate": 12345}, "the service takes 8000"),
        ({"encoding": "mulaw", "sample_rate": 16000}, "set sample_rate=8000"),
        ({"keywords": "a:-1"}, "at least 0"),
        ({"keywords": [f"w{n}" for n in range(10_001)]}, "at most 10000"),
        ({"language": ""}, "language is empty"),
        ({"eou_timeout_ms": 0}, "out of range: 100 to 10000"),
        ({"eou_timeout_ms": "500"}, "eou_timeout_ms takes a whole number or None, not str"),
        ({"packet_ms": 20.5}, "packet_ms takes a whole number"),
        ({"diarize": "yes"}, "diarize takes True or False or None"),
        ({"word_timestamps": 1}, "word_timestamps takes True or False"),
        ({"replay_speed": float("nan")}, "replay_speed=nan"),
        ({"keywords": [5]}, "a word and its boost"),
        ({"keywords": [("a", "3")]}, "each with a number"),
        ({"base_url": ()}, "name at least one"),
        ({"base_url": None}, "base_url takes a str"),
        ({"base_url": "ws://host:99999"}, "host or a port that cannot be"),
        ({"base_url": "ws://[::1"}, "host or a port that cannot be"),
        ({"base_url": "ws://a..b"}, "host or a port that cannot be"),
        ({"api_key": "ключ"}, "api_key holds characters"),
        ({"api_key": "a\r\nb: c"}, "api_key holds characters"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers: names and values"),
        ({"headers": None}, "headers takes a mapping"),
        ({"extra": {"a": "\ud800"}}, "must be whole characters"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PulseOptions(**{"base_url": LOCAL, **wrong})
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_cloud_is_not_called_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_API_KEY, raising=False)
    with pytest.raises(ConfigurationError, match=ENV_API_KEY):
        PulseOptions()


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (Limits, {"replay_seconds": float("nan")}),
        (Limits, {"replay_seconds": float("inf")}),
        (Limits, {"max_streams": 2.5}),
        (Timeouts, {"connect": "5"}),
        (Timeouts, {"stall": float("nan")}),
        (RetryPolicy, {"base": None}),
    ],
)
def test_a_bound_that_is_no_number_is_refused(kind: type, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        kind(**wrong)


def test_numbers_and_addresses_may_be_of_any_kind() -> None:
    given: dict[str, Any] = {
        "base_url": ["ws://127.0.0.1:1", "ws://127.0.0.1:2"],
        "sample_rate": np.int64(8000),
        "keywords": {"a": np.float32(2)},
        "model": None,
        "limits": Limits(queue_seconds=float("inf")),
    }
    options = PulseOptions(**given)
    assert options.urls == ("ws://127.0.0.1:1", "ws://127.0.0.1:2")
    assert options.query()["keywords"] == "a:2"
    assert options.query()["sample_rate"] == "8000"


def test_a_key_from_a_file_may_end_its_line() -> None:
    headers = PulseOptions(api_key=" key\n", base_url=LOCAL).request_headers()
    assert headers["Authorization"] == "Bearer key"


def test_a_key_that_is_no_key_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as refused:
        PulseOptions(api_key="a\x00secret", base_url=LOCAL)
    assert "secret" not in str(refused.value)


def test_an_empty_key_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENV_API_KEY, "from-the-environment")
    assert PulseOptions(api_key="").api_key == "from-the-environment"
    monkeypatch.setenv(ENV_API_KEY, " ")
    with pytest.raises(ConfigurationError, match=ENV_API_KEY):
        PulseOptions(api_key="")


def test_the_key_is_in_no_repr_and_in_no_url() -> None:
    options = PulseOptions(api_key="a-secret", base_url=LOCAL)
    assert "a-secret" not in repr(options) + options.websocket_url()


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/waves/v1", "ws://h:1/"])
def test_a_base_url_may_hold_the_first_part_of_the_path(base: str) -> None:
    url = PulseOptions(base_url=base).websocket_url()
    assert url.startswith("ws://h:1/waves/v1/pulse/get_text?")

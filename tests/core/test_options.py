"""Options that cannot work are refused before a connection is opened, each with one clear line."""

from __future__ import annotations

from typing import Any

import pytest

from pulse_plugins.core.errors import ConfigurationError
from pulse_plugins.core.options import ENV_API_KEY, PulseOptions

LOCAL = "ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"encoding": "mp3"}, "use one of linear16"),
        ({"sample_rate": 12345}, "the service takes 8000"),
        ({"encoding": "mulaw", "sample_rate": 16000}, "set sample_rate=8000"),
        ({"keywords": {"a": 21}}, "out of range 0 to 20"),
        ({"keywords": "a:-1"}, "out of range 0 to 20"),
        ({"keywords": [f"w{n}" for n in range(10_001)]}, "at most 10000"),
        ({"language": ""}, "language is empty"),
        ({"eou_timeout_ms": 0}, "out of range: 100 to 10000"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PulseOptions(base_url=LOCAL, **wrong)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_cloud_is_not_called_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV_API_KEY, raising=False)
    with pytest.raises(ConfigurationError, match=ENV_API_KEY):
        PulseOptions()


def test_the_key_is_in_no_repr_and_in_no_url() -> None:
    options = PulseOptions(api_key="a-secret", base_url=LOCAL)
    assert "a-secret" not in repr(options) + options.websocket_url()


@pytest.mark.parametrize("base", ["http://h:1", "http://h:1/waves/v1", "ws://h:1/"])
def test_a_base_url_may_hold_the_first_part_of_the_path(base: str) -> None:
    url = PulseOptions(base_url=base).websocket_url()
    assert url.startswith("ws://h:1/waves/v1/pulse/get_text?")

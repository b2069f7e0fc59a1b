"""Options that cannot work are refused before a connection is opened, each with one clear line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.timing import Limits

LOCAL = "ws://127.0.0.1:1"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"encoding": "mp3"}, "use one of linear16"),
        ({"sample_rate": 12345}, "the service takes 8000"),
        ({"encoding": "mulaw", "sample_rate": 16000}, "set sample_rate=8000"),
        ({"language": ""}, "language is empty"),
        ({"language": None}, "language takes a str"),
        ({"language": "\ud800"}, "language holds half a surrogate pair"),
        ({"numerals": "\ud800"}, "numerals holds half a surrogate pair"),
        ({"stream_path": "/a?b=c"}, "stream_path takes printable ASCII"),
        ({"stream_path": "/\ud800"}, "half a surrogate pair"),
        ({"proxy": "\udfff"}, "proxy holds half a surrogate pair"),
        ({"dialect": "latin"}, "use one of direct, legacy, live, pulse"),
        ({"dialect": ["live"]}, "is unknown"),
        ({"model": "pulse-3"}, "use one of pulse, pulse-2"),
        ({"model": "pulse-2", "language": "de"}, "English only"),
        ({"model": "pulse-2", "dialect": "legacy"}, "needs dialect='live'"),
        ({"model": "pulse-2", "stream_path": "/mine"}, "needs dialect='live'"),
        ({"external_session_id": "a b"}, "external_session_id takes"),
        ({"external_session_id": "a" * 129}, "external_session_id takes"),
        ({"packet_ms": 5}, "packet_ms=5 is out of range"),
        ({"encoding": "opus", "sample_rate": 44100}, "takes 8000, 16000, 24000, 48000 Hz"),
        ({"eou_timeout_ms": 0}, "out of range: 100 to 10000"),
        ({"eou_timeout_ms": "500"}, "eou_timeout_ms takes a whole number or None, not str"),
        ({"packet_ms": 20.5}, "packet_ms takes a whole number"),
        ({"diarize": "yes"}, "diarize takes True or False or None"),
        ({"word_timestamps": 1}, "word_timestamps takes True or False"),
        ({"api_key": "ключ"}, "api_key holds characters"),
        ({"api_key": "a\r\nb: c"}, "api_key holds characters"),
        ({"headers": {"X-A": "b\r\nX-C: d"}}, "headers: names and values"),
        ({"headers": None}, "headers takes a mapping"),
        ({"extra": {"a": "\ud800"}}, "must be text that UTF-8 can hold"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        PulseOptions(**{"base_url": LOCAL, **wrong})
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_numbers_and_addresses_may_be_of_any_kind() -> None:
    given: dict[str, Any] = {
        "base_url": ["ws://127.0.0.1:1", "ws://127.0.0.1:2"],
        "sample_rate": np.int64(8000),
        "keywords": {"a": np.float32(2)},
        "model": None,
        "limits": Limits(backlog_seconds=float("inf")),
    }
    options = PulseOptions(**given)
    assert options.urls == ("ws://127.0.0.1:1", "ws://127.0.0.1:2")
    assert options.query()["keywords"] == "a:2"
    assert options.query()["sample_rate"] == "8000"


def test_the_key_is_in_no_repr_and_in_no_url() -> None:
    keys = {LOCAL: "b-secret"}
    for options in (
        PulseOptions(api_key="a-secret", base_url=LOCAL),
        PulseOptions(api_keys=keys, base_url=LOCAL, headers={"X-Key": "c-secret"}),
    ):
        assert "secret" not in repr(options) + options.websocket_url()


@pytest.mark.parametrize(
    ("given", "dialect"),
    [
        ({}, "pulse"),
        ({"model": "pulse-2"}, "live"),
        ({"no_format_delay": True}, "live"),
        ({"vad_threshold": 0.0}, "live"),
        ({"no_format_delay": False}, "pulse"),
        ({"endpointing": False, "endpointing_timeout_ms": 300}, "pulse"),
        ({"no_format_delay": True, "dialect": "legacy"}, "legacy"),
        ({"no_format_delay": True, "stream_path": "/mine"}, "pulse"),
        ({"model": "pulse-2", "dialect": "direct"}, "direct"),
    ],
)
def test_what_the_endpoint_pulse_does_not_know_is_sent_to_live(
    given: dict[str, Any], dialect: str
) -> None:
    options = PulseOptions(base_url=LOCAL, **given)
    assert options.dialect == dialect
    assert ("model" in options.query()) == (dialect in ("live", "direct"))


def test_a_copy_is_checked_and_knows_its_options() -> None:
    options = PulseOptions(base_url=LOCAL)
    assert options.changed(language="hi").language == "hi"
    with pytest.raises(ConfigurationError, match="no such option: colour"):
        options.changed(colour="red")
    with pytest.raises(ConfigurationError, match="no such option: _keys"):
        options.changed(_keys={})


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"packet_ms": 50}, True),
        ({"language": "hi"}, False),
        ({"api_key": "other"}, False),
        ({"headers": {"X-A": "b"}}, False),
        ({"base_url": (LOCAL, "ws://127.0.0.1:2")}, False),
    ],
)
def test_a_connection_serves_options_that_send_the_same(change: dict[str, Any], same: bool) -> None:
    options = PulseOptions(base_url=LOCAL, api_key="key")
    assert options.same_connection(options.changed(**change)) is same


def test_the_text_of_redacted_finals_is_known_to_be_redacted() -> None:
    assert not PulseOptions(base_url=LOCAL).redacts
    assert PulseOptions(base_url=LOCAL, redact_pci=True).redacts


def test_a_server_without_a_pre_recorded_endpoint_has_no_url_for_it() -> None:
    with pytest.raises(ConfigurationError, match="no pre-recorded endpoint"):
        PulseOptions(base_url=LOCAL, dialect="direct").batch_url()

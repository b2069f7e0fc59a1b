"""Arguments -> engine options."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
from livekit.agents import AgentSession, LanguageCode
from livekit.agents.types import NOT_GIVEN, APIConnectOptions

from pulse_plugins.core.audio.formats import AudioFormat
from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.base.languages import LANGUAGES
from pulse_plugins.livekit.options import Settings, first_settings, for_connection, with_keyterms

LOCAL = "ws://127.0.0.1:8765"


def settings(**given: object) -> Settings:
    return first_settings({"base_url": LOCAL, **given})


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        (LOCAL, None, "ws://127.0.0.1:8765/waves/v1/pulse/get_text"),
        (LOCAL, "/stt/live", "ws://127.0.0.1:8765/waves/v1/stt/live"),
        (LOCAL, "/transcribe", "ws://127.0.0.1:8765/transcribe"),
        ("http://host:9/waves/v1", "/stt/live", "ws://host:9/waves/v1/stt/live"),
        ("http://host:9/waves/v1", None, "ws://host:9/waves/v1/pulse/get_text"),
        ("http://host:9/own", "/speech", "ws://host:9/own/speech"),
    ],
)
def test_urls_are_those_of_the_official_arguments(base: str, path: str | None, url: str) -> None:
    given: dict[str, object] = {"base_url": base}
    if path is not None:
        given["stream_path"] = path
    assert first_settings(given).options.websocket_url().partition("?")[0] == url


def test_the_defaults_of_the_vad_are_sent_where_the_endpoint_has_one() -> None:
    default = settings().options.query()
    assert (default["vad_events"], default["endpointing_timeout"]) == ("true", "300")
    assert "endpointing_timeout" not in settings(dialect="legacy").options.query()
    live = settings(stream_path="/stt/live").options.query()
    assert (live["endpointing"], live["endpointing_timeout"]) == ("true", "300")
    server_default = settings(stream_path="/stt/live", endpointing_timeout_ms=None)
    assert "endpointing_timeout" not in server_default.options.query()


def test_the_rate_is_the_frames_own_where_the_service_takes_it() -> None:
    def rate(given: dict[str, object], hz: int) -> int:
        return settings(**given).source_options(AudioFormat("linear16", hz)).sample_rate

    assert rate({}, 24_000) == 24_000
    assert rate({}, 8_000) == 8_000
    assert rate({}, 32_000) == 16_000
    assert rate({"sample_rate": 16_000}, 24_000) == 16_000
    assert rate({"encoding": "mulaw"}, 24_000) == 8_000
    assert rate({"encoding": "opus"}, 44_100) == 16_000


def test_word_times_are_always_asked_for() -> None:
    hidden = settings(word_timestamps=False)
    assert hidden.options.query()["word_timestamps"] == "true"
    assert not hidden.word_timestamps


def test_not_given_changes_nothing() -> None:
    first = settings(keywords=[("NVIDIA", 2.0)])
    assert first.changed({"language": NOT_GIVEN, "keywords": NOT_GIVEN}) == first


def test_wrong_values_are_refused_and_named() -> None:
    for given in (
        {"sample_rate": 12345},
        {"language": ""},
        {"encoding": "flac"},
        {"eou_timeout_ms": 0},
        {"keywords": [("a:b", 1.0)]},
        {"colour": "red"},
    ):
        with pytest.raises(ConfigurationError, match=next(iter(given)).split("_")[0][:7]):
            settings(**given)


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_language_goes_out_as_the_service_spells_it(code: str) -> None:
    for given in (code, LanguageCode(code), code.upper()):
        assert settings(language=given).options.query()["language"] == code
    assert settings(language="en-US").options.query()["language"] == "en"
    assert settings(language="xx-New").options.query()["language"] == "xx-New"


def test_a_cloud_url_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMALLEST_API_KEY", raising=False)
    with pytest.raises(ValueError, match="SMALLEST_API_KEY"):
        first_settings({})


@pytest.mark.parametrize(("retries", "ever"), [(0, 1), (1, 2), (2, None), (3, None)])
def test_patience_is_the_frameworks(retries: int, ever: int | None) -> None:
    options = for_connection(
        settings().options, APIConnectOptions(max_retry=retries, retry_interval=1.5, timeout=3.0)
    )
    assert options.retry.max_attempts == ever
    assert (options.retry.cap, options.timeouts.connect) == (1.5, 3.0)


def test_a_region_is_a_host() -> None:
    given: dict[str, object] = {"region": "us", "api_key": "k"}
    assert first_settings(given).options.urls == ("wss://api.us.smallest.ai",)
    with pytest.raises(ConfigurationError, match="region"):
        first_settings({"region": "mars", "api_key": "k"})
    with pytest.raises(ConfigurationError, match="exclude"):
        first_settings({"region": "us", "base_url": "ws://127.0.0.1:1"})


@pytest.mark.parametrize(
    "name", ["call-_+15105550100_x7Ab", "+1 (510) 555-0100", "15105550100", "a room", "x" * 200]
)
def test_a_callers_number_never_becomes_the_sessions_id(name: str) -> None:
    made = settings(external_session_id=name, api_key="k").options.external_session_id
    assert made is not None
    assert made.isalnum()
    assert "5550100" not in made
    assert made == settings(external_session_id=name, api_key="k").options.external_session_id
    assert made != settings(external_session_id=name, api_key="l").options.external_session_id


def test_a_harmless_id_stays_as_it_is() -> None:
    assert settings(external_session_id="room_42.a").options.external_session_id == "room_42.a"


@pytest.mark.parametrize(
    "given", [{"min_confidence": 1.5}, {"speaker_format": "{who}"}, {"speaker_format": "{"}]
)
def test_what_the_adapter_itself_is_told_is_checked_too(given: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        settings(**given)


def test_keepalive_can_be_turned_off() -> None:
    assert settings(keepalive_interval=None).options.timeouts.keepalive > 3600
    assert settings(keepalive_interval=2.0).options.timeouts.keepalive == 2.0


def test_the_users_keywords_win_over_the_sessions() -> None:
    own = settings(keywords=[("NVIDIA", 2.0), "Acme"]).options
    merged = with_keyterms(own, ["nvidia", "Cafe: Noir", " ", "Zoë"])
    assert merged.query()["keywords"] == "NVIDIA:2,Acme,Cafe Noir,Zoë"
    assert with_keyterms(own, []) is own


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (AgentSession.commit_user_turn, "transcript_timeout"),
        (AgentSession.__init__, "session_close_transcript_timeout"),
    ],
)
def test_an_interim_is_promoted_before_a_session_takes_it_by_itself(
    method: Callable[..., object], name: str
) -> None:
    patience = inspect.signature(method).parameters[name].default
    assert settings().options.timeouts.finalize <= patience - 0.1

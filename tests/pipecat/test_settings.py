"""Settings, options and constructor arguments; no pipeline runs here."""

from __future__ import annotations

from dataclasses import fields

import pytest
from pipecat.services.settings import STTSettings
from pipecat.services.smallest.stt import (
    SmallestSTTService,
    SmallestSTTSettings,
    language_to_smallest_stt_language,
)
from pipecat.services.stt_service import STTService
from pipecat.transcriptions.language import Language
from pipecat.utils.types import is_given

from pulse_plugins.core.base.errors import ConfigurationError
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Timeouts
from pulse_plugins.pipecat import (
    PulseSegmentedSTTService,
    PulseSTTService,
    PulseSTTSettings,
)
from pulse_plugins.pipecat.arguments import base_options, take_socket_arguments, wire_rate
from pulse_plugins.pipecat.settings import RUNTIME_OPTIONS, language_to_pulse, voice_of

pytestmark = pytest.mark.unit

LOCAL = "ws://127.0.0.1:9"
BASE = PulseOptions(base_url=LOCAL)


def test_every_runtime_option_is_a_setting() -> None:
    names = {each.name for each in fields(PulseSTTSettings)}
    assert names == set(RUNTIME_OPTIONS) | PulseSTTSettings.LOCAL_FIELDS | {"extra"}


def test_every_setting_is_documented() -> None:
    lines = [line.strip() for line in (PulseSTTSettings.__doc__ or "").splitlines()]
    for each in fields(PulseSTTSettings):
        if each.name not in {"model", "language", "extra"}:
            assert any(line.startswith(f"{each.name}: ") for line in lines), each.name


def test_a_delta_is_empty_until_something_is_given() -> None:
    assert PulseSTTSettings().given_fields() == {}
    assert PulseSTTSettings(diarize=True).given_fields() == {"diarize": True}


def test_a_store_is_complete_and_says_what_the_options_say() -> None:
    options = BASE.changed(diarize=True, keywords="Acme:2", extra={"beta": "1"})
    store = PulseSTTSettings.store(options)
    assert all(is_given(getattr(store, each.name)) for each in fields(store))
    assert store.options(BASE) == options


def test_the_official_settings_go_through_field_by_field() -> None:
    official = {each.name for each in fields(SmallestSTTSettings)}
    assert official <= {each.name for each in fields(PulseSTTSettings)}
    service = PulseSTTService(
        base_url=LOCAL,
        settings=SmallestSTTService.Settings(language=Language.EN, diarize=True, keywords="A:2"),
    )
    assert service.settings.given_fields()["diarize"] is True


@pytest.mark.parametrize(
    ("language", "code"),
    [
        (Language.EN, "en"),
        (Language.EN_US, "en"),
        (Language.PT_BR, "pt"),
        (Language.ES_MX, "es"),
        (Language.HI_IN, "hi"),
        (Language.ZH_CN, "zh"),
    ],
)
def test_regional_languages_become_the_services_codes(language: Language, code: str) -> None:
    assert language_to_pulse(language) == code
    service = PulseSTTService(base_url=LOCAL, settings=PulseSTTSettings(language=language))
    assert service.settings.given_fields()["language"] == code


def test_every_language_of_the_framework_has_the_code_that_the_official_service_gives_it() -> None:
    assert {each: language_to_pulse(each) for each in Language} == {
        each: language_to_smallest_stt_language(each) for each in Language
    }


@pytest.mark.parametrize("language", [Language.AR_SA, "ar-SA"])
def test_a_region_is_cut_off_whether_a_setting_is_a_language_or_a_text(
    language: Language | str,
) -> None:
    service = PulseSTTService(base_url=LOCAL)
    delta = PulseSTTSettings(language=language)
    assert service.settings.proposed(delta).options(BASE).language == "ar"
    assert PulseSTTService(base_url=LOCAL, settings=delta).settings.language == "ar"


def test_group_codes_pass_and_let_the_server_name_the_language() -> None:
    service = PulseSTTService(base_url=LOCAL, settings=PulseSTTSettings(language="multi-eu"))
    assert voice_of(service.settings.options(BASE)).detects
    assert service.settings.given_fields()["language"] == "multi-eu"


def test_extra_settings_are_query_parameters() -> None:
    settings = PulseSTTSettings()
    settings.extra = {"beta": True, "level": 3, "none": None}
    store = PulseSTTSettings.store(BASE)
    store.apply_update(settings)
    assert store.options(BASE).extra == {"beta": "true", "level": "3"}


@pytest.mark.parametrize(
    "settings",
    [
        PulseSTTSettings(eou_timeout_ms=0),
        PulseSTTSettings(model="pulse-9"),
        PulseSTTSettings(model="pulse-2", language="de"),
        PulseSTTSettings(language=""),
        PulseSTTSettings(keywords="Acme:-1"),
        PulseSTTSettings(speaker_format="{name}: {text}"),
        PulseSTTSettings(interim_redaction="maybe"),  # type: ignore[arg-type]
        PulseSTTSettings(interim_results="no"),  # type: ignore[arg-type]
        PulseSTTSettings(min_confidence=1.5),
        PulseSTTSettings(min_confidence=True),
        PulseSTTSettings(finalize_delay=-0.1),
        PulseSTTSettings(finalize_delay=60.0),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_runs(
    settings: PulseSTTSettings,
) -> None:
    with pytest.raises(ConfigurationError):
        PulseSTTService(base_url=LOCAL, settings=settings)


@pytest.mark.parametrize(
    "arguments",
    [
        {"encoding": "mp3"},
        {"sample_rate": 11_025},
        {"encoding": "mulaw", "sample_rate": 16_000},
        {"encoding": "mulaw", "upsample_telephony": True},
        {"turn_detection": "both"},
        {"participants": "alone"},
        {"participants": "separate", "turn_detection": "server"},
        {"base_url": "wss://api.smallest.ai"},  # and no key anywhere
    ],
)
def test_an_argument_that_cannot_work_is_refused_before_anything_runs(
    arguments: dict[str, object],
) -> None:
    with pytest.raises(ConfigurationError):
        PulseSTTService(**{"base_url": LOCAL, **arguments})  # type: ignore[arg-type]


def test_the_official_constructor_call_works_unchanged(api_key: str) -> None:
    service = PulseSTTService(
        api_key=api_key,
        base_url="wss://api.smallest.ai",
        encoding="linear16",
        sample_rate=16_000,
        settings=PulseSTTService.Settings(language=Language.EN, word_timestamps=True),
        ttfs_p99_latency=0.5,
        audio_passthrough=False,
        stt_ttfb_timeout=1.0,
        keepalive_timeout=3.0,
        keepalive_interval=1.0,
        reconnect_on_error=True,
        reconnect_backoff_min_wait=0.1,
        reconnect_backoff_max_wait=2.0,
        ws_close_timeout=1.0,
        ws_send_timeout=1.0,
        name="ears",
    )
    assert isinstance(service, STTService)
    assert service.name == "ears"
    assert service.can_generate_metrics()
    assert service.service_metadata_frame().ttfs_p99_latency == 0.5


def test_the_frameworks_socket_arguments_mean_what_they_say() -> None:
    arguments = {"reconnect_on_error": False, "reconnect_backoff_max_wait": 2.0, "name": "x"}
    socket = take_socket_arguments(arguments)
    assert arguments == {"name": "x"}
    options = base_options(
        PulseOptions(base_url=LOCAL, timeouts=Timeouts(connect=1.0)),
        api_key=None,
        base_url=None,
        dialect=None,
        encoding=None,
        sample_rate=None,
        upsample_telephony=False,
        keepalive_timeout=3.0,
        extra_headers={"X-Call": "7"},
        socket=socket,
    )
    assert options.retry == RetryPolicy(max_attempts=1, cap=2.0)
    assert (options.timeouts.keepalive, options.timeouts.connect) == (3.0, 1.0)
    assert options.headers["X-Source"] == "pipecat"
    assert options.headers["X-Call"] == "7"


@pytest.mark.parametrize(
    ("encoding", "asked", "pipeline", "upsample", "wire"),
    [
        ("linear16", None, 16_000, False, 16_000),
        ("linear16", None, 8_000, False, 8_000),
        ("linear16", None, 8_000, True, 16_000),
        ("linear16", None, 24_000, True, 24_000),
        ("linear16", None, 48_000, False, 48_000),
        ("linear16", None, 32_000, False, 16_000),
        ("linear16", 8_000, 48_000, False, 8_000),
        ("mulaw", None, 16_000, False, 8_000),
        ("opus", None, 44_100, False, 16_000),
    ],
)
def test_the_rate_on_the_wire(
    encoding: str, asked: int | None, pipeline: int, upsample: bool, wire: int
) -> None:
    assert wire_rate(encoding, asked, pipeline, upsample_telephony=upsample) == wire


def test_server_mode_recommends_external_turn_strategies() -> None:
    vad = PulseSTTService(base_url=LOCAL)
    assert vad.service_metadata_frame().user_turn_strategies is None
    server = PulseSTTService(base_url=LOCAL, turn_detection="server", should_interrupt=False)
    frame = server.service_metadata_frame()
    strategies = frame.user_turn_strategies
    assert strategies is not None
    assert getattr(strategies, "enable_interruptions", None) is False
    assert frame.ttfs_p99_latency == 0.0


def test_a_base_delta_has_no_fields_of_ours_and_still_applies() -> None:
    store = PulseSTTSettings.store(BASE)
    changed = store.apply_update(STTSettings(language="hi"))  # type: ignore[arg-type]
    assert set(changed) == {"language"}
    assert store.options(BASE).language == "hi"


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"redact_pi": True}, "redact_pii"),
        ({"langauge": "hi"}, "language"),
        ({"turn_detektion": "server"}, "turn_detection"),
        ({"audio_pass_through": False}, "audio_passthrough"),
    ],
)
@pytest.mark.parametrize("kind", [PulseSTTService, PulseSegmentedSTTService])
def test_an_unknown_argument_is_refused_with_the_name_of_the_one_that_was_meant(
    kind: type[PulseSTTService | PulseSegmentedSTTService], given: dict[str, object], meant: str
) -> None:
    if kind is PulseSegmentedSTTService and meant == "turn_detection":
        pytest.skip("a segmented service has no turns")
    with pytest.raises(ConfigurationError, match=f"{next(iter(given))}.*{meant}"):
        kind(**{"base_url": LOCAL, **given})  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [PulseSTTService, PulseSegmentedSTTService])
def test_settings_may_be_given_as_arguments(
    kind: type[PulseSTTService | PulseSegmentedSTTService],
) -> None:
    service = kind(base_url=LOCAL, language="hi", redact_pii=True, interim_results=False)
    assert service.settings.language == "hi"
    assert service.settings.redacts
    assert not service.settings.shows_interims


def test_a_setting_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="language"):
        PulseSTTService(base_url=LOCAL, language="hi", settings=PulseSTTSettings(language="en"))


def test_settings_beside_arguments_that_are_settings_apply_both() -> None:
    service = PulseSTTService(
        base_url=LOCAL, language="hi", settings=PulseSTTSettings(diarize=True)
    )
    assert (service.settings.language, service.settings.diarize) == ("hi", True)


def test_no_language_is_the_default_of_the_official_service() -> None:
    service = PulseSTTService(base_url=LOCAL, settings=PulseSTTSettings(language=None))
    assert service.settings.options(BASE).language == "en"

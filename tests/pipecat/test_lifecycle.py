"""Connections, faults, settings and ends, in real pipelines against a real server."""

from __future__ import annotations

import socket

import pytest
from pipecat.frames.frames import (
    ManuallySwitchServiceFrame,
    MetricsFrame,
    STTMetadataFrame,
    STTMuteFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
)
from pipecat.metrics.metrics import STTUsageMetricsData
from pipecat.pipeline.parallel_pipeline import ParallelPipeline
from pipecat.pipeline.service_switcher import (
    ServiceSwitcher,
    ServiceSwitcherStrategyFailover,
    ServiceSwitcherStrategyManual,
)
from pipecat.services.stt_service import STTService
from pipecat.utils.errors import ErrorCategory

from pulse_plugins.core.base.events import AudioLost, Final, Interim, Recovered
from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.core.config.timing import Limits, Timeouts
from pulse_plugins.local import PulseServer
from pulse_plugins.local.recognizers.scripted import silence
from pulse_plugins.pipecat import PulseSTTService, PulseSTTSettings
from pulse_plugins.pipecat.emitter import Emitter
from tests.pipecat.rig import Handlers, calling, speech, words
from tests.support.peer import Link as PeerLink
from tests.support.peer import peer

EVENTS = (
    "on_connected",
    "on_disconnected",
    "on_connection_error",
    "on_recovered",
    "on_audio_lost",
    "on_usable_changed",
)


def update(**settings: object) -> STTUpdateSettingsFrame:
    return STTUpdateSettingsFrame(delta=PulseSTTSettings(**settings))  # type: ignore[arg-type]


def _parallel(services: list[PulseSTTService]) -> ParallelPipeline:
    branches = [[service] for service in services]
    return ParallelPipeline(*branches)  # type: ignore[no-untyped-call]


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_dead_host_holds_up_neither_the_start_nor_the_end() -> None:
    options = PulseOptions(base_url=f"ws://127.0.0.1:{unused_port()}", timeouts=Timeouts(close=0.2))
    service = PulseSTTService(options=options)
    handlers = Handlers(service, EVENTS)
    async with calling(service) as call:
        await call.turn(0, 2)
        await handlers.until("on_connection_error")
        await call.until_error()
        await call.hang_up()
        assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY]
        assert service.is_usable
        assert handlers.count("on_connected") == handlers.count("on_disconnected") == 0


async def test_an_unexpected_exception_at_an_event_is_reported_and_the_next_turn_is_heard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    take = Emitter.take
    broken = [True]

    async def once_broken(self: Emitter, event: Interim | Final) -> None:
        if isinstance(event, Final) and event.text and broken:
            broken.clear()
            raise ZeroDivisionError(event.text)
        await take(self, event)

    monkeypatch.setattr(Emitter, "take", once_broken)
    async with PulseServer("scripted") as server:
        service = PulseSTTService(options=PulseOptions(base_url=server.url, format=False))
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_error()
            assert "ZeroDivisionError" in call.errors[0].error
            assert words(0, 1) not in call.errors[0].error  # the exception's text may be words
            await call.turn(4, 2)
            await call.until(lambda: words(4, 2) in call.text)


async def test_unexpected_exceptions_without_a_final_between_them_make_the_service_unusable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Emitter, "take", broken)
    async with PulseServer("scripted") as server:
        service = PulseSTTService(options=PulseOptions(base_url=server.url, format=False))
        async with calling(service) as call:
            for number in range(1, 3):
                assert service.is_usable
                await call.turn(0, 2)
                await call.until_error(number)
            assert not service.is_usable


async def test_a_stream_that_fails_while_the_call_ends_leaves_a_service_for_the_next_call() -> None:
    async with peer(refusals=[429] * 99) as server:
        retry = RetryPolicy(max_attempts=2, base=2.0, cap=2.0)
        service = PulseSTTService(options=PulseOptions(base_url=server.url, retry=retry))
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.turn(0, 2)
            await call.until_error()
            await call.hang_up()  # the second try, in a second or two, is the last
            assert server.handshakes == 2
            assert [e.category for e in call.errors] == [ErrorCategory.RATE_LIMIT]
            assert handlers.count("on_connection_error") == 1
            assert service.is_usable


async def test_the_first_words_wait_for_the_connection() -> None:
    async with peer(window=None, refusals=[503, 503]) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.turn(0, 4)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 4)
            assert len(call.errors) == handlers.count("on_connection_error") == 1
            assert server.handshakes == 3


async def test_a_drop_in_mid_speech_costs_no_word_and_is_told_once() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.start_speaking()
            await call.give(speech(0, 4, tail=0.0)[:-1000])
            await server.until(lambda: bool(server.links) and server.links[0].seconds > 0.5)
            server.links[0].cut()
            await server.until(lambda: len(server.links) == 2)
            await call.give(speech(0, 4, tail=0.0)[-1000:])
            await call.say(4, 2)
            await call.stop_speaking()
            await call.until(lambda: call.completed)
            assert call.text == words(0, 6)
            await handlers.until("on_recovered")
            await call.hang_up()
            (recovered,) = [args[0] for name, args in handlers.calls if name == "on_recovered"]
            assert isinstance(recovered, Recovered)
            assert recovered.replayed > 0
            await handlers.until("on_disconnected", 2)
            told = [name for name, _ in handlers.calls if name != "on_recovered"]
            assert told == [
                "on_connected",
                "on_disconnected",
                "on_connection_error",
                "on_connected",
                "on_disconnected",
            ]
            assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY]
            assert service.is_usable


async def test_a_server_that_accepts_and_hangs_up_is_told_once_until_words_came_back() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)

        def hang_up(link: PeerLink, _: str) -> bool:
            link.cut()
            return True

        async with calling(service) as call:
            for incident in (1, 2):
                server.fault = hang_up
                before = handlers.count("on_connected")
                await call.turn(4 * incident, 2)
                await handlers.until("on_connected", before + 3)
                server.fault = lambda link, what: False
                await call.until_completed(incident)
                assert handlers.count("on_connection_error") == incident
            await call.hang_up()
            assert call.text == f"{words(4, 2)} {words(8, 2)}"
            assert [e.category for e in call.errors] == [ErrorCategory.CONNECTIVITY] * 2


async def test_words_before_and_after_an_outage_are_one_transcript() -> None:
    async with peer(window=None, max_words=2) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.start_speaking()
            await call.say(0, 2)
            await server.until(lambda: bool(server.links and len(server.links[0].words) == 2))
            server.habits.refusals = [503] * 4
            server.links[0].cut()
            await call.until_error()
            await call.say(2, 3)
            await call.stop_speaking()
            await call.until(lambda: call.finals)
            assert call.finals == [(words(0, 5), True)]


async def test_audio_that_no_server_will_hear_is_told() -> None:
    options = PulseOptions(
        base_url=f"ws://127.0.0.1:{unused_port()}",
        limits=Limits(replay_seconds=1.0),
        timeouts=Timeouts(close=0.2),
    )
    service = PulseSTTService(options=options)
    handlers = Handlers(service, EVENTS)
    async with calling(service) as call:
        await call.say(0, 10)
        await call.hang_up()
        await handlers.until("on_audio_lost")
        lost = [args[0] for name, args in handlers.calls if name == "on_audio_lost"]
        assert all(isinstance(event, AudioLost) for event in lost)
        assert sum(e.duration for e in lost if isinstance(e, AudioLost)) >= 1.9


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (401, ErrorCategory.AUTHENTICATION),
        (402, ErrorCategory.QUOTA),
        (403, ErrorCategory.AUTHORIZATION),
        (400, ErrorCategory.INVALID_REQUEST),
    ],
)
async def test_what_cannot_get_better_makes_the_service_unusable_after_one_handshake(
    status: int, category: ErrorCategory, api_key: str
) -> None:
    async with peer(refusals=[status] * 9) as server:
        service = PulseSTTService(base_url=server.url, api_key=api_key)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.until_error()
            await call.turn(0, 2)
            await call.hang_up()
            assert [e.category for e in call.errors] == [category]
            assert not service.is_usable
            assert handlers.count("on_usable_changed") == 1
            assert server.handshakes == 1
            assert api_key not in repr(call.errors)


async def test_new_settings_revive_a_service() -> None:
    async with peer(window=None, refusals=[400]) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await call.until_error()
            assert not service.is_usable
            await call.put(update(eou_timeout_ms=500))
            await server.until(lambda: bool(server.links))
            await call.turn(0, 2)
            await call.until(lambda: call.completed)
            assert service.is_usable
            assert server.links[0].query["eou_timeout_ms"] == "500"


async def test_trouble_after_a_revival_is_an_incident_of_its_own() -> None:
    async with peer(refusals=[503] * 99) as server:
        service = PulseSTTService(
            options=PulseOptions(base_url=server.url, retry=RetryPolicy(base=0.01, max_attempts=2))
        )
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            for incident, settings in enumerate(({}, {"max_words": 7}), start=1):
                await call.put(update(**settings))
                await handlers.until("on_connection_error", incident)
                await call.until_error(2 * incident)
                assert not service.is_usable
            await call.hang_up()
            assert handlers.count("on_connection_error") == 2


async def test_settings_changed_in_mid_word_cost_no_word() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        samples = speech(0, 6)
        cut = 16_000 + 1234
        await call.start_speaking()
        await call.give(samples[:cut])
        await server.until(lambda: bool(server.links) and server.links[0].seconds > 0.8)
        await call.put(update(language="hi", keywords="Acme:2"))
        await call.give(samples[cut:])
        await server.until(lambda: len(server.links) == 2)
        await call.stop_speaking()
        await call.until(lambda: call.completed)
        assert call.text == words(0, 6)
        assert server.links[1].query["language"] == "hi"
        assert server.links[1].query["keywords"] == "Acme:2"


async def test_what_needs_no_connection_makes_none() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            for settings in (
                {"language": "en"},
                {"language": "en-GB"},
                {"speaker_format": "{speaker}: {text}"},
                {"interim_redaction": "pass"},
                {},
            ):
                await call.put(update(**settings))
            await call.turn(0, 2)
            await call.hang_up()
            assert call.text == words(0, 2)
            assert len(server.links) == 1
            assert service.settings.given_fields()["interim_redaction"] == "pass"


async def test_a_bad_delta_changes_nothing_and_is_told_once() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        before = service.settings.given_fields()
        async with calling(service) as call:
            await call.put(update(language="de", eou_timeout_ms=0))
            await call.until_error()
            await call.turn(0, 2)
            await call.hang_up()
            assert call.finals == [(words(0, 2), True)]
            assert [e.category for e in call.errors] == [ErrorCategory.APPLICATION]
            assert service.settings.given_fields() == before
            assert service.is_usable
            assert len(server.links) == 1


async def test_settings_that_the_service_refuses_are_taken_back() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        async with calling(service) as call:
            await server.until(lambda: bool(server.links))
            server.habits.refusals = [400]
            await call.put(update(max_words=7))
            await call.until_error()
            await call.turn(0, 2)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 2)
            assert service.settings.given_fields()["max_words"] is None
            assert service.is_usable


async def test_while_muted_nothing_is_heard_and_afterwards_everything_is() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.say(0, 2)
        await call.put(STTMuteFrame(mute=True))
        await call.until(lambda: call.finals)  # what was said before does not wait
        await call.say(2, 2)
        await call.put(STTMuteFrame(mute=False))
        await call.turn(4, 2)
        await call.until(lambda: call.completed)
        assert call.text == f"{words(0, 2)} {words(4, 2)}"


async def test_muting_does_not_strand_a_turn_of_the_servers() -> None:
    async with peer(window=0.5) as server:
        service = PulseSTTService(base_url=server.url, turn_detection="server")
        async with calling(service) as call:
            await call.say(0, 2)
            await call.until(lambda: call.interims)
            await call.put(STTMuteFrame(mute=True))
            await call.until(lambda: call.completed)
            assert call.finals == [(words(0, 2), True)]


@pytest.mark.parametrize(
    ("rate", "arguments", "wire"),
    [
        (8_000, {}, 8_000),
        (8_000, {"upsample_telephony": True}, 16_000),
        (16_000, {}, 16_000),
        (16_000, {"sample_rate": 8_000}, 8_000),
        (24_000, {}, 24_000),
        (32_000, {}, 16_000),
        (48_000, {}, 48_000),
    ],
)
async def test_any_rate_of_the_pipeline_is_heard(
    rate: int, arguments: dict[str, object], wire: int
) -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url, **arguments)  # type: ignore[arg-type]
        async with calling(service, rate=rate) as call:
            await call.turn(0, 4)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 4)
            assert server.links[0].rate == wire


@pytest.mark.parametrize(("asked", "reported"), [(None, 16_000), (8_000, 8_000), (48_000, 48_000)])
async def test_the_rate_that_was_asked_for_is_reported_and_usage_stays_in_seconds(
    asked: int | None, reported: int
) -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url, sample_rate=asked)
        async with calling(service, rate=16_000) as call:
            await call.turn(0, 4)
            await call.until_completed(1)
            await call.hang_up()
            assert service.sample_rate == reported
            data = [d for frame in call.came(MetricsFrame) for d in frame.data]
            used = [d.value.audio_seconds for d in data if isinstance(d, STTUsageMetricsData)]
            assert sum(used) == pytest.approx(len(speech(0, 4)) / 16_000, abs=0.001)


async def test_frames_of_another_rate_than_the_pipelines_are_heard_as_they_are() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.start_speaking()
        await call.give(speech(0, 2, 48_000), rate=48_000)
        await call.give(speech(2, 2, 8_000), rate=8_000)
        await call.stop_speaking()
        await call.until(lambda: call.completed)
        assert call.text == words(0, 4)


async def test_mu_law_halves_the_bandwidth() -> None:
    async with peer() as server:
        service = PulseSTTService(base_url=server.url, encoding="mulaw")
        async with calling(service, rate=8_000) as call:
            await call.give(silence(1.0, 8_000))
            await server.until(lambda: bool(server.links and len(server.links[0].audio) >= 7200))
            await call.hang_up()
            assert server.links[0].query["encoding"] == "mulaw"
            assert len(server.links[0].audio) == 8_000


async def test_two_participants_get_their_own_words() -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await call.start_speaking()
        await call.say(0, 3, user="alice")
        await call.say(3, 3, user="bob")
        await call.give(silence(0.5), user="carol")
        await call.stop_speaking()
        await call.until(lambda: call.completed)
        assert [(f.user_id, f.text, f.finalized) for f in call.came(TranscriptionFrame)] == [
            ("alice", words(0, 3), False),
            ("bob", words(3, 3), True),
        ]


async def test_each_diarized_speaker_gets_a_frame() -> None:
    async with peer(window=None, speakers=True) as server:
        service = PulseSTTService(
            base_url=server.url,
            settings=PulseSTTSettings(diarize=True, speaker_format="{speaker}> {text}"),
        )
        async with calling(service) as call:
            await call.turn(0, 10)  # three seconds; the voice changes after two
            await call.until(lambda: call.completed)
            frames = call.came(TranscriptionFrame)
            assert [(f.user_id, f.finalized) for f in frames] == [("0", False), ("1", True)]
            assert frames[0].text.startswith("0> ")
            texts = [f.text.partition("> ")[2] for f in frames]
            assert " ".join(texts) == words(0, 10)


@pytest.mark.parametrize("junk", ["{not json", "[]", '{"type":"future"}', '{"words":3}'])
async def test_garbage_from_the_server_harms_nothing(junk: str) -> None:
    async with (
        peer(window=None) as server,
        calling(PulseSTTService(base_url=server.url)) as call,
    ):
        await server.until(lambda: bool(server.links))
        await server.links[0].socket.send(junk)
        await call.turn(0, 2)
        await call.until(lambda: call.completed)
        assert call.finals == [(words(0, 2), True)]
        assert call.errors == []


async def test_a_service_runs_in_one_pipeline_after_the_other() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        for number in range(2):
            async with calling(service) as call:
                await call.turn(0, 2)
                await call.until(lambda: call.completed)
                assert call.text == words(0, 2)
                await call.hang_up()
            assert service.stream is None
            assert len(server.links) == number + 1


async def test_cancelling_ends_at_once_and_in_pairs() -> None:
    async with peer(window=None) as server:
        service = PulseSTTService(base_url=server.url)
        handlers = Handlers(service, EVENTS)
        async with calling(service) as call:
            await call.start_speaking()
            await call.say(0, 2)
            await handlers.until("on_connected")
        await handlers.until("on_disconnected")
        assert handlers.count("on_connected") == handlers.count("on_disconnected") == 1
        assert service.stream is None
        assert call.finals == []


async def test_two_services_in_parallel_hear_the_same() -> None:
    async with peer(window=None) as server:
        services = [PulseSTTService(base_url=server.url) for _ in range(2)]
        async with calling(_parallel(services)) as call:
            await call.turn(0, 2)
            await call.until(lambda: call.completed == 2)
            assert call.finals == [(words(0, 2), True)] * 2


async def test_a_switcher_switches_by_hand() -> None:
    async with peer(window=None) as server:
        services = [PulseSTTService(base_url=server.url) for _ in range(2)]
        switcher = ServiceSwitcher(list(services), strategy_type=ServiceSwitcherStrategyManual)
        async with calling(switcher) as call:
            await call.turn(0, 2)
            await call.until(lambda: call.completed == 1)
            before = len(call.came(STTMetadataFrame))
            await call.put(ManuallySwitchServiceFrame(service=services[1]))
            await call.until(lambda: len(call.came(STTMetadataFrame)) > before)
            await call.turn(2, 2)
            await call.until(lambda: call.completed == 2)
            assert call.text == words(0, 4)
            assert sorted(len(link.words) for link in server.links) == [2, 2]


async def test_a_switcher_fails_over_when_the_key_is_refused() -> None:
    async with peer(window=None, refusals=[401]) as bad, peer(window=None) as good:
        services = [PulseSTTService(base_url=server.url) for server in (bad, good)]
        handlers = Handlers(services[0], ("on_usable_changed",))
        switcher = ServiceSwitcher(list(services), strategy_type=ServiceSwitcherStrategyFailover)
        async with calling(switcher) as call:
            await handlers.until("on_usable_changed")
            await call.until(lambda: len(call.came(STTMetadataFrame)) > 1)
            await call.turn(0, 2)
            await call.until(lambda: call.completed)
            assert call.text == words(0, 2)


async def test_a_server_that_refuses_too_long_is_given_up() -> None:
    async with peer(refusals=[503] * 99) as server:
        service = PulseSTTService(
            options=PulseOptions(base_url=server.url, retry=RetryPolicy(base=0.01, max_attempts=3))
        )
        async with calling(service) as call:
            await call.until_error(2)
            assert [e.category for e in call.errors] == [ErrorCategory.SERVER] * 2
            assert server.handshakes == 3
            assert not service.is_usable


def test_the_private_names_of_the_base_class_that_we_use_are_there() -> None:
    service = PulseSTTService(base_url="ws://127.0.0.1:9")
    for name in (
        "_ttfb_timeout_task",
        "_user_id",
    ):
        assert hasattr(service, name), name
    for name in ("_cancel_ttfb_timeout", "_record_stt_audio_usage", "_sync_model_name_to_metrics"):
        assert callable(getattr(STTService, name)), name

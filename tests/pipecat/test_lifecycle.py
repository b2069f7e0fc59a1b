"""Rates, speakers, pipelines one after the other and side by side, and ends."""

from __future__ import annotations

import pytest
from pipecat.frames.frames import (
    ManuallySwitchServiceFrame,
    MetricsFrame,
    STTMetadataFrame,
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

from pulse_plugins.core.config.options import PulseOptions
from pulse_plugins.core.config.retry import RetryPolicy
from pulse_plugins.local.recognizers.scripted import silence
from pulse_plugins.pipecat import PulseSTTService, PulseSTTSettings
from tests.pipecat.rig import EVENTS, Handlers, calling, speech, words
from tests.support.peer import peer


def _parallel(services: list[PulseSTTService]) -> ParallelPipeline:
    branches = [[service] for service in services]
    return ParallelPipeline(*branches)  # type: ignore[no-untyped-call]


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
